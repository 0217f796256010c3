"""Errors of the retention package. `RetentionError` is the base of them all."""

from __future__ import annotations

from config.errors import HoldfastError


class RetentionError(HoldfastError):
    """Base of every error raised below `retention/`."""

    code = "retention"
    exit_code = 2
    http_status = 400
    audit_code = "retention_refused"


class ScheduleError(RetentionError):
    """A schedule file can't be used. The text names the file, the line and the column."""

    code = "bad_schedule"
    exit_code = 2
    http_status = 500
    audit_code = "schedule_refused"


class FactsError(RetentionError):
    """The facts handed to the clock can't be read. The text names the field, never its value."""

    code = "bad_facts"
    exit_code = 2
    http_status = 422
    audit_code = "facts_refused"


class UnknownFact(FactsError):
    """A field, or a name in a field, that the clock doesn't know. The text lists what is allowed."""

    code = "unknown_fact"


class RosterError(RetentionError):
    """A roster can't be read. The text names the line and the column, never the value."""

    code = "bad_roster"
    exit_code = 2
    http_status = 422
    audit_code = "roster_refused"
