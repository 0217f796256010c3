"""What approvals refuse, and why."""

from __future__ import annotations

from search.access import AccessDenied, AccessError, StepUpNeeded


class SecondPersonMissing(AccessDenied):
    """Whoever asked, or appointed the asker just now, or was appointed by them, can't approve."""

    code = "second_person_needed"


class SignatureNeeded(StepUpNeeded):
    """The approver has a passkey, so the approval is signed by it: `approval_id` is what to sign."""

    code = "signature_needed"

    def __init__(self, approval_id: str) -> None:
        super().__init__(
            "your passkey signs this approval: open the desk's page Approvals and approve it there"
        )
        self.approval_id = approval_id


class ApprovalNeeded(AccessError):
    """It was asked for, and no second person has approved it yet."""

    code = "approval_needed"
    http_status = 409


class ApprovalVoid(AccessError):
    """What was approved isn't what would be done, or too long ago."""

    code = "approval_void"
    http_status = 409


class NoSuchApproval(AccessError):
    """There is none of this id."""

    code = "not_found"
    exit_code = 4
    http_status = 404
    audit_code = "not_found"


class ApprovalEnded(AccessError):
    """It was decided, used or voided already."""

    code = "approval_ended"
    http_status = 409


class BadApprovalFile(AccessError):
    """A file that isn't an approval, or not a good one. The text says what is wrong."""

    code = "bad_approval"
    exit_code = 5
    http_status = 422
