"""The router that every resource of the API begins with."""

from __future__ import annotations

from fastapi import APIRouter

from api.http.problem import MEDIA_TYPE, Problem
from api.http.routes import API


def api_router(tag: str, prefix: str = API) -> APIRouter:
    """A router below `/api/v1` whose routes all document the one error form."""
    errors = {
        "model": Problem,
        "description": f"any refusal or failure: RFC 9457, {MEDIA_TYPE}",
    }
    return APIRouter(prefix=prefix, tags=[tag], responses={"default": errors})
