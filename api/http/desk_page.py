"""A page of the desk for somebody signed in: who they are, where they can go, their forms' token."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request, Response

from api.http import auth
from api.http.pages import page
from api.http.ports import App
from search.access import Action, Actor, Purpose
from search.policy import own_matters_only

NAVIGATION: Final[tuple[tuple[str, str, Action], ...]] = (
    ("/", "Desk", Action.SESSION),
    ("/searches", "Saved searches", Action.SAVED_USE),
    ("/alerts", "Alerts", Action.ALERT_READ),
    ("/tags", "Tags", Action.TAG_READ),
    ("/matters", "Matters", Action.MATTER_READ),
    ("/holds", "Holds", Action.HOLD_READ),
    ("/notices", "Notices", Action.HOLD_READ),
    ("/dispositions", "Dispositions", Action.DISPOSITION_READ),
    ("/corrections", "Corrections", Action.CORRECTION_READ),
    ("/retention", "Retention", Action.RETENTION_READ),
    ("/patients", "Patients", Action.ROSTER_READ),
    ("/patients/mail", "Mail by patient", Action.SEARCH),
    ("/requests", "Requests", Action.REQUEST_READ),
    ("/disclosures", "Disclosures", Action.DISCLOSURE_READ),
    ("/breaches", "Breaches", Action.BREACH_READ),
    ("/units", "Units", Action.UNIT_READ),
    ("/grants", "Grants", Action.GRANT_READ),
    ("/approvals", "Approvals", Action.APPROVAL_READ),
    ("/break-glass", "Break-glass", Action.EMERGENCY_READ),
    ("/access-review", "Access review", Action.ACCESS_REVIEW),
    ("/audit", "Audit", Action.AUDIT_READ),
    ("/jobs", "Jobs", Action.JOB_READ),
    ("/ledger", "Ledger", Action.LEDGER_READ),
)
"""Path, label and the right it asks for, in the order in which they are shown."""


def desk_page(
    request: Request, app: App, actor: Actor, template: str, status: int = 200, **values: Any
) -> Response:
    """Render a page of the desk with the navigation that the role can use; `bare`: with none.

    What was done to somebody's account and they haven't seen stands on every page until they have.
    """
    bare = values.pop("bare", False)
    may = app.gate.rights(actor)
    unseen = not bare and request.url.path != "/account"
    told = app.own_account.notices(actor.user_id, unseen=True) if unseen else ()
    return page(
        template,
        status,
        actor=actor,
        form_token=auth.form_token(app, actor),
        purposes=[str(purpose) for purpose in Purpose],
        navigation=[] if bare else [(path, label) for path, label, needs in NAVIGATION if needs in may],
        here=request.url.path,
        read_only=app.vault.standing.found,
        told=told,
        emergency=app.access.emergencies.banner(actor) if actor.emergency else None,
        rights=may,
        own_matters=own_matters_only(actor),
        **values,
    )
