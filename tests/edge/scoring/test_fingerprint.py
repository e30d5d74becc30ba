"""Signs of normals as bytes: how many there must be, and what is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sranogan_edge.arrays import arrays_to_bytes
from sranogan_edge.scoring.fingerprint import signs_from_bytes, signs_to_bytes


@pytest.mark.parametrize(("normals", "enough"), [(19, False), (20, True), (21, True)])
def test_twenty_normals_are_the_fewest(normals: int, enough: bool) -> None:
    """As docs/guide/calibration.md has it: 20 tell what is not like them, 19 do not."""
    signs = {name: np.arange(normals) / 7 + place for place, name in enumerate(("contrast", "likeness"))}
    data = signs_to_bytes(signs)
    if not enough:
        with pytest.raises(ValueError, match="signs of 19 normals: at least 20 are needed"):
            signs_from_bytes(data)
        return
    found = signs_from_bytes(data)
    assert list(found) == ["likeness", "contrast"]
    for name, values in signs.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_signs_that_are_no_numbers_are_refused(odd: float) -> None:
    """One value that is not finite makes all of them useless."""
    values = np.arange(25.0)
    values[7] = odd
    with pytest.raises(ValueError, match="all finite"):
        signs_from_bytes(signs_to_bytes({"brightness": values}))


def test_equal_signs_give_equal_bytes() -> None:
    """Whatever order they are in, and as whole numbers too."""
    one, other = np.arange(20.0), np.arange(20.0, 40.0)
    assert signs_to_bytes({"likeness": one, "contrast": other}) == signs_to_bytes(
        {"contrast": other.astype(np.int64), "likeness": one}
    )


def damaged(**changes: Any) -> bytes:
    """Signs of 20 normals with an array exchanged."""
    sound = {"signs": np.array([True, False, True, False]), "values": np.zeros((20, 2))}
    return arrays_to_bytes({**sound, **changes})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"signs": np.array([True, False, True])}, "not one boolean each of likeness, brightness, contrast"),
        ({"signs": np.array([1, 0, 1, 0])}, "not one boolean each"),
        ({"signs": np.zeros(4, np.bool_)}, "not one boolean each"),
        ({"values": np.zeros((20, 2), np.float32)}, "of 2 signs"),
        ({"values": np.zeros(40)}, "of 2 signs"),
        ({"values": np.zeros((20, 3))}, "of 2 signs"),
    ],
)
def test_what_are_no_signs_is_refused(change: dict[str, Any], said: str) -> None:
    """Another number or kind of names, or values that are not theirs; sound ones are read."""
    assert list(signs_from_bytes(damaged())) == ["likeness", "contrast"]
    with pytest.raises(ValueError, match=said):
        signs_from_bytes(damaged(**change))
