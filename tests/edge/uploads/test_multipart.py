"""Forms, cut into their parts as they come."""

from __future__ import annotations

import contextlib
import random

import pytest

from sranogan_edge.uploads.multipart import END, Begin, Multipart, MultipartError, boundary_of

MARK = b"--x\r\n"
DISPOSED = b"Content-Disposition: form-data; "
HEAD = b'Content-Disposition: form-data; name="files"; filename="%s"\r\nContent-Type: image/png\r\n\r\n'


def parts_of(body: bytes, size: int, boundary: bytes = b"x") -> tuple[list[tuple[str, bytes]], bool]:
    """The parts that were whole, of a body that comes in pieces of ``size``, and whether all of it came."""
    reader, found, name, data = Multipart(boundary), [], "", b""
    for at in range(0, len(body), size):
        for one in reader.fed(body[at : at + size]):
            if isinstance(one, Begin):
                name, data = one.name, b""
            elif one is END:
                found.append((name, data))
            else:
                assert isinstance(one, bytes)
                data += one
    return found, reader.is_whole


NEARLY = b"\r\n--\r\n--y\r\n-\r\r\n-x--x--"  # all but the boundary


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
@pytest.mark.parametrize(
    ("body", "found"),
    [
        (MARK + HEAD % b"a.png" + NEARLY + b"\r\n--x--\r\n", [("a.png", NEARLY)]),
        (
            MARK + HEAD % b"" + b"\r\n" + MARK + HEAD % "ü.png".encode() + b"2\r\n--x--",
            [("files", b""), ("ü.png", b"2")],
        ),
        (
            b"before\r\n" + MARK + b"\r\nno headers\r\n--x  \r\n\r\n\r\n--x--after",
            [("", b"no headers"), ("", b"")],
        ),
        (MARK + b"content-disposition: form-data; name=field\r\n\r\n1\r\n--x--\r\n", [("field", b"1")]),
        (
            MARK + DISPOSED + b"filename*=utf-8''%C3%BC.png\r\n\r\n1\r\n--x--",
            [("ü.png", b"1")],
        ),
        (
            MARK + DISPOSED + b"filename*=klingon''%C3.png\r\n\r\n1\r\n--x--",
            [("Ã.png", b"1")],
        ),
    ],
    ids=["nearly a boundary", "empty", "bare", "field", "encoded", "of no encoding"],
)
def test_parts_come_whole_whatever_the_pieces(body: bytes, found: list[tuple[str, bytes]], size: int) -> None:
    """A body gives the same parts in pieces of any size, and is known to be whole."""
    assert parts_of(body, size) == (found, True)


@pytest.mark.parametrize("kept", range(1, 60, 7))
def test_a_body_that_ends_early_is_not_whole(kept: int) -> None:
    """Wherever it is cut off, that is seen."""
    body = MARK + HEAD % b"a.png" + b"12345\r\n" + MARK + HEAD % b"b.png" + b"67890\r\n--x--"
    found, whole = parts_of(body[:-kept], 10)
    assert not whole
    assert set(found) <= {("a.png", b"12345"), ("b.png", b"67890")}


@pytest.mark.parametrize(
    "body",
    [MARK + b"a" * 9000, b"--xyz\r\n\r\n", b"--x" + b" " * 100 + b"\r\n", b"--x-\r\n\r\n1"],
    ids=["headers without end", "another boundary", "padding without end", "one hyphen"],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_what_is_no_form_is_refused(body: bytes, size: int) -> None:
    """What has no end, or no line's end behind a boundary, is refused as soon as it is seen."""
    with pytest.raises(MultipartError):
        parts_of(body, size)


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'a' * 71}"],
)
def test_a_form_names_its_boundary(content_type: str) -> None:
    """Without one of 1 to 70 characters there are no parts."""
    with pytest.raises(MultipartError, match="boundary"):
        boundary_of(content_type)


WORDS = [
    "filename",
    "boundary",
    "name",
    *"*=\"';,\\%0 \t<>?",
    "utf-8''",
    "%C3",
    "ü",
    "=?utf-8?b?ab?=",
    "\r\n ",
    "\0",
]


def test_headers_of_strangers_are_read_or_refused() -> None:
    """Whatever stands in the headers of a form and of its parts: a name, a boundary, or a refusal."""
    rng, names, boundaries = random.Random(1), 0, 0
    for _ in range(2000):
        said = "form-data; " + "".join(rng.choices(WORDS, k=rng.randint(1, 12)))
        body = MARK + f"Content-Disposition: {said}\r\n\r\n1\r\n--x--".encode()
        with contextlib.suppress(MultipartError):
            names += bool(parts_of(body, 1000)[0])
        with contextlib.suppress(MultipartError):
            boundaries += bool(boundary_of(f"multipart/{said}"))
    assert names
    assert boundaries


def test_a_boundary_in_quotes() -> None:
    """Clients may quote it."""
    assert boundary_of('multipart/form-data; boundary="a b"') == b"a b"
