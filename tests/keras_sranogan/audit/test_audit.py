"""The audit as a whole: cheats are caught and named, honest scores pass, and what it writes is whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from keras_sranogan.audit import audit as module
from keras_sranogan.audit.audit import AuditOptions, audit_models, audit_scorers
from keras_sranogan.cli import audit_app, evaluate_app
from keras_sranogan.data.item import DataSource
from keras_sranogan.data.open import open_source
from keras_sranogan.html.page import Places
from keras_sranogan.progress import Silent
from sranogan_edge.errors import DataError, ExitCode, ResultsError, RunError, SettingsError
from sranogan_edge.image.preprocess import PreprocessSpec

if TYPE_CHECKING:
    from keras_sranogan.run import Run

TINY_TEST = "phantom?train=60&val=12&test=12&size=96"
Make = Callable[..., Any]


def audited(scorer: Any, source: DataSource) -> dict[str, Any]:
    """Audit one scorer."""
    return audit_scorers({"model": scorer}, source, AuditOptions(), Silent()).figures


def kinds(figures: dict[str, Any], subject: str) -> set[str]:
    """The kinds of the findings about a subject."""
    return {one["kind"] for one in figures["verdict"]["findings"] if one["subject"] == subject}


def test_a_score_that_reads_the_content_passes(drawn: Make, reads: Make) -> None:
    """Every control but the hidden centre leaves an honest score its AUROC, and the verdict says so."""
    source = drawn()
    figures = audited(reads("content", source), source)
    assert figures["verdict"]["status"] == "passes", figures["verdict"]["text"]
    controls = figures["controls"]
    assert controls["plain"]["ranking"]["auroc"] > 0.9
    assert controls["border_masked"]["left"]["left"] > 0.9
    assert controls["centre_masked"]["left"]["left"] < 0.3
    assert kinds(figures, "sharpness") == {"fine"}


def test_a_score_that_reads_sharpness_is_caught_and_named(drawn: Make, reads: Make) -> None:
    """Where abnormals are blurred, a score of blur leans on sharpness, and one number does as well as it."""
    source = drawn(lesion=False, blurred=True)
    figures = audited(reads("sharpness", source), source)
    assert figures["verdict"]["status"] == "leans"
    assert "sharpness" in figures["verdict"]["text"]
    assert kinds(figures, "sharpness") >= {"leans"}
    assert figures["controls"]["low_pass"]["left"]["left"] < 0.5
    assert figures["associations"]["NORMAL"]["sharpness"]["rho"] < -0.6
    assert figures["removed"]["sharpness"]["left"]["left"] < 0.8
    assert "borders" not in figures["verdict"]["text"]


def test_a_score_that_reads_the_borders_is_caught_and_named(drawn: Make, reads: Make) -> None:
    """A tag in the corner of the abnormals gives AUROC without the centre and none without the borders."""
    source = drawn(lesion=False, tag=True)
    figures = audited(reads("borders", source), source)
    assert figures["verdict"]["status"] == "leans"
    assert kinds(figures, "borders") == {"leans"}
    assert figures["controls"]["border_masked"]["left"]["left"] < 0.3
    assert figures["controls"]["centre_masked"]["left"]["left"] > 0.9
    assert kinds(figures, "sharpness") == {"fine"}


def test_an_honest_score_passes_where_cheats_are_possible(drawn: Make, reads: Make) -> None:
    """Shortcuts in the data convict nobody who does not take them."""
    source = drawn(blurred=True, tag=True)
    assert audited(reads("content", source), source)["verdict"]["status"] != "leans"


def test_a_score_of_nothing_is_not_judged(drawn: Make, reads: Make) -> None:
    """Without detection there is nothing that could lean, and that is said instead of a pass."""
    source = drawn(lesion=False)
    figures = audited(reads("content", source, noise=1.0), source)
    assert figures["verdict"]["status"] == "not judged"
    assert "no detection" in figures["verdict"]["text"]


def test_few_images_are_undecided(drawn: Make, reads: Make) -> None:
    """With eight images of a class intervals are wide, and a pass is not given away."""
    source = drawn(each=8)
    figures = audited(reads("content", source, noise=0.03), source)
    assert figures["verdict"]["status"] in ("undecided", "not judged")


@pytest.mark.parametrize("normal", [True, False])
def test_one_class_alone_says_what_it_can(drawn: Make, reads: Make, normal: bool, tmp_path: Path) -> None:
    """Normals alone give calibration and no AUROC; abnormals alone not even that; the page is written."""
    source = drawn(kinds=(normal,), each=20)
    audit = audit_scorers({"m": reads("content", source)}, source, AuditOptions(), Silent())
    assert audit.figures["verdict"]["status"] == "not judged"
    assert "images only" in audit.figures["verdict"]["text"]
    assert audit.figures["controls"]["plain"]["ranking"]["auroc"] is None
    assert (audit.figures["calibration"] is not None) is normal
    assert set(audit.draw()) >= {"audit_examples.png"}
    json.dumps(audit.figures, allow_nan=False)


def test_the_same_seed_gives_the_same_figures(drawn: Make, reads: Make) -> None:
    """Nothing but minutes and date differs between two audits; another seed draws other controls."""
    source = drawn(each=12)
    scorer = reads("content", source)
    first, second, other = (
        audit_scorers({"m": scorer}, source, AuditOptions(seed=seed), Silent()).figures for seed in (0, 0, 1)
    )
    apart = {"minutes": 0, "evaluated_at": ""}
    assert first | apart == second | apart
    assert first["controls"]["plain"]["ranking"]["auroc"] == other["controls"]["plain"]["ranking"]["auroc"]
    assert first["shifted"] != other["shifted"]


def test_seeds_are_compared(drawn: Make, reads: Make) -> None:
    """Several models give the mean AUROC, its spread per control, and how far their ranks agree."""
    source = drawn()
    scorers = {f"m{k}": reads("content", source, noise=0.05, seed=k) for k in range(3)}
    figures = audit_scorers(scorers, source, AuditOptions(), Silent()).figures
    seeds, plain = figures["seeds"], figures["controls"]["plain"]["ranking"]
    assert seeds["models"] == len(plain["per_model"]) == 3
    assert plain["auroc"] == pytest.approx(seeds["auroc"]["plain"]["mean"])
    assert seeds["auroc"]["plain"]["min"] == min(plain["per_model"])
    assert 0 < seeds["agreement"]["normals"] < 0.9
    assert kinds(figures, "seeds") == {"warns"}


def test_models_that_see_different_images_are_refused(drawn: Make, reads: Make) -> None:
    """Seeds of one design share their preprocessing; anything else is a usage error."""
    source = drawn()
    other = reads("content", source, preprocess=PreprocessSpec(size=64, contrast="none"))
    with pytest.raises(SettingsError, match="see different images"):
        audit_scorers({"a": reads("content", source), "b": other}, source, AuditOptions(), Silent())


def test_files_are_judged_where_there_are_files(drawn: Make, reads: Make, on_disk: Make) -> None:
    """PNG normals and JPEG abnormals: the files give the classes away; what is no image is named, too."""
    folder = on_disk(drawn(each=30))
    (folder / "notes.txt").write_text("no image")
    figures = audited(reads("content", drawn()), open_source(str(folder)))
    bytes_per_pixel = figures["statistics"]["bytes_per_pixel"]
    assert bytes_per_pixel["auroc"]["plain"] < 0.05
    assert bytes_per_pixel["auroc"]["jpeg_equalised"] > 0.3
    assert "low_pass" not in bytes_per_pixel["auroc"]
    assert kinds(figures, "the files") == {"warns"}
    assert figures["associations"]["NORMAL"]["file_bytes"]["rho"] is not None
    assert [one.partition(": ")[0] for one in figures["passed_over"]] == [str(folder / "notes.txt")]


@pytest.fixture
def with_scorer(monkeypatch: pytest.MonkeyPatch, drawn: Make, reads: Make) -> None:
    """Every model path opens a scorer of the content."""
    monkeypatch.setattr(module, "open_scorer", lambda model, *, anogan_steps: reads("content", drawn()))


@pytest.mark.usefixtures("with_scorer")
def test_everything_that_was_asked_for_is_written(drawn: Make, tmp_path: Path) -> None:
    """JSON without NaN, a page, a card and three pictures, in folders made for them."""
    to = tmp_path / "new"
    places = Places(to / "a.json", to / "a.html", to / "pictures", to / "a.md")
    figures = audit_models([Path("model")], drawn(each=12), AuditOptions(), Silent(), places)
    assert json.loads((to / "a.json").read_text(), parse_constant=pytest.fail) == json.loads(
        json.dumps(figures)
    )
    names = {"audit_controls.png", "audit_examples.png", "audit_calibration.png"}
    assert {path.name for path in (to / "pictures").iterdir()} == names
    assert (to / "a.html").read_text().count("data:image/png;base64,") == 3
    assert (to / "a.md").read_text().startswith("## Audit\n")


@pytest.mark.usefixtures("with_scorer")
def test_bad_input_is_refused(drawn: Make, tmp_path: Path) -> None:
    """A model named twice, a split that is not there, a negative seed, a place that cannot be written."""
    model, nowhere = Path("model"), Places()
    with pytest.raises(SettingsError, match="named twice"):
        audit_models([model, Path("./model")], drawn(), AuditOptions(), Silent(), nowhere)
    with pytest.raises(DataError, match="no split"):
        audit_models([model], drawn(), AuditOptions(split="val"), Silent(), nowhere)
    with pytest.raises(SettingsError, match="--seed"):
        AuditOptions(seed=-1)
    (tmp_path / "file").write_text("")
    places = Places(json=tmp_path / "file" / "a.json")
    with pytest.raises(ResultsError, match="cannot write"):
        audit_models([model], drawn(), AuditOptions(), Silent(), places)


def test_a_model_that_is_not_there_is_named(drawn: Make, tmp_path: Path) -> None:
    """A wrong model path says what could be named instead."""
    with pytest.raises(RunError, match="no such run folder or bundle"):
        audit_models([tmp_path / "nothing"], drawn(), AuditOptions(), Silent(), Places())


def test_scores_that_are_not_numbers_are_refused(drawn: Make, reads: Make) -> None:
    """A damaged model ends in an error, not in figures."""
    with pytest.raises(RunError, match="not finite"):
        audited(reads("content", drawn(), noise=float("nan")), drawn(each=5))


@pytest.mark.slow
def test_the_command_audits_a_run_and_its_bundle(tiny_run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    """The real command on a run folder and a bundle writes figures, page and card, and prints a verdict."""
    out = tmp_path / "audit"
    options = ["--json", f"{out}.json", "--report", f"{out}.html", "--card", f"{out}.md"]
    done = CliRunner().invoke(audit_app, [str(tiny_run.folder), str(tiny_bundle), TINY_TEST, *options])
    assert done.exit_code == ExitCode.OK, (done.output, done.exception)
    figures = json.loads(Path(f"{out}.json").read_text(), parse_constant=pytest.fail)
    assert [one["kind"] for one in figures["models"]] == ["run", "bundle"]
    assert (figures["n_normal"], figures["n_abnormal"]) == (12, 12)
    assert figures["seeds"]["agreement"]["all"] > 0.5
    words = " ".join(done.output.split())
    assert figures["verdict"]["text"][:40] in words
    assert "What is left of the AUROC" in words


@pytest.mark.slow
def test_an_evaluation_carries_the_audit(tiny_bundle: Path, tmp_path: Path) -> None:
    """``sranogan-evaluate --audit`` puts the same audit into its JSON, page and terminal output."""
    page, figures = tmp_path / "page.html", tmp_path / "figures.json"
    arguments = [str(tiny_bundle), TINY_TEST, "--audit", "--report", str(page), "--json", str(figures)]
    done = CliRunner().invoke(evaluate_app, arguments)
    assert done.exit_code == ExitCode.OK, (done.output, done.exception)
    found = json.loads(figures.read_text(), parse_constant=pytest.fail)
    assert found["audit"]["controls"]["plain"]["ranking"]["auroc"] == pytest.approx(found["auroc"])
    assert found["audit"]["controls"]["low_pass"]["ranking"]["auroc"] == pytest.approx(
        found["auroc_low_pass"]
    )
    assert "Shortcut audit: the verdict" in page.read_text()
    assert "the files" not in done.output


def test_bad_usage_of_the_command() -> None:
    """Without data there is nothing to audit; a model that is no model ends with its own exit code."""
    assert CliRunner().invoke(audit_app, ["model"]).exit_code == ExitCode.USAGE
    assert CliRunner().invoke(audit_app, ["no-model", "phantom"]).exit_code == ExitCode.BAD_RUN
