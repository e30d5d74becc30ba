"""The log of a service: text, or one JSON object a line whoever writes it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from sranogan_edge.log import Bounded, JsonLines, LogSettings, log_to_stderr
from sranogan_edge.redact import what_failed

SCRIPT = """
import logging, os, subprocess, sys, warnings
from sranogan_edge.log import logging_to_stderr
from sranogan_edge.redact import what_failed
from sranogan_edge.log import LogSettings
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
    assert told["py.warnings", "warning"]["message"] == "UserWarning at <string>:13; its words are left out"
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


WARNING = """
import logging, warnings
from pathlib import Path
from sranogan_edge.log import log_to_stderr
log_to_stderr()
code = "import warnings\\ndef warn(text):\\n    warnings.warn(text)\\n"
for module in ("pydicom/valuerep.py", "sranogan_edge/dicom/write.py", "another/module.py"):
    place = {"__name__": module}
    exec(compile(code, f"/site-packages/{module}", "exec"), place)
    for number in range(3):
        place["warn"](f"{module} says Geheim {number}")
for name in ("pydicom", "pynetdicom.assoc", "highdicom.base", "another"):
    logging.getLogger(name).error("%s says Geheim", name)
"""


def test_what_libraries_say_of_an_image_is_left_out() -> None:
    """Their warnings, which may quote the patient, are told by place, once; their log not at all."""
    done = subprocess.run([sys.executable, "-c", WARNING], capture_output=True, text=True, check=True)
    told = [each for each in done.stderr.splitlines() if each.startswith(("WARNING", "ERROR"))]
    assert told[:2] == [
        "WARNING py.warnings: UserWarning at pydicom/valuerep.py:3; its words are left out",
        "WARNING py.warnings: UserWarning at dicom/write.py:3; its words are left out",
    ]
    assert [each.partition(": ")[2] for each in told[2:]] == [
        "UserWarning at another/module.py:3; its words are left out",
        "another says something at <string>:13; its words are left out",
    ]
    assert "Geheim" not in done.stderr


@pytest.mark.parametrize(
    "said", ["\n<0>emergency: forged", "\x1b[2Jgone", "\r\nERROR x: forged", "\u2028a\u202eb"]
)
@pytest.mark.parametrize("as_error", [False, True])
def test_a_name_forges_no_line(capsys: pytest.CaptureFixture[str], said: str, as_error: bool) -> None:
    """What stands in a name or a header is one text: no second record, nothing that a terminal obeys."""
    log_to_stderr(LogSettings())
    try:
        raise ValueError(said)
    except ValueError:
        logging.getLogger("sranogan_edge.y").error("%s.png", said, exc_info=as_error)
    told = capsys.readouterr().err
    first, *others = told.rstrip("\n").split("\n")
    assert first.startswith("ERROR sranogan_edge.y: \\")
    assert all(line.startswith("  ") for line in others)
    assert bool(others) is as_error
    assert all(c.isprintable() for c in told.replace("\n", ""))


def test_an_error_of_a_library_keeps_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    """It may quote a patient: its kind and place are told, and of errors that are not theirs the words."""
    log_to_stderr(LogSettings())
    place: dict[str, Any] = {}
    exec(compile("def read():\n    raise KeyError('Geheim')\n", "/site-packages/pydicom/x.py", "exec"), place)
    try:
        try:
            place["read"]()
        except KeyError as error:
            raise RuntimeError("our own words") from error
    except RuntimeError:
        logging.getLogger("sranogan_edge.y").exception("a fault")
    told = capsys.readouterr().err
    assert "Geheim" not in told
    assert "KeyError at pydicom/x.py:2" in told
    assert "RuntimeError: our own words" in told


def test_an_error_is_told_by_its_kind_and_place() -> None:
    """Where the words of an error may quote a value, they are left out."""
    try:
        float("Geheim")
    except ValueError as error:
        told = what_failed(error)
    assert told.startswith("ValueError at edge/test_log.py:")
    assert what_failed(KeyError("Geheim")) == "KeyError"


def test_lines_of_one_place_are_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever makes the runner write the same line in a loop fills no log, and hides no other line."""
    clock = [0.0]
    log_to_stderr(LogSettings())
    (handler,) = [one for one in logging.getLogger().handlers if one.get_name() == "sranogan"]
    handler.filters = [
        Bounded(lambda: clock[0]) if isinstance(one, Bounded) else one for one in handler.filters
    ]
    logger = logging.getLogger("sranogan_edge.test")

    def told(times: int) -> list[str]:
        for number in range(times):
            logger.warning("a peer says nonsense, number %d", number)
        logger.warning("something else")
        return capsys.readouterr().err.splitlines()

    first = told(1000)
    assert sum("nonsense" in line for line in first) == 100
    assert sum("100 lines like the last one" in line for line in first) == 1
    assert first[-1].endswith("something else")
    assert [line.rpartition(": ")[2] for line in told(1000)] == ["something else"]
    clock[0] = 60.0
    assert sum("nonsense" in line for line in told(5)) == 5
