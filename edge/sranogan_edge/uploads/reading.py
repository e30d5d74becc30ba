"""From a request to the images in it, as their bytes come: bounded, and never all of it at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from email.message import Message

from starlette.requests import Request

from sranogan_edge.errors import MalformedUploadError, TooLargeError, UploadTypeError
from sranogan_edge.redact import on_one_line
from sranogan_edge.uploads.multipart import END, Begin, Multipart, MultipartError, boundary_of, name_in
from sranogan_edge.uploads.waiting import Upload, Uploads, new_file

__all__ = ["Sent", "images_of", "is_form", "pieces_of"]

FORM = "multipart/form-data"
ONE_IMAGE = ("application/octet-stream", "application/dicom")  # and image/*
SILENT_S = 30.0  # without a byte
LEAST_BYTES_S = 1024  # a second, over all of a request, beside SILENT_S
NAME_CHARACTERS = 255


@dataclass(frozen=True, eq=False)
class Sent:
    """One image of a request.

    Attributes:
        name: what its sender calls it.
        upload: that may wait for its answer; None where it is not taken.
        error: why not.
    """

    name: str
    upload: Upload | None = None
    error: TooLargeError | None = None


def is_form(request: Request) -> bool:
    """Whether a request brings several images, not one.

    Raises:
        UploadTypeError: it brings neither.
    """
    kind = _media_type(request)
    coding = request.headers.get("content-encoding", "identity").lower()
    if coding != "identity":
        raise UploadTypeError(f"the body is compressed ({coding[:40]!r}). Send it as it is.")
    if kind == FORM:
        return True
    if kind in ONE_IMAGE or kind.startswith("image/"):
        return False
    raise UploadTypeError(
        f"the Content-Type is {kind[:80]!r}. Send an image as image/*, application/dicom or "
        f"application/octet-stream, several as {FORM}."
    )


async def images_of(request: Request, uploads: Uploads) -> AsyncGenerator[Sent, None]:
    """Yield the images of a request, each as soon as it is there; whoever takes one looks after its file.

    Raises:
        TooLargeError: it is larger than a request may be, or has too many images.
        MalformedUploadError: it is no form, ends in its middle, or comes too slowly.
        TooBusyError: there is no room for its bytes now.
        ClientDisconnect: its sender went away.
    """
    form, settings = is_form(request), uploads.settings
    most = settings.max_request_bytes if form else settings.max_image_bytes
    pieces = pieces_of(request, most, "the request" if form else "the image")
    found = _parts(request, pieces, uploads) if form else _whole(request, pieces, uploads)
    async with aclosing(pieces), aclosing(found):
        async for sent in found:
            yield sent


async def pieces_of(request: Request, most: int, what: str) -> AsyncGenerator[bytes, None]:
    """Yield the body as it comes; ``what`` it is, is told where it is larger than ``most`` bytes.

    Raises:
        TooLargeError: it is, or says so.
        MalformedUploadError: it comes too slowly.
        ClientDisconnect: its sender went away.
    """
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated[:20]) > most:
        raise TooLargeError(f"{what} {_larger_than(most)}")
    count, waited_s, body = 0, 0.0, request.stream()
    while True:
        began = time.monotonic()
        try:
            piece = await asyncio.wait_for(anext(body, None), SILENT_S)
        except (TimeoutError, asyncio.TimeoutError) as error:  # two, in Python 3.10
            raise MalformedUploadError(f"nothing came for {SILENT_S:g} s. Send it again.") from error
        waited_s += time.monotonic() - began
        if piece is None:
            return
        count += len(piece)
        if count > most:
            yield piece[: most - count]  # whole images in it are scored
            raise TooLargeError(f"{what} {_larger_than(most)}")
        if waited_s > SILENT_S + count / LEAST_BYTES_S:
            raise MalformedUploadError(f"less than {LEAST_BYTES_S:,} bytes a second came. Send it again.")
        if piece:
            yield piece


async def _whole(
    request: Request, pieces: AsyncGenerator[bytes, None], uploads: Uploads
) -> AsyncGenerator[Sent, None]:
    """The body is one image."""
    disposition = Message()
    disposition["content-disposition"] = request.headers.get("content-disposition", "")
    image = _Growing(request.query_params.get("name") or name_in(disposition) or "upload", uploads)
    try:
        async for piece in pieces:
            image.add(piece)
        yield image.sent()
    finally:
        image.drop()


async def _parts(
    request: Request, pieces: AsyncGenerator[bytes, None], uploads: Uploads
) -> AsyncGenerator[Sent, None]:
    """Each part of the body is one image, whatever field it belongs to."""
    image: _Growing | None = None
    count, most = 0, uploads.settings.max_images
    try:
        parts = Multipart(boundary_of(request.headers["content-type"]))
        async for piece in pieces:
            for one in parts.fed(piece):
                if isinstance(one, Begin):
                    count += 1
                    if count > most:
                        raise TooLargeError(
                            f"there are more than {most:,} images. Send no more than that at once."
                        )
                    image = _Growing(one.name or f"part {count}", uploads)
                elif one is END and image:
                    yield image.sent()
                    image = None
                elif isinstance(one, bytes) and image:
                    image.add(one)
        if not parts.is_whole:
            raise MultipartError("it ends before its last boundary")
    except MultipartError as error:
        raise MalformedUploadError(f"the body is no whole {FORM}: {error}. Send it again.") from error
    finally:
        if image:
            image.drop()
    if not count:
        raise MalformedUploadError("the form has no part. Add a file for each image.")


class _Growing:
    """An image whose bytes are coming."""

    def __init__(self, name: str, uploads: Uploads) -> None:
        self._name = on_one_line(name)[:NAME_CHARACTERS]
        self._uploads, self._size = uploads, 0
        self._upload: Upload | None = None
        self._file, self._too_large = new_file(), False

    def add(self, piece: bytes) -> None:
        """Keep it; what is too large is counted alone."""
        if self._too_large:
            return
        if self._size + len(piece) > self._uploads.settings.max_image_bytes:
            self._too_large = True
            self.drop()
            return
        self._uploads.hold(len(piece))
        self._size += len(piece)
        self._file.write(piece)

    def sent(self) -> Sent:
        """All of it is there; from now on its taker looks after the file."""
        if self._too_large:
            most = self._uploads.settings.max_image_bytes
            return Sent(self._name, error=TooLargeError(f"{self._name}: {_larger_than(most)}"))
        self._file.flush()
        size, self._size = self._size, -1
        return Sent(self._name, Upload(self._name, self._file, size))

    def drop(self) -> None:
        """Forget it, where nobody took it."""
        if self._size >= 0:
            self._file.close()
            self._uploads.let_go(self._size)
            self._size = 0


def _larger_than(most: int) -> str:
    return f"has more than {most:,} bytes. Send less at once, or have the limit raised."


def _media_type(request: Request) -> str:
    """Of the request; what says nothing is taken for bytes."""
    return request.headers.get("content-type", ONE_IMAGE[0]).partition(";")[0].strip().lower()
