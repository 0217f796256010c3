"""A TLS proxy before a mailbox server that cuts the line after n bytes or at the n-th command."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from archiver.capture.smtp.tls import self_made_certificate, server_context


class Cutter:
    """What the proxy does to the next connections, and what passed on the last one.

    `after` counts bytes of the server's, `at` commands of the client's; the n-th is not passed on. None
    passes everything.
    """

    def __init__(self, port: int, ca_file: Path) -> None:
        self.after: int | None = None
        self.at: int | None = None
        self.bytes = 0
        self.commands = 0
        self.cuts = 0
        self._port = port
        self._context = ssl.create_default_context(cafile=str(ca_file))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.bytes = self.commands = 0
        answers, asked = await asyncio.open_connection("localhost", self._port, ssl=self._context)
        tasks = [
            asyncio.create_task(self._down(answers, writer)),
            asyncio.create_task(self._up(reader, asked)),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for end in (writer, asked):
            end.transport.abort()

    async def _down(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await answers.read(65536):
            room = len(data) if self.after is None else max(self.after - self.bytes, 0)
            self.bytes += len(data)
            writer.write(data[:room])
            await writer.drain()
            if room < len(data):
                self.cuts += 1
                return

    async def _up(self, reader: asyncio.StreamReader, asked: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self.commands += 1
            if self.commands == self.at:
                self.cuts += 1
                return
            asked.write(line)
            await asked.drain()


@asynccontextmanager
async def proxy(tmp_path: Path, port: int, ca_file: Path) -> AsyncIterator[tuple[Cutter, int, Path]]:
    """Stand before a server on `port` until the block ends: the cutter, the proxy's port and CA file."""
    certificate, key = self_made_certificate(tmp_path / "proxy-tls", "localhost")
    cutter = Cutter(port, ca_file)
    server = await asyncio.start_server(
        cutter.serve, "127.0.0.1", 0, ssl=server_context(certificate, key), limit=1024 * 1024
    )
    try:
        yield cutter, server.sockets[0].getsockname()[1], certificate
    finally:
        server.close()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 2)
