"""What people type into a case: trimmed, bounded, and printable, so that every letter and answer can have
it."""

from __future__ import annotations

from retention.errors import RetentionError


def typed(
    field: str,
    value: str,
    most: int,
    wrong: type[RetentionError],
    *,
    needed: bool = False,
    lines: bool = True,
) -> str:
    """The text of a field, trimmed; with `lines` of several. Raises `wrong` naming the field, never the
    value."""
    text = value.replace("\r\n", "\n").strip()
    if not lines:
        text = " ".join(text.split())
    if needed and not text:
        raise wrong(f"say the {field}")
    if len(text) > most or any(not c.isprintable() and c not in "\n\t" for c in text):
        raise wrong(f"the {field} has {most:,} printable characters at most")
    return text
