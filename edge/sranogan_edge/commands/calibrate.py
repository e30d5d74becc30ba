"""``sranogan-calibrate``: parse, call, return an exit code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sranogan_edge.archive.names import is_archive_run
from sranogan_edge.bundle.site_calibration_file import check_target
from sranogan_edge.commands.calibrate_archive import (
    Labels,
    calibrate_by_archive,
    print_calibration,
    refuse_without_archive,
)
from sranogan_edge.commands.film_options import (
    BodyParts,
    Modalities,
    PresentationOnly,
    SopClasses,
    TakeEmpty,
    TurnUpright,
    Views,
    film_settings,
)
from sranogan_edge.commands.score_files import find_images
from sranogan_edge.commands.scoring_options import (
    Backend,
    MaxPixels,
    Steps,
    Threads,
)
from sranogan_edge.detector.load import Loader, ScoringSettings
from sranogan_edge.errors import DataError, ImageError, SettingsError, SpoolError, SpoolInUseError
from sranogan_edge.files import check_named
from sranogan_edge.image.film import FilmOptions, fields_of_file
from sranogan_edge.image.image_list import ImageList, told
from sranogan_edge.image.reading import read_frames
from sranogan_edge.log import log_to_stderr
from sranogan_edge.site.calibrate import fit, normals_needed, too_few, write_calibration
from sranogan_edge.spool.lock import FolderLock
from sranogan_edge.terminal import Command, Verbose, Version, main, run, say, terminal

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
        check_named(sign=sign, labels=labels)
        target = out or bundle.with_suffix(".calibration.json")
        options = ScoringSettings(backend, threads, steps, max_pixels=max_pixels)
        films = FilmOptions(**film_settings(context.params))
        if anyway and not adapt:
            raise SettingsError("--anyway goes with --adapt")
        if is_archive_run(normals):
            with _writing_alone(target):
                calibrate_by_archive(context, target)
            return
        refuse_without_archive(context, normals)
        with _writing_alone(target):
            _calibrate(
                bundle,
                normals,
                target,
                false_alarm_rate,
                usual,
                sign,
                options,
                films,
                adapt=adapt,
                anyway=anyway,
                verbose=verbose,
            )

    run(call)


@contextlib.contextmanager
def _writing_alone(path: Path) -> Iterator[None]:
    """Keep a second command from writing ``path`` meanwhile; raises SpoolInUseError where one does."""
    name = f"{path.name}.lock"
    cure = "two would write one calibration. Wait for it, or name another file with --out"
    lock = None
    try:
        lock = FolderLock(path.parent, cure, name, "sranogan-calibrate")
    except SpoolInUseError:
        raise
    except SpoolError:  # no such folder, or none to write to: told with the file's name; or it knows no locks
        pass
    try:
        yield
    finally:
        if lock:
            path.with_name(name).unlink(missing_ok=True)
            lock.close()


def _calibrate(
    bundle: Path,
    normals: Path,
    out: Path,
    false_alarm_rate: float,
    usual: Path | None,
    sign: Path | None,
    options: ScoringSettings,
    films: FilmOptions,
    *,
    adapt: bool,
    anyway: bool,
    verbose: bool,
) -> None:
    console = terminal()
    needed, found = normals_needed(false_alarm_rate), _images(normals, verbose)
    console.print(f"a false-alarm rate of {false_alarm_rate:g} needs at least {needed} normals")
    others = _images(usual, verbose) if usual else ImageList()
    check_target(out, sign)  # all of this before minutes are spent on scoring
    if len(found.taken) < needed:
        for one in found.unreadable:
            say(f"not used: {one}")
        raise DataError(too_few(_usable(found.taken, films), false_alarm_rate, str(normals)))
    log_to_stderr(text="%(message)s")
    detector = Loader(options).proven(bundle)
    site = fit(
        detector,
        found.taken,
        false_alarm_rate=false_alarm_rate,
        source=str(normals),
        usual=others.taken,
        unreadable=[str(one) for one in found.unreadable],
        usual_unreadable=[str(one) for one in others.unreadable],
        told=say,
        films=films,
        adapt=adapt,
        anyway=anyway,
    )
    write_calibration(site, out, sign)
    print_calibration(site, detector.bundle.calibration.threshold, out, signed=bool(sign))


def _images(place: Path, verbose: bool) -> ImageList:
    found = find_images([place])
    say(*told(found.left_out, verbose=verbose))
    return found


def _usable(files: Sequence[Path], films: FilmOptions) -> int:
    """Return how many of ``files`` decode and are asked for; the others are told."""
    count = 0
    for file in files:
        try:
            film = films.taken(fields_of_file(file, str(file)), partial(read_frames, file))
        except ImageError as error:
            say(f"not used: {error}")
            continue
        count += not film.refusal
        if film.refusal:
            say(f"not asked for: {file}: {film.refusal}")
    return count


def calibrate_main() -> None:
    """Entry point of ``sranogan-calibrate``."""
    main(app, "sranogan-calibrate")


if __name__ == "__main__":
    calibrate_main()
