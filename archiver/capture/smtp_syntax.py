"""Reads the arguments of MAIL and RCPT (RFC 5321, 4.1.1 and 4.1.2): no I/O, no replies."""

from __future__ import annotations

import re

from archiver.errors import CaptureError

_QUOTED = r'"(?:[^"\\\r\n]|\\.)*"'
_PATH = re.compile(
    rf"""\s*<
    (?:@[^<>:\s]+:)?                              # a source route: read and ignored (RFC 5321, 4.1.1.3)
    (?P<address>(?:{_QUOTED}|[^"<>\s\x00-\x1f\x7f])*)
    >(?P<parameters>(?:\s.*)?)\Z""",
    re.VERBOSE,
)
_BARE = re.compile(rf"""\s*(?P<address>(?:{_QUOTED}|[^"<>\s\x00-\x1f\x7f])+)(?P<parameters>(?:\s.*)?)\Z""")
_PARAMETER = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9-]*)(?:=(?P<value>[^\s=]+))?\Z")


class BadCommandError(CaptureError):
    """A client's command can't be read. Its own fault, answered by a permanent reply."""

    code = "bad_smtp_command"


def read_path(keyword: str, argument: str) -> tuple[str, dict[str, str | None]]:
    """Return the address and the parameters (names in capitals) of `FROM:<a> SIZE=1`.

    The address is empty for the null sender `<>`. A path without angle brackets is taken too, as
    receivers have long done. Raises BadCommandError when the argument can't be read.
    """
    if argument[: len(keyword)].upper() != keyword:
        raise BadCommandError(f"expected {keyword} and an address in <>")
    text = argument[len(keyword) :]
    match = _PATH.match(text) or _BARE.match(text)
    if match is None:
        raise BadCommandError("malformed address")
    parameters: dict[str, str | None] = {}
    for word in match["parameters"].split():
        parameter = _PARAMETER.match(word)
        if parameter is None:
            raise BadCommandError("malformed parameter")
        parameters[parameter["name"].upper()] = parameter["value"]
    return match["address"], parameters
