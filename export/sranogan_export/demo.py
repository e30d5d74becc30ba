"""``sranogan-demo``: the whole chain on drawn chest films, from training to twelve scored pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sranogan_edge.errors import ExitCode
from sranogan_edge.terminal import Command, Version, main, run, terminal

if TYPE_CHECKING:
    from keras_sranogan.progress import Progress
    from keras_sranogan.settings import TrainSettings

NORMALS = 400
PROOF_NORMALS = 48
DATA = f"phantom?train={NORMALS}"
STARTING = "loading TensorFlow"
FILMS = 12  # half normals, half with a lesion each
NORMAL = "normal"  # what the name of a normal film begins with
EXIT_CODES = """
Exit codes: 0 done, whatever was found; 6 the folder cannot be written; 7 the folder holds another run, or a
damaged one; 130 interrupted (the same command goes on).
"""
BY_HAND = """\
The same by hand:
  sranogan-train "{data}" --preset demo --out {out}/run
  sranogan-export {out}/run --int8 --ptq --out {out}/chest.sranogan
  sranogan-evaluate {out}/chest.sranogan phantom --report {out}/report.html --json {out}/evaluation.json
  python -m keras_sranogan.data.phantom {out}/images --count {films}
  sranogan-score {out}/chest.sranogan {out}/images --out {out}/scores"""

# Seconds on 2 cores (Intel Xeon with AMX) after the training, by the names that the work has.
AFTERWARDS_S = {
    "exporting graphs": 20.0,
    "calibrating on held-out normals": 6.0,
    "proving equality": 15.0,
    "reading images": 4.0,
    "reading masks": 4.0,
    "scoring": 3.0,
}

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True)
class Found:
    """What was said of the twelve films, and how well the test split's films are told apart.

    Attributes:
        lesions: films with a lesion that were called anomalous, of ``FILMS // 2``.
        flagged: normal films that were called so too, of the other half.
        auroc: of the test split, on the device's graphs.
    """

    lesions: int
    flagged: int
    auroc: float

    @classmethod
    def read(cls, results: Path, figures: dict[str, Any]) -> Found:
        """Read the lines of ``results.jsonl``."""
        lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
        anomalous = [Path(line["file"]).name for line in lines if line["verdict"] == "anomalous"]
        flagged = sum(name.startswith(NORMAL) for name in anomalous)
        return cls(len(anomalous) - flagged, flagged, figures["auroc"])

    def sentence(self, report: Path) -> str:
        """Return what was found, and where the report is, in one sentence."""
        half = FILMS // 2
        return (
            f"Found {self.lesions} of {half} lesions and flagged {self.flagged} of {half} normal films; "
            f"AUROC {self.auroc:.2f} on films that it had not seen. Open {report}"
        )


@app.command(cls=Command, epilog=EXIT_CODES)
def demo(
    out: Annotated[Path, typer.Option(help="Folder for all that is made.")] = Path("demo"),
    version: Version = False,
) -> None:
    """Train on synthetic chest films, export to int8, evaluate, score twelve films, in about 5 minutes."""

    def work() -> ExitCode:
        from keras_sranogan.forecast import training_forecast
        from keras_sranogan.presets import preset
        from keras_sranogan.progress import Terminal
        from keras_sranogan.run_record import RunRecord
        from keras_sranogan.startup import start_tensorflow

        RunRecord(out / "run").refuse_begun(resume=True)
        settings = preset("demo", anomalies="mixture")
        with Terminal() as progress:
            progress.plan({STARTING: 6.0, **training_forecast(settings, NORMALS), **AFTERWARDS_S})
            progress.start(STARTING, 1)
            for line in start_tensorflow():
                progress.say(line)
            figures = _make(out, settings, progress)
        found = Found.read(_score(out), figures)
        terminal().print(BY_HAND.format(data=DATA, out=out, films=FILMS), highlight=False, soft_wrap=True)
        terminal().print(f"\n{found.sentence(out / 'report.html')}", highlight=False, soft_wrap=True)
        return ExitCode.OK

    run(work)


def _make(out: Path, settings: TrainSettings, progress: Progress) -> dict[str, Any]:
    """Train, export and evaluate below ``out``; return the figures of the evaluation."""
    from dataclasses import replace

    from keras_sranogan.data.open import open_source
    from keras_sranogan.evaluation.evaluate import EvaluationOptions, evaluate_model
    from keras_sranogan.precision import resolve_precision
    from keras_sranogan.training.train import train
    from sranogan_export.recipe import ExportOptions
    from sranogan_export.write_bundle import export_run

    settings = replace(settings, precision=resolve_precision("auto"))
    trained = train(open_source(DATA), out / "run", settings, progress, resume=True)
    bundle = out / "chest.sranogan"
    export_run(trained, ExportOptions("int8", engine="none", proof_normals=PROOF_NORMALS), bundle, progress)
    places = {"json": out / "evaluation.json", "report": out / "report.html"}
    return evaluate_model(
        bundle, open_source("phantom"), EvaluationOptions(low_pass=False), progress, **places
    )


def _score(out: Path) -> Path:
    """Draw twelve films and score them as a device would; return the lines of results."""
    from keras_sranogan.data.phantom.__main__ import write_phantoms
    from sranogan_edge.commands.score_files import find_images, score_files
    from sranogan_edge.detector.load import Loader

    write_phantoms(out / "images", FILMS, seed=0, size=256)
    loader = Loader()
    judge = loader.judge(loader.detector(out / "chest.sranogan"))
    score_files(judge, find_images([out / "images"]), out / "scores")
    return out / "scores" / "results.jsonl"


def demo_main() -> None:
    """Entry point of ``sranogan-demo``."""
    main(app, "sranogan-demo")


if __name__ == "__main__":
    demo_main()
