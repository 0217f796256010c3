"""What patients' requests refuse, and why."""

from __future__ import annotations

from retention.errors import RetentionError
from retention.refusals import Refused


class BadCase(RetentionError):
    """What is said of a request can't be used as given. The text says which part and why."""

    code = "bad_request_case"
    exit_code = 2
    http_status = 422


class CaseClosed(Refused):
    """The request is closed; what was done stays as it was."""

    code = "request_closed"


class NotReady(Refused):
    """A step must come first. The text says which."""

    code = "request_not_ready"


class TooLate(Refused):
    """The time for it has run out."""

    code = "too_late"
