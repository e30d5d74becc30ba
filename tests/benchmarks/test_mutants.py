"""Mutation testing: its parts are there, the stage is what mutmut reads, and the page says what was found."""

from __future__ import annotations

import json
from configparser import ConfigParser
from pathlib import Path

import pytest
import typer

from benchmarks.mutants.__main__ import added
from benchmarks.mutants.changed import changed_lines, main, nearest, of_part, together, too_few
from benchmarks.mutants.equivalent import CASE_OF_SQL, listed, readable, reasons
from benchmarks.mutants.parts import PARTS, Part
from benchmarks.mutants.stage import NOTICED, PACKAGES, REPOSITORY, Outcome, chosen, stage
from benchmarks.pages import mutants_page
from benchmarks.pages.marked import with_part
from benchmarks.pages.mutants_page import table


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a staged copy of the tree."""
    folder = tmp_path_factory.mktemp("mutants") / "stage"
    folder.mkdir()
    (folder / "left").write_text("from the last time")
    stage(PARTS["delivery"], folder)
    return folder


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_there(name: str, staged: Path) -> None:
    """A part that was renamed would be mutated nowhere, and tests that are gone notice nothing."""
    for pattern in PARTS[name].files:
        assert list(staged.glob(pattern)), pattern
    for path in PARTS[name].tests:
        assert (staged / "tests" / path.partition("::")[0]).exists(), path


def test_the_stage_is_made_anew_and_read_by_mutmut(staged: Path) -> None:
    """Packages lie beside each other, nothing is left of the last time, the settings name the part."""
    read = ConfigParser()
    read.read(staged / "setup.cfg")
    settings = {key: value.split() for key, value in read["mutmut"].items()}
    assert settings["only_mutate"] == list(PARTS["delivery"].files)
    assert settings["source_paths"] == ["sranogan_edge", "keras_sranogan", "sranogan_export"]
    assert all((staged / package / "__init__.py").is_file() for package in settings["source_paths"])
    assert all((staged / path).exists() for path in settings["also_copy"])
    assert not (staged / "left").exists()
    for name, path in PACKAGES.items():
        whole = {one.relative_to(REPOSITORY / path) for one in (REPOSITORY / path).rglob("*.py")}
        assert {one.relative_to(staged / name) for one in (staged / name).rglob("*.py")} == whole


def test_the_rate_counts_what_was_noticed() -> None:
    """Killed and timed out are noticed; survived, suspicious and without a test are not; none, no rate."""
    counts = {"killed": 5, "timeout": 1, "survived": 2, "suspicious": 1, "no tests": 1}
    assert Outcome(counts, {}).rate == 0.6
    assert Outcome({}, {}).rate is None
    assert Outcome({"killed": 5, "survived": 2}, {"a": []}, {"b": "why"}).rate == 0.8333  # 5 of 6


def test_what_was_not_noticed_is_tried_again() -> None:
    """What was noticed stays so, what changes nothing too; the rest is as it came out now."""
    before = {"counts": {"killed": 5, "survived": 3, "no tests": 1}, "equivalent": {"e": "why"}}
    found = added(before, Outcome({"killed": 2, "survived": 1}, {"a": ["-x"]}))
    assert found == Outcome({"killed": 7, "survived": 2}, {"a": ["-x"]}, {"e": "why"})
    assert found.rate == 0.875  # 7 of 8


def test_a_sample_is_drawn_evenly_and_the_same_again() -> None:
    """So many of all, each as likely; the seed draws the same; where there are not so many, all."""
    names = [f"m{number}" for number in range(100)]
    first = chosen(names, 10, 0)
    assert first == chosen(names[::-1], 10, 0) != chosen(names, 10, 1)
    assert len(set(first)) == 10
    drawn = {name for seed in range(200) for name in chosen(names, 10, seed)}
    assert drawn == set(names)
    assert chosen(names, None, 0) == chosen(names, 100, 0) == names


def test_the_lines_of_a_diff_are_those_that_are_new() -> None:
    """By file as it is imported; lines that were taken out are not there to be changed."""
    diff = [
        "--- a/edge/sranogan_edge/files.py",
        "+++ b/edge/sranogan_edge/files.py",
        "@@ -3 +3 @@ def f():",
        "@@ -10,0 +11,3 @@",
        "@@ -20,2 +23,0 @@",
        "+++ b/keras_sranogan/data/split.py",
        "@@ -1,0 +2 @@",
        "+++ b/tests/edge/test_files.py",
        "@@ -1 +1 @@",
        "+++ b/edge/sranogan_edge/place.py",
        "@@ -7,2 +6,0 @@",
    ]
    found = changed_lines(diff)
    assert found == {
        "sranogan_edge/files.py": [3, 11, 12, 13],
        "keras_sranogan/data/split.py": [2],
        "tests/edge/test_files.py": [1],
    }
    assert of_part(found, PARTS["split"]) == {"keras_sranogan/data/split.py": [2]}
    assert of_part({"sranogan_edge/spool/lock.py": [1]}, PARTS["spool"]) == {
        "sranogan_edge/spool/lock.py": [1]
    }
    outcomes = [
        Outcome({"killed": 1}, {}),
        Outcome({"killed": 2, "survived": 2}, {"a": ["-x"]}, {"b": "why"}),
    ]
    assert together(outcomes) == Outcome({"killed": 3, "survived": 2}, {"a": ["-x"]}, {"b": "why"})


def test_the_nearest_tests_are_those_that_import_what_changed(tmp_path: Path) -> None:
    """By either way of importing, not what only begins with the name; where none does, all tests are near."""
    texts = {
        "sinks/test_a.py": "from sranogan_edge.sinks.jsonl import JsonlSink\n",
        "sinks/test_b.py": "from sranogan_edge.sinks import jsonl as module\n",
        "sinks/test_c.py": "from sranogan_edge.sinks.jsonl_files import JsonlFiles\n",
        "sinks/support.py": "import sranogan_edge.sinks.jsonl\n",
        "test_d.py": "import sranogan_edge.sinks.jsonl\nfrom sranogan_edge.sinks import sqlite\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    part = Part(("sranogan_edge/sinks/*.py",), ("sinks", "test_d.py::test_one"))
    near = {
        module: nearest(part, [f"sranogan_edge/sinks/{module}.py"], tmp_path).tests
        for module in ("jsonl", "jsonl_files", "sqlite", "mqtt")
    }
    assert near == {
        "jsonl": ("sinks/test_a.py", "sinks/test_b.py", "test_d.py::test_one"),
        "jsonl_files": ("sinks/test_c.py",),
        "sqlite": ("test_d.py::test_one",),
        "mqtt": part.tests,
    }
    both = ("sranogan_edge/sinks/jsonl_files.py", "sranogan_edge/sinks/sqlite.py")
    assert nearest(part, both, tmp_path) == Part(part.files, ("sinks/test_c.py", "test_d.py::test_one"))


@pytest.mark.parametrize(
    ("killed", "unnoticed", "whole", "quick"),
    [
        (0, 0, False, False),
        (19, 1, False, False),
        (18, 1, True, False),
        (0, 3, True, False),
        (12, 4, True, False),
        (11, 4, True, True),
    ],
)
def test_what_is_below_the_floor(killed: int, unnoticed: int, whole: bool, quick: bool) -> None:
    """95 % of all; 75 % of a few, of which three may go unnoticed by chance."""
    counts = {"killed": killed, "survived": unnoticed}
    found = Outcome(counts, {str(number): [] for number in range(unnoticed)})
    assert (too_few(found, quick=False), too_few(found, quick=True)) == (whole, quick)


def test_without_the_commit_a_quick_look_passes(capsys: pytest.CaptureFixture[str]) -> None:
    """As in a shallow clone: it says so; who names a commit that there is not is told by the exit code."""
    for quick, code in ((True, 0), (False, 2)):
        with pytest.raises(typer.Exit) as left:
            main(base="no-such-commit", quick=quick)
        assert left.value.exit_code == code
        assert "git knows no commit no-such-commit here" in capsys.readouterr().out


def test_changes_that_change_nothing_are_known_by_place_and_line() -> None:
    """Of what is listed, and of the case of SQL, but for that of a value in it."""
    where = "sranogan_edge.scoring.density.xǁDensityǁfrom_bytes"
    assert readable(f"{where}__mutmut_21") == "sranogan_edge.scoring.density.Density.from_bytes"
    assert (
        readable("sranogan_edge.bundle.signature.x__key_bytes__mutmut_2")
        == "sranogan_edge.bundle.signature._key_bytes"
    )
    line = "names = [name for name, present in zip(PARTS, used, strict={}) if present]"
    changes = {
        f"{where}__mutmut_21": [f"-    {line.format(False)}", f"+    {line.format(None)}"],
        f"{where}__mutmut_22": ["-    x = 1", "+    x = 2"],
        "sranogan_edge.spool.a.x_b__mutmut_1": [
            '-    db.execute("PRAGMA journal_mode=WAL")',
            '+    db.execute("pragma journal_mode=wal")',
        ],
        "sranogan_edge.spool.a.x_b__mutmut_2": ['-    row["name"]', '+    row["NAME"]'],
        "sranogan_edge.spool.a.x_b__mutmut_3": [
            "-    rows(\"SELECT x WHERE s = 'a'\")",
            "+    rows(\"SELECT X WHERE S = 'A'\")",
        ],
        "sranogan_edge.bundle.a.x_b__mutmut_1": ['-    b"-----BEGIN"', '+    b"-----begin"'],
        "sranogan_edge.spool.a.x_b__mutmut_4": ['-    log.error("no")', '+    log.error("NO")'],
    }
    found = reasons(changes)
    assert found == {
        f"{where}__mutmut_21": "without it, or with None, the shorter of both counts, too",
        "sranogan_edge.spool.a.x_b__mutmut_1": CASE_OF_SQL,
        "sranogan_edge.spool.a.x_b__mutmut_2": CASE_OF_SQL,
    }


def test_what_is_listed_as_no_change_stands_in_the_code() -> None:
    """An entry for a line that is there no more would hide a change that somebody can notice one day."""
    for where, line, becomes in listed():
        module = next(
            path
            for package, folder in PACKAGES.items()
            if where.startswith(f"{package}.")
            for path in (REPOSITORY / folder).rglob("*.py")
            if where.startswith(
                ".".join([package, *path.relative_to(REPOSITORY / folder).with_suffix("").parts]) + "."
            )
        )
        assert " ".join(line.split()) in " ".join(module.read_text(encoding="utf-8").split()), where
        assert becomes != line


def test_the_page_is_current() -> None:
    """Its table is what the result gives, and it names each part that was not run."""
    text = mutants_page.PAGE.read_text(encoding="utf-8")
    result = json.loads(mutants_page.RESULT.read_text(encoding="utf-8"))
    assert with_part(text, "mutants", table(result)) == text
    assert all(f"{name} (" in table(result) for name in set(PARTS) - set(result["parts"]))
    for part in result["parts"].values():
        assert part["rate"] == Outcome(part["counts"], {}, part["equivalent"]).rate
        noticed = sum(number for status, number in part["counts"].items() if status in NOTICED)
        assert part["mutants"] == noticed + len(part["unnoticed"]) + len(part["equivalent"]) <= part["of"]
    assert REPOSITORY == mutants_page.ROOT
