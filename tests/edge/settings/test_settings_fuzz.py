"""Damaged settings are read or refused in words: nothing else is raised, and no secret is repeated."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sranogan_edge.errors import SettingsError
from sranogan_edge.settings.read import read_for_check, read_settings
from sranogan_edge.settings.tree import Settings

DEPLOY = Path(__file__).parents[3] / "edge" / "deploy"
SEED = (DEPLOY / "sranogan.toml").read_text(encoding="utf-8")
LINES = [line.removeprefix("# ") if " = " in line else line for line in SEED.splitlines() if line.strip()]
ODD = st.sampled_from(
    [
        *(
            "",
            "=",
            "[",
            "]]",
            "{",
            '"',
            "'''",
            "\\",
            "\0",
            "\r",
            "\ufeff",
            "ä",
            "[[feeds]]",
            "feeds = 3",
            "feeds = []",
        ),
        *(
            "a.b.c = 1",
            "bundle = []",
            "uri = 7",
            'uri = "x:y"',
            "rate = nan",
            "every_s = inf",
            "keep = -0",
            "1 = 1",
        ),
        *(
            "max_count = 99999999999999999999999",
            "tls_key = 2026-11-27T08:00:00Z",
            "[feeds.uri]",
            "sinks = [[[]]]",
        ),
        *(
            "[spool]\nfolder = {a = [1, 2]}",
            '[[sinks]]\nuri = "mqtt://user:hunter2@host/x"',
            "[log]\nformat = true",
        ),
    ]
)
DOCUMENTS = st.lists(st.one_of(st.sampled_from(LINES), ODD), max_size=40).map("\n".join)
NAMES = st.lists(
    st.sampled_from(["FEEDS", "0", "1", "9", "URI", "SPOOL", "FOLDER", "LOG", "BUNDLE", ""]), max_size=4
)
ENVIRONMENTS = st.dictionaries(
    NAMES.map(lambda parts: "SRANOGAN_" + "__".join(parts)), st.text(max_size=9), max_size=4
)


def outcome(data: bytes, environ: dict[str, str]) -> str:
    """Read settings as command and ``--check-config`` do; what was said, empty where all is well."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.toml"
        path.write_bytes(data)
        try:
            found = read_for_check(path, environ)
        except SettingsError as error:
            with pytest.raises(SettingsError):
                read_settings(path, environ)
            return str(error)
        assert isinstance(found.settings, Settings)
        if found.problems:
            with pytest.raises(SettingsError) as told:
                read_settings(path, environ)
            assert str(told.value) == "\n".join(found.problems)
        return "\n".join(found.problems)


@settings(deadline=None)
@given(text=DOCUMENTS, environ=ENVIRONMENTS)
@example(text=SEED, environ={})
@example(text="feeds = []\nbundle = 1", environ={"SRANOGAN_FEEDS__0": "x", "SRANOGAN_": ""})
def test_lines_of_settings_in_any_order_are_read_or_refused(text: str, environ: dict[str, str]) -> None:
    """Whatever lines stand below each other, and whatever variables override: settings, or what is wrong."""
    said = outcome(text.encode("utf-8"), environ)
    assert "hunter2" not in said
    if text == SEED and not environ:
        assert not said


@settings(deadline=None)
@given(data=st.binary(max_size=300), at=st.integers(0, len(SEED)))
@example(data=b"\xff\xfe", at=0)
@example(data=b"\0" * 40, at=5)
def test_bytes_in_settings_are_read_or_refused(data: bytes, at: int) -> None:
    """Any bytes put anywhere into a good file: read or refused, in any encoding that they may look like."""
    whole = SEED.encode("utf-8")
    outcome(whole[:at] + data + whole[at:], {})
