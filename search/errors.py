"""Errors of the read path. `SearchError` is the base of the whole package.

No text here ever quotes a query: queries are patient information and texts end up in logs.
"""

from __future__ import annotations

from typing import Final

from config.errors import HoldfastError

_RIGHT_FORMS: Final = {
    "bad_date": "date:2024-03-01",
    "bad_has": "has:attachment",
    "bad_size": "larger:2M",
    "boost": '"quotes"',
    "bracket": "date:[2024-01 to 2024-06]",
    "dangling": "one AND two",
    "empty": "*",
    "fuzzy": "word~1",
    "loose_wildcard": "word*",
    "missing_blank": '"quotes"',
    "near": '"two words"~5',
    "nested_field": "subject:(one OR two) from:name",
    "no_value": "subject:word",
    "operator": "one OR two, NOT three",
    "quoted_wildcard": "word*",
    "short_fuzzy": "words~1",
    "short_pattern": "wo*",
    "tag_wildcard": '"quotes"',
    "unbalanced_parenthesis": "(one OR two)",
    "unbalanced_quote": '"two words"',
    "unknown_field": '"quotes"',
}
"""By kind of refusal, an example of what would be understood."""


class SearchError(HoldfastError):
    """Base of every error raised below `search/`."""

    code = "search"


class QueryError(SearchError):
    """The query wasn't understood, so it was refused. Nothing was searched.

    `kind` is a short stable slug (`unknown_field`, `bad_date`, `near`, ...) and `position` the offset
    in characters where the trouble starts, from 0, or None when it is the query as a whole. `suggestion` is
    a field's name or a short example of the right form, or None; it never holds anything of the query.
    """

    code = "bad_query"
    exit_code = 2
    http_status = 400
    audit_code = "query_refused"

    def __init__(
        self, kind: str, text: str, position: int | None = None, *, suggestion: str | None = None
    ) -> None:
        self.kind = kind
        self.position = position
        self.suggestion = suggestion if suggestion is not None else _RIGHT_FORMS.get(kind)
        super().__init__(text if position is None else f"At character {position + 1}: {text}")


class QueryTooBroad(QueryError):
    """A word pattern stands for more words than one query may hold. It is refused, not cut short."""

    code = "query_too_broad"


class BadCursor(QueryError):
    """The cursor belongs to another query, sort order or index, or was altered."""

    code = "bad_cursor"


class IndexDamaged(SearchError):
    """The index doesn't read back as written, or the key isn't its key. Rebuild it with `reindex`."""

    code = "index_damaged"
    exit_code = 1
    http_status = 500
    audit_code = "index_damaged"


class IndexUnavailable(SearchError):
    """The index can't be read or written now: not built yet, disk full, folder unreadable."""

    code = "index_unavailable"
    exit_code = 75
    http_status = 503
    audit_code = "index_unavailable"
    retry = True


class IndexMissing(IndexUnavailable):
    """There is no index, or a file in which none was ever made."""


class IndexOutdated(IndexUnavailable):
    """The index is of a layout that this version can't use; a new one is built from the archive."""

    code = "index_outdated"


class NoRoom(IndexUnavailable):
    """The disk has no room for a new index beside the old one. Nothing was changed."""

    code = "no_room"


class IndexLocked(IndexUnavailable):
    """Another writer holds the index, or readers keep it busy."""

    code = "index_locked"
