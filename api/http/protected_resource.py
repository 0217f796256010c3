"""What a program can learn of the API before it has a token (RFC 9728): how to send one, and how to sign.

Tokens come from people and the operator, and from no token endpoint: no authorization server is named.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter

from api.dpop import ALGORITHMS
from api.http.audited import API
from api.http.auth import AppDep
from config.settings import Settings

router = APIRouter(include_in_schema=False)

PATH: Final = f"/.well-known/oauth-protected-resource{API}"
"""Section 3.1: the well-known part stands before the resource's own path."""


def address(settings: Settings) -> str:
    """Where it is, for the header of a refusal (section 5.1)."""
    return f"{settings.url}{PATH}"


@router.get(PATH)
def metadata(app: AppDep) -> dict[str, Any]:
    """The metadata of the API as a protected resource (section 2)."""
    url = app.settings.url
    return {
        "resource": f"{url}{API}",
        "resource_name": "Holdfast",
        "resource_documentation": f"{url}{API}/openapi.json",
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_bound_access_tokens_required": False,
    }
