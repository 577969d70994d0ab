"""Logs: lines with their times, read from any point, followed, and cut."""

from __future__ import annotations

import asyncio
import re

import pytest

from knet.local.pods.logs import LogFile, Query, read


@pytest.fixture
def log(tmp_path):
    made = LogFile(tmp_path / "logs" / "0.log", most=400)
    yield made
    made.close()


async def text(log, **query):
    return b"".join([chunk async for chunk in read(log.path, Query(**query), log)]).decode()


async def test_both_streams_in_order_and_lines_in_pieces(log):
    log.hear("stdout", b"one\ntw")
    log.hear("stderr", b"err\n")
    log.hear("stdout", b"o\n")
    assert await text(log) == "one\nerr\ntwo\n"


async def test_a_last_line_without_an_end(log):
    log.hear("stdout", b"half")
    log.hear("stdout", b"")
    assert await text(log) == "half"


async def test_timestamps_and_tail(log):
    log.hear("stdout", b"a\nb\nc\n")
    lines = (await text(log, tail=2, timestamps=True)).splitlines()
    assert [line.split(" ")[1] for line in lines] == ["b", "c"]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ", line) for line in lines)
    assert await text(log, tail=0) == ""


async def test_since(log, monkeypatch):
    for second in (100, 200, 300):
        monkeypatch.setattr("time.time_ns", lambda at=second: at * 1_000_000_000)
        log.hear("stdout", f"{second}\n".encode())
    assert await text(log, since=150.0) == "200\n300\n"
    assert await text(log, since=300.0) == "300\n"


async def test_a_log_is_cut_and_two_files_stay(log):
    for number in range(40):
        log.hear("stdout", b"line %d\n" % number)
    sizes = [p.stat().st_size for p in log.path.parent.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 400
    lines = (await text(log)).splitlines()
    assert lines[-1] == "line 39"
    assert lines == [f"line {n}" for n in range(40 - len(lines), 40)]


async def test_followed_until_the_run_ends_across_cuts(log):
    seen = asyncio.create_task(text(log, follow=True))
    for number in range(40):
        log.hear("stdout", b"line %d\n" % number)
        await asyncio.sleep(0)
    log.close()
    async with asyncio.timeout(30):
        assert (await seen).splitlines() == [f"line {n}" for n in range(40)]


async def test_following_gives_lines_when_they_come(log):
    stream = read(log.path, Query(follow=True, tail=1), log)
    log.hear("stdout", b"a\nb\n")
    async with asyncio.timeout(30):
        assert await anext(stream) == b"b\n"
        coming = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        log.hear("stdout", b"c\n")
        assert await coming == b"c\n"
    await stream.aclose()


async def test_a_log_that_is_taken_away_ends_its_readers(log):
    log.hear("stdout", b"a\n")
    stream = read(log.path, Query(follow=True), log)
    async with asyncio.timeout(30):
        assert await anext(stream) == b"a\n"
        log.path.unlink()
        log.close()
        assert [chunk async for chunk in stream] == []
