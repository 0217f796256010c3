"""What is sealed of a message's description reads back as it was, whatever its headers held."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from archiver.capture.prepare import _json

_TEXT = st.text(st.characters(), max_size=12)  # lone surrogates too
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(_TEXT, _VALUES, max_size=6))
@example({"subject": "\ud800"})
@example({"size": 2**70})
def test_json_reads_back(value: dict[str, Any]) -> None:
    assert json.loads(_json(value).decode("utf-8", "surrogatepass")) == value
