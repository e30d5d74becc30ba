"""Findings about the normals' scores and about repeated training: they warn, and convict nobody."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from keras_sranogan.audit.controls import PLAIN
from keras_sranogan.audit.figures import Figures
from keras_sranogan.audit.findings import Finding, Kind, percent
from keras_sranogan.audit.patients import MIN_REPEATED
from keras_sranogan.data.near_training import near_text

STRONG_RHO = 0.4  # rank correlation inside the normals
MAX_PATIENT_SHARE = 0.5  # of the normals' score variance
UNLIKELY = 0.05  # chance below which something is not put down to chance
MAX_ALARM_FACTOR = 2.0  # false alarms of shifted normals over the rate that was set
MAX_SD = 0.02  # of the AUROC over seeds
MIN_AGREEMENT = 0.8  # rank correlation of two seeds' scores inside a class


def about_normals(figures: Figures) -> Iterator[Finding]:
    """Associations inside the normals, patients, calibration, shifted normals."""
    yield from _associated(figures)
    yield from _patients(figures)
    yield from _calibrated(figures)
    yield from _shifted(figures)


def _associated(figures: Figures) -> Iterator[Finding]:
    for label in figures.normal_labels:
        for name, found in figures.associations[label].items():
            if found.rho is None or found.rho_ci is None:
                continue
            if abs(found.rho) >= STRONG_RHO and found.rho_ci[0] * found.rho_ci[1] > 0:
                words = name.replace("_", " ")
                text = f"Among the normals the score follows {words} (Spearman {found.rho:+.2f})."
                yield Finding("warns", words, text)


def _patients(figures: Figures) -> Iterator[Finding]:
    found = figures.patients
    if found is None:
        return
    if found.explained is None or found.explained_ci is None:
        few = f"{found.repeated} patients have two normal images or more, {MIN_REPEATED} are needed"
        yield Finding("open", "patients", f"Whether scores belong to patients cannot be judged: {few}.")
    else:
        low, high = found.explained_ci
        share, low = max(found.explained, 0), max(low, 0)  # below zero: no more alike than strangers
        repeated = f"{found.repeated} patients with two images or more"
        bounds = f"95%: {percent(low)} to {percent(max(high, 0))}; {repeated}"
        text = f"{percent(share)} of the normals' score variance lies between patients ({bounds})"
        if found.explained >= MAX_PATIENT_SHARE and low > 0:
            text += ": images of one patient say nearly the same, so intervals over images are too narrow"
            yield Finding("warns", "patients", f"{text}.")
        else:
            yield Finding("fine", "patients", f"{text}.")
    if found.concentration_p is not None:
        alarms = f"{sum(found.alarms)} false alarms are of {sum(found.alarm_patients)} patients"
        unlikely = found.concentration_p < UNLIKELY
        text = f"{alarms}{', fewer than chance would give' * unlikely} (p = {found.concentration_p:.3f})."
        yield Finding("warns" if unlikely else "fine", "false alarms by patient", text)


def _calibrated(figures: Figures) -> Iterator[Finding]:
    found = figures.calibration
    if found is None:
        yield Finding("open", "calibration", "There are no normals, so false alarms cannot be judged.")
        return
    if found.flagged_band is None:
        yield Finding(
            "open", "calibration", "Too few normals were held out in training for a finite threshold."
        )
        return
    low, high = found.flagged_band
    share = f"{found.flagged:.1%} of the normals are flagged, {found.rate:.0%} were allowed"
    chance = f"by chance {low:.1%} to {high:.1%}"
    distance = f"largest distance of the p-values {found.distance:.3f} (p = {found.distance_p:.2f})"
    text = f"{share} ({chance}); {distance}"
    if found.flagged > high:
        yield Finding("warns", "calibration", f"{text}: these normals are unlike those of the training.")
    elif found.flagged < low or found.distance_p < UNLIKELY:
        yield Finding("warns", "calibration", f"{text}: p-values are off here.")
    else:
        yield Finding("fine", "calibration", f"{text}.")


def _shifted(figures: Figures) -> Iterator[Finding]:
    found, calibration = figures.shifted, figures.calibration
    if found is None or calibration is None or calibration.flagged_band is None:
        return
    limit = max(MAX_ALARM_FACTOR * calibration.rate, calibration.flagged_band[1])
    kind: Kind = "warns" if found.flagged > limit else "fine"
    text = (
        f"{found.flagged:.1%} of the normals are flagged when taken as another machine might, "
        f"{found.flagged_plain:.1%} as they are (AUROC of shifted against plain normals: {found.auroc:.3f})."
    )
    yield Finding(kind, "false alarms after a shift", text)


def about_seeds(figures: Figures) -> Iterator[Finding]:
    """How far models of one design differ."""
    found = figures.seeds
    if found is None:
        yield Finding("open", "seeds", "One model was given: how much another seed changes is not known.")
        return
    inside = [value for kind in ("normals", "abnormals") if (value := found.agreement[kind]) is not None]
    agreement = min(inside, default=None)
    text, unlike = f"{found.models} models", agreement is not None and agreement < MIN_AGREEMENT
    if PLAIN in found.auroc:
        one = found.auroc[PLAIN]
        text += f": AUROC {one.mean:.3f}, standard deviation {one.sd:.3f}, {one.min:.3f} to {one.max:.3f}"
        unlike = unlike or one.sd > MAX_SD
    if agreement is not None:
        text += f"; inside a class their ranks agree by {agreement:.2f} (Spearman)"
    yield Finding("warns" if unlike else "fine", "seeds", f"{text}.")


def about_copies(figures: Figures) -> Iterator[Finding]:
    """Whether images here were trained on."""
    found = figures.near_training
    kind: Kind = "open" if found is None else "warns" if found.images else "fine"
    yield Finding(kind, "copies of training images", near_text(None if found is None else asdict(found)))


def about_files(figures: Figures) -> Iterator[Finding]:
    """What cannot be said where images are no files."""
    if not any(found.of == "file" for found in figures.statistics.values()):
        yield Finding("open", "files", "The images are no files: size and bytes per pixel cannot be judged.")
