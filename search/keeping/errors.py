"""What saved searches, tags and notes refuse, and why. No text here quotes a query, a name or a note."""

from __future__ import annotations

from search.errors import SearchError


class KeepingError(SearchError):
    """Base of the package: what was asked for can't be kept so. The text says what to change."""

    code = "bad_keeping"
    exit_code = 2
    http_status = 422
    audit_code = "keeping_refused"


class NotKept(KeepingError):
    """There is no such saved search, tag, note or message, or it isn't one for this person."""

    code = "not_found"
    exit_code = 4
    http_status = 404


class NameTaken(KeepingError):
    """Another tag has, or had, this name."""

    code = "name_taken"
    exit_code = 3
    http_status = 409


class TagRetired(KeepingError):
    """The tag takes no more messages."""

    code = "tag_retired"
    exit_code = 3
    http_status = 409


class TooManyAtOnce(KeepingError):
    """The result is larger than one call may change; nothing was changed."""

    code = "too_many_at_once"
    exit_code = 3
    http_status = 413
