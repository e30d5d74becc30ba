"""One film read whole: what it says it is, and its frames where they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from sranogan_edge.errors import ImageError
from sranogan_edge.image.decode import decode_stream
from sranogan_edge.image.film import FilmFields, FilmOptions, TakenFilm, fields_of

__all__ = ["FilmRead", "Wanted", "read_film"]


@dataclass(frozen=True)
class Wanted:
    """What is asked of a file.

    Attributes:
        source: what to call it in messages.
        films: which are taken.
        max_pixels: of all frames, above which it is refused.
    """

    source: str
    films: FilmOptions
    max_pixels: int


@dataclass(frozen=True, eq=False)
class FilmRead:
    """What was read of a file.

    Attributes:
        film: what it says it is, as far as it was read.
        taken: its frames, or why they are not asked for; None where it cannot be used.
        error: why it cannot be used.
    """

    film: FilmFields
    taken: TakenFilm | None = None
    error: ImageError | None = None

    def or_raise(self) -> TakenFilm:
        """Return what was taken; raises the error where there is one."""
        if self.taken is None:
            raise self.error or ImageError("nothing was read")
        return self.taken


def read_film(stream: BinaryIO, wanted: Wanted) -> FilmRead:
    """Read an open file in this process; raises OSError where its bytes cannot be had."""
    film = FilmFields()
    try:
        film = fields_of(stream, wanted.source)
        stream.seek(0)
        decode = partial(decode_stream, stream, wanted.source, wanted.max_pixels)
        return FilmRead(film, wanted.films.taken(film, decode))
    except ImageError as error:
        return FilmRead(film, error=error)


def read_here(path: Path, wanted: Wanted) -> FilmRead:
    """Read a file in this process; raises OSError where it cannot be opened or read."""
    with path.open("rb") as stream:
        return read_film(stream, wanted)
