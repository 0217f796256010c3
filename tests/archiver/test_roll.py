"""A roll of numbers knows what a set of them knows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from archiver.roll import Roll

numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300)


@given(st.lists(numbers), st.lists(numbers))
def test_a_roll_is_a_set_from_which_numbers_are_crossed_off(known: list[int], struck: list[int]) -> None:
    roll, model = Roll(iter(known)), set(known)
    for number in [*struck, *known[::2], *known[::2]]:
        assert (number in roll) == (number in model)
        roll.discard(number)
        model.discard(number)
        assert len(roll) == len(model)
    assert [number in roll for number in known] == [number in model for number in known]
