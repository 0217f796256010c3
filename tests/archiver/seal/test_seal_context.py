"""Contexts are canonical: two are equal only where all their parts are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import SealError
from archiver.seal.context import KINDS, object_context

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
kinds = st.sampled_from(sorted(KINDS))


@given(st.tuples(names, names, kinds), st.tuples(names, names, kinds))
def test_equal_only_for_equal_parts(one, other) -> None:
    assert (object_context(*one) == object_context(*other)) == (one == other)


def test_parts_do_not_run_together() -> None:
    assert object_context("ab", "c", "raw") != object_context("a", "bc", "raw")
    assert object_context("a", "b", "raw") == b"\x01\x00\x01a\x00\x01b\x00\x03raw"


def test_what_cannot_be_bound_is_refused() -> None:
    with pytest.raises(SealError, match="unknown kind"):
        object_context("a", "b", "letter")  # type: ignore[arg-type]
    with pytest.raises(SealError):
        object_context("a", "\ud800", "raw")
    with pytest.raises(SealError):
        object_context("a", "x" * 65536, "raw")
