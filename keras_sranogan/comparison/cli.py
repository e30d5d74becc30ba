"""``sranogan-compare``: parse, call, return an exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keras_sranogan.command_line import (
    DATA_HELP,
    Json,
    MaxBadShare,
    NormalClass,
    check_share,
    looked_at,
    start,
)
from sranogan_edge.errors import DataError, ExitCode, SettingsError
from sranogan_edge.terminal import Command, Verbose, Version, main, run

if TYPE_CHECKING:
    from keras_sranogan.comparison.judged import Judged
    from keras_sranogan.data.item import DataSource

EXIT_CODES = """
Exit codes: 0 compared; 2 wrong usage; 3 the data cannot be used, a model has no saved evaluation and no
--data is named, or the models judged no image in common; 5 a bundle was refused; 6 results cannot be written;
7 a run folder is unfinished or damaged; 130 interrupted.
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command, epilog=EXIT_CODES)
def compare(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL...", help="Run folders and bundles; the first is compared to."),
    ],
    data: Annotated[
        str | None,
        typer.Option(help=f"Score a model here where no evaluation of it is saved. {DATA_HELP}"),
    ] = None,
    split: Annotated[str, typer.Option(help="Which split to compare on.")] = "test",
    json: Json = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page.")] = None,
    normal_class: NormalClass = "NORMAL",
    max_bad_share: MaxBadShare = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws of patients.")] = 0,
    verbose: Verbose = False,
    version: Version = False,
) -> None:
    """Set several runs and bundles side by side: figures with intervals, and where they disagree most.

    An evaluation that sranogan-evaluate --json saved as RUN/evaluation.json, or as NAME.evaluation.json
    beside NAME.sranogan, is taken where it is of this model and split (and of --data); others are scored.
    """

    def work() -> ExitCode:
        from keras_sranogan.run_record import check_model

        check_share(max_bad_share)
        if len({model.resolve() for model in models}) < max(2, len(models)):
            raise SettingsError("name two or more models, each once")
        for model in models:
            check_model(model)
        source = looked_at(models, data, normal_class, verbose, split, max_bad_share) if data else None
        from keras_sranogan.comparison.compare import compare as compare_all
        from keras_sranogan.comparison.report import print_comparison, render_comparison
        from keras_sranogan.html.page import Places
        from keras_sranogan.machine import circumstances

        places = Places(json, report)
        places.make_folders()
        judged = _judged(models, source, split, max_bad_share)
        figures = compare_all(judged, seed)
        figures = {**circumstances(figures["data"], split, seed), **figures}
        places.write(figures, {}, report=lambda: render_comparison(figures))
        print_comparison(figures)
        return ExitCode.OK

    run(work)


def _judged(models: list[Path], source: DataSource | None, split: str, max_bad_share: float) -> list[Judged]:
    """What was saved, and what is not, scored now: the backend starts for that alone."""
    from keras_sranogan.comparison.judged import judged_now, saved_of
    from keras_sranogan.progress import Terminal

    saved = {model: saved_of(model, source.name if source else None, split) for model in models}
    lacking = [str(model) for model, found in saved.items() if found is None]
    if lacking and source is None:
        raise DataError(
            f"no evaluation of split {split} is saved for {', '.join(lacking)}. Name --data DIR to score it "
            "now, or save one: sranogan-evaluate MODEL DIR --json RUN/evaluation.json (NAME.evaluation.json "
            "beside a bundle)."
        )
    if not lacking or source is None:
        return [found for found in saved.values() if found]
    start()
    with Terminal() as progress:
        return [
            found or judged_now(model, source, split, max_bad_share, progress)
            for model, found in saved.items()
        ]


def compare_main() -> None:
    """Entry point of ``sranogan-compare``."""
    main(app, "sranogan-compare")
