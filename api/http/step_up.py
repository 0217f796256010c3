"""Where somebody must show their passkey anew: the page that asks for it and offers the same request again.

What was asked stays in the page, in hidden fields, and never goes into an address; after the passkey it is
sent again as it was, by the script or by a press of the button.
"""

from __future__ import annotations

from fastapi import Request, Response

from api.http.desk_page import desk_page
from api.http.ports import App
from search.actors import OIDC, Actor

SCRIPTS = ("passkey.js",)


def offer(request: Request, app: App, actor: Actor, why: str) -> Response:
    """The page for a request that was refused for want of a fresh passkey."""
    form: dict[str, str] = getattr(request.state, "form", {})
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return desk_page(
        request,
        app,
        actor,
        "step_up.html",
        403,
        scripts=SCRIPTS,
        bare=True,
        why=why,
        again=here,
        by_post=request.method == "POST",
        sso=app.sso.shown if actor.method == OIDC else "",
        fields={name: value for name, value in form.items() if name != "form_token"},
    )
