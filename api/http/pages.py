"""Renders the desk's pages: autoescaped templates, no inline script or style, nothing from elsewhere."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.http.content_policy import scripted

_HERE: Final = Path(__file__).parent
STATIC: Final = _HERE / "static"

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _when(moment: str | None) -> str:
    """An RFC 3339 time as people read it; the zone is named, as its readers may live in several."""
    return f"{moment[:10]} {moment[11:16]} UTC" if moment else "never"


def _size(count: int) -> str:
    """A number of bytes as people read it."""
    if count < 1_000:
        return f"{count} bytes"
    for unit, one in (("kB", 1_000), ("MB", 1_000_000)):
        if count < one * 1_000:
            return f"{count / one:.1f} {unit}"
    return f"{count / 1e9:.1f} GB"


def _words(name: str) -> str:
    """A name of ours as words: `compliance_officer` is compliance officer."""
    return name.replace("_", " ")


def _messages(count: int) -> str:
    """A number of messages as people read it."""
    return "1 message" if count == 1 else f"{count:,} messages"


_TEMPLATES.filters.update(when=_when, size=_size, words=_words, messages=_messages)


def page(template: str, status: int = 200, *, scripts: Sequence[str] = (), **values: Any) -> HTMLResponse:
    """Render a page. `actor` and `form_token` are None where nobody is signed in.

    `scripts` are files below static/: the page's content policy allows these very elements by a nonce, and
    no others; a page without any has a policy that allows none.
    """
    values.setdefault("actor", None)
    values.setdefault("form_token", None)
    values.setdefault("navigation", ())
    values.setdefault("emergency", None)
    values.setdefault("told", ())
    values.setdefault("read_only", ())
    nonce = secrets.token_urlsafe(18)
    answer = HTMLResponse(
        _TEMPLATES.get_template(template).render(scripts=scripts, nonce=nonce, **values), status
    )
    if scripts:
        answer.headers["Content-Security-Policy"] = scripted(nonce)
    return answer


def error_page(request: Request, problem: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """A problem as a page, with its code to quote to whoever helps."""
    answer = page("error.html", problem["status"], problem=problem)
    answer.headers.update(headers)
    return answer
