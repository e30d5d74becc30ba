"""Every way in asks for films alike: what is not asked for has a result of its own, and is no error."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pynetdicom import AE
from typer.testing import CliRunner

from sranogan_edge.commands.score import app
from sranogan_edge.errors import ExitCode, SettingsError
from sranogan_edge.feeds.dicom import DicomFeed
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.feeds.feed import FilmFeedSettings
from sranogan_edge.feeds.files import FilesFeedSettings
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.image.dicom_pixels import CR, DX
from sranogan_edge.image.film import FilmOptions
from sranogan_edge.page.board import Board
from sranogan_edge.page.metrics import metrics_text
from sranogan_edge.page.recall import recalled
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.service.delivery import ResultsLog, SinkReader
from sranogan_edge.settings.read import read_settings
from sranogan_edge.sinks.sqlite import SqliteSink, export_csv
from tests.support.asked_films import ASKED, CHEST, HAND, ROW, Make, films
from tests.support.service_bench import Bench, images, lines, wait_for

pytest.importorskip("pynetdicom", reason="the extra dicom is not installed")


FIELDS = (
    "modality",
    "body_part_examined",
    "view_position",
    "presentation_intent_type",
    "patient_orientation",
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give a runner that shows its results on a board."""
    made = Bench(tmp_path)
    made.board = Board(Calibration((0.0, 1.0), 0.5), 1.0)
    yield made
    made.spool.close()


def check(found: list[dict[str, Any]]) -> None:
    """One line each: the chest with its score, the others with the field that was not asked for."""
    by_name = {Path(line["file"]).stem: line for line in found}
    assert len(found) == len(by_name) == 3
    assert (by_name["chest"]["score"], by_name["chest"]["verdict"]) == (ROW.mean(), "normal")
    assert by_name["chest"]["reason"] is None
    assert [by_name["chest"][name] for name in FIELDS] == ["CR", "CHEST", "PA", None, "R\\F"]
    told = {
        "hand": "BodyPartExamined is 'HAND'; asked for: CHEST",
        "nameless": "BodyPartExamined is empty; asked for: CHEST (take_empty: body_parts takes it)",
    }
    for name, reason in told.items():
        line = by_name[name]
        assert (line["verdict"], line["reason"], line["error"]) == ("not asked for", reason, None)
        assert (line["score"], line["p_value"], line["heat_map"]) == (None, None, None)
    assert [by_name["hand"][name] for name in FIELDS] == ["CR", "HAND", "PA", None, "R\\F"]


