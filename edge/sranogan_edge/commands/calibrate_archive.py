"""``sranogan-calibrate`` by the scores of an archive, in which nothing is scored again."""

from __future__ import annotations

from pathlib import Path

import typer

from sranogan_edge.archive.names import is_archive_run
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.bundle.site_calibration_file import check_target
from sranogan_edge.errors import SettingsError
from sranogan_edge.extras import needs_extra
from sranogan_edge.log import log_to_stderr
from sranogan_edge.site.calibrate import SiteCalibration, normals_needed, write_calibration
from sranogan_edge.terminal import given, options_told, say, shown, terminal

__all__ = ["calibrate_by_archive", "print_calibration", "refuse_without_archive"]

_OF_ARCHIVES = ("labels", "normal_class")
_TAKEN = {
    *("bundle", "normals", "out", "false_alarm_rate", "usual", "sign", "adapt", "anyway", "verbose"),
    *_OF_ARCHIVES,
}


def refuse_without_archive(context: typer.Context, normals: Path) -> None:
    """Raise SettingsError where an option is given that says something of an archive, and there is none."""
    if found := given(context) & set(_OF_ARCHIVES):
        raise SettingsError(
            f"{options_told(found)}: for an archive's scores, and {normals} holds none. Name the folder that "
            "sranogan-score --engine wrote."
        )


def calibrate_by_archive(context: typer.Context, target: Path) -> None:
    """Write the calibration to ``target``, as the options of ``context`` say.

    Raises:
        SettingsError: options that do not go with an archive's scores.
        SranoganError: see :func:`sranogan_edge.archive.normals.calibration_of_archive`.
    """
    asked = context.params
    if beside := given(context) - _TAKEN:
        raise SettingsError(
            f"{options_told(beside)}: an archive's images were scored already, by the options of its own "
            "command. Leave it out."
        )
    usual, rate = asked["usual"], asked["false_alarm_rate"]
    if usual and not is_archive_run(usual):
        raise SettingsError(
            f"--usual {usual} holds no scores of an archive, and {asked['normals']} does. Name two folders "
            "of scores, or two of images."
        )
    log_to_stderr(text="%(message)s")
    needed = normals_needed(rate)
    terminal().print(f"a false-alarm rate of {rate:g} needs at least {needed} normals")
    check_target(target, asked["sign"])
    bundle = read_bundle(asked["bundle"])
    with needs_extra("archive", f"{asked['normals']}, an archive's scores,"):
        from sranogan_edge.archive.normals import calibration_of_archive
    site = calibration_of_archive(
        bundle,
        asked["normals"],
        false_alarm_rate=rate,
        usual=usual,
        labels=asked["labels"],
        normal_class=asked["normal_class"],
        told=lambda message: say(message),
        adapt=asked["adapt"],
        anyway=asked["anyway"],
        named=asked["bundle"],
    )
    write_calibration(site, target, asked["sign"])
    own = bundle.with_steps(site.steps).calibration.threshold
    print_calibration(site, own, target, signed=bool(asked["sign"]))


def print_calibration(site: SiteCalibration, own: float, out: Path, *, signed: bool) -> None:
    """Tell what was written to ``out``, and the threshold beside the bundle's ``own``."""
    lines = [f"{site.images} normals, {site.skipped} not used; {site.steps} search steps on {site.backend}"]
    if site.density:
        lines.append(f"densities adapted to {site.fitted} images")
    lines.append(
        f"threshold {site.calibration.threshold:.3f} (the bundle's own: {own:.3f}); written to "
        f"{shown(str(out))}{', signed' if signed else ''}"
    )
    for line in lines:
        terminal().print(line, soft_wrap=True)
