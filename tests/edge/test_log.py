"""The log of a service: text, or one JSON object a line whoever writes it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sranogan_edge.log import JsonLines, log_to_stderr
from sranogan_edge.settings.tree import LogSettings

SCRIPT = """
import logging, os, subprocess, sys, warnings
from sranogan_edge.log import logging_to_stderr
from sranogan_edge.settings.tree import LogSettings
log = logging.getLogger("sranogan_edge.x")
with logging_to_stderr(LogSettings("json", "info")):
    log.info("first\\nsecond")
    log.debug("not told")
    logging.getLogger("pynetdicom").info("not told")
    os.write(2, b"a library\\n")
    subprocess.run([sys.executable, "-c", "import sys; print('a child', file=sys.stderr)"])
    warnings.warn("a warning")
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("a fault")
print("plain again", file=sys.stderr)
"""


@pytest.fixture(autouse=True)
def root_as_before() -> Iterator[None]:
    """Leave the log as it was."""
    root, ours = logging.getLogger(), logging.getLogger("sranogan_edge")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    logging.captureWarnings(False)


def test_every_line_is_an_object() -> None:
    """Ours, those of a library in C, a child's, warnings and faults are JSON; afterwards it is as before."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    *lines, last = done.stderr.splitlines()
    assert last == "plain again"
    found = [json.loads(line) for line in lines]
    told = {(one["logger"], one["level"]): one for one in found}
    assert told["sranogan_edge.x", "info"]["message"] == "first\nsecond"
    assert {one["message"] for one in found if one["logger"] == "stderr"} == {"a library", "a child"}
    assert "a warning" in told["py.warnings", "warning"]["message"]
    assert "ZeroDivisionError" in told["sranogan_edge.x", "error"]["error"]
    assert len(found) == 5
    assert all(one["time"].endswith("Z") and one["thread"] for one in found)


def test_text_has_level_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a record, at the level that was asked for; a second call does not double the lines."""
    for _ in range(2):
        log_to_stderr(LogSettings("text", "warning"))
    logging.getLogger("sranogan_edge.y").warning("told")
    logging.getLogger("sranogan_edge.y").info("not told")
    assert capsys.readouterr().err == "WARNING sranogan_edge.y: told\n"


def test_what_is_no_text_is_escaped() -> None:
    """A file name of bytes that are no UTF-8, and one with a line break, stay one line of ASCII."""
    record = logging.LogRecord("n", logging.INFO, "", 0, "a\udcff\nb", None, None)
    line = JsonLines().format(record)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["message"] == "a\udcff\nb"