def test_files_sinks_page_and_metrics(bench: Bench, make_dicom: Make, tmp_path: Path) -> None:
    """A folder: the run ends well; log, database, page, metrics and a page started again all have it."""
    folder, log = films(tmp_path / "in", make_dicom), tmp_path / "results.jsonl"
    sink = SqliteSink(tmp_path / "r.sqlite")
    service = bench.build(
        feed_of(str(folder), **vars(ASKED)).open(), log=ResultsLog(log), sink=SinkReader(sink)
    )
    assert service.run() == ExitCode.OK
    assert (service.scored, service.failed) == (1, 0)
    check(lines(log))
    export_csv(tmp_path / "r.sqlite", tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text().count(",not asked for,") == 2
    assert bench.board is not None
    now = bench.board.snapshot()
    assert now.counts == {"normal": 1, "anomalous": 0, "out of domain": 0, "not asked for": 2, "error": 0}
    assert 'sranogan_images_total{verdict="not asked for"} 2.0' in metrics_text(bench.board).decode()
    shown = {Path(entry.line.file).stem: entry.to_dict() for entry in now.entries}
    assert shown["hand"]["reason"] == "BodyPartExamined is 'HAND'; asked for: CHEST"
    assert [shown["chest"][name] for name in FIELDS] == ["CR", "CHEST", "PA", None, "R\\F"]
    again = recalled(log)
    assert [line.verdict for line in again].count("not asked for") == 2
    assert {line.body_part_examined for line in again} == {"CHEST", "HAND", None}


def test_a_watched_folder(bench: Bench, make_dicom: Make, tmp_path: Path) -> None:
    """What is not asked for is done with, not failed."""
    folder, log = films(tmp_path / "in", make_dicom), tmp_path / "results.jsonl"
    feed = feed_of(f"watch:{folder}", settle_s=0.05, poll_s=0.02, **vars(ASKED)).open()
    stop = bench.in_background(bench.build(feed, log=ResultsLog(log)))
    wait_for(lambda: len(list((folder / "done").glob("*.dcm"))) == 3)
    assert stop() == ExitCode.OK
    check(lines(log))
    assert not list((folder / "failed").iterdir())


def test_a_scanner(bench: Bench, make_dicom: Make, tmp_path: Path) -> None:
    """Over the network, by options in the URI: stored and answered "success", then not scored."""
    log = tmp_path / "results.jsonl"
    feed = feed_of(
        f"dicom:127.0.0.1:0?any_caller&modalities=CR&body_parts=CHEST,THORAX&sop_classes={CR}&turn_upright"
    ).open()
    assert isinstance(feed, DicomFeed)
    stop = bench.in_background(bench.build(feed, log=ResultsLog(log)))
    scanner = AE("XRAY1")
    scanner.add_requested_context(CR)
    scanner.add_requested_context(DX)
    association = scanner.associate("127.0.0.1", feed.receiver.port, ae_title="SRANOGAN")
    assert [one.abstract_syntax for one in association.accepted_contexts] == [CR]
    for said in (CHEST, HAND):
        sent = pydicom.dcmread(io.BytesIO(make_dicom(ROW, SOPClassUID=CR, **said)))
        assert association.send_c_store(sent).Status == 0x0000
    association.release()
    wait_for(lambda: len(lines(log)) == 2)
    assert stop() == ExitCode.OK
    chest, hand = lines(log)
    assert (chest["verdict"], chest["turned"], chest["score"]) == ("normal", "mirrored", ROW.mean())
    assert hand["reason"] == "BodyPartExamined is 'HAND'; asked for: CHEST, THORAX"
    assert hand["identity"]["calling_ae"] == "XRAY1"


def test_what_is_no_dicom_has_no_field(bench: Bench, tmp_path: Path) -> None:
    """A PNG is taken where nothing is asked for, or its empty fields are taken."""
    folder, log = images(tmp_path / "in", 40), tmp_path / "results.jsonl"
    assert bench.build(feed_of(str(folder), **vars(ASKED)).open(), log=ResultsLog(log)).run() == ExitCode.OK
    (line,) = lines(log)
    assert line["reason"] == "Modality is empty; asked for: CR (take_empty: modalities takes it)"
    (folder / "40.png").rename(folder / "again.png")
    taken = FilmOptions(modalities=("CR",), take_empty=("modalities",))
    assert bench.build(feed_of(str(folder), **vars(taken)).open(), log=ResultsLog(log)).run() == ExitCode.OK
    assert [one["score"] for one in lines(log)] == [None, 40]


def test_an_object_that_cannot_be_decoded_says_what_it_is(
    bench: Bench, make_dicom: Make, tmp_path: Path
) -> None:
    """The line of an error has the fields too."""
    folder, log = tmp_path / "in", tmp_path / "results.jsonl"
    folder.mkdir()
    (folder / "cut.dcm").write_bytes(make_dicom(ROW, SOPClassUID=CR, **CHEST)[:-100])
    assert (
        bench.build(feed_of(str(folder), **vars(ASKED)).open(), log=ResultsLog(log)).run()
        == ExitCode.SOME_FAILED
    )
    (line,) = lines(log)
    assert (line["verdict"], line["body_part_examined"]) == ("error", "CHEST")


def test_what_cannot_be_read_is_an_error_whatever_is_asked_for(
    bench: Bench, make_dicom: Make, tmp_path: Path
) -> None:
    """A torn header and what is no image do not pass for films that are not asked for."""
    folder, log = tmp_path / "in", tmp_path / "results.jsonl"
    folder.mkdir()
    whole = make_dicom(ROW, SOPClassUID=CR, **CHEST)
    (folder / "torn.dcm").write_bytes(whole[: whole.index(b"CHEST") - 8])
    (folder / "text.png").write_text("no image")
    assert (
        bench.build(feed_of(str(folder), **vars(ASKED)).open(), log=ResultsLog(log)).run()
        == ExitCode.SOME_FAILED
    )
    told = {Path(line["file"]).name: (line["verdict"], line["error"]) for line in lines(log)}
    assert told["torn.dcm"][0] == told["text.png"][0] == "error"
    assert "torn.dcm: holds no pixel data" in told["torn.dcm"][1]
    assert "not a JPEG, PNG, " in told["text.png"][1]


def score(*arguments: object) -> Any:
    """Run the command inside this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_on_files(tiny_bundle: Path, make_dicom: Make, tmp_path: Path) -> None:
    """sranogan-score: exit code 0, three lines, the figures and the last line of the terminal."""
    folder, out = films(tmp_path / "in", make_dicom), tmp_path / "out"
    figures = tmp_path / "figures.json"
    asked = ("--modalities", "CR", "--body-parts", "chest")
    done = score(tiny_bundle, folder, "--out", out, "--json", figures, *asked)
    assert done.exit_code == ExitCode.OK, done.output
    found = {Path(line["file"]).stem: line for line in lines(out / "results.jsonl")}
    assert [found[name]["verdict"] for name in ("hand", "nameless")] == ["not asked for"] * 2
    assert found["chest"]["score"] is not None
    counted = json.loads(figures.read_text())
    assert (counted["images"], counted["not_asked_for"], counted["failed"]) == (3, 2, 0)
    assert "1 scored, " in done.stdout
    assert "2 not asked for, 0 failed" in done.stdout
    assert "hand.dcm: not asked for: BodyPartExamined is 'HAND'; asked for: chest" in done.stdout


def test_the_command_turns_a_film_upright(tiny_bundle: Path, make_dicom: Make, tmp_path: Path) -> None:
    """A mirrored film, and the same film as it should be, have one score with --turn-upright, two without."""
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(1)
    film = np.kron(rng.integers(0, 256, (8, 8), np.uint8), np.ones((8, 8), np.uint8))
    (folder / "a.dcm").write_bytes(make_dicom(film, **{**CHEST, "PatientOrientation": ["L", "F"]}))
    (folder / "b.dcm").write_bytes(make_dicom(film[:, ::-1].copy(), **CHEST))
    scores = {}
    for options in ((), ("--turn-upright",)):
        done = score(tiny_bundle, folder, "--out", tmp_path / "out", *options)
        assert done.exit_code == ExitCode.OK, done.output
        first, second = lines(tmp_path / "out" / "results.jsonl")
        scores[options] = first["score"], second["score"]
        assert (first["turned"], second["turned"]) == (None, "mirrored" if options else None)
    assert scores["--turn-upright",][0] == scores["--turn-upright",][1]
    assert scores[()][0] != scores[()][1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--modalities", "DX", "camera:0"), "--modalities: for files, folders, watch: and dicom:"),
        (("--take-empty", "view", "."), "take_empty names options with a field"),
        (("--views", "PA,", "."), "views has an empty value"),
        (("--sop-classes", "CR", "."), "sop_classes are UIDs"),
    ],
)
def test_the_command_refuses_what_cannot_be(arguments: tuple[str, ...], message: str) -> None:
    """Options for films without a feed of films, and values that cannot be, are wrong usage."""
    done = score("bundle.sranogan", *arguments)
    assert done.exit_code == ExitCode.USAGE
    assert message in " ".join(done.output.split())


def test_the_settings_file(tmp_path: Path) -> None:
    """Each of the three kinds of feed has the options; they reach the feed."""
    text = 'bundle = "b"\n'
    for uri in ("in", "watch:in", "dicom:11112"):
        text += (
            f'[[feeds]]\nuri = "{uri}"\nmodalities = ["DX", "CR"]\nviews = ["PA"]\npresentation_only = true\n'
        )
        text += f'take_empty = ["views"]\nturn_upright = true\nsop_classes = ["{CR}"]\n'
    (tmp_path / "s.toml").write_text(text + "any_caller = true\n")
    feeds = read_settings(tmp_path / "s.toml", {}).feeds
    assert [type(feed) for feed in feeds] == [FilesFeedSettings, WatchFeedSettings, DicomFeedSettings]
    expected = FilmOptions(("DX", "CR"), (), ("PA",), (CR,), True, ("views",), True)
    assert [feed.films for feed in feeds if isinstance(feed, FilmFeedSettings)] == [expected] * 3
    (tmp_path / "s.toml").write_text('bundle = "b"\n[[feeds]]\nuri = "in"\ntake_empty = ["view"]\n')
    with pytest.raises(SettingsError, match=r"s\.toml:4: feeds\[0\]\.take_empty"):
        read_settings(tmp_path / "s.toml", {})


@pytest.mark.parametrize(
    "query", ["modality=DX", "modalities=DX,,CR", "take_empty=view", "turn_upright=perhaps"]
)
def test_a_uri_that_cannot_be_is_refused(query: str) -> None:
    """Unknown options, empty values and switches that are neither are told."""
    with pytest.raises(SettingsError, match=r"dicom:|take_empty|modalities"):
        feed_of(f"dicom:127.0.0.1:0?any_caller&{query}").open()


def test_the_same_option_in_uri_and_settings_is_refused() -> None:
    """Two places that could contradict each other."""
    with pytest.raises(SettingsError, match="modalities stands in the URI too"):
        DicomFeedSettings("dicom:1?modalities=DX", any_caller=True, modalities=("CR",))


def test_feeds_of_one_name_ask_for_the_same(bench: Bench, make_dicom: Make, tmp_path: Path) -> None:
    """The spool knows a film's feed by its name: two of one name that differ are refused, not mixed up."""
    folder = str(films(tmp_path / "in", make_dicom))
    bench.build(feed_of(folder, **vars(ASKED)).open(), feed_of(folder, **vars(ASKED)).open())
    with pytest.raises(SettingsError, match=r"two feeds are called .*in and ask for different films"):
        bench.build(feed_of(folder, **vars(ASKED)).open(), feed_of(folder).open())
