"""The structural half of the language: a Whoosh parser plugin that nests syntax nodes, strictly.

    any   := all { "OR" all }
    all   := not { [ "AND" ] not }
    not   := { "NOT" | "-" } one
    one   := [ field ] ( value | "(" any ")" )

Whatever doesn't fit is refused. Whoosh's own group and operator plugins mend broken input in silence,
which a legal search must not.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from whoosh.qparser import Plugin
from whoosh.qparser.syntax import AndGroup, GroupNode, NotGroup, OrGroup, SyntaxNode

from search.errors import QueryError
from search.language.syntax import Close, Field, Open, Operator, Value

MAX_DEPTH: Final = 50
MAX_LEAVES: Final = 500


class GrammarPlugin(Plugin):  # type: ignore[misc]
    """Runs before Whoosh's filters, while blanks are still there to be judged."""

    def filters(self, _parser: object) -> list[tuple[Callable[[Any, Any], GroupNode], int]]:
        return [(self.nest, 0)]

    def nest(self, _parser: object, flat: GroupNode) -> GroupNode:
        """Return the one nested group of a flat list of nodes. Raises QueryError."""
        nodes = list(flat)
        _check_quotes(nodes)
        _check_gaps(nodes)
        tree = _Nester([node for node in nodes if not node.is_ws()]).whole()
        # Whoosh's later filters want a group, so a lone value becomes a group of one.
        return tree if isinstance(tree, GroupNode) else AndGroup([tree])


def _check_quotes(nodes: list[SyntaxNode]) -> None:
    # Every tagger but the quote's leaves a lone quote alone, so Whoosh's filler node is one.
    for node in nodes:
        if not isinstance(node, Open | Close | Operator | Field | Value) and not node.is_ws():
            raise QueryError("unbalanced_quote", 'a " has no partner; close the quotes', node.startchar)


def _check_gaps(nodes: list[SyntaxNode]) -> None:
    for left, right in pairwise(nodes):
        if isinstance(left, Value | Close) and not (right.is_ws() or isinstance(right, Close)):
            if isinstance(left, Value) and left.style == "quoted" and getattr(right, "typed", "")[:1] == "~":
                raise QueryError(
                    "near",
                    'after quotes, ~ needs a number of words from 1 to 100, as in "two words"~5',
                    right.startchar,
                )
            raise QueryError(
                "missing_blank", 'put a blank here, or put the whole of it in "quotes"', right.startchar
            )
        if isinstance(left, Field) and (right.is_ws() or not isinstance(right, Value | Open)):
            raise QueryError("no_value", "a value must follow the field's colon at once", left.startchar)


class _Nester:
    """One pass over the nodes, by recursive descent; the depth is bounded."""

    def __init__(self, nodes: list[SyntaxNode]) -> None:
        self.nodes = nodes
        self.next = 0
        self.leaves = 0

    def whole(self) -> SyntaxNode:
        tree = self._any(None, 0)
        left = self._peek()
        if left is not None:
            raise QueryError("unbalanced_parenthesis", "a ) has no partner", left.startchar)
        return tree

    def _peek(self) -> SyntaxNode | None:
        return self.nodes[self.next] if self.next < len(self.nodes) else None

    def _take(self, name: str) -> bool:
        node = self._peek()
        if isinstance(node, Operator) and node.name == name:
            self.next += 1
            return True
        return False

    def _any(self, field: str | None, depth: int) -> SyntaxNode:
        parts = [self._all(field, depth)]
        while self._take("OR"):
            parts.append(self._all(field, depth))
        return _join(OrGroup, parts)

    def _all(self, field: str | None, depth: int) -> SyntaxNode:
        parts = [self._not(field, depth)]
        while True:
            node = self._peek()
            ends = (
                node is None or isinstance(node, Close) or (isinstance(node, Operator) and node.name == "OR")
            )
            if not self._take("AND") and ends:
                return _join(AndGroup, parts)
            parts.append(self._not(field, depth))

    def _not(self, field: str | None, depth: int) -> SyntaxNode:
        if self._take("NOT"):
            return NotGroup([self._not(field, self._deeper(depth))])
        return self._one(field, depth)

    def _one(self, field: str | None, depth: int) -> SyntaxNode:
        node = self._peek()
        if node is None:
            raise QueryError("dangling", "something is missing at the end of the query", self._end())
        self.next += 1
        if isinstance(node, Field):
            if field is not None:
                raise QueryError(
                    "nested_field", "a field can't stand inside another one's group", node.startchar
                )
            return self._one(node.name, depth)
        if isinstance(node, Open):
            return self._group(node, field, depth)
        if isinstance(node, Value):
            self.leaves += 1
            if self.leaves > MAX_LEAVES:
                raise QueryError(
                    "too_many_words", f"a query may hold {MAX_LEAVES} words; split it", node.startchar
                )
            node.fieldname = field
            return node
        if isinstance(node, Close):
            raise QueryError("unbalanced_parenthesis", "nothing stands before this )", node.startchar)
        raise QueryError(
            "dangling",
            'AND and OR need something on both sides; write and, or in small letters or "quotes"',
            node.startchar,
        )

    def _group(self, opened: Open, field: str | None, depth: int) -> SyntaxNode:
        inner = self._any(field, self._deeper(depth))
        if not isinstance(self._peek(), Close):
            raise QueryError("unbalanced_parenthesis", "a ( has no partner", opened.startchar)
        self.next += 1
        return inner

    def _deeper(self, depth: int) -> int:
        if depth >= MAX_DEPTH:
            raise QueryError("too_deep", f"parentheses and NOTs may nest {MAX_DEPTH} deep", self._end())
        return depth + 1

    def _end(self) -> int:
        return int(self.nodes[min(self.next, len(self.nodes)) - 1].endchar) if self.nodes else 0


def _join(kind: type[GroupNode], parts: list[SyntaxNode]) -> SyntaxNode:
    """Flatten same-type groups, so that one meaning has one tree."""
    if len(parts) == 1:
        return parts[0]
    flat: list[SyntaxNode] = []
    for part in parts:
        flat.extend(part.nodes if type(part) is kind else [part])
    return kind(flat)
