"""The visible text of HTML, with the line breaks that a reader sees."""

from __future__ import annotations

import html as entities
import re

from selectolax.lexbor import LexborHTMLParser

_BLOCK = re.compile(
    r"<(?=/?(?:p|div|br|hr|tr|td|th|li|dt|dd|ul|ol|dl|h[1-6]|table|blockquote|pre|section|article|header"
    r"|footer|option|title|body)\b)",
    re.IGNORECASE,
)
_TAG_NAME = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})")
_ALT = re.compile(
    r"<img\b[^<>]{0,2000}?\balt\s*=\s*(?:\"([^\"<>]{1,1000})\"|'([^'<>]{1,1000})')", re.IGNORECASE
)
_TRAILING = re.compile(r"(?<![ \t\xa0])[ \t\xa0]+\n")
_BLANK_LINES = re.compile(r"\n\s*\n\s*")
_NO_CONTENT = frozenset({
    "p", "li", "td", "tr", "th", "dt", "dd", "option", "br", "img", "hr", "meta", "input", "link", "area",
    "base", "col", "wbr", "html", "body", "head",
})  # fmt: skip
_HIDDEN = ("script", "style")

MAX_DEPTH = 256
"""Nesting above which the parser is not asked: it took 21 s for 100,000 open `<div>`s here."""


def html_to_text(markup: str) -> str:
    """Return what a reader would see, with titles and the alternative text of images. Never raises."""
    if "<" not in markup:
        return entities.unescape(markup)
    if markup.count("<") > MAX_DEPTH and _depth(markup) > MAX_DEPTH:
        text = _strip_tags(markup)
    else:
        tree = LexborHTMLParser(_BLOCK.sub("\n<", markup))
        tree.strip_tags(list(_HIDDEN))
        text = tree.text(separator="")
    text = _BLANK_LINES.sub("\n", _TRAILING.sub("\n", text)).strip()
    if "alt" in markup or "ALT" in markup:
        alts = [entities.unescape(a or b) for a, b in _ALT.findall(markup)]
        text = "\n".join([text, *alts])
    return text


def _depth(markup: str) -> int:
    """An upper bound, up to just past `MAX_DEPTH`, of how deep elements nest; void ones don't count."""
    depth = deepest = 0
    for tag in _TAG_NAME.finditer(markup):
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


def _strip_tags(markup: str) -> str:
    """Drop tags without building a tree: linear for any input."""
    out = []
    hidden = ""
    for position, piece in enumerate(markup.split("<")):
        if position == 0:
            out.append(piece)
            continue
        tag, _, text = piece.partition(">")
        name = _TAG_NAME.match("<" + tag[:24])
        if hidden:
            ends = "-->" in piece if hidden == "!--" else bool(name and name.group(1))
            if ends and (hidden == "!--" or (name and name.group(2).lower() == hidden)):
                out.append(piece.rpartition("-->")[2] if hidden == "!--" else text)
                hidden = ""
        elif tag.startswith("!--"):
            hidden = "" if "-->" in piece else "!--"
            out.append(piece.rpartition("-->")[2] if not hidden else "")
        elif name is None and not tag.startswith(("!", "?", "/")):
            out.append("<" + piece)
        else:
            if name and not name.group(1) and name.group(2).lower() in _HIDDEN:
                hidden = name.group(2).lower()
                continue
            block = _BLOCK.match("<" + tag[:24] + ">")
            out.append(("\n" if block else "") + text)
    return entities.unescape("".join(out))
