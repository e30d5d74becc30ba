"""The model card inside a bundle: what this detector is, learned from, and must not be used for."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_sranogan.audit.report import markdown_section
from keras_sranogan.evaluation.report import threshold_text
from keras_sranogan.settings import TrainSettings
from sranogan_edge.bundle.bundle import Bundle
from sranogan_edge.errors import SettingsError
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.fingerprint import FEWEST
from sranogan_edge.scoring.foreign import own_rule

FOREIGN_ALARMS = "5 to 23"  # docs/method/detection.md, false alarms across sources; README, first page
CARD = """# Model card: SR-AnoGAN anomaly detector

**What it does.** It scores how unlike the normal images it was trained on an image is. It gives an
anomaly score (about 0 for a normal image), a p-value against held-out normals, and a heat map. It does not
name a disease or a defect.

**How.** A DCGAN learned normal images;
{search};
a two-layer CNN and a super-resolution network turn that into a {size}x{size} reconstruction. What differs,
and the features and the map of a small network that was trained to find self-made anomalies in normals, are
judged by densities of held-out normals; the score is made of these.

**Trained on.** {data}: {normals} normal images, and {held_out} more held out (by patient, where the source
says who it is of) for the densities and the threshold. No abnormal image and no label was
used.{start}{copies}

**Threshold.** {threshold}

**What to expect.** {expected}

{foreign}**Preprocessing.** {size}x{size}, {colour}, contrast normalisation: {contrast}.

**Numbers.** Graphs in {recipe}; seed {seed}.

**Limits.** Images unlike the training set in source, age group, projection or exposure score high whether
or not anything is wrong with them; calibrate with normals of the place of use. A low score does not rule
out disease: what resembles normal variation is missed. This is not a medical device, and no diagnosis may
rest on it.
"""


def audit_section(path: Path, provenance: Mapping[str, Any]) -> str:
    """Return the card's section from the JSON file of an audit, or of an evaluation with ``--audit``.

    An evaluation also says what was found of its images at the threshold.

    Raises:
        SettingsError: it cannot be read, holds no audit, or one of other models than the run of this
            ``provenance``.
    """
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
        audit = figures.get("audit", figures)
        section = markdown_section(audit)
        if "sensitivity" in figures:
            found = f"**Found on {figures['data']}, split {figures['split']}.** {threshold_text(figures)}"
            section = f"{found}\n\n{section}"
        models = [dict(one["provenance"]) for one in audit["models"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        raise SettingsError(
            f"{path}: holds no audit ({reason}). Name the --json of sranogan-audit with --audit."
        ) from error
    known = json.loads(json.dumps(dict(provenance)))
    if not any(all(model.get(name) == value for name, value in known.items()) for model in models):
        named = ", ".join(str(one["model"]) for one in audit["models"])
        raise SettingsError(
            f"{path}: the audit is of other models ({named}). Audit this run, or a bundle of it."
        )
    return section


def model_card(bundle: Bundle, audit: str = "") -> str:
    """Return the Markdown card of ``bundle``; ``audit`` is a section to end it with."""
    provenance, threshold = bundle.details["provenance"], bundle.calibration.threshold
    rate, count = bundle.calibration.false_alarm_rate, len(bundle.calibration.scores)
    if math.isfinite(threshold):
        stated = f"{threshold:.4f}: {rate:.0%} of normals like the {count} held out may be flagged."
    else:
        stated = f"none: {count} held-out normals are too few for a false-alarm rate of {rate:.0%}."
    card = CARD.format(
        search=_search(bundle),
        size=bundle.size,
        data=provenance["data"],
        normals=_count(provenance, "to_train"),
        held_out=_count(provenance, "held_out"),
        start=_start(bundle),
        copies=_copies(provenance),
        threshold=stated,
        expected=_expected(bundle),
        foreign=_foreign(bundle),
        colour="in colour" if bundle.preprocess.colour else "grey (of images in colour the brightness)",
        contrast=f"{bundle.preprocess.contrast}{_fit(bundle.preprocess)}",
        recipe=_numbers(bundle),
        seed=bundle.details["settings"]["seed"],
    )
    return f"{card}\n{audit}" if audit else card


def _count(provenance: Mapping[str, Any], part: str) -> str:
    """How many normals there were; of images in tiles, how many tiles of how many images."""
    count, images = provenance[f"normals_{part}"], provenance.get(f"images_{part}")
    return str(count) if images is None else f"{count} tiles of {images}"


def _fit(spec: PreprocessSpec) -> str:
    """How an image comes to that square, where it is not stretched."""
    if not spec.tiled:
        aligned = "; turned, scaled and shifted to the mean normal" if spec.align else ""
        return aligned if spec.fit == "stretch" else f"; fit: {spec.fit}{aligned}"
    inside, side = " inside a region" if spec.region else "", spec.tile_side_px
    return (
        f"; the image is covered{inside} with tiles of {side} pixels, {spec.tile_overlap:.0%} over the next, "
        f"and its score is the highest of theirs{' and of the whole, stretched' if spec.tile_whole else ''}"
    )


def _expected(bundle: Bundle) -> str:
    """False alarms, here and elsewhere; what is found of anomalies, labelled images alone can tell."""
    if not math.isfinite(bundle.calibration.threshold):
        return "Nothing is flagged: there is no threshold."
    flagged = 100 * bundle.calibration.false_alarm_rate
    return (
        f"Of 100 normals like those held out about {flagged:.0f} are flagged. Of normals of another\n"
        f"machine, place or age group more are: {FOREIGN_ALARMS} of 100 in trials with a threshold for 5.\n"
        "How many anomalies are found, labelled images alone can tell (sranogan-evaluate)."
    )


def _start(bundle: Bundle) -> str:
    """Where the small network's training started, unless at random."""
    settings = TrainSettings.from_dict(bundle.details["settings"])
    if not settings.head.starts_drawn(settings.head_side):
        return ""
    return (
        "\nThe small network's training started from weights that ship with the package: learned on drawn\n"
        "images with self-made anomalies, no photograph or film among them."
    )


