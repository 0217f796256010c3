"""The framing of SMTP DATA (RFC 5321, 4.5.2): finds the end, takes off stuffed dots, changes nothing else."""

from __future__ import annotations

_LINE_DOT = b"\r\n."


class DotReader:
    """Turns the bytes after `354` into the bytes of the message, chunk by chunk, without I/O.

    Only CRLF starts a line here. So the end is `CRLF . CRLF` and nothing that resembles it (LF.LF,
    LF.CRLF, CR.CR: SMTP smuggling), a stuffed dot is one right after CRLF, and a bare CR or LF is
    content. The CRLF before the final dot belongs to the message. Lines may have any length.
    """

    def __init__(self) -> None:
        # DATA's own line end comes before the first line, so a message may begin with the final dot.
        self._held = b"\r\n"
        self._skip = 2
        self.done = False
        self.rest = b""
        """After the end: what followed it, the client's next commands."""

    def feed(self, chunk: bytes) -> bytes:
        """Take received bytes, return the message bytes they complete. Not to be called once `done`."""
        data = self._held + chunk
        pieces: list[bytes] = []
        start = 0
        while True:
            found = data.find(_LINE_DOT, start)
            if found < 0:
                keep = _overlap(data, start)
                pieces.append(data[start : len(data) - keep])
                self._held = data[len(data) - keep :]
                break
            after = data[found + 3 : found + 5]
            if after == b"\r\n":
                pieces.append(data[start : found + 2])
                self.rest = data[found + 5 :]
                self.done = True
                break
            if after in (b"", b"\r"):
                # Whether this dot ends the message is decided by bytes still to come.
                pieces.append(data[start:found])
                self._held = data[found:]
                break
            pieces.append(data[start : found + 2])
            start = found + 3
        message = b"".join(pieces)
        if self._skip and message:
            message = message[self._skip :]
            self._skip = 0
        return message


def _overlap(data: bytes, start: int) -> int:
    """Return how many bytes at the end of data[start:] may be the beginning of `CRLF .`."""
    if data.endswith(b"\r\n", start):
        return 2
    return 1 if data.endswith(b"\r", start) else 0
