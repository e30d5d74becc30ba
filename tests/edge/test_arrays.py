"""Named arrays as bytes: equal in, equal out, and what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest

from sranogan_edge.arrays import arrays_from_bytes, arrays_to_bytes
from tests.support.arrays import claims_a_terabyte

ARRAYS = {
    "grey": np.arange(6, dtype=np.float32).reshape(2, 3),
    "flags": np.array([True, False]),
    "limit": np.array(2.5),
    "none": np.zeros((0, 4), np.int64),
}


def test_arrays_round_trip() -> None:
    """Shapes, types and values come back, scalars and empty arrays too, in any order asked for."""
    found = arrays_from_bytes(arrays_to_bytes(ARRAYS), reversed(ARRAYS))
    assert list(found) == list(reversed(ARRAYS))
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype)


def test_equal_arrays_give_equal_bytes() -> None:
    """Neither the clock nor the place in memory leaves a trace; another value does."""
    again = {name: array.copy() for name, array in ARRAYS.items()}
    assert arrays_to_bytes(again) == arrays_to_bytes(ARRAYS)
    assert arrays_to_bytes(again | {"limit": np.array(2.6)}) != arrays_to_bytes(ARRAYS)


def test_numpy_reads_them() -> None:
    """The bytes are an ordinary ``.npz`` file."""
    with np.load(io.BytesIO(arrays_to_bytes(ARRAYS)), allow_pickle=False) as found:
        assert sorted(found) == sorted(ARRAYS)
        np.testing.assert_array_equal(found["grey"], ARRAYS["grey"])


def test_arrays_name_what_is_missing() -> None:
    """An archive without a wanted array is refused by that array's name."""
    with pytest.raises(ValueError, match=r"no array .*other\.npy"):
        arrays_from_bytes(arrays_to_bytes({"x": np.zeros(2)}), ["x", "other"])


def test_objects_are_not_written() -> None:
    """Arrays of Python objects, which only pickle could hold, are refused."""
    with pytest.raises(ValueError, match="allow_pickle"):
        arrays_to_bytes({"x": np.array([{}], dtype=object)})


def test_pickles_are_not_read() -> None:
    """An archive with a pickled array, which would run code, is refused."""
    buffer = io.BytesIO()
    np.savez(buffer, x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        arrays_from_bytes(buffer.getvalue(), ["x"])


def test_compressed_arrays_are_not_inflated() -> None:
    """A compressed array is refused by name: it could take a thousand times the memory."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=np.zeros(100_000))
    with pytest.raises(ValueError, match="'x' is compressed"):
        arrays_from_bytes(buffer.getvalue(), ["x"])


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x93NUMPY", arrays_to_bytes(ARRAYS)[:-30]])
def test_bytes_that_are_no_arrays(data: bytes) -> None:
    """What is no archive, or not a whole one, is a ValueError like any other nonsense."""
    with pytest.raises(ValueError, match="damaged arrays"):
        arrays_from_bytes(data, ["grey"])


def test_array_that_claims_more_than_there_is() -> None:
    """A header that claims a terabyte is refused for want of its data."""
    with pytest.raises(ValueError, match=r"damaged arrays|cannot reshape|EOF"):
        arrays_from_bytes(claims_a_terabyte(), ["x"])
