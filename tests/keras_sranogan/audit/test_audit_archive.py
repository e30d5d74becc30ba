"""False alarms of an archive by month, scanner and site: counts, intervals, and where groups differ."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

pytest.importorskip("duckdb", reason="the extra archive is not installed")

from keras_sranogan.audit.audit_archive import audit_archive, overall, render_groups
from keras_sranogan.audit.by_group import holm, interval_of
from keras_sranogan.cli import audit_app
from keras_sranogan.data.archive_run import ScoresOf
from keras_sranogan.html.page import Places
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.errors import DataError, ExitCode, SettingsError
from tests.support.finished_archives import finished, row

ALL = "*"
AUDIT = """
import resource, sys
from pathlib import Path
from keras_sranogan.audit.audit_archive import audit_archive
from keras_sranogan.data.archive_run import ScoresOf
from keras_sranogan.html.page import Places
found = audit_archive(ScoresOf(Path(sys.argv[1]), Path(sys.argv[2]), normal_class="*"), Places())
print(found["n_normal"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def films(flagged: dict[str, tuple[int, int]], **changes: Any) -> list[dict[str, Any]]:
    """Normals of scanners: of each so many flagged, of so many; in two months, at one site."""
    rows: list[dict[str, Any]] = []
    for station, (alarms, count) in flagged.items():
        for number in range(count):
            said: dict[str, Any] = {
                "manufacturer": "Maker",
                "station": station,
                "institution": "St. <b>Ann</b>",
            }
            said["acquisition_date"] = datetime.date(2024, 1 + number % 2, 1 + number % 28)
            rows.append(row(len(rows), 3.0 if number < alarms else 0.0, **said, **changes))
    return rows


@pytest.fixture
def audited(tiny_bundle: Path, tmp_path: Path) -> Any:
    """Give a function that audits rows."""
    sha256 = read_bundle(tiny_bundle).sha256
    steps = read_bundle(tiny_bundle).steps

    def audit(rows: list[dict[str, Any]], places: Places | None = None, **options: Any) -> dict[str, Any]:
        own = [{**one, "bundle": sha256, "steps": steps} for one in rows]
        out = finished(tmp_path / "scores", own, per_part=500, bundle_sha256=sha256)
        asked = {"normal_class": ALL, **options}
        return audit_archive(ScoresOf(tiny_bundle, out, **asked), places or Places())

    return audit


def test_a_scanner_that_differs_is_named_and_others_are_not(audited: Any, tmp_path: Path) -> None:
    """One scanner flags 20 % and two flag 5 %: warned of it, with counts, interval, page and JSON."""
    places = Places(tmp_path / "a.json", tmp_path / "a.html")
    found = audited(films({"R1": (20, 400), "R2": (21, 400), "R3": (80, 400)}), places)
    by = {one["name"]: one for one in found["by"]["scanner"]["groups"]}
    assert {name: (one["flagged"], one["normals"]) for name, one in by.items()} == {
        "Maker R1": (20, 400),
        "Maker R2": (21, 400),
        "Maker R3": (80, 400),
    }
    assert by["Maker R3"]["others"] == 41 / 800
    assert by["Maker R3"]["interval"] == pytest.approx((0.1637, 0.2420), abs=1e-3)  # Wilson, by hand
    assert by["Maker R3"]["p_value"] < 1e-10
    assert by["Maker R3"]["p_value"] < by["Maker R1"]["p_value"] < 0.05
    assert found["differs"][0].startswith(
        "scanner Maker R3: 20.0% of its 400 normals are flagged (95%: 16.4%"
    )
    assert found["share_flagged"] == 121 / 1200
    assert "10.1% of 1,200 normals are flagged" in overall(found)
    assert json.loads((tmp_path / "a.json").read_text())["by"]["scanner"]["unsaid"] == 0
    page = (tmp_path / "a.html").read_text()
    assert "Maker R3" in page
    assert "St. &lt;b&gt;Ann" in page
    assert "<b>Ann" not in page


def test_groups_that_are_alike_are_not_warned_of(audited: Any) -> None:
    """Rates that chance explains give no warning; one site is nothing to compare."""
    found = audited(films({"R1": (20, 400), "R2": (24, 400), "R3": (16, 400)}))
    assert found["differs"] == []
    kinds = {one["subject"]: one["kind"] for one in found["findings"]}
    assert kinds == {"month": "fine", "scanner": "fine", "site": "open"}
    assert [one["name"] for one in found["by"]["month"]["groups"]] == ["2024-01", "2024-02"]


def test_no_group_says_anything(audited: Any) -> None:
    """Images that are no films say no date, scanner or site: told, and no table is made up."""
    found = audited([row(number, float(number % 4)) for number in range(40)])
    assert all(one["kind"] == "open" for one in found["findings"])
    assert found["by"]["scanner"]["unsaid"] == 40
    assert "Do groups differ?" in render_groups({**found, "minutes": 0})


def test_labels_bring_groups_and_leave_the_ill_out(audited: Any, tmp_path: Path) -> None:
    """A table's date, scanner and site go before what films say; abnormals are no false alarms."""
    lines = [
        f"{n:05}.png,{'NORMAL' if n % 2 else 'ill'},2023-0{1 + n % 3}-05,X{n % 4},Site {n % 5}"
        for n in range(40)
    ]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["file,label,date,scanner,site", *lines]))
    found = audited(films({"R1": (10, 40)}), labels=table, normal_class="NORMAL")
    assert found["n_normal"] == 20
    assert found["flagged"] == 5  # the odd ones of the first ten
    names = {kind: [one["name"] for one in of["groups"]] for kind, of in found["by"].items()}
    assert names["month"] == ["2023-01", "2023-02", "2023-03"]
    assert names["scanner"] == ["X1", "X3"]
    assert names["site"] == [f"Site {n}" for n in range(5)]


