"""Settings of a service: what is read, what is refused, and how it is said."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.detector.load import ScoringSettings
from sranogan_edge.errors import SettingsError
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.feeds.files import FilesFeedSettings
from sranogan_edge.feeds.kinds import FEEDS
from sranogan_edge.feeds.video import VideoFeedSettings
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.log import LogSettings
from sranogan_edge.settings.read import read_settings
from sranogan_edge.settings.table import settings_tables, with_tables
from sranogan_edge.settings.tree import PageSettings, Settings
from sranogan_edge.sinks.kinds import SINKS
from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings
from tests.support.settings_files import CAMERA, SMALL, read, refusals

DOCS = Path(__file__).parents[3] / "docs" / "guide" / "settings.md"


def test_a_small_file_has_all_else_by_default(tmp_path: Path) -> None:
    """A bundle and a feed suffice; paths start from the file's folder."""
    found = read(tmp_path, SMALL)
    assert found.bundle == tmp_path / "b.sranogan"
    assert found.feeds == (WatchFeedSettings(f"watch:{tmp_path / 'in'}"),)
    assert (found.scoring, found.log, found.page) == (ScoringSettings(), LogSettings(), PageSettings())
    assert found.spool_folder == Path("scores/spool")
    assert found.drift is not None
    assert found.domain is not None


