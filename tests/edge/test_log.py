"""The log of a service: text, or one JSON object a line whoever writes it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sranogan_edge.log import JsonLines, LogSettings, log_to_stderr
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
        *(
            f"/site-packages/another/module.py:3: UserWarning: another/module.py says Geheim {n}"
            for n in range(3)
        ),
        "another says Geheim",
    ]
    assert done.stderr.count("Geheim") == 4


def test_an_error_is_told_by_its_kind_and_place() -> None:
    """Where the words of an error may quote a value, they are left out."""
    try:
        float("Geheim")
    except ValueError as error:
        told = what_failed(error)
    assert told.startswith("ValueError at edge/test_log.py:")
    assert what_failed(KeyError("Geheim")) == "KeyError"
