"""The query language: what people type, as a tree every index engine compiles from."""

from __future__ import annotations

from search.language.parser import ParsedQuery, parse
from search.language.render import render

__all__ = ["ParsedQuery", "parse", "render"]
