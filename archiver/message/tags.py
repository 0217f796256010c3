"""Text of markup without building a tree: in Python alone, in time and memory linear in the input."""

from __future__ import annotations

import html as entities
import re

BLOCK = re.compile(
    r"<(?=/?(?:p|div|br|hr|tr|td|th|li|dt|dd|ul|ol|dl|h[1-6]|table|blockquote|pre|section|article|header"
    r"|footer|option|title|body)\b)",
    re.IGNORECASE,
)
TAG_NAME = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})")
_PIECE = re.compile(r"<?[^<]*")
HIDDEN = ("script", "style")


def strip_tags(markup: str) -> str:
    """Drop tags, comments, scripts and styles; blocks begin on a line of their own. Never raises."""
    out = []
    hidden = ""
    for match in _PIECE.finditer(markup):
        piece = match.group()
        if piece[:1] != "<":
            out.append(piece)
            continue
        piece = piece[1:]
        tag, _, text = piece.partition(">")
        name = TAG_NAME.match("<" + tag[:24])
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
            if name and not name.group(1) and name.group(2).lower() in HIDDEN:
                hidden = name.group(2).lower()
                continue
            block = BLOCK.match("<" + tag[:24] + ">")
            out.append(("\n" if block else "") + text)
    return entities.unescape("".join(out))
