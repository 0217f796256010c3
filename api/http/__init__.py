"""The HTTP door: the API for programs and the web desk for people, over the command line's own services."""

from __future__ import annotations

from api.http.app import create_http_app

__all__ = ["create_http_app"]
