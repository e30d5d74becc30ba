"""The process that decodes: it gives what decoding here gives, and what ends it is one refused film."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.runner.hostile import films
from benchmarks.runner.hostile.codecs import alpha_png
from benchmarks.runner.hostile.kinds import mutated
from sranogan_edge.decoding import decoder as decoder_module
from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.decoding.film import FilmRead, Wanted, read_here
from sranogan_edge.decoding.limits import DecodingSettings
from sranogan_edge.errors import DecoderMissingError, DecodingError, OversizedImageError
from sranogan_edge.image.film import EVERY_FILM, FilmOptions
from tests.support.encoded_images import COLOUR, COLOUR_16, GREY, GREY_16, by_opencv, encoded

BUDGET = 64_000_000
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    """Give one with the default bounds."""
    made = Decoder()
    yield made
    made.close()


def asked(path: Path, films: FilmOptions = EVERY_FILM) -> Wanted:
    """What the service asks of a file."""
    return Wanted(str(path), films, BUDGET)


def written(path: Path, data: bytes) -> Path:
    """A file of these bytes."""
    path.write_bytes(data)
    return path


def grey(path: Path, value: int, side: int = 32) -> Path:
    """An image of one value but for a corner."""
    pixels = np.full((side, side), value, np.uint8)
    pixels[0, 0] = 255 - value
    Image.fromarray(pixels).save(path)
    return path


def mean(read: FilmRead) -> float:
    """Of the only frame."""
    (frame,) = read.or_raise().frames
    return float(frame.pixels[1:].mean())


def same(one: FilmRead, other: FilmRead) -> None:
    """Whether both say the same in every field."""
    assert one.film == other.film
    assert (type(one.error), str(one.error)) == (type(other.error), str(other.error))
    if one.taken is None or other.taken is None:
        assert one.taken is other.taken
        return
    assert (one.taken.turned, one.taken.refusal) == (other.taken.turned, other.taken.refusal)
    for left, right in zip(one.taken.frames, other.taken.frames, strict=True):
        np.testing.assert_array_equal(left.pixels, right.pixels)
        assert left.pixels.dtype == right.pixels.dtype
        assert (left.bit_depth, left.photometric, left.window) == (
            right.bit_depth,
            right.photometric,
            right.window,
        )
        assert left.source == right.source


FILES = {
    "grey.png": encoded(Image.fromarray(GREY), "PNG"),
    "grey16.png": by_opencv(".png", GREY_16),
    "colour.jpg": encoded(Image.fromarray(COLOUR), "JPEG"),
    "colour16.png": by_opencv(".png", COLOUR_16),
    "film.dcm": films.film(),
    "implicit.dcm": films.film(syntax=films.IMPLICIT),
    "window.dcm": films.film(
        more=films.element(0x28, 0x1050, b"DS", b"100 ") + films.element(0x28, 0x1051, b"DS", b"50")
    ),
    "several.dcm": films.film(more=films.element(0x28, 8, b"IS", b"1 ")),
    "empty.png": b"",
    "text.png": b"no image at all",
    "cut.png": encoded(Image.fromarray(GREY), "PNG")[:-40],
    "cut.dcm": films.film()[:-40],
}


@pytest.mark.parametrize("name", FILES)
def test_it_gives_what_decoding_here_gives(decoder: Decoder, tmp_path: Path, name: str) -> None:
    """Pixels, depth, window, fields, and the error where there is one, kind and words."""
    path = written(tmp_path / name, FILES[name])
    same(decoder.read(path, asked(path)), read_here(path, asked(path)))


def test_an_open_file_is_read_from_its_beginning(decoder: Decoder, tmp_path: Path) -> None:
    """Wherever it was left, by who wrote it or by a process that was ended in the middle."""
    path = written(tmp_path / "film.dcm", FILES["film.dcm"])
    with path.open("rb") as file:
        for at in (0, 100, path.stat().st_size):
            file.seek(at)
            same(decoder.read_open(file, asked(path)), read_here(path, asked(path)))


def test_options_go_along(decoder: Decoder, tmp_path: Path) -> None:
    """A film that is not asked for is refused by the same words, and without its pixels."""
    path = written(tmp_path / "film.dcm", films.film())
    for options in (
        FilmOptions(modalities=("DX",)),
        FilmOptions(modalities=("cr",), turn_upright=True),
        FilmOptions(sop_classes=("1.2.3",)),
        FilmOptions(views=("PA",), take_empty=("views",)),
    ):
        same(decoder.read(path, asked(path, options)), read_here(path, asked(path, options)))


def test_damaged_files_of_all_kinds_end_no_process(decoder: Decoder, tmp_path: Path) -> None:
    """Hundreds of damaged files are answered as here, all by one process."""
    rng = np.random.default_rng(3)
    decoder.read(grey(tmp_path / "a.png", 7), asked(tmp_path / "a.png"))
    before = decoder.pid
    for number in range(200):
        name = sorted(FILES)[number % len(FILES)]
        path = written(tmp_path / name, mutated(FILES[name], rng))
        same(decoder.read(path, asked(path)), read_here(path, asked(path)))
    assert decoder.pid == before


def test_frames_stay_what_they_are(decoder: Decoder, tmp_path: Path) -> None:
    """The memory of a film is filled again only where nobody holds a part of it."""
    paths = [grey(tmp_path / f"{value}.png", value) for value in range(10, 60, 10)]
    held = [decoder.read(path, asked(path)) for path in paths]
    assert [mean(read) for read in held] == [10, 20, 30, 40, 50]
    part = held[0].or_raise().frames[0].pixels[5:9, ::2]
    del held
    for path in paths:
        assert mean(decoder.read(path, asked(path))) == int(path.stem)
    assert (part == 10).all()


def test_large_frames_come_whole(decoder: Decoder, tmp_path: Path) -> None:
    """Above what is kept from film to film, and small ones after that."""
    path = grey(tmp_path / "9.png", 9, 8100)
    read = decoder.read(path, Wanted("large", EVERY_FILM, 10**8))
    assert mean(read) == 9
    small = grey(tmp_path / "8.png", 8)
    assert mean(decoder.read(small, asked(small))) == 8
    assert read.or_raise().frames[0].pixels[5, 5] == 9


def test_films_of_growing_size_take_no_handles(decoder: Decoder, tmp_path: Path) -> None:
    """Each brings other memory; the file that it came by is closed."""
    paths = [grey(tmp_path / f"{value}.png", value, 1000 * value) for value in (1, 2, 3)]
    decoder.read(paths[0], asked(paths[0]))
    before = len(os.listdir("/proc/self/fd"))
    assert [mean(decoder.read(path, asked(path))) for path in paths] == [1, 2, 3]
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def short() -> Iterator[Decoder]:
    """Give a decoder of little patience."""
    made = Decoder(DecodingSettings(limit_s=2.0))
    yield made
    made.close()


def stopped(decoder: Decoder, path: Path) -> int:
    """Have the process started, and stopped as one that hangs; return its number."""
    decoder.read(path, asked(path))
    assert decoder.pid
    os.kill(decoder.pid, signal.SIGSTOP)
    return decoder.pid


def test_what_takes_too_long_is_refused(short: Decoder, tmp_path: Path) -> None:
    """The film's error says so and names it; signs of life come meanwhile; the next film is decoded."""
    path, pulses = grey(tmp_path / "40.png", 40), []
    hangs = stopped(short, path)
    read = short.read(path, asked(path), lambda: pulses.append(1))
    assert isinstance(read.error, DecodingError)
    assert str(path) in str(read.error)
    assert "was ended after 2 s" in str(read.error)
    assert pulses
    assert not Path(f"/proc/{hangs}/stat").exists()
    assert mean(short.read(path, asked(path))) == 40
    assert short.pid not in (None, hangs)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL])
