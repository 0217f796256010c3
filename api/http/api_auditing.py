"""`/audit`: reports, exports, reviews, the watch list, and the end of old details; for privacy officers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from api.auditing import period as periods
from api.auditing.exporting import MEDIA
from api.auditing.period import Period
from api.auditing.tables import MOST, table
from api.errors import BadInput
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.ports import App
from api.http.router import api_router
from search.access import Action, Actor

router = api_router("audit")

Kind = Literal["summary", "user", "patient", "disclosures", "sign_ins", "unusual"]
Format = Literal["json", "csv", "fhir", "dicom", "ocsf", "cef"]
Name = Annotated[str, Path(max_length=20, description="like 2026-W47 or 2026-11")]
Day = Annotated[str | None, Field(max_length=40, description="a day like 2026-11-30, or an RFC 3339 time")]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class AskedReport(_Asked):
    """What a report is about. A user by name or id, a patient by record number or roster id."""

    user: Annotated[str, Field(max_length=200)] = ""
    patient: Annotated[str, Field(max_length=200)] = ""
    month: Annotated[str | None, Field(max_length=10, description="2026-11")] = None
    since: Annotated[str | None, Field(alias="from", max_length=40)] = None
    until: Annotated[str | None, Field(max_length=40, description="a day is in it whole")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    after: Annotated[int | None, Field(ge=-1, le=2**62, description="the `next` of the page before")] = None
    format: Annotated[Literal["json", "csv"], Field(description="csv: every entry of it, a row each")] = (
        "json"
    )


class Signature(_Asked):
    """What the reviewer found, and did about it."""

    note: Annotated[str, Field(max_length=4_000)] = ""


class Watch(_Asked):
    """A patient whose readers are to be watched."""

    patient: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Literal["vip", "staff"] = "vip"
    user: Annotated[str, Field(max_length=200, description="of staff: whose own record it is")] = ""
    reason: Annotated[str, Field(max_length=1_000)] = ""


class Reason(_Asked):
    """Why."""

    reason: Annotated[str, Field(max_length=1_000)] = ""


# --- reports and exports --------------------------------------------------------------------------------


@router.post(
    "/audit/reports/{kind}", response_model=dict[str, Any], responses={200: {"content": {"text/csv": {}}}}
)
def report(
    app: AppDep, actor: ActorDep, kind: Kind, body: AskedReport | None = None
) -> dict[str, Any] | Response:
    """A report. Asked by POST, as whom it is about has no place in an address."""
    asked = body or AskedReport()
    return tabled(app, actor, kind, asked) if asked.format == "csv" else reported(app, actor, kind, asked)


def tabled(app: App, actor: Actor, kind: Kind, asked: AskedReport) -> StreamingResponse:
    """A report as CSV, whole from `after` on. Raises as `reported`, before the first byte."""

    def ask(after: int | None) -> dict[str, Any]:
        start = asked.after if after is None else after
        return reported(app, actor, kind, asked.model_copy(update={"limit": MOST, "after": start}))

    return StreamingResponse(
        (line.encode("utf-8", "replace") for line in table(kind, ask)),
        media_type=MEDIA["csv"],
        headers={"Content-Disposition": f'attachment; filename="{kind}.csv"'},
    )


def reported(app: App, actor: Actor, kind: Kind, asked: AskedReport) -> dict[str, Any]:
    """A report for the API and the desk alike. Raises BadInput, on record, NotFound, AccessDenied."""
    reports = app.auditing.reports
    try:
        period = periods.parse(reports.zone, since=asked.since, until=asked.until, month=asked.month)
        if (kind == "user" and not asked.user.strip()) or (
            kind in ("patient", "disclosures") and not asked.patient.strip()
        ):
            raise BadInput(f"this report needs a {'user' if kind == 'user' else 'patient'}")
    except BadInput as error:
        app.gate.require(actor, Action.AUDIT_READ)
        app.gate.record(actor, Action.AUDIT_READ, "failed", reason=error.audit_code)
        raise
    if kind == "summary":
        return reports.summary(actor, period)
    if kind == "user":
        return reports.of_user(actor, asked.user, period, limit=asked.limit, after=asked.after)
    if kind == "patient":
        return reports.of_patient(actor, asked.patient, period, limit=asked.limit, after=asked.after)
    if kind == "disclosures":
        return reports.disclosures(actor, asked.patient, period)
    if kind == "sign_ins":
        return reports.sign_ins(actor, period, limit=asked.limit, after=asked.after)
    return app.auditing.unusual.report(actor, period)


@router.get("/audit/export", response_class=StreamingResponse)
def export(
    app: AppDep,
    actor: ActorDep,
    format: Format = "json",
    since: Annotated[str | None, Query(alias="from", max_length=40)] = None,
    until: Annotated[str | None, Query(max_length=40)] = None,
    phi: bool | None = None,
) -> StreamingResponse:
    """The log, or a period of it, streamed. `phi`: with what is sealed in it, where that is allowed."""
    try:
        period = periods.parse(app.auditing.reports.zone, since=since, until=until)
    except BadInput as error:
        app.gate.require(actor, Action.AUDIT_READ)
        app.gate.record(actor, Action.AUDIT_READ, "failed", reason=error.audit_code)
        raise
    lines = app.auditing.exports.stream(actor, format, _open(period), phi=phi)
    ending = {"csv": "csv", "dicom": "xml", "cef": "log"}.get(format, "ndjson")
    return StreamingResponse(
        (line.encode("utf-8", "replace") for line in lines),
        media_type=MEDIA[format],
        headers={"Content-Disposition": f'attachment; filename="audit.{ending}"'},
    )


def _open(period: Period) -> Period | None:
    return None if period.from_us is None and period.before_us is None else period


@router.get("/audit/sinks")
def sinks(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """Where the log is sent, and how far each receiver has it."""
    app.gate.require(actor, Action.AUDIT_READ)
    found = app.auditing.forwarder.state()
    app.gate.record(actor, "audit.sinks", "success" if found else "empty", count=len(found))
    return {"items": found, "next": None}


# --- reviews ----------------------------------------------------------------------------------------------


@router.get("/audit/reviews")
def reviews(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """Every period of activity, newest first, with who signed it."""
    return {"items": app.auditing.reviews.periods(actor), "next": None}


@router.get("/audit/reviews/{period}")
def review(app: AppDep, actor: ActorDep, period: Name) -> dict[str, Any]:
    """What happened in a period, with what was unusual."""
    return app.auditing.reviews.show(actor, period)


@router.post("/audit/reviews/{period}/sign")
def sign(app: AppDep, actor: ActorDep, period: Name, body: Signature | None = None) -> dict[str, Any]:
    """Sign a whole period as reviewed."""
    return app.auditing.reviews.sign(actor, period, (body or Signature()).note)


# --- whose readers are watched ------------------------------------------------------------------------------


@router.get("/audit/watched")
def watched(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """Patients whose readers are watched."""
    return {"items": app.auditing.watched.list(actor), "next": None}


@router.post("/audit/watched", status_code=201)
def watch(app: AppDep, actor: ActorDep, body: Watch) -> dict[str, Any]:
    """Watch a patient's readers."""
    return app.auditing.watched.add(actor, body.kind, body.patient, user=body.user, reason=body.reason)


@router.post("/audit/watched/{id}/end")
def unwatch(app: AppDep, actor: ActorDep, id: ObjectId, body: Reason | None = None) -> dict[str, Any]:
    """Watch them no more."""
    return app.auditing.watched.end(actor, id, (body or Reason()).reason)


# --- the end of old details -------------------------------------------------------------------------------


@router.get("/audit/expiries")
def expiries(app: AppDep, actor: ActorDep) -> dict[str, Any]:
    """Requests to end details past their term."""
    return {"items": app.auditing.expiries.list(actor), "next": None}


@router.post("/audit/expiries", status_code=201)
def expire(app: AppDep, actor: ActorDep, body: Reason) -> dict[str, Any]:
    """Ask that all details past their term end."""
    return app.auditing.expiries.ask(actor, body.reason)


@router.post("/audit/expiries/{id}/approve")
def approve_expiry(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Approve it, as a second person."""
    return app.auditing.expiries.approve(actor, id)


@router.post("/audit/expiries/{id}/refuse")
def refuse_expiry(app: AppDep, actor: ActorDep, id: ObjectId) -> dict[str, Any]:
    """Refuse it, or take it back."""
    return app.auditing.expiries.refuse(actor, id)
