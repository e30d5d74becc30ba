"""``sranogan-calibrate``: parse, call, return an exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sranogan_edge.commands.archive_options import Labels
from sranogan_edge.commands.film_options import (
    BodyParts,
    Modalities,
    PresentationOnly,
    SopClasses,
    TakeEmpty,
    TurnUpright,
    Views,
)
from sranogan_edge.commands.scoring_options import (
    Backend,
    MaxPixels,
    Steps,
    Threads,
)
from sranogan_edge.terminal import Command, Verbose, Version, main, run

EXIT_CODES = """
Exit codes: 0 the calibration was written; 2 wrong usage, or a key that cannot sign; 3 no such folder, too few
normals for the rate, none that is asked for, or too many images that cannot be scored; 5 the bundle was
refused; 6 the file cannot be written; 8 the backend is missing or fails; 130 interrupted.
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command, epilog=EXIT_CODES)
def calibrate(
    context: typer.Context,
    bundle: Annotated[Path, typer.Argument(help="The bundle (NAME.sranogan).")],
    normals: Annotated[
        Path,
        typer.Argument(
            help="Folder of this scanner's normal images, or an archive's scores (sranogan-score --engine)."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file to write [default: beside the bundle, .calibration.json].")
    ] = None,
    false_alarm_rate: Annotated[
        float, typer.Option(help="Share of normals that may be flagged; needs 1 / rate - 1 normals.")
    ] = 0.05,
    usual: Annotated[
        Path | None,
        typer.Option(help="Folder of images as they usually come, healthy and ill: the drift monitor's."),
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(help="Key file: an Ed25519 private key in PEM, or a secret for HMAC.")
    ] = None,
    adapt: Annotated[
        bool,
        typer.Option("--adapt", help="Adapt the densities to these normals, too: 20 or more."),
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="With --adapt: even where they do not look like normals.")
    ] = False,
    labels: Labels = None,
    normal_class: Annotated[str, typer.Option(help="With --labels: what the normals' label is.")] = "NORMAL",
    backend: Backend = "auto",
    threads: Threads = 1,
    steps: Steps = None,
    max_pixels: MaxPixels = None,
    modalities: Modalities = None,
    body_parts: BodyParts = None,
    views: Views = None,
    sop_classes: SopClasses = None,
    presentation_only: PresentationOnly = False,
    take_empty: TakeEmpty = None,
    turn_upright: TurnUpright = False,
    verbose: Verbose = False,
    version: Version = False,
) -> None:
    """Refit p-values and threshold of a bundle to this scanner's own normals, without retraining.

    With --adapt its densities, too: the score then says how far off what is usual here an image is.

    The bundle is not changed: give the file to sranogan-score with --calibration. Name the same films here
    as there.
    """

    def call() -> None:
        from sranogan_edge.commands.calibrate_call import (  # a typing error is answered without it
            calibrate_as_asked,
        )

        calibrate_as_asked(context)

    run(call)


def calibrate_main() -> None:
    """Entry point of ``sranogan-calibrate``."""
    main(app, "sranogan-calibrate")


if __name__ == "__main__":
    calibrate_main()
