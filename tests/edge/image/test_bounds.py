"""Hostile files of a few bytes, or of millions of parts, are refused by what their headers say."""

from __future__ import annotations

import numpy as np
import pytest

import benchmarks.runner.hostile.every  # noqa: F401  # registers the kinds
from benchmarks.runner.hostile import codecs, films
from benchmarks.runner.hostile.kinds import KINDS, Kind
from sranogan_edge.errors import ImageError, OversizedImageError
from sranogan_edge.image import codestream_bounds, dicom_bounds
from sranogan_edge.image.decode import decode_bytes
from sranogan_edge.image.dicom_object import read_object
from tests.support.dicom_objects import one

REFUSED = [made for made in KINDS.values() if made.target == "film" and made.refused]


@pytest.mark.parametrize("made", REFUSED, ids=lambda made: made.name)
def test_what_asks_for_too_much_is_refused_by_its_header(made: Kind) -> None:
    """Each crafted kind, in each of its variants, is refused as too large before it is decoded."""
    for seed in range(5):
        with pytest.raises(OversizedImageError, match=r"^x: "):
            decode_bytes(made.make(np.random.default_rng(seed)), source="x")


def test_sound_codestreams_pass() -> None:
    """What encoders write is far within the bounds: usual blocks, precincts, layers, tiles and scans."""
    for style in (
        codecs.coding_style(levels=5),
        codecs.coding_style(levels=5, precinct=0x88, layers=20),
        codecs.coding_style(levels=5, block=2),
    ):
        codestream_bounds.check_codestream(codecs.jpeg_2000(8000, style), "x", 64_000_000)
    tiled = codecs.jpeg_2000(8000, codecs.coding_style(levels=5), tile=256, components=3)
    codestream_bounds.check_codestream(tiled, "x", 64_000_000)
    scans = codecs.jpeg_of_scans(np.random.default_rng(0), scans=50, side=64)
    codestream_bounds.check_codestream(scans, "x", 64_000_000)
    assert decode_bytes(scans, source="x").pixels.shape == (64, 64)


def test_what_follows_a_jpeg_is_not_counted() -> None:
    """Phones append a video, and previews stand in front: neither is decoded, so neither has scans."""
    sound = codecs.jpeg_of_scans(np.random.default_rng(0), scans=5, side=64)
    preview = codecs.segment(0xFFE1, b"Exif\0\0" + b"\xff\xda" * 200)
    made = sound[:2] + preview + sound[2:] + b"\xff\xda\0\2" * 500
    assert decode_bytes(made, source="x").pixels.shape == (64, 64)
    with pytest.raises(OversizedImageError, match="more than 10,000 segments"):
        decode_bytes(sound[:2] + codecs.segment(0xFFFE, b"") * 20_000 + sound[2:], source="x")


def test_a_box_that_understates_its_codestream_is_refused() -> None:
    """The size in a JP2 file's own box is not what is decoded: the codestream's is asked."""
    stream = codecs.jpeg_2000(60_000, codecs.coding_style(), tile=4000)
    with pytest.raises(OversizedImageError, match="60000 x 60000 pixels"):
        codestream_bounds.check_codestream(stream, "x", 64_000_000)


@pytest.mark.parametrize("cut", [4, 20, 40, 60, 80])
def test_headers_that_are_cut_off_are_left_to_the_decoder(cut: int) -> None:
    """The look at a header raises nothing else, wherever it ends."""
    codestream_bounds.check_codestream(codecs.jpeg_2000(64, codecs.coding_style())[:cut], "x", 10**6)
    with pytest.raises(ImageError):
        decode_bytes(codecs.jpeg_2000(64, codecs.coding_style())[:cut], source="x")


def test_films_within_the_bounds_pass() -> None:
    """A film of thousands of elements, items and values is still a film."""
    more = films.empty_elements(20_000) + films.sequence(
        films.item(b"") * 5_000, defined=True, tag=(8, 0x1140)
    )
    assert one(films.film(more=more)).pixels.shape == (64, 64)
    table = films.element(0x28, 0x3006, b"", bytes(2**17))
    read_object(films.film(more=table, syntax=films.IMPLICIT), source="x")
    private = films.element(0x29, 0x1001, b"UN", bytes(2**20))
    assert one(films.film(more=private)).pixels.shape == (64, 64)


@pytest.mark.parametrize("defined", [True, False])
def test_elements_are_counted_wherever_they_are(defined: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than is allowed is refused, one fewer is not: in the data set and in items of both kinds."""
    inside = films.item(films.empty_elements(50))
    data = films.film(more=films.empty_elements(30) + films.sequence(inside, defined=defined))
    monkeypatch.setattr(dicom_bounds, "MOST_ELEMENTS", 200)
    read_object(data, source="x")
    monkeypatch.setattr(dicom_bounds, "MOST_ELEMENTS", 80)
    with pytest.raises(OversizedImageError, match="more than 80 elements"):
        read_object(data, source="x")


def test_big_endian_and_bare_data_sets_are_walked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk finds its byte order and whether elements state their kind, with or without a preamble."""
    monkeypatch.setattr(dicom_bounds, "MOST_ELEMENTS", 10)
    whole = films.film()
    with pytest.raises(OversizedImageError, match="elements"):
        read_object(whole[132:], source="x")
    swapped = b"".join(
        (0x29).to_bytes(2, "big") + number.to_bytes(2, "big") + b"LO\0\0" for number in range(0x1000, 0x1014)
    )
    big = films.film(syntax="1.2.840.10008.1.2.2")
    head = big[: big.index(b"\x08\0\x16\0")]
    first = b"\0\x08\0\x16UI\0\x04" + b"1.2\0"
    with pytest.raises(OversizedImageError, match="elements"):
        read_object(head + first + swapped, source="x")
