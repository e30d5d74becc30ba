"""The process that decodes: what hangs, crashes or takes all memory in here takes nothing with it.

``python -m sranogan_edge.decoding.worker CHANNEL MEMORY LIMIT`` answers questions on the socket with number
CHANNEL (:mod:`sranogan_edge.decoding.messages`) until the runner is gone. It has MEMORY bytes beside what it
takes when idle, and LIMIT seconds of a core for each film; the clock is the runner's.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import logging
import os
import socket
import sys

import cv2

from sranogan_edge.decoding.confine import address_space, bound_cpu, bound_memory, go_first
from sranogan_edge.decoding.film import FilmRead, read_film
from sranogan_edge.decoding.memory import Filler
from sranogan_edge.decoding.messages import Line, receive, said_of, send, wanted_of
from sranogan_edge.image.film import FilmFields
from sranogan_edge.image.guard import no_memory

__all__ = ["main"]

_MOST_LOGGED, _MOST_CHARACTERS = 20, 2000
_WORN = 4  # a part of the memory of which so much is not given back: another process is begun


class _Heard(logging.Handler):
    """Keeps what is logged meanwhile, for the runner to log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[tuple[int, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.lines) < _MOST_LOGGED:
            self.lines.append((record.levelno, record.name, record.getMessage()[:_MOST_CHARACTERS]))


def _load_decoders() -> None:
    """Load what decoding needs now, so that it counts as the idle process, and the first film waits less."""
    with contextlib.suppress(ImportError):  # without the extra "dicom" there are no films to decode
        from sranogan_edge.image.dicom_decoders import decodable

        decodable()
    from PIL import Image

    Image.init()


def _answer(line: Line, file: int, limit_s: float, filler: Filler) -> tuple[Line, int | None]:
    """Read the film in ``file``; what is wrong with the file system or with us is told as a fault.

    Returns the answer, and the memory with its pixels where it is another than before.
    """
    bound_cpu(limit_s)
    wanted = wanted_of(line)
    try:
        with os.fdopen(file, "rb") as stream:
            read = read_film(stream, wanted)
        said = said_of(read)
        frames = read.taken.frames if read.taken else ()
        if not frames:
            return said, None
        parts = [(stated["at"], frame.pixels) for stated, frame in zip(said["frames"], frames, strict=True)]
        return said, filler.fill(parts, said["bytes"], again=line["again"])
    except Exception as error:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return said_of(FilmRead(FilmFields(), error=no_memory(wanted.source))), None
        return {"fault": f"{type(error).__name__}: {error}"}, None  # not of the image: it is tried again


def main() -> None:
    """Answer until the runner is gone."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    memory, limit_s = int(sys.argv[2]), float(sys.argv[3])
    cv2.setNumThreads(1)
    heard = _Heard()
    logger = logging.getLogger("sranogan_edge")
    logger.addHandler(heard)
    logger.setLevel(logging.INFO)  # what of it is told, the runner's own level says
    go_first()
    _load_decoders()
    gc.collect()
    gc.freeze()
    idle = bound_memory(memory)
    send(channel, {"ready": os.getpid()})
    filler = Filler()
    while (asked := receive(channel)) is not None:
        line, file = asked
        heard.lines.clear()
        said, filled = _answer(line, file if file is not None else -1, limit_s, filler)
        worn = address_space() > idle + memory // _WORN
        send(channel, {**said, "log": heard.lines, "worn": worn}, filled)
        if worn:
            return


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the runner is gone
        main()
