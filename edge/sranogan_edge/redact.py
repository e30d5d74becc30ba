"""What may not be told: what libraries quote of an image, and passwords in addresses.

Libraries may quote a patient, in a warning, a line of their log or an error: of their words, only the place
is kept. And what stands in a name or header is text, never a second line or a code that a terminal obeys.
"""

from __future__ import annotations

import logging
import re
import traceback
from pathlib import Path

__all__ = [
    "WithoutValues",
    "holds_password",
    "on_one_line",
    "traceback_of",
    "what_failed",
    "without_credentials",
    "without_password",
    "words_of",
]

_OURS = ("sranogan_edge", "keras_sranogan", "sranogan_export")
_SPEAKERS = {*_OURS, "stderr", "uvicorn", "asyncio", "tensorflow", "absl", "keras"}  # no words of an image
_OF_IMAGES = frozenset(
    {"pydicom", "pynetdicom", "highdicom", "pylibjpeg", "libjpeg", "openjpeg", "jpeg_ls", "rle", "PIL", "cv2"}
)
_WARNING = re.compile(r"(?P<file>.*?):(?P<line>\d+): (?P<kind>\w+): ")


class WithoutValues(logging.Filter):
    """Keeps the words of libraries out of a log, and of all warnings; the place stays, once."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether ``record`` may be told; a warning's text is taken out of it."""
        if record.name.partition(".")[0] in _SPEAKERS:
            return True
        if record.name.partition(".")[0] in _OF_IMAGES:
            return False
        kind, where = f"{record.name} says something", f"{_short(record.pathname)}:{record.lineno}"
        if record.name == "py.warnings":
            found = _WARNING.match(record.getMessage())
            kind = found["kind"] if found else "a warning"
            where = f"{_short(found['file'])}:{found['line']}" if found else "an unknown place"
        if where in self._told:
            return False
        self._told.add(where)
        record.msg, record.args = "%s at %s; its words are left out", (kind, where)
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def what_failed(error: BaseException) -> str:
    """Return the kind of ``error`` and where it arose, without its words, which may quote a value."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {_short(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def words_of(error: BaseException) -> str:
    """Return the kind of ``error`` and its words; of what a library of images raised, the place instead."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    if any(not _OF_IMAGES.isdisjoint(Path(file).parts) for file in files):
        return what_failed(error)
    return f"{type(error).__name__}: {error}"


def traceback_of(error: BaseException | None) -> str:
    """Return where ``error`` arose, and those that it arose from, with :func:`words_of` each."""
    parts: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        parts.append("".join(traceback.format_tb(error.__traceback__)) + words_of(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n\nwhich arose from:\n".join(parts)


def on_one_line(text: str) -> str:
    """Return ``text`` with all that cannot be printed, line breaks too, written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


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