def _copies(provenance: Mapping[str, Any]) -> str:
    """What was found of equal and nearly equal images; nothing of a run that did not look."""
    near, equal = provenance.get("near_duplicates"), provenance.get("duplicates", 0)
    if near is None:
        return ""
    return (
        f"\nOf images that are equal in every pixel one was kept ({equal} left out); {near} are nearly\n"
        "the same as another one, and stand on its side of the split."
    )


def _foreign(bundle: Bundle) -> str:
    if bundle.signs is None:
        return (
            f"**Foreign images** are not told from others: fewer than {FEWEST} normals were held out, or no\n"
            "copies of them. A calibration with 20 or more normals of the place of use tells them.\n\n"
        )
    count = len(next(iter(bundle.signs.values())))
    rule = own_rule(bundle)
    few = f" {rule.note}." if rule and rule.note else ""
    return (
        '**Foreign images.** "not like the training data" is answered where an image is far beyond\n'
        f"{count} takes of held-out normals, as they came and jittered; of normals like these at most 1 in\n"
        f"100 is.{few} Films of another place or age group may be called so; a calibration with normals of\n"
        "the place of use goes before it.\n\n"
    )


def _search(bundle: Bundle) -> str:
    kind, steps = bundle.details["search"]["kind"], bundle.steps
    others = [str(budget) for budget in bundle.budgets if budget != steps]
    walk = f", then {steps} {kind} step{'s' * (steps > 1)}," if steps else ""
    also = f" (on demand {' or '.join(others)} steps)" if others else ""
    return f"an encoder{walk} find{'' if walk else 's'} the nearest normal in its latent space{also}"


def _numbers(bundle: Bundle) -> str:
    quantised = bundle.details["quantisation"]
    engine, symmetric = quantised["engine"], quantised.get("symmetric", False)
    numbers = bundle.details["recipe"] + (" with zero points of 0" if symmetric else "")
    return numbers + (f", fine-tuned for it by {engine}" if engine != "none" else "")
