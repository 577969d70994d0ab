"""Asking pods: answers whole and in pieces, pods that are gone, pods that are no queue-proxies."""

from __future__ import annotations

import asyncio

import pytest

from knet.control.autoscaler.scrape import Scraper, Target, read_answer
from knet.scaling.stat import Stat, encode
from queue_proxies import NET, reporters

KEY = ("default", "hello-00001")
BODY = encode(Stat("p", 1.0))
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/protobuf\r\ncontent-length: %d\r\n\r\n" % len(BODY)


def test_an_answer_in_pieces():
    whole = HEAD + BODY
    for cut in range(len(whole)):
        assert read_answer(whole[:cut]) is None
    assert read_answer(whole) == BODY


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 no\r\ncontent-type: application/protobuf\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/protobuf\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: application/protobuf\r\ncontent-length: 99999999\r\n\r\n",
        b"x" * 70_000,
        b"\r\n\r\n",
    ],
)
def test_what_is_no_report(answer):
    with pytest.raises(ValueError, match=r"answer|head"):
        read_answer(answer)


async def asked(scraper, heard, target, second=5):
    await scraper.settled()
    scraper.ask(target, second)
    async with asyncio.timeout(30):
        return await heard.get()


async def test_pods_that_are_gone_are_stood_in_for_by_others():
    heard: asyncio.Queue = asyncio.Queue()
    scraper = Scraper(lambda *found: heard.put_nowait(found))
    async with reporters() as pods:
        pods.concurrency = 2.0
        live = [(f"{NET}{i}", pods.port) for i in range(1, 9)]
        gone = [("127.0.2.1", 1)]
        # of nine pods seven are asked: one is gone, another answers in its place
        found = await asked(scraper, heard, Target(KEY, gone + live, ()))
        assert found == (KEY, 5, Stat("service-scraper", 18.0))
        # of two, one is gone: it has nothing to do
        found = await asked(scraper, heard, Target(KEY, live[:1] + gone, ()), 6)
        assert found == (KEY, 6, Stat("service-scraper", 2.0))
        assert scraper.failures >= 1
        before = pods.asked
        assert await asked(scraper, heard, Target(KEY, (), live[:1]), 7) == (
            KEY,
            7,
            Stat("service-scraper", 2.0),
        )
        assert pods.asked == before + 1
    await scraper.close()


async def test_where_nobody_answers_nothing_is_counted():
    heard: asyncio.Queue = asyncio.Queue()
    scraper = Scraper(lambda *found: heard.put_nowait(found))
    scraper.ask(Target(KEY, [("127.0.2.1", 1)], ()), 5)
    await scraper.settled()
    assert scraper.failures == 1
    await scraper.close()
    assert heard.empty()
