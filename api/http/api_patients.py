"""`/patients`: mail by patient, by episode and by provider. Whom somebody means never stands in a URL."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api import views
from api.http.api_search import SearchRequest
from api.http.auth import ActorDep, AppDep, PurposeHeader, stated_purpose
from api.http.ports import App
from api.http.router import api_router
from retention.patients.episodes import MARGIN, MOST_MARGIN
from retention.patients.providers import MOST, PAGE
from retention.patients.whom import BadPatient, Whom
from search.access import Actor, Purpose

router: APIRouter = api_router("patients")

Mark = Annotated[str, Field(max_length=320)]
Margin = Annotated[
    int, Field(ge=0, le=MOST_MARGIN, description="days before and after an encounter that count to it")
]


class Named(BaseModel):
    """A patient: an id or number in `patient`, a name with a birth date, an address. All that is given must
    be right."""

    model_config = ConfigDict(extra="forbid")

    patient: Mark = ""
    name: Mark = ""
    born: Annotated[str, Field(max_length=10, description="YYYY-MM-DD")] = ""
    address: Mark = ""
    purpose: Annotated[str | None, Field(max_length=40)] = None

    @property
    def whom(self) -> Whom:
        """The same as the services take it."""
        return Whom(self.patient, self.name, self.born, self.address)


class MailAsked(Named, SearchRequest):
    """A patient's mail: all of it, or what also matches a query, of one episode or of none."""

    query: Annotated[str, Field(max_length=10_000)] = "*"
    episode: Annotated[str, Field(max_length=64, description="the `id` of an episode of the timeline")] = ""
    between: Annotated[bool, Field(description="what was sent in no episode")] = False
    margin_days: Margin = MARGIN


class TimelineAsked(Named):
    """A patient's timeline."""

    margin_days: Margin = MARGIN


class ProvidersAsked(Named):
    """The providers of a patient, or the patients of a `provider`, named by an e-mail address."""

    provider: Mark = ""
    limit: Annotated[int, Field(ge=1, le=MOST)] = PAGE
    offset: Annotated[int, Field(ge=0, le=10_000_000, description="the `next` of the page before")] = 0


@router.post("/patients/search")
def patient_mail(
    app: AppDep, actor: ActorDep, body: MailAsked, x_purpose: PurposeHeader = None
) -> dict[str, Any]:
    """Everything about one patient, whichever of her numbers, names or addresses it bears."""
    purpose = stated_purpose(app, actor, "patient.search", body.purpose, x_purpose)
    found = app.patient_mail.search(
        actor,
        purpose,
        body.whom,
        query=body.query,
        episode=body.episode,
        apart=body.between,
        margin=body.margin_days,
        limit=body.limit,
        sort=body.sort,
        cursor=body.cursor,
        ask=body.ask(),
    )
    return {
        **views.search_page(found.page),
        "patients": views.readable(list(found.patients)),
        "episode": found.episode,
    }


@router.post("/patients/timeline")
def patient_timeline(
    app: AppDep, actor: ActorDep, body: TimelineAsked, x_purpose: PurposeHeader = None
) -> dict[str, Any]:
    """Episodes with the mail around them, the time between, and mail by month."""
    purpose = stated_purpose(app, actor, "patient.timeline", body.purpose, x_purpose)
    found: dict[str, Any] = views.readable(
        app.patient_mail.timeline(actor, purpose, body.whom, margin=body.margin_days)
    )
    return found


@router.post("/patients/providers")
def patient_providers(
    app: AppDep, actor: ActorDep, body: ProvidersAsked, x_purpose: PurposeHeader = None
) -> dict[str, Any]:
    """Who cared for a patient or wrote about her, or whom a provider cared for and wrote about."""
    purpose = stated_purpose(app, actor, "patient.providers", body.purpose, x_purpose)
    return providers(app, actor, purpose, body.whom, body.provider, body.limit, body.offset)


def providers(
    app: App, actor: Actor, purpose: Purpose, whom: Whom, provider: str, limit: int, offset: int
) -> dict[str, Any]:
    """One of the two questions. Raises BadPatient, on record, where it is both."""
    found: dict[str, Any]
    if not provider.strip():
        found = app.providers.of_patient(actor, purpose, whom, limit=limit, offset=offset)
    elif whom.said:
        app.gate.record(actor, "patient.providers", "failed", purpose, reason=BadPatient.code)
        raise BadPatient("ask for the providers of a patient or for the patients of a provider, not for both")
    else:
        found = app.providers.patients_of(actor, purpose, provider, limit=limit, offset=offset)
    return dict(views.readable(found))
