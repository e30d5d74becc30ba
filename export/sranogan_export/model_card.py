"""The model card inside a bundle: what this detector is, learned from, and must not be used for."""

from __future__ import annotations

import math

from sranogan_edge.bundle import Bundle

CARD = """# Model card: SR-AnoGAN anomaly detector

**What it does.** It scores how unlike the normal images it was trained on an image is. It gives an
anomaly score (about 1 for a normal image), a p-value against held-out normals, and a heat map. It does not
name a disease or a defect.

**How.** A DCGAN learned normal images;
{search};
a two-layer CNN and a super-resolution network turn that into a {size}x{size} reconstruction; the density of
what differs, fitted on held-out normals, is the score.

**Trained on.** {data}: {normals} normal images, and {held_out} more held out (by patient, where the source
says who it is of) for the densities and the threshold. No abnormal image and no label was used.

**Threshold.** {threshold}

**Preprocessing.** {size}x{size}, contrast normalisation: {contrast}.

**Numbers.** Graphs in {recipe}; seed {seed}.

**Limits.** Images unlike the training set in source, age group, projection or exposure score high whether
or not anything is wrong with them; calibrate with normals of the place of use. A low score does not rule
out disease: what resembles normal variation is missed. This is not a medical device, and no diagnosis may
rest on it.
"""


def model_card(bundle: Bundle) -> str:
    """Return the Markdown card of ``bundle``."""
    provenance, threshold = bundle.details["provenance"], bundle.calibration.threshold
    rate, count = bundle.calibration.false_alarm_rate, len(bundle.calibration.scores)
    if math.isfinite(threshold):
        stated = f"{threshold:.4f}: {rate:.0%} of normals like the {count} held out may be flagged."
    else:
        stated = f"none: {count} held-out normals are too few for a false-alarm rate of {rate:.0%}."
    steps = bundle.details["search"]["steps"]
    walk = f", then {steps} gradient step{'s' * (steps > 1)}," if steps else ""
    return CARD.format(
        search=f"an encoder{walk} find{'' if walk else 's'} the nearest normal in its latent space",
        size=bundle.size,
        data=provenance["data"],
        normals=provenance["normals_to_train"],
        held_out=provenance["normals_held_out"],
        threshold=stated,
        contrast=bundle.preprocess.contrast,
        recipe=bundle.details["recipe"],
        seed=bundle.details["settings"]["seed"],
    )
