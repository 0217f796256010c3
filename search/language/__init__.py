"""The query language: what people type, as a tree every index engine compiles from."""

from __future__ import annotations

from search.language.parser import ParsedQuery, is_quotable, parse
from search.language.render import render
from search.language.syntax import Hint

__all__ = ["Hint", "ParsedQuery", "is_quotable", "parse", "render"]
