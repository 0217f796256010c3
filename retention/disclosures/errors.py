"""What the book of disclosures refuses, and why."""

from __future__ import annotations

from retention.errors import RetentionError


class BadDisclosure(RetentionError):
    """A disclosure, a period or a suspension can't be used as given. The text says which part and why."""

    code = "bad_disclosure"
    exit_code = 2
    http_status = 422
