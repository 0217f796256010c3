"""What matters, holds and dispositions refuse, and why."""

from __future__ import annotations

from retention.errors import RetentionError


class Refused(RetentionError):
    """A rule of the house forbids it as things stand."""

    code = "refused"
    exit_code = 3
    http_status = 409
    audit_code = "refused"


class SecondPersonNeeded(Refused):
    """Two persons must agree, and this is the first one again."""

    code = "second_person_needed"
    http_status = 403


class MatterClosed(Refused):
    """The matter is closed and takes no change."""

    code = "matter_closed"


class MatterHeld(Refused):
    """The matter has holds that still protect mail."""

    code = "matter_held"


class NameTaken(Refused):
    """Another matter has this name."""

    code = "name_taken"


class WrongState(Refused):
    """The hold or disposition is in a state that doesn't allow this step."""

    code = "wrong_state"


class AlreadyDisposed(Refused):
    """A message that was disposed of can't be held any more."""

    code = "already_disposed"
    http_status = 410


class ItemsChanged(Refused):
    """The items of a disposition are not those it was made of."""

    code = "items_changed"
    audit_code = "items_changed"


class ReviewMissing(Refused):
    """A sample of the list isn't looked at yet, or somebody found a message in it that must not go."""

    code = "review_missing"


class HoldBeingApplied(Refused):
    """While a hold is being applied nothing is destroyed; the same call succeeds a moment later."""

    code = "hold_being_applied"
    exit_code = 75
    http_status = 503
    retry = True


class BadCriteria(RetentionError):
    """The criteria of a hold or the name of a matter can't be used. The text says which and why."""

    code = "bad_criteria"
    http_status = 422


class NoCriterion(BadCriteria):
    """A hold without any criterion would hold nothing, or everything by mistake."""

    code = "no_criterion"


class CircularQuery(BadCriteria):
    """A hold's query can't depend on holds and matters: what it covers would change by itself."""

    code = "circular_query"


class BadTerm(RetentionError):
    """A term of a message's own, a sample's size or a reason can't be used. The text says which and why."""

    code = "bad_term"
    http_status = 422


class NotThere(RetentionError):
    """No such matter, hold or disposition, or no such person."""

    code = "not_found"
    exit_code = 4
    http_status = 404
    audit_code = "not_found"
