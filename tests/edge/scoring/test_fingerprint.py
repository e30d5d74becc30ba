"""Signs of normals as bytes: how many there must be, and what is none."""

from __future__ import annotations

import numpy as np
import pytest

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
