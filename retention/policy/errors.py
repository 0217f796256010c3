"""What the policy refuses, and why."""

from __future__ import annotations

from retention.errors import RetentionError
from retention.refusals import Refused


class BadPolicy(RetentionError):
    """A term, an option or a confirmation that can't be used as given. The text says which part and why."""

    code = "bad_policy"
    http_status = 422


class ReasonNeeded(BadPolicy):
    """An act that shortens, confirms or revokes is done for a stated reason only."""

    code = "reason_needed"


class ScheduleNotAccepted(Refused):
    """The program brought other schedules than those in force; until they are accepted nothing may go."""

    code = "schedule_not_accepted"


class PreviewNeeded(Refused):
    """A change is shown before it is made: its preview is missing, unfinished, or of another policy."""

    code = "preview_needed"
