"""The HTTP door: the API for programs and the web desk for people, over the same services as the command line."""

from __future__ import annotations

from api.http.app import create_http_app

__all__ = ["create_http_app"]
