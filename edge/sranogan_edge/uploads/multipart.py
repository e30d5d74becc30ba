r"""The parts of a ``multipart/form-data`` body, piece by piece as it comes (RFC 2046, 5.1.1; RFC 7578).

No part is ever held whole here, and what has no end is refused early. The libraries that do this hold forms:
they write each file to the disk, and bound how many there are, not how large each one is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.message import Message
from email.parser import HeaderParser

__all__ = ["END", "Begin", "Multipart", "MultipartError", "boundary_of", "name_in"]

MOST_HEADER_BYTES = 8192  # of one part
_PADDING_BYTES = 64  # blanks behind a boundary
_CRLF = b"\r\n"


class MultipartError(ValueError):
    """The body is not what its Content-Type says."""


@dataclass(frozen=True)
class Begin:
    """A part begins; ``name`` is the file's, or the field's, as it was sent."""

    name: str


class _End:
    """A part is whole."""


END = _End()


class Multipart:
    """Cuts a body into its parts."""

    def __init__(self, boundary: bytes) -> None:
        """Begin before the first part."""
        self._mark = _CRLF + b"--" + boundary
        self._buffer = bytearray(_CRLF)  # the first boundary may open the body
        self._state = "preamble"

    @property
    def is_whole(self) -> bool:
        """Whether the last boundary has come."""
        return self._state == "epilogue"

    def fed(self, data: bytes) -> Iterator[Begin | bytes | _End]:
        """Take the next piece of the body; yield what it brings: a part's begin, its bytes, its end.

        Raises:
            MultipartError: it is no such body.
        """
        if self._state == "epilogue":
            return
        self._buffer += data
        steps = {
            "preamble": self._content,
            "body": self._content,
            "boundary": self._boundary,
            "headers": self._headers,
        }
        while self._state in steps:
            before = self._state
            yield from steps[before]()
            if self._state == before:
                return  # more has to come

    def _taken(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _content(self) -> Iterator[bytes | _End]:
        """Bytes of a part, or before the first one, up to the next boundary."""
        inside, at = self._state == "body", self._buffer.find(self._mark)
        content = self._taken(at if at >= 0 else max(0, len(self._buffer) - len(self._mark) + 1))
        if inside and content:
            yield content
        if at < 0:
            return
        self._taken(len(self._mark))
        self._state = "boundary"
        if inside:
            yield END

    def _boundary(self) -> Iterator[bytes]:
        """What stands behind a boundary: the end, or a line's end and a part."""
        yield from ()
        if self._buffer.startswith(b"--"):
            self._state = "epilogue"
            return
        at = self._buffer.find(_CRLF)
        line = self._buffer[:at] if at >= 0 else self._buffer.removesuffix(b"\r").removesuffix(b"-")
        if len(line) > _PADDING_BYTES or line.strip(b" \t"):
            raise MultipartError("what follows a boundary is neither a part nor the end")
        if at >= 0:
            self._taken(at)  # the line's end opens the headers: there may be none
            self._state = "headers"

    def _headers(self) -> Iterator[Begin]:
        at = self._buffer.find(_CRLF + _CRLF)
        if at < 0 or at > MOST_HEADER_BYTES:
            if len(self._buffer) > MOST_HEADER_BYTES:
                raise MultipartError(f"the headers of a part have more than {MOST_HEADER_BYTES:,} bytes")
            return
        block = self._taken(at + 4)
        self._state = "body"
        yield Begin(_name(block.strip()))


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a Content-Type names; raises MultipartError where it names none."""
    message = Message()
    message["content-type"] = content_type
    try:
        found = message.get_boundary("").encode("ascii")
    except (LookupError, ValueError):  # letters, or an encoding, that a boundary does not have
        found = b""
    if not 1 <= len(found) <= 70:
        raise MultipartError("the Content-Type names no boundary of 1 to 70 characters")
    return found


def _name(block: bytes) -> str:
    try:
        headers = HeaderParser().parsestr(block.decode("utf-8", "replace"), headersonly=True)
    except (MessageError, ValueError) as error:
        raise MultipartError("the headers of a part are none") from error
    return name_in(headers)


def name_in(headers: Message) -> str:
    """Return what Content-Disposition calls it: the file's name, else the field's; empty where neither is."""
    try:
        return headers.get_filename("") or str(headers.get_param("name", "", "content-disposition") or "")
    except (LookupError, ValueError):  # an encoding that nobody knows
        return ""