def test_every_kind_of_value(tmp_path: Path) -> None:
    """Numbers, lists, tables in tables, none, and each kind of feed and sink arrive as their types."""
    found = read(
        tmp_path,
        """
        bundle = "/b.sranogan"
        drift = "none"
        [retention]
        max_count = "none"
        max_age_s = 60
        [scoring]
        budget_ms = 40
        [[feeds]]
        uri = "dicom:11112"
        calling = ["A", "B"]
        tls_certificate = "c.pem"
        tls_key = "/k.pem"
        [[feeds]]
        uri = "camera:/dev/video0"
        region = [1, 2, 30, 40]
        retry_s = [1, 2.5]
        [feeds.still]
        frozen_s = inf
        [[feeds]]
        uri = "films"
        [[sinks]]
        uri = "mqtts://me@broker/wards/3"
        discovery = "homeassistant"
        [[sinks]]
        uri = "sqlite:r.sqlite"
        [spool]
        folder = "spool"
        """,
    )
    dicom, camera, files = found.feeds
    assert isinstance(dicom, DicomFeedSettings)
    assert dicom.calling == ("A", "B")
    assert dicom.tls_certificate == tmp_path / "c.pem"
    assert isinstance(camera, VideoFeedSettings)
    assert (camera.region, camera.retry_s) == ((1, 2, 30, 40), (1.0, 2.5))
    assert camera.still.frozen_s == float("inf")
    assert files == FilesFeedSettings(str(tmp_path / "films"))
    assert (found.drift, found.retention.max_count, found.retention.max_age_s) == (None, None, 60.0)
    assert type(found.scoring.budget_ms) is float
    assert isinstance(found.sinks[0], MqttSinkSettings)
    assert found.sinks[0] == MqttSinkSettings("mqtts://me@broker/wards/3", discovery="homeassistant")
    assert found.sinks[1].uri == f"sqlite:{tmp_path / 'r.sqlite'}"
    assert found.spool_folder == tmp_path / "spool"


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Each problem has its line, key, value and cure, in the order of the file."""
    told = refusals(
        tmp_path,
        'bundel = "b"\n[scoring]\nthread = 4\nbackend = 3\n\n[[feeds]]\nuri = "watch:in"\n'
        'calling = ["A"]\n[[feeds]]\nuri = "camera:0"\nregion = [1, 2]\n[feeds.still]\nblack_levle = 0.2\n'
        '[[sinks]]\nuri = "ftp://x"\n[log]\nformat = "xml"\n[spool]\nmax_attempts = 0\n',
    )
    heads = [line.removeprefix(f"{tmp_path}/s.toml").partition(". ")[0] for line in told]
    assert heads == [
        ": bundle: is missing",
        ":1: bundel = 'b': unknown key",
        ":3: scoring.thread = 4: unknown key",
        ":4: scoring.backend = 3: must be text.",
        ":8: feeds[0].calling = ['A']: unknown key",
        ":11: feeds[1].region = [1, 2]: must have 4 values, has 2.",
        ":13: feeds[1].still.black_levle = 0.2: unknown key",
        ":15: sinks[0].uri = 'ftp://x': no such sink",
        ":17: log.format = 'xml': must be one of 'text', 'json'.",
        ":19: spool.max_attempts = 0: max_attempts must be 1 or more; received 0.",
    ]
    assert "Nearest is bundle;" in told[1]
    assert "Nearest is threads;" in told[2]
    assert "Nearest is black_level;" in told[6]


def test_each_value_of_a_section_is_judged(tmp_path: Path) -> None:
    """Several that cannot be are told together; what only follows from another error is not told."""
    told = refusals(
        tmp_path,
        CAMERA + "[feeds.still]\nblack_level = 2\nblack_area = -3\n[scoring]\nthreads = 0\nsteps = -1\n"
        "backend = 3\n[calibration]\nkey_file = 'k'\nfile = 4\n"
        "[spool]\nmax_attempts = 0\nmin_free_bytes = -1\n",
    )
    keys = [line.removeprefix(f"{tmp_path}/s.toml:").partition(" =")[0] for line in told]
    assert keys == [
        "7: feeds[1].still.black_level",
        "8: feeds[1].still.black_area",
        "10: scoring.threads",
        "11: scoring.steps",
        "12: scoring.backend",
        "15: calibration.file",
        "17: spool.max_attempts",
        "18: spool.min_free_bytes",
    ]


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("bundle = chest", r"s.toml: not TOML: .*line 1"),
        ('bundle = "b"\n', "feeds: is missing"),
        ('bundle = "b"\nfeeds = []\n', "no feed is named"),
        ('bundle = "b"\nfeeds = "watch:in"\n', r"\[\[feeds\]\]"),
        ('bundle = "b"\n[feeds]\nuri = "watch:in"\n', r"\[\[feeds\]\]"),
        (SMALL + 'uri = "watch:b"\n', "not TOML"),
        (SMALL + '[[feeds]]\nuri = "watch:in"\n', r"s.toml:\d+: feeds\[1\].uri = 'watch:.*: is named twice"),
        (
            SMALL + "[drift]\nwindow = 3\n",
            r"s.toml:\d+: drift.window = 3: window must be 10 or more",
        ),
        (SMALL + "[swap]\nkeep = 0\n", "swap.keep = 0: keep must be 1 or more"),
        (
            CAMERA + "[feeds.still]\nblack_level = 2\n",
            "still.black_level = 2: black_level must be from 0 to 1",
        ),
        (CAMERA + "[feeds.still]\nblack_area = -3.0\n", "still.black_area = -3.0: .* from 0 to 1"),
        (CAMERA + "[feeds.still]\nfrozen_s = 0\n", "still.frozen_s = 0: .* above 0 seconds"),
        (SMALL + '[[feeds]]\nuri = "dicom:1?calling=A"\ncalling = ["B"]\n', "calling stands in the URI too"),
        (SMALL + "[scoring]\nsteps = 2\nbudget_ms = 3\n", "give one of them"),
        (SMALL + "[scoring]\nthreads = true\n", "must be a whole number"),
        (SMALL + "[scoring]\nthreads = 1.0\n", "must be a whole number"),
        (SMALL + "[retention]\nmax_count = -1\n", "0 or more"),
        (SMALL + "[domain]\nrate = nan\n", "must be a number"),
        (SMALL + "[domain]\nrate = 2\n", "between 0 and 1"),
        (SMALL + "scoring = 3\n", "unknown key"),  # the section of the feed
        ("scoring = 3\n" + SMALL, r"Write \[scoring\]"),
        (SMALL + '[calibration]\nkey_file = "k"\n', "no file is named"),
        (SMALL + '[[feeds]]\nuri = "usb.3"\nfps = 1', r"unknown key. Known are uri"),
        (SMALL + '[[feeds]]\nuri = "usb:3"', r"s.toml:\d+: feeds\[1\].uri = 'usb:3': no feed has the scheme"),
        (SMALL + '[[feeds]]\nuri = "watch:"', "Write it like watch:DIR"),
        (SMALL + '[[feeds]]\nuri = ""', "Write it like FILE"),
        (SMALL + '[[feeds]]\nuri = "udp://h"', "no feed has the scheme"),
        (SMALL + "[[feeds]]\nfps = 1", "uri: is missing"),
        (SMALL + '[[feeds]]\nuri = "dicom:1"\ntls_key = "k"', "both or none"),
        (SMALL + '[[feeds]]\nuri = "camera:0"\npassword_file = "k"', "USER@HOST"),
        (SMALL + "poll_s = 0\n", r"feeds\[0\].poll_s = 0: poll_s must be above 0 seconds"),
        (CAMERA + "fps = 2000\n", r"feeds\[1\].fps = 2000: fps must be above 0, up to 1000"),
        (CAMERA + "region = [0, 0, 0, 8]\n", r"feeds\[1\].region = \[0, 0, 0, 8\]: .* height above 0"),
        (CAMERA + "retry_s = [5, 1]\n", r"feeds\[1\].retry_s = \[5, 1\]: .* the first and the longest"),
        (SMALL + '[[sinks]]\nuri = "mqtt://h"\ndevice = "a/b"', r"sinks\[0\].device = 'a/b': .* letters"),
        (SMALL + '[[sinks]]\nuri = "jsonl:j"\nmax_bytes = 0', "sinks.0..max_bytes = 0: .* above 0 bytes"),
    ],
)
def test_refused(tmp_path: Path, text: str, cure: str) -> None:
    """What cannot work is refused with a cure."""
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(SettingsError, match=cure):
        read_settings(tmp_path / "s.toml", {})


@pytest.mark.parametrize(
    ("data", "cure"), [(None, "No such file"), (b"\xff\xfe", "UTF-8"), (b"#" * 2**21, "no settings")]
)
def test_a_file_that_is_no_settings(tmp_path: Path, data: bytes | None, cure: str) -> None:
    """A missing, a binary and a huge file are refused by name."""
    if data is not None:
        (tmp_path / "s.toml").write_bytes(data)
    with pytest.raises(SettingsError, match=cure):
        read_settings(tmp_path / "s.toml", {})


def test_a_mark_of_byte_order_is_no_error(tmp_path: Path) -> None:
    """Some editors begin a file with three bytes of their own."""
    (tmp_path / "s.toml").write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert read_settings(tmp_path / "s.toml", {}).feeds


def test_the_environment_overrides(tmp_path: Path) -> None:
    """Variables replace and add keys, each read as the key's type; others are left alone."""
    found = read(
        tmp_path,
        SMALL + "[scoring]\nthreads = 2\n",
        SRANOGAN_SCORING__THREADS="4",
        SRANOGAN_SCORING__BACKEND="onnx",
        SRANOGAN_BUNDLE="2024-01-01",
        SRANOGAN_DRIFT="none",
        SRANOGAN_RETENTION__MAX_AGE_S="1e3",
        SRANOGAN_FEEDS__0__POLL_S="1",
        SRANOGAN_FEEDS__1__URI="dicom:104",
        SRANOGAN_FEEDS__1__CALLING="A, B",
        SRANOGAN_FEEDS__1__CALLED="4",
        SRANOGAN_FEEDS__2__URI="rtsp://me:secret@h/p",
        SRANOGAN_FEEDS__2__REGION="[0, 0, 8, 8]",
        SRANOGAN_SINKS__0__URI="jsonl:j",
        SRANOGAN_SERVICES="/somewhere",
        SRANOGAN_PAGE_TOKEN="x" * 16,
        PATH="/bin",
    )
    assert (found.scoring.threads, found.scoring.backend) == (4, "onnx")
    assert found.bundle == tmp_path / "2024-01-01"
    assert (found.drift, found.retention.max_age_s) == (None, 1000.0)
    assert found.feeds == (
        WatchFeedSettings(f"watch:{tmp_path / 'in'}", poll_s=1.0),
        DicomFeedSettings("dicom:104", calling=("A", "B"), called="4"),
        VideoFeedSettings("rtsp://me:secret@h/p", region=(0, 0, 8, 8)),
    )
    assert found.sinks[0].uri == f"jsonl:{tmp_path / 'j'}"


