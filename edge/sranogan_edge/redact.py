"""What may not be told: what libraries quote of an image, and passwords in addresses.

Libraries may quote a patient: of their words, only the place is kept.
"""

from __future__ import annotations

import logging
import re
import traceback
from pathlib import Path

__all__ = ["WithoutValues", "holds_password", "what_failed", "without_credentials", "without_password"]

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


def without_credentials(text: str) -> str:
    """``text`` (a URI or a pipeline) without user names, passwords and queries, which often hold both."""
    text = re.sub(r"(\w+://)[^/\s@]*@", r"\1", text)
    text = re.sub(r"(\w+://[^\s?]*)\?\S*", r"\1", text)
    return re.sub(r"\b(user-id|user-pw|password)=(\"[^\"]*\"|\S+)", r"\1=...", text)


_PASSWORD = re.compile(
    r"(?P<user>//[^/\s@:]*:)[^/\s@]+(?=@)|(?P<name>\b(?:user-pw|password|proxy-pw)=)\S+", re.IGNORECASE
)
_QUERY = re.compile(r"(://[^\s?'\"]*\?)[^\s'\"]+")


def holds_password(uri: str) -> bool:
    """Whether a password stands in ``uri`` (``//USER:PASSWORD@``, or GStreamer's ``user-pw=``)."""
    return bool(_PASSWORD.search(uri))


def without_password(text: str) -> str:
    """Return ``text`` with dots where a URI has its password, and its query, which often holds one."""
    text = _PASSWORD.sub(lambda found: f"{found['user'] or found['name']}...", text)
    return _QUERY.sub(r"\1...", text)
