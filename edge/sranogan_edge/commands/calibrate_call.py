"""What a call of ``sranogan-calibrate`` is for: a folder of images, or an archive's scores."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import typer

from sranogan_edge.archive.names import is_archive_run
from sranogan_edge.bundle.site_calibration_file import check_target
from sranogan_edge.commands.calibrate_archive import (
    calibrate_by_archive,
    print_calibration,
    refuse_without_archive,
)
from sranogan_edge.commands.film_options import film_settings
from sranogan_edge.commands.score_files import find_images
from sranogan_edge.detector.load import Loader, ScoringSettings
from sranogan_edge.errors import DataError, ImageError, SettingsError, SpoolError, SpoolInUseError
from sranogan_edge.files import check_named
from sranogan_edge.image.film import FilmOptions, fields_of_file
from sranogan_edge.image.image_list import ImageList, told
from sranogan_edge.image.reading import read_frames
from sranogan_edge.log import log_to_stderr
from sranogan_edge.site.calibrate import fit, normals_needed, too_few, write_calibration
from sranogan_edge.spool.lock import FolderLock
from sranogan_edge.terminal import say, terminal

__all__ = ["calibrate_as_asked"]


def calibrate_as_asked(context: typer.Context) -> None:
    """Write the calibration that the options of ``sranogan-calibrate`` ask for.

    Raises:
        SranoganError: see the command's exit codes.
    """
    asked = SimpleNamespace(**context.params)
    check_named(sign=asked.sign, labels=asked.labels)
    target = asked.out or asked.bundle.with_suffix(".calibration.json")
    scoring = ScoringSettings(asked.backend, asked.threads, asked.steps, max_pixels=asked.max_pixels)
    films = FilmOptions(**film_settings(context.params))
    if asked.anyway and not asked.adapt:
        raise SettingsError("--anyway goes with --adapt")
    if is_archive_run(asked.normals):
        with _writing_alone(target):
            calibrate_by_archive(context, target)
        return
    refuse_without_archive(context, asked.normals)
    with _writing_alone(target):
        _calibrate(asked, target, scoring, films)


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


def _calibrate(asked: SimpleNamespace, out: Path, scoring: ScoringSettings, films: FilmOptions) -> None:
    console, rate = terminal(), asked.false_alarm_rate
    needed, found = normals_needed(rate), _images(asked.normals, asked.verbose)
    console.print(f"a false-alarm rate of {rate:g} needs at least {needed} normals")
    others = _images(asked.usual, asked.verbose) if asked.usual else ImageList()
    check_target(out, asked.sign)  # all of this before minutes are spent on scoring
    if len(found.taken) < needed:
        for one in found.unreadable:
            say(f"not used: {one}")
        raise DataError(too_few(_usable(found.taken, films), rate, str(asked.normals)))
    log_to_stderr(text="%(message)s")
    detector = Loader(scoring).proven(asked.bundle)
    site = fit(
        detector,
        found.taken,
        false_alarm_rate=rate,
        source=str(asked.normals),
        usual=others.taken,
        unreadable=[str(one) for one in found.unreadable],
        usual_unreadable=[str(one) for one in others.unreadable],
        told=say,
        films=films,
        adapt=asked.adapt,
        anyway=asked.anyway,
    )
    write_calibration(site, out, asked.sign)
    print_calibration(site, detector.bundle.calibration.threshold, out, signed=bool(asked.sign))


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
