"""What is said between the runner and its decoder: JSON, a line each way, with at most one open file.

No pickles: the decoder may have been taken over by what it decoded. What it answers is checked before it is
used.
"""

from __future__ import annotations

import json
import math
import os
import socket
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sranogan_edge import errors
from sranogan_edge.decoding.film import FilmRead, Wanted
from sranogan_edge.errors import DecodingError, ImageError
from sranogan_edge.image.film import FilmFields, FilmOptions, TakenFilm
from sranogan_edge.image.frame import Frame, Photometric, Window

__all__ = ["Line", "film_of", "question", "receive", "said_of", "send", "wanted_of"]

MOST_BYTES = 32 * 2**20  # of a line; 1,024 frames with long names have about 10 MB
_CHUNK_BYTES = 2**16
_REST_S = 5.0  # until a line that was begun has to be there
_TEXT = 64  # characters of a patient's or examination's number
_ALIGNED = 64  # bytes, of each frame's begin
Line = dict[str, Any]


def send(channel: socket.socket, line: Mapping[str, Any], descriptor: int | None = None) -> None:
    """Send one line, with an open file; raises OSError where nobody takes it."""
    data = json.dumps(line).encode() + b"\n"
    sent = socket.send_fds(channel, [data], [] if descriptor is None else [descriptor])
    channel.sendall(data[sent:])


def receive(channel: socket.socket) -> tuple[Line, int | None] | None:
    """Wait for one line and its file; None where the other side is gone.

    Raises:
        ValueError: what came is no line.
        TimeoutError: nothing came within the channel's time limit.
        OSError: the channel broke.
    """
    data, descriptors, _, _ = socket.recv_fds(channel, _CHUNK_BYTES, 1)
    descriptor = descriptors[0] if descriptors else None
    if channel.gettimeout() is not None:
        channel.settimeout(_REST_S)
    try:
        line = json.loads(_rest_of_line(channel, data))
        if not isinstance(line, dict):
            raise ValueError("a line that is no message")
    except BaseException as error:
        if descriptor is not None:
            os.close(descriptor)
        if isinstance(error, EOFError):
            return None
        if isinstance(error, TimeoutError):
            raise ValueError("a line that does not end") from error
        raise
    return line, descriptor


def _rest_of_line(channel: socket.socket, begun: bytes) -> bytes:
    """The whole of a line; raises EOFError where the other side went before its end."""
    data, last = bytearray(begun), begun
    while not last.endswith(b"\n"):
        if not last:
            raise EOFError
        if len(data) > MOST_BYTES:
            raise ValueError(f"a line of more than {MOST_BYTES:,} bytes")
        last = channel.recv(_CHUNK_BYTES)
        data += last
    return bytes(data)


def question(wanted: Wanted) -> Line:
    """What the runner says of the file that it sends along."""
    return {"source": wanted.source, "max_pixels": wanted.max_pixels, "films": vars(wanted.films)}


def wanted_of(line: Line) -> Wanted:
    """The inverse of :func:`question`."""
    stated: dict[str, Any] = line["films"]
    options: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in stated.items()}
    return Wanted(line["source"], FilmOptions(**options), line["max_pixels"])


def said_of(read: FilmRead) -> Line:
    """What the decoder says of a film; its frames are to be put where that states."""
    said: Line = {"film": vars(read.film)}
    if read.error is not None:
        return {**said, "error": [type(read.error).__name__, str(read.error)]}
    taken = read.or_raise()
    frames, at = [], 0
    for frame in taken.frames:
        window = frame.window and [frame.window.center, frame.window.width]
        stated = {"shape": frame.pixels.shape, "dtype": frame.pixels.dtype.name, "at": at}
        told = {"bits": int(frame.bit_depth), "photometric": frame.photometric.value, "source": frame.source}
        frames.append({**stated, **told, "window": window})
        at += math.ceil(frame.pixels.nbytes / _ALIGNED) * _ALIGNED
    return {**said, "turned": taken.turned, "refusal": taken.refusal, "frames": frames, "bytes": at}


def film_of(said: Line, pixels: NDArray[np.uint8], source: str) -> FilmRead:
    """What the decoder said, checked; frames are views of ``pixels``, the bytes that it filled.

    Raises:
        ValueError, KeyError, TypeError, ImageError: it is none of what a sound decoder says.
    """
    fields = dict(said["film"])
    numbers = {str(name): str(value)[:_TEXT] for name, value in dict(fields.pop("numbers", {})).items()}
    film = FilmFields(**{name: str(value) for name, value in fields.items()}, numbers=numbers)
    if "error" in said:
        name, text = said["error"]
        kind = getattr(errors, str(name), None)
        sound = isinstance(kind, type) and issubclass(kind, ImageError)
        return FilmRead(film, error=kind(str(text)) if sound and kind else DecodingError(f"{source}: {text}"))
    frames = tuple(_frame(stated, pixels) for stated in said["frames"])
    return FilmRead(film, TakenFilm(frames, str(said["turned"]), str(said["refusal"])))


def _frame(stated: Line, filled: NDArray[np.uint8]) -> Frame:
    dtype = np.dtype({"uint8": np.uint8, "uint16": np.uint16}[stated["dtype"]])
    shape, at = tuple(int(side) for side in stated["shape"]), int(stated["at"])
    size = math.prod(shape) * dtype.itemsize
    if not shape or min(shape) < 1 or at % _ALIGNED or not 0 <= at <= len(filled) - size:
        raise ValueError(f"a frame of {shape} {dtype} at {at:,} of {len(filled):,} bytes")
    pixels: Any = filled[at : at + size].view(dtype).reshape(shape)
    window = stated["window"] and Window(*map(float, stated["window"]))
    kind = Photometric(stated["photometric"])
    return Frame(pixels, int(stated["bits"]), kind, window or None, str(stated["source"]))
