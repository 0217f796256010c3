"""Forms of the desk: read strictly, and taken only from the session that was shown them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request

from api.errors import BadInput
from api.http import auth, cross_site
from api.http.auth import ActorDep, AppDep


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form as browsers send it; of a field given twice, the last counts."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise BadInput("the desk takes forms only; programs use /api/v1")
    try:
        fields = parse_qs(
            (await request.body()).decode(), keep_blank_values=True, max_num_fields=50, errors="strict"
        )
    except ValueError:
        raise BadInput("the form can't be read") from None
    form = {name: values[-1] for name, values in fields.items()}
    # What is offered again where somebody must show their passkey first (api/http/step_up.py).
    request.state.form = form
    return form


Form = Annotated[dict[str, str], Depends(read_form)]


def checked_form(request: Request, app: AppDep, actor: ActorDep, form: Form) -> dict[str, str]:
    """A form of this very session. Raises NotSignedIn, CrossSite."""
    cross_site.check_form(request, app)
    auth.check_form_token(request, app, actor, form.get("form_token", ""))
    return form


CheckedForm = Annotated[dict[str, str], Depends(checked_form)]
