"""Errors as the outside sees them: one RFC 9457 problem document, or a plain page for people at the desk.

Only errors of our own family speak for themselves; anything else becomes `internal` and says nothing.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.dpop import DpopError
from api.errors import BadInput, BodyTooLarge, NoSuchRoute, TooManyAttempts, WrongMethod
from api.http import pages, protected_resource, step_up
from api.http.routes import ROUTES
from config.errors import HoldfastError
from search.access import StepUpNeeded
from search.approving.errors import SignatureNeeded
from search.errors import QueryError

MEDIA_TYPE: Final = "application/problem+json"
_LOG: Final = logging.getLogger("holdfast.http")
_FIELD: Final = re.compile(r"[a-z_][a-z0-9_-]{0,39}", re.ASCII | re.IGNORECASE)
_ROOT: Final = Path(__file__).resolve().parents[2]


class Problem(BaseModel):
    """The one error form (RFC 9457). `code` is stable; `retry` says that the same call may succeed later."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    retry: bool
    errors: list[dict[str, str]] | None = Field(default=None, description="fields that were refused")
    kind: str | None = Field(default=None, description="of a refused query: a stable slug of what is wrong")
    position: int | None = Field(
        default=None, description="of a refused query: the character where the trouble starts, from 0"
    )
    suggestion: str | None = Field(
        default=None, description="of a refused query: the field meant, or an example of the right form"
    )


def document(error: HoldfastError, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    """The problem document of an error."""
    value: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(error.http_status).phrase,
        "status": error.http_status,
        "detail": str(error),
        "code": error.code,
        "retry": error.retry,
    }
    if errors:
        value["errors"] = errors
    if isinstance(error, SignatureNeeded):
        value["approval"] = error.approval_id
    if isinstance(error, QueryError):
        members = {"kind": error.kind, "position": error.position, "suggestion": error.suggestion}
        value |= {name: member for name, member in members.items() if member is not None}
    return value


def response(request: Request, error: HoldfastError, errors: list[dict[str, str]] | None = None) -> Response:
    """An error as an answer: a page at the desk, a problem document everywhere else."""
    value = document(error, errors)
    headers = {}
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.retry_after)
    elif error.http_status == 503:
        headers["Retry-After"] = "5"
    if error.http_status == 401 and not wants_page(request):
        headers |= _challenge(request, error)
    if wants_page(request):
        actor = getattr(request.state, "actor", None)
        if isinstance(error, SignatureNeeded) and actor is not None and actor.session:
            return RedirectResponse(f"/approvals/{error.approval_id}", 303)
        if isinstance(error, StepUpNeeded) and actor is not None and actor.session:
            return step_up.offer(request, request.app.state.holdfast, actor, str(error))
        return pages.error_page(request, value, headers)
    body = json.dumps(value, ensure_ascii=True).encode()
    return Response(body, error.http_status, headers, MEDIA_TYPE)


def _challenge(request: Request, error: HoldfastError) -> dict[str, str]:
    """How to sign in by a program (RFC 6750, 3; RFC 9449, 7.1 and 9; RFC 9728, 5.1)."""
    more = f'resource_metadata="{protected_resource.address(request.app.state.holdfast.settings)}"'
    if isinstance(error, DpopError):
        told = f'DPoP realm="holdfast", error="{error.scheme_error}", algs="ES256 EdDSA", {more}'
        nonce = {"DPoP-Nonce": error.nonce} if error.nonce else {}
        return {"WWW-Authenticate": told, **nonce}
    invalid = ', error="invalid_token"' if "authorization" in request.headers else ""
    return {"WWW-Authenticate": f'Bearer realm="holdfast"{invalid}, {more}'}


def wants_page(request: Request) -> bool:
    """True for a person's browser at the desk, never below `/api`."""
    if request.url.path.startswith("/api/"):
        return False
    return "text/html" in request.headers.get("accept", "")


def on_own_error(request: Request, error: Exception) -> Response:
    """Handler of `HoldfastError`."""
    assert isinstance(error, HoldfastError)
    if type(error).code == "internal":
        return on_any_error(request, error)
    return response(request, error)


def on_http_exception(request: Request, error: Exception) -> Response:
    """Handler of what the framework itself refuses."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        answer = response(request, WrongMethod("this address doesn't take this method; see openapi.json"))
        if error.headers and "allow" in {name.lower() for name in error.headers}:
            answer.headers["Allow"] = next(v for k, v in error.headers.items() if k.lower() == "allow")
        return answer
    if error.status_code == 413:
        return response(request, BodyTooLarge("the request is too large"))
    if error.status_code < 500 and error.status_code != 404:
        return response(request, BadInput("the request can't be read; see openapi.json for its form"))
    return response(request, NoSuchRoute("nothing is served here; see /api/v1/openapi.json"))


def on_bad_input(request: Request, error: Exception) -> Response:
    """Handler of validation: names the fields and the kind of fault, never repeats the input."""
    assert isinstance(error, RequestValidationError)
    _record_refusal(request)
    faults = [{"field": _field(item["loc"], item["type"]), "fault": item["type"]} for item in error.errors()]
    # A body may hold thousands of faults; the first few are enough to mend it.
    return response(
        request, BadInput("the request isn't of the documented form; see openapi.json"), faults[:20]
    )


def _record_refusal(request: Request) -> None:
    """A signed-in person's request that wasn't understood is on record as well, under its route's action."""
    actor = getattr(request.state, "actor", None)
    path = getattr(request.scope.get("route"), "path", "")
    audited = ROUTES.get((request.method, path))
    if actor is not None and audited is not None and audited.actions:
        action = audited.actions[0]
        request.app.state.holdfast.gate.record(actor, action, "failed", reason=BadInput.audit_code)


def on_any_error(request: Request, error: Exception) -> Response:
    """An exception nobody expected: its text may hold anything, so nobody sees it."""
    _LOG.error("internal error: %s", locate(error))
    return response(request, HoldfastError("something went wrong here; the log of the server says where"))


def locate(error: BaseException) -> str:
    """The class of an exception and where it was raised, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [
        f"{Path(frame.filename).name if not _ours(frame.filename) else _ours(frame.filename)}:{frame.lineno}"
        for frame in frames[-6:]
    ]
    return f"{type(error).__name__} at {' < '.join(reversed(places))}"


def _ours(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(_ROOT)) if path.is_relative_to(_ROOT) else ""


def _field(location: tuple[int | str, ...], kind: str) -> str:
    # The name of a field that isn't ours was typed by somebody: it is input too.
    parts = location[:-1] if kind == "extra_forbidden" else location
    return ".".join(str(p) if isinstance(p, int) or _FIELD.fullmatch(p) else "?" for p in parts)
