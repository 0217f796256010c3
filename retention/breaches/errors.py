"""What the help with breaches refuses, and why."""

from __future__ import annotations

from retention.errors import RetentionError
from retention.refusals import Refused


class BadBreach(RetentionError):
    """What is said of a breach can't be used as given. The text says which part and why."""

    code = "bad_breach"
    exit_code = 2
    http_status = 422


class BreachDecided(Refused):
    """Two persons have decided; what the decision rests on stays as it was."""

    code = "breach_decided"


class StepMissing(Refused):
    """A step must come first. The text says which."""

    code = "step_missing"
