"""Builds the HTTP application. It refuses a route that doesn't say what it leaves on record."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route

from api.http import (
    api_access,
    api_account,
    api_audit,
    api_auditing,
    api_breach_papers,
    api_breaches,
    api_corrections,
    api_disclosures,
    api_dispositions,
    api_exports,
    api_holds,
    api_jobs,
    api_ledger,
    api_matters,
    api_notices,
    api_patients,
    api_policy,
    api_requests,
    api_retention,
    api_roster,
    api_saved,
    api_search,
    api_sources,
    api_tags,
    api_tokens,
    api_units,
    api_users,
    auth,
    desk,
    desk_access,
    desk_account,
    desk_auditing,
    desk_breach_papers,
    desk_breaches,
    desk_corrections,
    desk_disclosures,
    desk_dispositions,
    desk_holds,
    desk_jobs,
    desk_ledger,
    desk_matters,
    desk_patients,
    desk_requests,
    desk_retention,
    desk_roster,
    desk_saved,
    desk_search,
    desk_sso,
    desk_tags,
    desk_tokens,
    desk_units,
    health,
    notice_page,
    openapi,
    passkey_routes,
    problem,
    protected_resource,
)
from api.http.hosts import Hosts
from api.http.ports import App
from api.http.routes import API, ROUTES
from api.http.shell import Shell
from config.errors import HoldfastError

ROUTERS = (
    api_search,
    api_saved,
    api_tags,
    api_matters,
    api_holds,
    api_notices,
    api_retention,
    api_roster,
    api_patients,
    api_units,
    api_policy,
    api_dispositions,
    api_exports,
    api_audit,
    api_auditing,
    api_sources,
    api_users,
    api_access,
    api_account,
    api_tokens,
    api_jobs,
    api_ledger,
    api_corrections,
    api_requests,
    api_disclosures,
    api_breach_papers,
    api_breaches,
    health,
    protected_resource,
    notice_page,
    desk,
    desk_access,
    desk_account,
    desk_auditing,
    passkey_routes,
    desk_sso,
    desk_tokens,
    desk_saved,
    desk_search,
    desk_tags,
    desk_corrections,
    desk_dispositions,
    desk_jobs,
    desk_ledger,
    desk_matters,
    desk_holds,
    desk_retention,
    desk_roster,
    desk_patients,
    desk_units,
    desk_requests,
    desk_disclosures,
    desk_breach_papers,
    desk_breaches,
)


def create_http_app(app: App) -> FastAPI:
    """The ASGI application of one opened archive. Raises LookupError for a route missing in `ROUTES`."""
    http = FastAPI(
        title="Holdfast",
        summary="HIPAA e-mail archive and retention",
        version=_version(),
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    http.state.holdfast = app
    http.openapi = lambda: openapi.describe(http)  # type: ignore[method-assign]
    # uvicorn's own access log names paths, and so ids; ours (api/http/shell.py) names templates.
    logging.getLogger("uvicorn.access").disabled = True
    # The routes themselves rather than routers in a router, so that everyone who walks them sees them.
    for module in ROUTERS:
        http.router.routes.extend(module.router.routes)
    for method, path in walk(http.routes):
        if (method, path) not in ROUTES:
            raise LookupError(f"{method} {path} doesn't say in api/http/routes.py what it leaves on record")
    http.add_exception_handler(HoldfastError, problem.on_own_error)
    http.add_exception_handler(HTTPException, problem.on_http_exception)
    http.add_exception_handler(RequestValidationError, problem.on_bad_input)
    http.add_middleware(Shell, https=auth.is_https(app), hosts=Hosts(app.settings))
    return http


def walk(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Every `(method, path)` served; HEAD goes with GET."""
    for route in routes:
        if not isinstance(route, Route):
            raise LookupError(f"{type(route).__name__} is a kind of route that nobody checks")
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, route.path


def _version() -> str:
    try:
        return version("holdfast")
    except PackageNotFoundError:
        return "0"
