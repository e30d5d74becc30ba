"""What happens, to standard error, where the service manager keeps it: as text, or one JSON object a line."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TextIO

from sranogan_edge.redact import WithoutValues, on_one_line, traceback_of

__all__ = ["Bounded", "JsonLines", "LogSettings", "TextLines", "facts", "log_to_stderr", "logging_to_stderr"]

_MARK, _OURS, _LIBRARIES = "sranogan", "sranogan_edge", "stderr"
_FACTS = "sranogan_facts"  # of a record
_STDERR = 2
_LEAVING_S = 2.0
_LONGEST_LINE = 64 * 1024
_OF_ONE_KIND, _WHILE_S = 100, 60.0

_log = logging.getLogger(__name__)


class Bounded(logging.Filter):
    """Of the lines that one place of the code writes, 100 a minute: who floods a port floods no log."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now, self._since, self._lock = now, now(), threading.Lock()
        self._written: Counter[tuple[str, int]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether ``record`` is written; the first one that is not is told."""
        if record.levelno < logging.INFO:  # asked for by a person
            return True
        place = record.pathname, record.lineno
        with self._lock:
            if self._now() - self._since >= _WHILE_S:
                self._written.clear()
                self._since = self._now()
            self._written[place] += 1
            written = self._written[place]
        if written == _OF_ONE_KIND + 1:
            text = "%d lines like the last one within a minute (%s): others are left out until it is over"
            _log.log(record.levelno, text, _OF_ONE_KIND, record.name)
        return written <= _OF_ONE_KIND


class TextLines(logging.Formatter):
    """One line a record, whatever stands in it; the lines of a traceback are indented: none is a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` as text."""
        shown = logging.makeLogRecord(record.__dict__)
        shown.msg, shown.args, shown.exc_info, shown.exc_text = (
            on_one_line(record.getMessage()),
            (),
            None,
            None,
        )
        line = super().format(shown)
        if record.exc_info:
            traced = traceback_of(record.exc_info[1]).split("\n")
            line = "\n".join([line, *(f"  {on_one_line(one)}" for one in traced)])
        return line


class JsonLines(logging.Formatter):
    """One object a line: ``time`` (UTC), ``level``, ``logger``, ``thread``, ``message``, and ``error``.

    A line about an object or a result has its ``facts``, too: see :func:`facts`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return ``record`` as JSON."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
        }
        line |= getattr(record, _FACTS, {})
        if record.exc_info:
            line["error"] = traceback_of(record.exc_info[1])
        return json.dumps(line)


def facts(**values: str | float | None) -> dict[str, dict[str, str | float | None]]:
    """What a line says, each fact by its name, as ``extra`` of a call of ``logging``."""
    return {_FACTS: values}


def log_to_stderr(
    settings: LogSettings | None = None,
    *,
    text: str = "%(levelname)s %(name)s: %(message)s",
    stream: TextIO | None = None,
) -> None:
    """Send the log to standard error, and nowhere else; a second call replaces the first.

    Args:
        settings: format and level.
        text: of a line in the format ``text``; the service manager adds the time.
        stream: in place of standard error.
    """
    settings = settings or LogSettings()
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.set_name(_MARK)
    handler.setFormatter(JsonLines() if settings.format == "json" else TextLines(text))
    handler.addFilter(WithoutValues())
    handler.addFilter(Bounded())
    root = logging.getLogger()
    for old in [one for one in root.handlers if one.get_name() == _MARK]:
        root.removeHandler(old)
    root.addHandler(handler)
    level = getattr(logging, settings.level.upper())
    root.setLevel(max(level, logging.WARNING))  # libraries tell much that is no event here
    logging.getLogger(_OURS).setLevel(level)
    logging.getLogger(_LIBRARIES).setLevel(logging.INFO)
    for name in ("pynetdicom", "urllib3"):  # feeds and sinks say it in their own words, without tokens
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.captureWarnings(True)


@contextlib.contextmanager
def logging_to_stderr(settings: LogSettings) -> Iterator[None]:
    """Log while the block runs; as JSON, what libraries write to standard error by themselves too."""
    if settings.format == "text" or not _is_stderr(sys.stderr):
        log_to_stderr(settings)
        yield
        return
    sys.stderr.flush()
    real = os.dup(_STDERR)
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)  # a library that writes while it holds the interpreter must not wait
    os.dup2(write_end, _STDERR)
    os.close(write_end)
    with open(real, "w", encoding="utf-8", errors="backslashreplace", buffering=1) as stream:
        log_to_stderr(settings, stream=stream)
        thread = threading.Thread(target=_carry, args=(read_end,), name="stderr", daemon=True)
        thread.start()
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, _STDERR)  # the pipe ends, unless a child still holds it
            thread.join(_LEAVING_S)
            log_to_stderr(settings)


def _is_stderr(stream: TextIO) -> bool:
    try:
        return stream.fileno() == _STDERR
    except (AttributeError, OSError, io.UnsupportedOperation):
        return False


def _carry(read_end: int) -> None:
    """Log each line that arrives at ``read_end``."""
    logger = logging.getLogger(_LIBRARIES)
    with open(read_end, encoding="utf-8", errors="backslashreplace") as lines:
        while line := lines.readline(_LONGEST_LINE):
            if line.strip():
                logger.info("%s", line.rstrip())


@dataclass(frozen=True)
class LogSettings:
    """What happens, to standard error, where the service manager keeps it.

    Attributes:
        format: text, or json for one object a line.
        level: the least that is told.
    """

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"