def test_a_crash_is_one_refused_film(short: Decoder, tmp_path: Path, number: signal.Signals) -> None:
    """Its signal stands in the error, the film is not tried again, and the next one is decoded."""
    path = grey(tmp_path / "40.png", 40)
    found = while_stopped(short, path, number)
    assert isinstance(found.error, DecodingError)
    assert f"was ended by signal {number.value}" in str(found.error)
    assert mean(short.read(path, asked(path))) == 40


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_from_outside_costs_no_film(
    short: Decoder, tmp_path: Path, caplog: pytest.LogCaptureFixture, number: signal.Signals
) -> None:
    """Memory that ran out elsewhere, or a person: the film may be sound, and is read once more."""
    path = grey(tmp_path / "40.png", 40)
    with caplog.at_level(logging.WARNING):
        assert mean(while_stopped(short, path, number)) == 40
    assert "was ended from outside; it is decoded again" in caplog.text


def while_stopped(decoder: Decoder, path: Path, number: signal.Signals) -> FilmRead:
    """Read ``path`` by a process that is ended with this signal meanwhile."""
    hangs, found = stopped(decoder, path), []
    reading = threading.Thread(target=lambda: found.append(decoder.read(path, asked(path))))
    reading.start()
    time.sleep(0.2)
    os.kill(hangs, number)
    os.kill(hangs, signal.SIGCONT)
    reading.join(PATIENCE_S)
    return found[0]


