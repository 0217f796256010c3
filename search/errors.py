"""Errors of the read path. `SearchError` is the base of the whole package.

No text here ever quotes a query: queries are patient information and texts end up in logs.
"""

from __future__ import annotations

from config.errors import HoldfastError


class SearchError(HoldfastError):
    """Base of every error raised below `search/`."""

    code = "search"


class QueryError(SearchError):
    """The query wasn't understood, so it was refused. Nothing was searched.

    `kind` is a short stable slug (`unknown_field`, `bad_date`, `near`, ...) and `position` the offset
    in characters where the trouble starts, from 0, or None when it is the query as a whole.
    """

    code = "bad_query"
    exit_code = 2
    http_status = 400
    audit_code = "query_refused"

    def __init__(self, kind: str, text: str, position: int | None = None) -> None:
        self.kind = kind
        self.position = position
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


class IndexOutdated(IndexUnavailable):
    """The index is of a layout that this version can't use; a new one is built from the archive."""

    code = "index_outdated"


class IndexLocked(IndexUnavailable):
    """Another writer holds the index, or readers keep it busy."""

    code = "index_locked"
