"""A bundle for other images does not take over, at work or at a start, unless that is meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sranogan_edge.bundle.bundle import Bundle, read_bundle, write_bundle
from sranogan_edge.errors import BundleError
from sranogan_edge.service.same_input import refuse_other_input
from sranogan_edge.service.swap import Swap
from sranogan_edge.settings.read import read_settings
from tests.support.service_bench import wait_for
from tests.support.swap_place import Place, successor


def trained_on(bundle: Bundle, **stated: str) -> Bundle:
    """The bundle, as if its training had been on other data."""
    provenance = {**bundle.details.get("provenance", {}), **stated}
    return replace(bundle, details={**bundle.details, "provenance": provenance})


def fitted(bundle: Bundle) -> Bundle:
    """The bundle, as if it saw images with their aspect kept."""
    return replace(bundle, preprocess=replace(bundle.preprocess, fit="pad"))


OTHERS: dict[str, tuple[Callable[[Bundle], Bundle], str]] = {
    "data": (
        lambda one: trained_on(one, data="knees"),
        "the data it was trained on was 'phantom' and is 'knees'",
    ),
    "fit": (fitted, "the fit was 'stretch' and is 'letterbox'"),
    "colour": (
        lambda one: replace(one, preprocess=replace(one.preprocess, colour=True)),
        "the colour was False and is True",
    ),
    "side": (
        lambda one: replace(one, preprocess=replace(one.preprocess, size=64)),
        "the side in pixels was 32 and is 64",
    ),
    "modality": (lambda one: trained_on(one, modality="MR"), "the modality was 'DX' and is 'MR'"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_each_difference_is_named(bundle: Bundle, name: str) -> None:
    """What was and what is are told, with the option that lets it happen."""
    other, told = OTHERS[name]
    before = trained_on(bundle, modality="DX")
    with pytest.raises(BundleError) as refused:
        refuse_other_input(before, other(before))
    assert told in str(refused.value)
    assert "swap.other_input" in str(refused.value)
    assert "--other-input" in str(refused.value)


def test_tiles_of_another_side_or_place_are_named(bundle: Bundle) -> None:
    """Of two bundles that judge in tiles, the tile's side and the region count."""
    tiled = replace(bundle.preprocess, fit="tile", tile_px=64)
    before = replace(bundle, preprocess=tiled)
    with pytest.raises(BundleError, match="the side of a tile in pixels was 64 and is 96"):
        refuse_other_input(before, replace(bundle, preprocess=replace(tiled, tile_px=96)))
    region = ((0.1, 0.1), (0.9, 0.1), (0.5, 0.9))
    with pytest.raises(BundleError, match="the region was"):
        refuse_other_input(before, replace(bundle, preprocess=replace(tiled, region=region)))


def test_another_training_on_the_same_images_is_none(bundle: Bundle) -> None:
    """Other weights, contrast or card are no other input; nor is what one of the two does not state.

    Nor is the name that earlier versions had for letterbox. What is refused raises.
    """
    letterbox = replace(bundle, preprocess=replace(bundle.preprocess, fit="letterbox"))
    refuse_other_input(fitted(bundle), letterbox)
    refuse_other_input(bundle, replace(bundle, model_card="the second"))
    refuse_other_input(bundle, replace(bundle, preprocess=replace(bundle.preprocess, contrast="none")))
    refuse_other_input(replace(bundle, details={}), trained_on(bundle, data="knees"))
    refuse_other_input(bundle, trained_on(bundle, modality="MR"))


@pytest.mark.parametrize("name", ["data", "fit"])
def test_it_is_refused_at_work(place: Place, bundle: Bundle, tmp_path: Path, name: str) -> None:
    """The one in use goes on, with an alarm that names the difference; one for the same images takes over."""
    other, told = OTHERS[name]
    write_bundle(other(bundle), tmp_path / "other")
    write_bundle(replace(bundle, model_card="the second"), tmp_path / "same")
    swap = place.swap()
    first = swap.first()
    swap.start()
    try:
        place.put(tmp_path / "other")
        wait_for(lambda: any(told in alarm for alarm in place.alarms.now))
        assert swap.successor() is None
        assert read_bundle(place.kept.in_use).sha256 == first.scorer.bundle
        place.put(tmp_path / "same")
        assert successor(swap).scorer.bundle == read_bundle(tmp_path / "same").sha256
        wait_for(lambda: not place.alarms.now)
    finally:
        swap.close()


def test_a_restart_lets_it_in_no_more(place: Place, bundle: Bundle, tmp_path: Path) -> None:
    """At the next start the one that was in use goes on, too; where it is meant, the other one takes over."""
    first = place.swap().first()
    write_bundle(trained_on(bundle, data="knees"), tmp_path / "other")
    place.put(tmp_path / "other")
    again = place.swap().first()
    assert again.scorer.bundle == first.scorer.bundle
    assert any("is for other images" in alarm for alarm in place.alarms.now)
    meant = Swap(place.file, place.loader, place.kept, place.alarms, every_s=None, other_input=True)
    assert meant.first().scorer.bundle == read_bundle(tmp_path / "other").sha256
    assert place.swap().first().scorer.bundle == read_bundle(tmp_path / "other").sha256


def test_the_setting(tmp_path: Path) -> None:
    """Nothing is forced unless [swap] says so."""
    file = tmp_path / "s.toml"
    text = 'bundle = "b"\n[[feeds]]\nuri = "watch:in"\n'
    file.write_text(text)
    assert not read_settings(file, environ={}).swap.other_input
    file.write_text(f"{text}[swap]\nother_input = true\n")
    assert read_settings(file, environ={}).swap.other_input


def test_bundles_that_align_and_that_do_not_are_for_other_images(bundle: Bundle) -> None:
    """A part that is turned to how others lie scores as they do in one of them alone."""
    plain = SimpleNamespace(preprocess=bundle.preprocess, details=bundle.details)
    aligned = SimpleNamespace(preprocess=replace(bundle.preprocess, align=True), details=bundle.details)
    for before, after in ((plain, aligned), (aligned, plain)):
        with pytest.raises(BundleError, match="the alignment was"):
            refuse_other_input(before, after)  # type: ignore[arg-type]  # as much of a bundle as is looked at


def test_what_one_of_two_bundles_does_not_state_is_no_difference(bundle: Bundle) -> None:
    """Whichever it is: an earlier version stated no modality, and a new one may not know it."""
    without = replace(bundle, details={})
    with_it = trained_on(bundle, modality="DX")
    refuse_other_input(with_it, without)
    refuse_other_input(without, with_it)
