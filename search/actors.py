"""Who asks, what can be asked, and why: the words in which access is decided (`search.policy`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from search.cover import Cover


class Role(StrEnum):
    """What a person is to the archive (45 CFR 164.308(a)(4): access by role)."""

    ADMINISTRATOR = "administrator"
    COMPLIANCE_OFFICER = "compliance_officer"
    LEGAL = "legal"
    RECORDS_MANAGER = "records_manager"
    PRIVACY_OFFICER = "privacy_officer"


class Action(StrEnum):
    """Everything that can be asked of the archive; also the name in the audit log."""

    SEARCH = "search.query"
    READ = "message.read"
    MATTER_READ = "matter.read"
    MATTER_MANAGE = "matter.manage"
    HOLD_READ = "hold.read"
    HOLD_MANAGE = "hold.manage"
    HOLD_RELEASE = "hold.release"
    RETENTION_READ = "retention.read"
    POLICY_MANAGE = "policy.manage"
    UNIT_READ = "unit.read"
    UNIT_MANAGE = "unit.manage"
    ROSTER_READ = "roster.read"
    ROSTER_DECIDE = "roster.decide"
    CORRECTION_READ = "correction.read"
    CORRECTION_MAKE = "correction.make"
    DISPOSITION_READ = "disposition.read"
    DISPOSITION_DECIDE = "disposition.decide"
    DISPOSITION_EXECUTE = "disposition.execute"
    EXPORT = "export.create"
    AUDIT_READ = "audit.read"
    LEDGER_READ = "ledger.read"
    LEDGER_DECIDE = "ledger.decide"
    AUDIT_REVIEW = "audit.review"
    AUDIT_EXPIRE = "audit.expire"
    SOURCE_READ = "source.read"
    SOURCE_MANAGE = "source.manage"
    JOB_READ = "job.read"
    JOB_RUN = "job.run"
    USER_MANAGE = "user.manage"
    SESSION = "session.use"
    SAVED_USE = "saved.use"
    ALERT_READ = "alert.read"
    TAG_READ = "tag.read"
    TAG_PUT = "tag.put"
    TAG_MANAGE = "tag.manage"
    NOTE_READ = "note.read"
    NOTE_WRITE = "note.write"
    KEY_MANAGE = "key.manage"
    GRANT_READ = "grant.read"
    GRANT_MANAGE = "grant.manage"
    ACCESS_REVIEW = "access.review"
    APPROVAL_READ = "approval.read"
    APPROVAL_DECIDE = "approval.decide"
    EMERGENCY_READ = "emergency.read"
    EMERGENCY_USE = "emergency.use"
    EMERGENCY_REVIEW = "emergency.review"
    REQUEST_READ = "request.read"
    REQUEST_WORK = "request.work"
    REQUEST_DECIDE = "request.decide"
    DISCLOSURE_READ = "disclosure.read"
    DISCLOSURE_MANAGE = "disclosure.manage"
    BREACH_READ = "breach.read"
    BREACH_WORK = "breach.work"
    BREACH_DECIDE = "breach.decide"


class Purpose(StrEnum):
    """Why content is read (45 CFR 164.502(b), minimum necessary)."""

    TREATMENT = "treatment"
    PAYMENT = "payment"
    OPERATIONS = "operations"
    LEGAL = "legal"
    PATIENT_REQUEST = "patient_request"
    AUDIT = "audit"
    PUBLIC_HEALTH = "public_health"
    SECURITY_INCIDENT = "security_incident"


TOKEN, PASSKEY, OIDC, LINK, OPERATOR = "token", "passkey", "oidc", "link", "operator"
METHODS: Final = frozenset({TOKEN, PASSKEY, OIDC, LINK, OPERATOR})
"""How somebody proved who they are: `Actor.method`."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in person or program, made anew for each request from what is on record then.

    `client` says by which door (`cli`, `api`, `desk`, `job`), `method` by which proof; `verified_us` is when
    this session last saw a passkey's assertion with user verification, in microseconds of UTC; `session` is
    its opaque id (`n` and letters), fit for a leaf; `emergency`: break-glass is on (`search.emergencies`).
    `network` is the peer's address: it must never stand in a leaf, a log line or an error.

    Of a program, `token` is the opaque id of its token (`k` and letters). Of one that was made for less than
    its user's rights, `actions` are those it was made for and `within` the mail; `bound`: its requests are
    signed with a key of its own (RFC 9449).
    """

    user_id: str
    name: str
    role: Role
    client: str
    method: str = TOKEN
    verified_us: int | None = None
    session: str = ""
    emergency: bool = False
    network: str = ""
    token: str = ""
    actions: frozenset[Action] | None = None
    within: Cover | None = None
    bound: bool = False
