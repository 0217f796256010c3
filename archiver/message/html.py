"""The visible text of HTML, with the line breaks that a reader sees.

A parser in C reads it: for the extraction child only (docs/adr/0012). `tags` has a way for other processes.
"""

from __future__ import annotations

import html as entities
import re

from selectolax.lexbor import LexborHTMLParser

from archiver.message.tags import BLOCK, HIDDEN, TAG_NAME, strip_tags

_ALT = re.compile(
    r"<img\b[^<>]{0,2000}?\balt\s*=\s*(?:\"([^\"<>]{1,1000})\"|'([^'<>]{1,1000})')", re.IGNORECASE
)
_TRAILING = re.compile(r"(?<![ \t\xa0])[ \t\xa0]+\n")
_BLANK_LINES = re.compile(r"\n\s*\n\s*")
_NO_CONTENT = frozenset({
    "p", "li", "td", "tr", "th", "dt", "dd", "option", "br", "img", "hr", "meta", "input", "link", "area",
    "base", "col", "wbr", "html", "body", "head",
})  # fmt: skip

MAX_DEPTH = 256
"""Nesting above which the parser is not asked: it took 21 s for 100,000 open `<div>`s here."""


def html_to_text(markup: str) -> str:
    """Return what a reader would see, with titles and the alternative text of images. Never raises."""
    if "<" not in markup:
        return entities.unescape(markup)
    if markup.count("<") > MAX_DEPTH and _depth(markup) > MAX_DEPTH:
        text = strip_tags(markup)
    else:
        tree = LexborHTMLParser(BLOCK.sub("\n<", markup))
        tree.strip_tags(list(HIDDEN))
        text = tree.text(separator="")
    text = _BLANK_LINES.sub("\n", _TRAILING.sub("\n", text)).strip()
    if "alt" in markup or "ALT" in markup:
        alts = [entities.unescape(a or b) for a, b in _ALT.findall(markup)]
        text = "\n".join([text, *alts])
    return text


def _depth(markup: str) -> int:
    """An upper bound, up to just past `MAX_DEPTH`, of how deep elements nest; void ones don't count."""
    depth = deepest = 0
    for tag in TAG_NAME.finditer(markup):
        if tag.group(2).lower() in _NO_CONTENT:
            continue
        if tag.group(1):
            depth = max(0, depth - 1)
        else:
            depth += 1
            deepest = max(deepest, depth)
            if deepest > MAX_DEPTH:
                break
    return deepest
