"""Holding back images without leaks."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_sranogan.data.item import Item
from keras_sranogan.data.split import split_by_group
from sranogan_edge.errors import DataError, SettingsError


def people(*sizes: int) -> list[Item]:
    """Images of as many people as there are numbers."""
    return [
        Item(f"{who}/{n}", "NORMAL", True, f"p{who}") for who, size in enumerate(sizes) for n in range(size)
    ]


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=60),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
def test_no_group_is_on_both_sides_and_nothing_is_lost(sizes: list[int], share: float, seed: int) -> None:
    """For any groups, share and seed: disjoint, complete, neither empty, and about the share."""
    items = people(*sizes)
    first, second = split_by_group(items, share, seed)
    assert sorted(first + second, key=lambda item: item.key) == sorted(items, key=lambda item: item.key)
    assert not {item.group for item in first} & {item.group for item in second}
    assert first
    assert second
    assert abs(len(second) - share * len(items)) <= max(sizes)


def test_input_order_does_not_matter_and_the_seed_does() -> None:
    """The same items in any order give the same parts; another seed gives others."""
    items = people(*[3] * 40)
    shuffled = random.Random(1).sample(items, len(items))
    assert split_by_group(items, 0.2, seed=4) == split_by_group(shuffled, 0.2, seed=4)
    assert split_by_group(items, 0.2, seed=4) != split_by_group(items, 0.2, seed=5)


def test_share_is_met_exactly_with_single_images() -> None:
    """Where every image is its own group, the share is met to the image."""
    first, second = split_by_group(people(*[1] * 200), 0.25, seed=0)
    assert (len(first), len(second)) == (150, 50)


@pytest.mark.parametrize(("share", "held"), [(0.35, 1), (0.375, 2)])
def test_a_group_is_taken_where_that_comes_nearer(share: float, held: int) -> None:
    """Of four single images 1.4 are one, and 1.5 are two."""
    assert len(split_by_group(people(*[1] * 4), share, seed=0)[1]) == held


def test_a_share_below_every_group_takes_the_smallest() -> None:
    """Where no group fits in the share, the one of fewest images is held back, whatever its name."""
    assert {item.group for item in split_by_group(people(9, 3, 5), 0.01, seed=0)[1]} == {"p1"}


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_share_out_of_range(share: float) -> None:
    """A share that would leave a side empty is refused."""
    with pytest.raises(SettingsError, match=f"above 0 and below 1. Received: {share}"):
        split_by_group(people(1, 1), share, seed=0)


@pytest.mark.parametrize("sizes", [(), (1,), (5,)])
def test_one_group_cannot_be_split(sizes: tuple[int, ...]) -> None:
    """One image, or all of one patient, is refused with the cure."""
    with pytest.raises(DataError, match=r"cannot be split in two\. Add images of other patients, or correct"):
        split_by_group(people(*sizes), 0.5, seed=0)
