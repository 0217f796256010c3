"""A page of the desk for somebody signed in: who they are, where they can go, their forms' token."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request, Response

from api.http import auth
from api.http.pages import page
from api.http.ports import App
from search.access import PERMISSIONS, Action, Actor, Purpose

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
    ("/units", "Units", Action.UNIT_READ),
    ("/jobs", "Jobs", Action.JOB_READ),
)
"""Path, label and the right it asks for, in the order in which they are shown."""


def desk_page(
    request: Request, app: App, actor: Actor, template: str, status: int = 200, **values: Any
) -> Response:
    """Render a page of the desk with the navigation that the role can use."""
    secret = auth.session_secret(request, app) or ""
    may = PERMISSIONS[actor.role]
    return page(
        template,
        status,
        actor=actor,
        form_token=auth.form_token(secret),
        purposes=[str(purpose) for purpose in Purpose],
        navigation=[(path, label) for path, label, needs in NAVIGATION if needs in may],
        here=request.url.path,
        **values,
    )