def test_a_film_after_the_process_died_unseen(short: Decoder, tmp_path: Path) -> None:
    """Between two films nothing is in hand, so nothing is refused."""
    path = grey(tmp_path / "40.png", 40)
    short.read(path, asked(path))
    assert short.pid
    os.kill(short.pid, signal.SIGKILL)
    time.sleep(0.2)
    assert mean(short.read(path, asked(path))) == 40


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A film that needs more is refused as too large, and the next one is decoded."""
    bounded = Decoder(DecodingSettings(memory_bytes=100 * 2**20))
    path = written(tmp_path / "large.png", alpha_png("RGBA16", 4000))
    small = grey(tmp_path / "40.png", 40)
    try:
        assert isinstance(bounded.read(path, asked(path)).error, OversizedImageError)
        assert mean(bounded.read(small, asked(small))) == 40
    finally:
        bounded.close()


@pytest.mark.parametrize(("kind", "channels"), [("RGBA16", 8), ("LA16", 8), ("RGBA8", 4), ("palette", 4)])
def test_transparency_takes_no_copies_of_the_whole(tmp_path: Path, kind: str, channels: int) -> None:
    """What is stored, with alpha, and what is given are all that is held at once, beside some stripes."""
    fresh, side = Decoder(), 6000
    path, small = written(tmp_path / "a.png", alpha_png(kind, side)), grey(tmp_path / "40.png", 40)
    try:
        fresh.read(small, asked(small))
        idle, given = peak_of(fresh), channels * 3 // 4
        assert fresh.read(path, asked(path)).or_raise().frames[0].pixels.shape[:2] == (side, side)
        assert peak_of(fresh) - idle < (channels + given) * side**2 + 100 * 2**20
    finally:
        fresh.close()


def peak_of(decoder: Decoder) -> int:
    """The most bytes that its process had in memory."""
    status = Path(f"/proc/{decoder.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def test_what_is_logged_there_is_logged_here(
    decoder: Decoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A rescale that cannot be used is told by the decoder, as before."""
    path = written(tmp_path / "f.dcm", films.film(more=films.element(0x28, 0x1053, b"DS", b"0 ")))
    with caplog.at_level(logging.INFO):
        here = read_here(path, asked(path))
        said = [record.getMessage() for record in caplog.records]
        caplog.clear()
        same(decoder.read(path, asked(path)), here)
    assert [record.getMessage() for record in caplog.records] == said


def test_a_process_that_cannot_be_started_is_no_fault_of_a_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as what it is, so that films wait instead of being refused."""
    path = grey(tmp_path / "40.png", 40)
    monkeypatch.setattr(decoder_module, "WORKER", "sranogan_edge.no_such_module")
    with pytest.raises(DecoderMissingError, match="cannot be started: ended with exit code 1"):
        Decoder().read(path, asked(path))


def test_a_file_that_is_gone_is_no_fault_of_the_process(decoder: Decoder, tmp_path: Path) -> None:
    """What the disk cannot give is told as such, and tried again by who asks."""
    with pytest.raises(FileNotFoundError):
        decoder.read(tmp_path / "gone.png", asked(tmp_path / "gone.png"))


def test_it_ends_with_the_runner(tmp_path: Path) -> None:
    """A runner that was killed leaves no process behind."""
    ended = Decoder()
    path = grey(tmp_path / "40.png", 40)
    ended.read(path, asked(path))
    number = ended.pid
    ended.close()
    assert ended.pid is None
    assert not Path(f"/proc/{number}").exists()
