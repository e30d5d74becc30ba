"""Tar files of images, as WebDataset has them: each member that is an image."""

from __future__ import annotations

import os
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from sranogan_edge.archive.item import Content, Item, file_of
from sranogan_edge.archive.store import MOST_BYTES, Store
from sranogan_edge.errors import FeedError, OversizedImageError, UnreadableImageError
from sranogan_edge.image.file_names import by_name
from sranogan_edge.image.formats import IMAGE_SUFFIXES
from sranogan_edge.image.image_list import Reason
from sranogan_edge.image.sniff import HEAD_BYTES, is_dicom

__all__ = ["TarSource"]

_END = 2**62  # where a damaged file's own item is, behind its members
_Key = tuple[str, int]  # file, where the member's bytes begin


class TarSource:
    """A tar file, or all below a folder. Its images are called ``FILE.tar#MEMBER``."""

    def __init__(self, uri: str) -> None:
        """Name the place; raises FeedError where nothing is there."""
        self._store = Store.of(uri)
        self._files = self._store.files_below(".tar")
        if not self._files:
            raise FeedError(f"{self._store.where}: no .tar files are there. Unpack .tar.gz to .tar first.")
        self.identity = f"tar {self._store.where}"
        self.passed_over: Counter[str] = Counter()

    def items(self, after: Item | None, known: Iterable[Item]) -> Iterator[Item]:
        """List the members (:class:`sranogan_edge.archive.item.Source`)."""
        self.passed_over.clear()
        begin = _key(after) if after else None
        for file in self._files:
            if begin is None or file >= begin[0]:
                yield from self._members(file, begin)

    def open(self, items: Sequence[Item]) -> Iterator[Content]:
        """Read members (:class:`sranogan_edge.archive.item.Source`)."""
        for file, found in groupby(items, key=lambda one: _key(one)[0]):
            wanted = list(found)
            try:
                opened = self._store.reading(file)
            except FileNotFoundError:
                for item in wanted:
                    yield UnreadableImageError(f"{item.name}: its tar file is gone. Check the path.")
                continue
            with opened:
                yield from (_content(item, opened) for item in wanted)

    def _members(self, file: str, begin: _Key | None) -> Iterator[Item]:
        name = self._store.name(file)
        try:
            with self._store.reading(file) as opened, tarfile.open(fileobj=opened, mode="r:") as tar:
                for member in tar:
                    key = file, member.offset_data
                    if (begin is None or key > begin) and self._is_image(member, opened):
                        yield Item(f"{name}#{member.name}", (*key, member.size))
                    tar.members = []  # type: ignore[attr-defined]  # else it keeps them all
        except (OSError, tarfile.TarError) as error:
            if begin is None or (file, _END) > begin:
                told = (
                    f"{name}: the tar file is damaged or compressed ({error}). Copy it again, or unpack it."
                )
                yield Item(name, (file, _END, 0), told)

    def _is_image(self, member: tarfile.TarInfo, opened: Any) -> bool:
        if not member.isreg() or member.issparse():
            return False
        base = os.path.basename(member.name)
        if reason := by_name(base):
            self.passed_over[reason.value] += 1
            return False
        if os.path.splitext(base)[1].lower() in IMAGE_SUFFIXES:
            return True
        here = opened.tell()
        opened.seek(member.offset_data)
        begins = is_dicom(opened.read(min(HEAD_BYTES, member.size)))
        opened.seek(here)
        if not begins:
            self.passed_over[Reason.NOT_IMAGE.value] += 1
        return begins


def _content(item: Item, opened: Any) -> Content:
    _, at, size = (int(one) if number else one for number, one in enumerate(item.place))
    if int(size) > MOST_BYTES:
        return OversizedImageError(
            f"{item.name}: {size:,} bytes are more than the {MOST_BYTES:,} that are read of one. Export "
            "it smaller, or its frames apart."
        )
    try:
        opened.seek(at)
        data = opened.read(size)
    except OSError as error:
        return UnreadableImageError(f"{item.name}: cannot be read ({error}). Copy the tar file again.")
    return file_of(data)


def _key(item: Item) -> _Key:
    return str(item.place[0]), int(item.place[1])
