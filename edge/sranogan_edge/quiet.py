"""What libraries say of an image may quote its patient: of their words, only the place is kept."""

from __future__ import annotations

import logging
import re
import traceback
from pathlib import Path

__all__ = ["WithoutValues", "what_failed"]

_LIBRARIES = ("pydicom", "pynetdicom", "highdicom", "pylibjpeg", "libjpeg", "openjpeg", "jpeg_ls")
_SPEAKING_OF_IMAGES = {*_LIBRARIES, "sranogan_edge", "keras_sranogan"}  # a library may warn in our name
_WARNING = re.compile(r"(?P<file>.*?):(?P<line>\d+): (?P<kind>\w+): ")


class WithoutValues(logging.Filter):
    """Keeps the words of libraries that read images out of a log; a warning's place stays, once."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether ``record`` may be told; a warning's text is taken out of it."""
        if record.name.partition(".")[0] in _LIBRARIES:
            return False
        if record.name == "py.warnings":
            found = _WARNING.match(record.getMessage())
            if found and (found["file"] == "sys" or _speaks_of_images(found["file"])):
                where = f"{_short(found['file'])}:{found['line']}"
                if where in self._told:
                    return False
                self._told.add(where)
                record.msg, record.args = "%s at %s; its words are left out", (found["kind"], where)
        return True


def what_failed(error: BaseException) -> str:
    """Return the kind of ``error`` and where it arose, without its words, which may quote a value."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {_short(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def _speaks_of_images(file: str) -> bool:
    return not _SPEAKING_OF_IMAGES.isdisjoint(Path(file).parts)


def _short(file: str) -> str:
    return "/".join(Path(file).parts[-2:])
