"""Which audit entry each route leaves: the table that the tests hold every route against.

A route that isn't here doesn't start: `create_http_app` refuses it. So nobody adds a door without
saying what it leaves behind (promise 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.http.audited import API, Audited, opened
from api.http.routes_access import ACCESS
from api.http.routes_auditing import AUDITING
from api.http.routes_cases import CASES
from api.http.routes_sign_in import SIGN_IN
from api.http.routes_vouched import VOUCHED
from search.access import Action

_LISTS: Final = ("user.list", "source.list")
"""What the administrators' home page shows again after a change."""
_AGREED: Final = "approval.approve"
"""What a second person leaves besides, wherever they approve: docs/access.md."""
_MATTER_PAGE: Final = ("matter.show", "hold.list", "notice.plan")
_HOLD_PAGE: Final = ("hold.report", "hold.notices")
"""What the desk's pages of a matter and of a hold show, after a refused form too."""
_HOLD_PAPER: Final = (*_HOLD_PAGE, "hold.receipt")

ROUTES: Final[Mapping[tuple[str, str], Audited]] = {
    **ACCESS,
    **AUDITING,
    **CASES,
    **SIGN_IN,
    **VOUCHED,
    ("POST", f"{API}/search"): Audited(("search.query", "search.results"), Action.SEARCH),
    ("GET", f"{API}/messages/{{id}}"): Audited(("message.read",), Action.READ),
    ("GET", f"{API}/messages/{{id}}/conversation"): Audited(
        ("message.conversation", "search.results"), Action.SEARCH
    ),
    ("GET", f"{API}/messages/{{id}}/similar"): Audited(("message.similar", "search.results"), Action.SEARCH),
    ("GET", f"{API}/messages/{{id}}/raw"): Audited(("message.raw",), Action.READ),
    ("GET", f"{API}/matters"): Audited(("matter.read", "matter.list"), Action.MATTER_READ),
    ("POST", f"{API}/matters"): Audited(("matter.create",), Action.MATTER_MANAGE),
    ("GET", f"{API}/matters/{{id}}"): Audited(("matter.read", "matter.show"), Action.MATTER_READ),
    ("POST", f"{API}/matters/{{id}}/close"): Audited(("matter.close",), Action.MATTER_MANAGE),
    ("POST", f"{API}/matters/{{id}}/members"): Audited(("matter.add_member",), Action.MATTER_MANAGE),
    ("GET", f"{API}/holds"): Audited(("hold.list",), Action.HOLD_READ),
    ("POST", f"{API}/holds"): Audited(("hold.create",), Action.HOLD_MANAGE),
    ("POST", f"{API}/holds/preview"): Audited(("hold.preview",), Action.HOLD_MANAGE),
    ("GET", f"{API}/holds/{{id}}"): Audited(("hold.report",), Action.HOLD_READ),
    ("POST", f"{API}/holds/{{id}}/release"): Audited(("hold.release", _AGREED), Action.HOLD_RELEASE),
    ("POST", f"{API}/holds/{{id}}/change"): Audited(("hold.change",), Action.HOLD_MANAGE),
    ("POST", f"{API}/holds/{{id}}/approve"): Audited(("hold.approve", _AGREED), Action.HOLD_RELEASE),
    ("POST", f"{API}/holds/{{id}}/reinstate"): Audited(("hold.reinstate",), Action.HOLD_MANAGE),
    ("POST", f"{API}/holds/{{id}}/review"): Audited(("hold.review",), Action.HOLD_MANAGE),
    ("GET", f"{API}/holds/{{id}}/receipt"): Audited(("hold.receipt",), Action.HOLD_READ),
    ("GET", f"{API}/holds/{{id}}/report.pdf"): Audited(_HOLD_PAPER, Action.HOLD_READ),
    ("GET", f"{API}/notices"): Audited(("hold.notices",), Action.HOLD_READ),
    ("POST", f"{API}/notices/{{id}}/resend"): Audited(("notice.resend",), Action.HOLD_MANAGE),
    ("GET", f"{API}/matters/{{id}}/notice"): Audited(("notice.plan",), Action.HOLD_READ),
    ("POST", f"{API}/matters/{{id}}/notice"): Audited(("notice.plan",), Action.HOLD_MANAGE),
    ("GET", f"{API}/holds/{{id}}/notices/preview"): Audited(("notice.preview",), Action.HOLD_READ),
    ("POST", f"{API}/holds/{{id}}/notices"): Audited(("notice.start", "notice.queue"), Action.HOLD_MANAGE),
    ("GET", f"{API}/retention/messages/{{id}}"): Audited(("retention.explain",), Action.RETENTION_READ),
    ("GET", f"{API}/retention/schedules"): Audited(("retention.schedules",), Action.RETENTION_READ),
    ("POST", f"{API}/retention/compute"): Audited(("retention.compute",), Action.RETENTION_READ),
    ("GET", f"{API}/retention/simulate"): Audited(("retention.simulate",), Action.RETENTION_READ),
    ("GET", f"{API}/retention/forecast"): Audited(("retention.forecast",), Action.RETENTION_READ),
    ("GET", f"{API}/retention/confirmations"): Audited(("retention.confirmations",), Action.RETENTION_READ),
    ("POST", f"{API}/retention/confirmations"): Audited(
        ("retention.confirm", "retention.revoke"), Action.POLICY_MANAGE
    ),
    ("GET", f"{API}/retention"): Audited(("policy.show",), Action.RETENTION_READ),
    ("GET", f"{API}/retention/policy"): Audited(("policy.show",), Action.RETENTION_READ),
    ("GET", f"{API}/retention/policy/entries"): Audited(("policy.list",), Action.RETENTION_READ),
    ("POST", f"{API}/retention/policy/previews"): Audited(("retention.preview",), Action.RETENTION_READ),
    ("GET", f"{API}/retention/policy/previews/{{id}}"): Audited(
        ("retention.preview",), Action.RETENTION_READ
    ),
    ("POST", f"{API}/retention/policy/changes"): Audited(("policy.change", _AGREED), Action.POLICY_MANAGE),
    ("POST", f"{API}/retention/policy/entries/{{id}}/refuse"): Audited(
        ("policy.refuse",), Action.POLICY_MANAGE
    ),
    ("GET", f"{API}/roster"): Audited(("roster.status",), Action.RETENTION_READ),
    ("POST", f"{API}/roster/search"): Audited(("roster.list",), Action.ROSTER_READ),
    ("GET", f"{API}/roster/patients/{{id}}"): Audited(("roster.show",), Action.ROSTER_READ),
    ("GET", f"{API}/roster/ambiguous"): Audited(("roster.ambiguous",), Action.ROSTER_READ),
    ("GET", f"{API}/roster/decisions"): Audited(("roster.decisions",), Action.ROSTER_READ),
    ("POST", f"{API}/roster/decisions"): Audited(("roster.decide",), Action.ROSTER_DECIDE),
    ("POST", f"{API}/roster/decisions/undo"): Audited(("roster.undo",), Action.ROSTER_DECIDE),
    ("POST", f"{API}/patients/search"): Audited(
        ("patient.search", "search.query", "search.results"), Action.SEARCH
    ),
    ("POST", f"{API}/patients/timeline"): Audited(("patient.timeline",), Action.SEARCH),
    ("POST", f"{API}/patients/providers"): Audited(("patient.providers",), Action.SEARCH),
    ("GET", f"{API}/units"): Audited(("unit.list",), Action.UNIT_READ),
    ("POST", f"{API}/units"): Audited(("unit.add",), Action.UNIT_MANAGE),
    ("GET", f"{API}/units/{{id}}"): Audited(("unit.show",), Action.UNIT_READ),
    ("POST", f"{API}/units/{{id}}"): Audited(("unit.set",), Action.UNIT_MANAGE),
    ("POST", f"{API}/units/{{id}}/remove"): Audited(("unit.remove",), Action.UNIT_MANAGE),
    ("GET", f"{API}/dispositions"): Audited(("disposition.list",), Action.DISPOSITION_READ),
    ("GET", f"{API}/dispositions/{{id}}"): Audited(("disposition.show",), Action.DISPOSITION_READ),
    ("POST", f"{API}/dispositions/{{id}}/approve"): Audited(
        ("disposition.approve", _AGREED), Action.DISPOSITION_DECIDE
    ),
    ("POST", f"{API}/dispositions/{{id}}/reject"): Audited(
        ("disposition.reject",), Action.DISPOSITION_DECIDE
    ),
    ("POST", f"{API}/dispositions/{{id}}/execute"): Audited(
        ("disposition.execute",), Action.DISPOSITION_EXECUTE
    ),
    ("GET", f"{API}/dispositions/{{id}}/certificate"): Audited(
        ("disposition.certificate",), Action.DISPOSITION_READ
    ),
    ("GET", f"{API}/dispositions/{{id}}/certificate.pdf"): Audited(
        ("disposition.certificate",), Action.DISPOSITION_READ
    ),
    ("POST", f"{API}/dispositions/{{id}}/exclude"): Audited(
        ("disposition.exclude",), Action.DISPOSITION_DECIDE
    ),
    ("POST", f"{API}/dispositions/{{id}}/sample"): Audited(
        ("disposition.sample",), Action.DISPOSITION_DECIDE
    ),
    ("GET", f"{API}/dispositions/{{id}}/sample/{{message}}"): Audited(
        ("disposition.review", "disposition.opened"), Action.READ
    ),
    ("POST", f"{API}/dispositions/{{id}}/sample/{{message}}"): Audited(
        ("disposition.mark",), Action.DISPOSITION_DECIDE
    ),
    ("GET", f"{API}/extensions"): Audited(("disposition.extensions",), Action.DISPOSITION_READ),
    ("POST", f"{API}/extensions"): Audited(("disposition.extend",), Action.DISPOSITION_DECIDE),
    ("POST", f"{API}/extensions/{{id}}/end"): Audited(("disposition.unextend",), Action.DISPOSITION_DECIDE),
    ("GET", "/dispositions"): Audited(("disposition.list",), Action.DISPOSITION_READ),
    ("GET", "/dispositions/{id}"): Audited(("disposition.show",), Action.DISPOSITION_READ),
    ("POST", "/dispositions/{id}/exclude"): Audited(
        ("disposition.exclude", "disposition.extend"), Action.DISPOSITION_DECIDE
    ),
    ("POST", "/dispositions/{id}/sample"): Audited(("disposition.sample",), Action.DISPOSITION_DECIDE),
    ("POST", "/dispositions/{id}/sample/{message}"): Audited(
        ("disposition.review", "disposition.opened"), Action.READ
    ),
    ("POST", "/dispositions/{id}/mark/{message}"): Audited(("disposition.mark",), Action.DISPOSITION_DECIDE),
    ("POST", "/dispositions/{id}/approve"): Audited(
        ("disposition.approve", _AGREED), Action.DISPOSITION_DECIDE
    ),
    ("POST", "/dispositions/{id}/reject"): Audited(("disposition.reject",), Action.DISPOSITION_DECIDE),
    ("POST", "/dispositions/{id}/execute"): Audited(("disposition.execute",), Action.DISPOSITION_EXECUTE),
    ("POST", "/dispositions/{id}/certificate"): Audited(
        ("disposition.certificate",), Action.DISPOSITION_READ
    ),
    ("GET", f"{API}/exports"): Audited(("export.list",), Action.EXPORT),
    ("POST", f"{API}/exports"): Audited(("export.create", "export.status"), Action.EXPORT),
    ("GET", f"{API}/exports/{{id}}"): Audited(("export.status",), Action.EXPORT),
    ("GET", f"{API}/exports/{{id}}/download"): Audited(("export.download",), Action.EXPORT),
    ("GET", f"{API}/ledger"): Audited(("ledger.status",), Action.LEDGER_READ),
    ("GET", f"{API}/ledger/gaps/{{id}}"): Audited(("ledger.show_gap",), Action.LEDGER_READ),
    ("POST", f"{API}/ledger/gaps/{{id}}/approve"): Audited(
        ("ledger.approve_gap", "approval.approve"), Action.LEDGER_DECIDE
    ),
    ("GET", f"{API}/audit"): Audited(("audit.read",), Action.AUDIT_READ),
    ("GET", f"{API}/audit/{{n}}/proof"): Audited(("audit.proof",), Action.AUDIT_READ),
    ("GET", f"{API}/sources"): Audited(("source.list",), Action.SOURCE_READ),
    ("POST", f"{API}/sources"): Audited(("source.add",), Action.SOURCE_MANAGE),
    ("GET", f"{API}/sources/coverage"): Audited(("source.coverage",), Action.SOURCE_READ),
    ("GET", f"{API}/sources/{{id}}"): Audited(("source.show",), Action.SOURCE_READ),
    ("GET", f"{API}/users"): Audited(("user.list",), Action.USER_MANAGE),
    ("POST", f"{API}/users"): Audited(("user.add", "access.alert"), Action.USER_MANAGE),
    ("POST", f"{API}/users/{{id}}/disable"): Audited(("user.disable",), Action.USER_MANAGE),
    ("POST", f"{API}/users/{{id}}/token"): Audited(("token.issue",), Action.USER_MANAGE),
    ("POST", f"{API}/users/{{id}}/link"): Audited(("link.issue",), Action.USER_MANAGE),
    ("POST", f"{API}/corrections"): Audited(("correction.make",), Action.CORRECTION_MAKE),
    ("GET", f"{API}/corrections"): Audited(("correction.list",), Action.CORRECTION_READ),
    ("GET", f"{API}/corrections/messages/{{id}}"): Audited(("correction.show",), Action.CORRECTION_READ),
    ("POST", f"{API}/corrections/{{n}}/approve"): Audited(("correction.approve",), Action.CORRECTION_MAKE),
    ("POST", f"{API}/corrections/{{n}}/refuse"): Audited(("correction.refuse",), Action.CORRECTION_MAKE),
    ("GET", f"{API}/jobs"): Audited(("job.list",), Action.JOB_READ),
    ("GET", f"{API}/jobs/history"): Audited(("job.list",), Action.JOB_READ),
    ("POST", f"{API}/jobs/{{kind}}/run"): Audited(("job.run",), Action.JOB_RUN),
    ("GET", f"{API}/searches"): Audited(("saved.list",), Action.SAVED_USE),
    ("POST", f"{API}/searches"): Audited(("saved.add",), Action.SAVED_USE),
    ("GET", f"{API}/searches/{{id}}"): Audited(("saved.show",), Action.SAVED_USE),
    ("POST", f"{API}/searches/{{id}}"): Audited(("saved.change",), Action.SAVED_USE),
    ("POST", f"{API}/searches/{{id}}/delete"): Audited(("saved.delete",), Action.SAVED_USE),
    ("POST", f"{API}/searches/{{id}}/run"): Audited(
        ("saved.run", "search.query", "search.results"), Action.SAVED_USE
    ),
    ("GET", f"{API}/alerts"): Audited(("alert.list",), Action.ALERT_READ),
    ("GET", f"{API}/alerts/{{id}}"): Audited(("alert.show",), Action.ALERT_READ),
    ("POST", f"{API}/alerts/{{id}}/acknowledge"): Audited(("alert.acknowledge",), Action.ALERT_READ),
    ("POST", f"{API}/search/unsearchable"): Audited(("search.unsearchable",), Action.SEARCH),
    ("GET", f"{API}/tags"): Audited(("tag.list",), Action.TAG_READ),
    ("POST", f"{API}/tags"): Audited(("tag.create",), Action.TAG_MANAGE),
    ("POST", f"{API}/tags/{{id}}/retire"): Audited(("tag.retire",), Action.TAG_MANAGE),
    ("POST", f"{API}/tags/{{id}}/put"): Audited(("tag.put", "tag.take", "tag.apply"), Action.TAG_PUT),
    ("GET", f"{API}/messages/{{id}}/tags"): Audited(("tag.show",), Action.TAG_READ),
    ("GET", f"{API}/messages/{{id}}/notes"): Audited(("note.list",), Action.NOTE_READ),
    ("POST", f"{API}/messages/{{id}}/notes"): Audited(("note.add",), Action.NOTE_WRITE),
    ("POST", f"{API}/messages/{{id}}/notes/{{note}}"): Audited(("note.change",), Action.NOTE_WRITE),
    ("POST", f"{API}/messages/{{id}}/notes/{{note}}/withdraw"): Audited(
        ("note.withdraw",), Action.NOTE_WRITE
    ),
    ("GET", f"{API}/openapi.json"): opened("describes the API, holds nothing of an archive"),
    ("GET", "/healthz"): opened("says only that the process is up"),
    ("GET", "/readyz"): opened("says only which store fails"),
    ("GET", "/metrics"): opened("counts and sizes, for loopback or with the right to see sources"),
    ("GET", "/notices/{secret}"): opened("a page with one button; the link isn't even looked at"),
    ("POST", "/notices/{secret}"): Audited(("notice.acknowledge",)),
    ("GET", "/"): Audited(
        ("session.use", "source.list", "user.list", "audit.read", "disposition.list"), Action.SESSION
    ),
    ("POST", "/search"): Audited(("search.query", "search.results"), Action.SEARCH),
    ("POST", "/messages/{id}"): Audited(("message.read", "tag.show", "tag.list", "note.list"), Action.READ),
    ("POST", "/messages/{id}/raw"): Audited(("message.raw",), Action.READ),
    ("POST", "/messages/{id}/conversation"): Audited(
        ("message.conversation", "search.results"), Action.SEARCH
    ),
    ("POST", "/messages/{id}/similar"): Audited(("message.similar", "search.results"), Action.SEARCH),
    ("POST", "/users"): Audited(("user.add", "access.alert", "link.issue", *_LISTS), Action.USER_MANAGE),
    ("POST", "/users/{id}/link"): Audited(("link.issue", *_LISTS), Action.USER_MANAGE),
    ("POST", "/users/{id}/disable"): Audited(("user.disable",), Action.USER_MANAGE),
    ("GET", "/corrections"): Audited(("correction.list",), Action.CORRECTION_READ),
    ("POST", "/corrections/{id}"): Audited(("correction.make",), Action.CORRECTION_MAKE),
    ("POST", "/corrections/{n}/approve"): Audited(("correction.approve",), Action.CORRECTION_MAKE),
    ("POST", "/corrections/{n}/refuse"): Audited(("correction.refuse",), Action.CORRECTION_MAKE),
    ("GET", "/ledger"): Audited(("ledger.status", "ledger.show_gap"), Action.LEDGER_READ),
    ("POST", "/ledger/gaps/{id}/approve"): Audited(
        ("ledger.approve_gap", "approval.approve"), Action.LEDGER_DECIDE
    ),
    ("GET", "/jobs"): Audited(("job.list",), Action.JOB_READ),
    ("POST", "/jobs/{kind}/run"): Audited(("job.run",), Action.JOB_RUN),
    ("GET", "/retention"): Audited(("retention.forecast",), Action.RETENTION_READ),
    ("POST", "/retention/explain"): Audited(("retention.explain",), Action.RETENTION_READ),
    ("GET", "/retention/schedules"): Audited(("retention.schedules",), Action.RETENTION_READ),
    ("POST", "/retention/schedules/confirm"): Audited(
        ("retention.confirm", "retention.schedules"), Action.POLICY_MANAGE
    ),
    ("POST", "/retention/schedules/revoke"): Audited(
        ("retention.revoke", "retention.schedules"), Action.POLICY_MANAGE
    ),
    ("GET", "/retention/policy"): Audited(("policy.show", "policy.list"), Action.RETENTION_READ),
    ("POST", "/retention/policy/preview"): Audited(
        ("retention.preview", "policy.show", "policy.list"), Action.RETENTION_READ
    ),
    ("GET", "/retention/policy/previews/{id}"): Audited(("retention.preview",), Action.RETENTION_READ),
    ("POST", "/retention/policy/change"): Audited(
        ("policy.change", _AGREED, "policy.show", "policy.list"), Action.POLICY_MANAGE
    ),
    ("POST", "/retention/policy/entries/{id}/refuse"): Audited(
        ("policy.refuse", "policy.show", "policy.list"), Action.POLICY_MANAGE
    ),
    ("GET", "/matters"): Audited(("matter.list",), Action.MATTER_READ),
    ("POST", "/matters"): Audited(("matter.create", "matter.list"), Action.MATTER_MANAGE),
    ("GET", "/matters/{id}"): Audited(_MATTER_PAGE, Action.MATTER_READ),
    ("POST", "/matters/{id}/members"): Audited(("matter.add_member", *_MATTER_PAGE), Action.MATTER_MANAGE),
    ("POST", "/matters/{id}/close"): Audited(("matter.close", *_MATTER_PAGE), Action.MATTER_MANAGE),
    ("POST", "/matters/{id}/notice"): Audited(_MATTER_PAGE, Action.HOLD_MANAGE),
    ("POST", "/matters/{id}/preview"): Audited(("hold.preview", *_MATTER_PAGE), Action.HOLD_MANAGE),
    ("POST", "/matters/{id}/holds"): Audited(("hold.create", *_MATTER_PAGE), Action.HOLD_MANAGE),
    ("GET", "/holds"): Audited(("hold.list",), Action.HOLD_READ),
    ("GET", "/holds/{id}"): Audited(_HOLD_PAGE, Action.HOLD_READ),
    ("GET", "/holds/{id}/receipt"): Audited(("hold.receipt",), Action.HOLD_READ),
    ("GET", "/holds/{id}/report.pdf"): Audited(_HOLD_PAPER, Action.HOLD_READ),
    **{
        ("POST", f"/holds/{{id}}/{step}"): Audited((f"hold.{step}", _AGREED, *_HOLD_PAGE), needs)
        for step, needs in (
            ("change", Action.HOLD_MANAGE),
            ("release", Action.HOLD_RELEASE),
            ("approve", Action.HOLD_RELEASE),
            ("reinstate", Action.HOLD_MANAGE),
            ("review", Action.HOLD_MANAGE),
        )
    },
    ("POST", "/holds/{id}/notices/preview"): Audited(("notice.preview", *_HOLD_PAGE), Action.HOLD_READ),
    ("POST", "/holds/{id}/notices"): Audited(
        ("notice.start", "notice.queue", *_HOLD_PAGE), Action.HOLD_MANAGE
    ),
    ("GET", "/notices"): Audited(("hold.notices",), Action.HOLD_READ),
    ("POST", "/notices/{id}/resend"): Audited(("notice.resend",), Action.HOLD_MANAGE),
    ("GET", "/patients"): Audited(("roster.status",), Action.RETENTION_READ),
    ("POST", "/patients"): Audited(("roster.list", "roster.status"), Action.ROSTER_READ),
    ("POST", "/patients/ambiguous"): Audited(("roster.ambiguous", "roster.status"), Action.ROSTER_READ),
    ("POST", "/patients/decisions"): Audited(("roster.decisions", "roster.status"), Action.ROSTER_READ),
    ("POST", "/patients/decide"): Audited(("roster.decide",), Action.ROSTER_DECIDE),
    ("POST", "/patients/undo"): Audited(("roster.undo",), Action.ROSTER_DECIDE),
    ("GET", "/patients/mail"): Audited(("session.use",), Action.SESSION),
    ("POST", "/patients/mail"): Audited(
        ("patient.search", "patient.timeline", "patient.providers", "search.query", "search.results"),
        Action.SEARCH,
    ),
    ("GET", "/units"): Audited(("unit.list",), Action.UNIT_READ),
    ("POST", "/units"): Audited(("unit.add", "unit.list"), Action.UNIT_MANAGE),
    ("GET", "/units/{id}"): Audited(("unit.show",), Action.UNIT_READ),
    ("POST", "/units/{id}"): Audited(("unit.set", "unit.show"), Action.UNIT_MANAGE),
    ("POST", "/units/{id}/remove"): Audited(("unit.remove", "unit.list"), Action.UNIT_MANAGE),
    ("GET", "/searches"): Audited(("saved.list",), Action.SAVED_USE),
    ("POST", "/searches"): Audited(("saved.add", "saved.list"), Action.SAVED_USE),
    ("POST", "/searches/{id}/run"): Audited(
        ("saved.run", "search.query", "search.results"), Action.SAVED_USE
    ),
    ("POST", "/searches/{id}/change"): Audited(("saved.change", "saved.list"), Action.SAVED_USE),
    ("POST", "/searches/{id}/delete"): Audited(("saved.delete", "saved.list"), Action.SAVED_USE),
    ("GET", "/alerts"): Audited(("alert.list",), Action.ALERT_READ),
    ("GET", "/alerts/{id}"): Audited(("alert.show",), Action.ALERT_READ),
    ("POST", "/alerts/{id}/acknowledge"): Audited(("alert.acknowledge",), Action.ALERT_READ),
    ("POST", "/unsearchable"): Audited(("search.unsearchable",), Action.SEARCH),
    ("GET", "/tags"): Audited(("tag.list",), Action.TAG_READ),
    ("POST", "/tags"): Audited(("tag.create", "tag.list"), Action.TAG_MANAGE),
    ("POST", "/tags/{id}/retire"): Audited(("tag.retire", "tag.list"), Action.TAG_MANAGE),
    ("POST", "/messages/{id}/beside"): Audited(("tag.show", "tag.list", "note.list"), Action.NOTE_READ),
    ("POST", "/messages/{id}/tags"): Audited(
        ("tag.put", "tag.take", "tag.show", "tag.list", "note.list"), Action.TAG_PUT
    ),
    ("POST", "/messages/{id}/notes"): Audited(
        ("note.add", "tag.show", "tag.list", "note.list"), Action.NOTE_WRITE
    ),
    ("POST", "/messages/{id}/notes/{note}"): Audited(
        ("note.change", "note.withdraw", "tag.show", "tag.list", "note.list"), Action.NOTE_WRITE
    ),
    ("GET", "/static/{name}"): opened("the style sheet"),
}

__all__ = ["API", "ROUTES", "Audited"]