def test_variables_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    """A wrong name, a wrong value and a gap in a list are told with the variable's name."""
    told = refusals(
        tmp_path,
        SMALL,
        SRANOGAN_SCORING__THREAD="4",
        SRANOGAN_SCORING__THREADS="four",
        SRANOGAN_FEEDS__7__URI="watch:x",
        SRANOGAN_BUNDLE__X="1",
    )
    assert len(told) == 4
    assert any("SRANOGAN_SCORING__THREAD = '4': unknown key. Nearest is threads" in line for line in told)
    assert any("SRANOGAN_SCORING__THREADS = 'four': must be a whole number" in line for line in told)
    assert any("SRANOGAN_FEEDS__7__URI" in line and "from 0, without a gap" in line for line in told)
    assert any("SRANOGAN_BUNDLE__X" in line for line in told)


def test_extras_are_imported_only_to_open_what_needs_them() -> None:
    """The registries of feeds and sinks, and all settings, load no package of an extra."""
    code = (
        "import sys; import sranogan_edge.settings.read, sranogan_edge.commands.score; "
        "print({name.partition('.')[0] for name in sys.modules})"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "typer" in loaded
    for package in ("paho", "pydicom", "pynetdicom", "highdicom", "urllib3", "starlette", "uvicorn"):
        assert f"'{package}'" not in loaded


def test_the_documented_tables_are_those_of_the_code() -> None:
    """docs/guide/settings.md is up to date: python -m sranogan_edge.settings.table docs/guide/settings.md."""
    text = DOCS.read_text(encoding="utf-8")
    assert with_tables(text) == text
    tables = settings_tables()
    kinds: tuple[type[Any], ...] = (Settings, *FEEDS.values(), *SINKS.values())
    for kind in kinds:
        for one in dataclasses.fields(kind):
            assert f"`{one.name}`" in tables or f"[{one.name}" in tables or f".{one.name}]" in tables
