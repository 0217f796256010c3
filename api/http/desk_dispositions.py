"""The desk's pages of dispositions: what is due, its review, the decision, the execution, the certificate."""

from __future__ import annotations

import json
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from api import views
from api.errors import BadInput
from api.http import auth
from api.http.api_dispositions import EXECUTE_SECONDS, MessageId, pdf_response
from api.http.api_search import ObjectId
from api.http.auth import ActorDep, AppDep
from api.http.desk_page import desk_page
from api.http.forms import CheckedForm
from archiver.message.extract.policy import body_only
from retention.disposition import paper
from search.access import Action

router = APIRouter(include_in_schema=False)

PAGE: Final = 25
"""Messages of a list on one page; each may be ticked, and a form has at most 50 fields."""
SHOWN_TEXT: Final = 512 * 2**10
_TICKED: Final = "message."


@router.get("/dispositions")
def page(request: Request, app: AppDep, actor: ActorDep) -> Response:
    """Every disposition, those that wait for somebody first."""
    found = app.dispositions.list(actor, 200)
    open_ = [one for one in found if one["state"] in ("proposed", "approved")]
    past = [one for one in found if one["state"] in ("executed", "rejected")]
    return desk_page(request, app, actor, "dispositions.html", open=open_, past=past)


@router.get("/dispositions/{id}")
def show(
    request: Request,
    app: AppDep,
    actor: ActorDep,
    id: ObjectId,
    after: Annotated[int | None, Query(ge=-(2**63), lt=2**63)] = None,
) -> Response:
    """One disposition: sums, sample, exclusions and a page of its messages."""
    first = app.dispositions.show(actor, id, None, PAGE)
    items, following = first["items"], first["next"]
    if after is not None:
        later = app.dispositions.show(actor, id, after, PAGE)
        items, following = later["items"], later["next"]
    may = app.gate.rights(actor)
    return desk_page(
        request,
        app,
        actor,
        "disposition.html",
        one=first,
        items=items,
        following=following,
        after=after,
        reads=Action.READ in may,
        fewest=app.settings.disposition_sample,
    )


@router.post("/dispositions/{id}/exclude")
def exclude(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Take the ticked messages off the list, or keep them longer, which does so too."""
    chosen = [name.removeprefix(_TICKED) for name in form if name.startswith(_TICKED)]
    if not chosen:
        raise BadInput("tick the messages it is about")
    reason, years = form.get("reason", ""), form.get("years", "").strip()
    if form.get("what") == "extend":
        if not years.isdigit() or len(years) > 3:
            raise BadInput("say for how many years the messages are kept")
        app.extensions.extend(actor, chosen, years=int(years), reason=reason)
    else:
        app.dispositions.exclude(actor, id, chosen, reason)
    return _back(id)


@router.post("/dispositions/{id}/sample")
def sample(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Draw a sample."""
    size = form.get("size", "").strip()
    if not size.isdigit() or len(size) > 4:
        raise BadInput("say how many messages the sample has")
    app.samples.draw(actor, id, int(size), form.get("seed", "").strip() or None)
    return _back(id)


@router.post("/dispositions/{id}/sample/{message}")
def review(
    request: Request, app: AppDep, actor: ActorDep, id: ObjectId, message: MessageId, form: CheckedForm
) -> Response:
    """Open a sampled message, with the form to say a word on it."""
    purpose = auth.stated_purpose(app, actor, Action.READ, form.get("purpose"))
    opened = app.samples.open(actor, purpose, id, message)
    seen = views.object_view(app.vault, opened, message, app.room.scope(actor), app.explainer.verdicts)
    parsed = opened.parsed(text_limit=SHOWN_TEXT, extract=body_only(SHOWN_TEXT))
    text = views.readable(parsed.body_text)
    return desk_page(request, app, actor, "review.html", disposition=id, message=seen, text=text)


@router.post("/dispositions/{id}/mark/{message}")
def mark(app: AppDep, actor: ActorDep, id: ObjectId, message: MessageId, form: CheckedForm) -> Response:
    """Say whether it may go."""
    if form.get("word") not in ("good", "bad"):
        raise BadInput("say whether the message may go")
    app.samples.mark(actor, id, message, good=form["word"] == "good", note=form.get("note", ""))
    return _back(id)


@router.post("/dispositions/{id}/approve")
def approve(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Approve the list that the page showed, and no other."""
    app.dispositions.approve(actor, id, form.get("list_sha256", ""))
    return _back(id)


@router.post("/dispositions/{id}/reject")
def reject(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Reject it."""
    app.dispositions.reject(actor, id, form.get("reason", ""))
    return _back(id)


@router.post("/dispositions/{id}/execute")
def execute(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """Destroy what may go; a long execution is finished by a job."""
    app.dispositions.execute(actor, id, seconds=EXECUTE_SECONDS)
    return _back(id)


@router.post("/dispositions/{id}/certificate")
def certificate(app: AppDep, actor: ActorDep, id: ObjectId, form: CheckedForm) -> Response:
    """The certificate as a download: to read, or to check by machine."""
    found = app.dispositions.certificate(actor, id)
    if form.get("form") == "json":
        headers = {"Content-Disposition": f'attachment; filename="certificate-{id}.json"'}
        data = json.dumps(found, ensure_ascii=False).encode()
        return Response(data, headers=headers, media_type="application/json")
    return pdf_response(id, paper.pdf(found))


def _back(disposition_id: str) -> Response:
    return RedirectResponse(f"/dispositions/{disposition_id}", 303)
