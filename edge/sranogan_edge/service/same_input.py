"""Whether a bundle is for the images that the one in use is for: trained on such data, seen in such a way."""

from __future__ import annotations

from sranogan_edge.bundle.bundle import Bundle
from sranogan_edge.errors import BundleError

__all__ = ["refuse_other_input"]


def refuse_other_input(before: Bundle, after: Bundle) -> None:
    """Compare what two bundles take: how images come to them, in colour or not, and the data of training.

    Raises:
        BundleError: they differ in one that both state; the message names each, and what forces it.
    """
    then, now = _input(before), _input(after)
    differs = [
        f"{name} was {then[name]!r} and is {now[name]!r}"
        for name in then
        if name in now and then[name] != now[name]
    ]
    if differs:
        raise BundleError(
            f"the new bundle is for other images than the one in use: {'; '.join(differs)}. Where that is "
            "meant, set swap.other_input to true in the settings file (--other-input on the command line)."
        )


def _input(bundle: Bundle) -> dict[str, object]:
    spec = bundle.preprocess
    provenance = bundle.details.get("provenance")
    stated = provenance if isinstance(provenance, dict) else {}
    found: dict[str, object] = {
        "the side in pixels": spec.size,
        "the fit": "letterbox" if spec.fit == "pad" else spec.fit,  # pad is its name in earlier bundles
        "the colour": spec.colour,
        "the alignment": spec.align,
    }
    if spec.tiled:
        found |= {"the side of a tile in pixels": spec.tile_side_px, "the region": spec.region}
    for name, key in (("the modality", "modality"), ("the data it was trained on", "data")):
        if stated.get(key):
            found[name] = stated[key]
    return found
