"""What KServe's v2 protocol sends and gets: tensors in JSON, or behind it (the binary data extension)."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import MalformedUploadError, TooLargeError
from sranogan_edge.image.frame import Frame

__all__ = ["IMAGE", "MOST_JSON_BYTES", "OUTPUTS", "Asked", "asked_of", "images_in", "output_of"]

IMAGE = "image"
PIXELS: dict[str, np.dtype[Any]] = {
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "FP32": np.dtype("<f4"),
}
OUTPUTS = {"score": "FP64", "p_value": "FP64", "verdict": "BYTES", "result": "BYTES"}
MOST_JSON_BYTES = 4 * 2**20  # numbers take much more room than their text


@dataclass(frozen=True, eq=False)
class Asked:
    """One request.

    Attributes:
        id: that the answer repeats; None where there is none.
        datatype: of the input.
        shape: of the input; the first axis counts images.
        data: as JSON has it, or the bytes behind it.
        outputs: that are asked for, in their order.
    """

    id: str | None
    datatype: str
    shape: tuple[int, ...]
    data: Any
    outputs: tuple[str, ...]


def asked_of(body: bytes, json_bytes: int | None, most_images: int) -> Asked:
    """Read a request; ``json_bytes`` is how long its JSON is where bytes follow.

    Raises:
        MalformedUploadError: it is none.
        TooLargeError: its JSON is too long, or it has too many images.
    """
    length = len(body) if json_bytes is None else json_bytes
    if length > MOST_JSON_BYTES:
        raise TooLargeError(
            f"JSON of {length:,} bytes; {MOST_JSON_BYTES:,} may come. Send bytes behind it (the binary data "
            "extension), or the image's file to /v1/score."
        )
    try:
        said = json.loads(body[:length])
        (given,) = said["inputs"]
        shape = tuple(given["shape"])
        sizes = all(type(side) is int and side > 0 for side in shape)
        if given["name"] != IMAGE or not shape or not sizes:
            raise ValueError("no input of this model")
        stated = given.get("parameters", {}).get("binary_data_size")
        data = given["data"] if stated is None else body[length:]
        if stated is not None and stated != len(data):
            raise ValueError("the bytes behind the JSON are not as many as it says")
        named = [str(one["name"]) for one in said.get("outputs", ())] or [*OUTPUTS]
        asked = Asked(said.get("id"), given["datatype"], shape, data, tuple(named))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedUploadError(
            f"no request of KServe's v2 protocol with one input called {IMAGE} ({type(error).__name__}: "
            f"{str(error)[:200]}). GET the model for its inputs."
        ) from error
    if asked.datatype not in ("BYTES", *PIXELS) or not set(named) <= OUTPUTS.keys():
        raise MalformedUploadError(
            f"{IMAGE} is BYTES, {', '.join(PIXELS)}; outputs are {', '.join(OUTPUTS)}. Ask for these."
        )
    if shape[0] > most_images:
        raise TooLargeError(f"there are more than {most_images:,} images. Send no more than that at once.")
    return asked


def images_in(asked: Asked) -> Iterator[bytes]:
    """Yield each image as a file's bytes; pixels as a PNG, which loses nothing.

    Raises:
        MalformedUploadError: the data is not what shape and datatype say.
        PixelsError: an array that is no image.
    """
    try:
        yield from _files(asked) if asked.datatype == "BYTES" else map(_png, _arrays(asked))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise MalformedUploadError(
            f"the data of {IMAGE} is not what its shape {list(asked.shape)} and {asked.datatype} say: "
            f"{str(error)[:200]}"
        ) from error


def _files(asked: Asked) -> list[bytes]:
    if isinstance(asked.data, bytes):
        files = _counted(asked.data)
    else:
        files = [base64.b64decode(one, validate=True) for one in _flat(asked.data)]
    if math.prod(asked.shape) != len(files) or len(files) != asked.shape[0]:
        raise ValueError(f"{len(files)} images came")
    return files


def _counted(data: bytes) -> list[bytes]:
    """Elements with their length before each, in four bytes."""
    found, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        at += 4 + length
        if at > len(data):
            raise ValueError("the bytes end in the middle of an image")
        found.append(data[at - length : at])
    return found


def _flat(data: Any) -> Iterator[str]:
    for one in data if isinstance(data, list) else [data]:
        if isinstance(one, list):
            yield from _flat(one)
        else:
            yield one


def _arrays(asked: Asked) -> NDArray[Any]:
    kind = PIXELS[asked.datatype]
    if len(asked.shape) not in (3, 4):
        raise ValueError("pixels have the shape [images, rows, columns], or channels behind these")
    if isinstance(asked.data, bytes):
        return np.frombuffer(asked.data, kind).reshape(asked.shape)
    numbers = np.asarray(asked.data)
    if kind.kind == "u":
        whole = numbers.dtype.kind in "iu" and 0 <= numbers.min() <= numbers.max() <= np.iinfo(kind).max
        if not whole:
            raise ValueError("numbers that it cannot hold")
    return np.asarray(numbers, kind).reshape(asked.shape)


def _png(array: NDArray[Any]) -> bytes:
    pixels = Frame.of(array, source=IMAGE).pixels
    _, packed = cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    return packed.tobytes()


def output_of(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one output tensor of the results ``rows``."""
    data = [json.dumps(row) if name == "result" else row[name] for row in rows]
    return {"name": name, "datatype": OUTPUTS[name], "shape": [len(rows)], "data": data}
