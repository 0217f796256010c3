"""The description of the API (OpenAPI 3.1): what FastAPI finds in the routes, and how to sign in."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.http.problem import MEDIA_TYPE
from api.http.routes import ROUTES

SCHEMES: Final[dict[str, Any]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token: `holdfast users token`, or the desk's page of one's own tokens.",
    },
    "dpop": {
        "type": "http",
        "scheme": "dpop",
        "description": "A token that is bound to a key, with a header `DPoP` of proof (RFC 9449).",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-holdfast",
        "description": "A person's session at the desk. Only for requests that the desk's own pages make.",
    },
}
_ANY: Final[list[dict[str, list[str]]]] = [{name: []} for name in SCHEMES]


def describe(http: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if http.openapi_schema is None:
        document = get_openapi(
            title=http.title, version=http.version, summary=http.summary, routes=http.routes
        )
        document.setdefault("components", {})["securitySchemes"] = SCHEMES
        document["security"] = _ANY
        for path, item in document["paths"].items():
            for method, operation in item.items():
                _say_how_it_fails(operation)
                audited = ROUTES.get((method.upper(), path))
                if audited is not None and audited.needs is None:
                    operation["security"] = []
        for unused in ("HTTPValidationError", "ValidationError"):
            document["components"].get("schemas", {}).pop(unused, None)
        http.openapi_schema = document
    return http.openapi_schema


def _say_how_it_fails(operation: dict[str, Any]) -> None:
    """Every failure has the one error form; what FastAPI would answer to bad input, we don't."""
    responses = operation["responses"]
    responses.pop("422", None)
    content = responses.get("default", {}).get("content", {})
    if "application/json" in content:
        content[MEDIA_TYPE] = content.pop("application/json")
