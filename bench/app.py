"""A program for pods: answers with the VERSION it was given; FAIL of a hundred requests with 500, after DELAY_MS.

Failures are spread evenly, so that a few requests already have their share of them. Standard library alone: it has to
start fast.
"""

import asyncio
import os

VERSION = os.environ.get("VERSION", "one").encode()
FAIL = float(os.environ.get("FAIL", "0"))
DELAY = float(os.environ.get("DELAY_MS", "0")) / 1000


class Answers(asyncio.Protocol):
    debt = 0.0

    def connection_made(self, transport):
        self.transport, self.held = transport, b""

    def data_received(self, data):
        self.held += data
        while b"\r\n\r\n" in self.held:
            _, _, self.held = self.held.partition(b"\r\n\r\n")
            Answers.debt += FAIL / 100
            bad = Answers.debt >= 1
            Answers.debt -= bad
            if DELAY:
                asyncio.get_running_loop().call_later(DELAY, self.answer, bad)
            else:
                self.answer(bad)

    def answer(self, bad):
        status = b"500 Internal Server Error" if bad else b"200 OK"
        head = b"HTTP/1.1 %b\r\nx-version: %b\r\ncontent-length: %d\r\n\r\n%b"
        self.transport.write(head % (status, VERSION, len(VERSION), VERSION))


async def main():
    server = await asyncio.get_running_loop().create_server(
        Answers, "0.0.0.0", int(os.environ.get("PORT", "8080"))
    )
    await server.serve_forever()


asyncio.run(main())
