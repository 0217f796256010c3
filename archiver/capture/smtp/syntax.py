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


def take_mail_parameters(parameters: dict[str, str | None]) -> tuple[int, bool]:
    """Take the known MAIL parameters out of the dictionary; return the declared size, or 0, and BINARYMIME.

    Raises BadCommandError for a value that can't be.
    """
    body = (parameters.pop("BODY", "7BIT") or "").upper()
    if body not in ("7BIT", "8BITMIME", "BINARYMIME"):
        raise BadCommandError("BODY is 7BIT, 8BITMIME or BINARYMIME")
    if parameters.pop("SMTPUTF8", None) is not None:
        raise BadCommandError("SMTPUTF8 takes no value")
    size = parameters.pop("SIZE", "0")
    if size is None or not (size.isascii() and size.isdigit() and len(size) <= 20):
        raise BadCommandError("SIZE is a number of octets")
    return int(size), body == "BINARYMIME"


def read_chunk(argument: str) -> tuple[int, bool]:
    """Read BDAT's `size [LAST]` (RFC 3030 2). Raises BadCommandError when it can't be read."""
    words = argument.split()
    size = words[0] if words else ""
    if not (size.isascii() and size.isdigit() and len(size) <= 20) or len(words) > 2:
        raise BadCommandError("BDAT takes a number of octets, and LAST with the last chunk")
    if len(words) == 2 and words[1].upper() != "LAST":
        raise BadCommandError("BDAT takes a number of octets, and LAST with the last chunk")
    return int(size), len(words) == 2


def split_plus(address: str) -> tuple[str, str]:
    """Return (the address without its extension, the address encoded in that extension or ``""``).

    Postfix's recipient_bcc_maps can keep the envelope this way: `feed+ann=clinic.example@journal.host`
    stands for feed@journal.host and the recipient ann@clinic.example. The last `=` parts them, since a
    domain holds none; a local part may be quoted.
    """
    local, at, domain = address.rpartition("@")
    if not at or "+" not in local:
        return address, ""
    if len(local) > 1 and local[0] == local[-1] == '"':
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    base, _, extension = local.partition("+")
    user, equals, host = extension.rpartition("=")
    if not (base and equals and user and host) or "@" in host:
        return f"{base or local}@{domain}", ""
    return f"{base}@{domain}", f"{user}@{host}"
