"""What grants and break-glass refuse, and why. No text quotes what was typed."""

from __future__ import annotations

from search.access import AccessError


class BadGrant(AccessError):
    """A grant or an emergency that can't be made as given. The text says which part."""

    code = "bad_grant"
    exit_code = 2
    http_status = 422
    audit_code = "refused"


class NoSuchGrant(AccessError):
    """There is none of this id."""

    code = "not_found"
    exit_code = 4
    http_status = 404
    audit_code = "not_found"


class WrongGrantState(AccessError):
    """It ended, or was decided, already."""

    code = "wrong_state"
    http_status = 409
    audit_code = "refused"
