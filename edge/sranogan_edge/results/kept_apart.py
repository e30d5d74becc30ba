"""What is kept of each image in a folder of its own, where somebody asks for it: mask, overlay, or a copy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.files import write_whole
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.own_outputs import HEAT_MAPS
from sranogan_edge.results.line import ResultLine
from sranogan_edge.scoring.overlay import overlay_on
from sranogan_edge.scoring.rule import Verdict

__all__ = ["KeptApart"]


@dataclass(frozen=True)
class KeptApart:
    """Folders for what is kept of images that were judged; None keeps nothing of the kind.

    Attributes:
        masks: for an 8-bit PNG of each, as large as the image: 255 in its regions, 0 elsewhere.
        overlays: for a PNG of each with its heat map, as large as the image, up to 4 million pixels.
        anomalous: for copies of the files that were judged anomalous, byte for byte.
    """

    masks: Path | None = None
    overlays: Path | None = None
    anomalous: Path | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        """Those that are asked for."""
        return tuple(filter(None, (self.masks, self.overlays, self.anomalous)))

    def check(self, out: Path, inputs: Sequence[Path]) -> None:
        """Look whether files of one kind would replace those of another, or images lie where they are kept.

        Args:
            out: the folder of the results.
            inputs: what is scored, files and folders.

        Raises:
            SettingsError: they would, or do; both places are named.
        """
        named = {f"--{one.name}": path for one in fields(self) if (path := getattr(self, one.name))}
        places = {"the heat maps": out / HEAT_MAPS, **named}
        seen: dict[Path, str] = {}
        for name, path in places.items():
            real = Path(os.path.realpath(path))
            if real in seen:
                raise SettingsError(
                    f"{name} {path} is the folder of {seen[real]} too, and files would replace each other. "
                    "Name a folder of its own."
                )
            seen[real] = name
        for name, path in named.items():
            for given in inputs:
                if Path(os.path.realpath(given)).is_relative_to(os.path.realpath(path)):
                    raise SettingsError(
                        f"{name} {path} holds {given}, which is to be scored; what is kept there is none. "
                        "Name another folder."
                    )

    def make(self) -> None:
        """Make the folders.

        Raises:
            ResultsError: one cannot be made, or written to.
        """
        for folder in self.folders:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                probe = folder / ".sranogan.part"
                probe.touch()
                probe.unlink()
            except OSError as error:
                raise _failed(folder, error) from error

    def keep(
        self, name: str, file: Path, frame: Frame, verdict: Verdict, line: ResultLine, limit: float
    ) -> None:
        """Keep what is asked for of one image; what an earlier run kept of it is replaced.

        Args:
            name: of the files, without a suffix.
            file: that the image was read from.
            frame: of it, that was judged.
            verdict: of that frame.
            line: that says so.
            limit: by which heat is scaled.

        Raises:
            ResultsError: it cannot be written, or the file no longer be read.
        """
        for folder, suffix, content in self._contents(file, frame, verdict, line, limit):
            try:
                write_whole(folder / f"{name}{suffix}", content)
            except OSError as error:
                raise _failed(folder, error) from error

    def _contents(
        self, file: Path, frame: Frame, verdict: Verdict, line: ResultLine, limit: float
    ) -> Iterator[tuple[Path, str, bytes]]:
        if self.masks and verdict.regions:
            yield self.masks, ".png", _png(verdict.regions.full_mask())
        if self.overlays and verdict.regions:
            yield self.overlays, ".png", _png(overlay_on(frame, verdict, verdict.regions.placed, limit))
        if self.anomalous and line.verdict == "anomalous":
            yield self.anomalous, file.suffix, _read(file)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ResultsError(
            f"cannot copy {file}: {error.strerror or error}. It was judged, and its line stands; do not move "
            "files while they are scored."
        ) from error


def _png(image: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", image)[1].tobytes())


def _failed(folder: Path, error: OSError) -> ResultsError:
    return ResultsError(
        f"cannot write to {folder}: {error.strerror or error}. Free some space, or name another folder."
    )
