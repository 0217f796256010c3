"""`/audit`: the log of who looked at what, for privacy officers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Response

from api.audit_reading import PAGE_LIMIT, AuditReading, Order
from api.http.auth import ActorDep, AppDep
from api.http.router import api_router

router = api_router("audit")


@router.get("/audit")
def list_audit(
    app: AppDep,
    actor: ActorDep,
    after: Annotated[int | None, Query(ge=-1, le=2**62)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 100,
    order: Order = "oldest",
) -> dict[str, Any]:
    """Entries beyond number `after`; `next` is the `after` of the following page."""
    return AuditReading(app.vault, app.gate).page(actor, after=after, limit=limit, order=order)


@router.get("/audit/{n}/proof", response_class=Response)
def prove_audit(app: AppDep, actor: ActorDep, n: Annotated[int, Path(ge=0, le=2**62)]) -> Response:
    """A `.tlog-proof` file that shows entry `n` to be in the signed log."""
    proof = AuditReading(app.vault, app.gate).proof(actor, n)
    return Response(
        proof,
        headers={"Content-Disposition": f'attachment; filename="audit-{n}.tlog-proof"'},
        media_type="application/octet-stream",
    )