def test_what_has_no_false_alarms_is_refused(audited: Any, tiny_bundle: Path, tmp_path: Path) -> None:
    """No normal with a score, no threshold, or a calibration that is not named: each with its cure."""
    with pytest.raises(DataError, match="no normal has a score"):
        audited([row(number, None) for number in range(20)])
    sha256, steps = read_bundle(tiny_bundle).sha256, read_bundle(tiny_bundle).steps
    own = {"bundle": sha256, "steps": steps}
    rows = [row(number, 1.0, **own, threshold=None) for number in range(20)]
    endless = finished(tmp_path / "endless", rows, bundle_sha256=sha256)
    with pytest.raises(DataError, match=r"without a finite threshold.*--calibration"):
        audit_archive(ScoresOf(tiny_bundle, endless, normal_class=ALL), Places())
    rows = [row(number, 1.0, **own, calibration="d" * 64) for number in range(20)]
    by_site = finished(tmp_path / "site", rows, bundle_sha256=sha256, calibration_sha256="d" * 64)
    with pytest.raises(SettingsError, match="Name its file with --calibration"):
        audit_archive(ScoresOf(tiny_bundle, by_site, normal_class=ALL), Places())


def test_the_command_prints_tables_and_refuses_two_models(tiny_bundle: Path, tmp_path: Path) -> None:
    """The audit of an archive is one command; several models, or a card, do not go with it."""
    bundle = read_bundle(tiny_bundle)
    own = {"bundle": bundle.sha256, "steps": bundle.steps}
    out = finished(tmp_path / "s", films({"R1": (3, 40), "R2": (2, 40)}, **own), bundle_sha256=bundle.sha256)

    def said(*line: object) -> tuple[int, str]:
        done = CliRunner().invoke(audit_app, [str(one) for one in line])
        return done.exit_code, " ".join(done.output.split())

    code, text = said(tiny_bundle, out, "--normal-class", ALL)
    assert code == ExitCode.OK, text
    assert "False alarms by scanner" in text
    assert "6.2% of 80 normals are flagged" in text
    assert said(tiny_bundle, tiny_bundle, out, "--normal-class", ALL)[0] == ExitCode.USAGE
    assert said(tiny_bundle, out, "--card", tmp_path / "c.md")[0] == ExitCode.USAGE


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tiny_bundle: Path, tmp_path: Path) -> None:
    """Ten times the rows take hardly more memory: they are counted where they lie."""
    bundle, peaks = read_bundle(tiny_bundle), []
    rows = films({"R1": (300, 6000), "R2": (300, 6000)}, bundle=bundle.sha256, steps=bundle.steps)
    for count in (2, 20):
        out = tmp_path / str(count)
        finished(out, rows * count, per_part=len(rows), bundle_sha256=bundle.sha256)
        command = [sys.executable, "-c", AUDIT, str(tiny_bundle), str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        normals, peak = map(int, done.stdout.split())
        assert normals == count * len(rows)
        peaks.append(peak)
    assert peaks[1] < peaks[0] + 100e6, peaks


def test_holm_and_wilson_are_the_published_ones() -> None:
    """Holm's steps by hand; Wilson's interval of 8 in 10 as tables have it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert interval_of(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_corrected_p_values_keep_their_order(p_values: list[float]) -> None:
    """None is below its own p-value or above 1, and a smaller one stays at most as large."""
    corrected = np.array(holm(p_values))
    assert (corrected >= np.array(p_values)).all()
    assert (corrected <= 1).all()
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()
