"""Parquet files that hold images as bytes, as data sets are passed around: a row is an image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sranogan_edge.archive.item import Content, Item, file_of
from sranogan_edge.archive.store import Store
from sranogan_edge.errors import FeedError, UnreadableImageError

__all__ = ["ParquetSource"]

COLUMNS = ("image", "bytes", "data", "content", "file")  # taken by name where several hold bytes
BATCH_ROWS = 16
_Key = tuple[str, int, int]  # file, row group, row in it; -1 is a file that cannot be read


class ParquetSource:
    """A Parquet file, or all below a folder. Its images are called ``FILE.parquet#ROW``."""

    def __init__(self, uri: str) -> None:
        """Name the place; raises FeedError where nothing is there."""
        self._store = Store.of(uri)
        self._files = self._store.files_below(".parquet")
        if not self._files:
            raise FeedError(f"{self._store.where}: no .parquet files are there. Check the name.")
        self.identity = f"Parquet {self._store.where}"
        self.passed_over: Counter[str] = Counter()

    def items(self, after: Item | None, known: Iterable[Item]) -> Iterator[Item]:
        """List the rows (:class:`sranogan_edge.archive.item.Source`)."""
        begin = _key(after) if after else None
        for file in self._files:
            if begin is None or file >= begin[0]:
                yield from (one for one in self._rows(file) if begin is None or _key(one) > begin)

    def open(self, items: Sequence[Item]) -> Iterator[Content]:
        """Read rows in their order, a few at a time (:class:`sranogan_edge.archive.item.Source`)."""
        for (file, group), found in groupby(items, key=lambda one: _key(one)[:2]):
            wanted = list(found)
            given = 0
            try:
                for content in self._contents(file, group, wanted):
                    given += 1
                    yield content
            except (OSError, pa.ArrowException) as error:
                for item in wanted[given:]:
                    yield UnreadableImageError(f"{item.name}: {_damaged(error)}")

    def _rows(self, file: str) -> Iterator[Item]:
        name = self._store.name(file)
        try:
            with self._store.reading(file) as opened:
                parquet = pq.ParquetFile(opened)
                _bytes_column(parquet.schema_arrow, name)
                sizes = [parquet.metadata.row_group(n).num_rows for n in range(parquet.num_row_groups)]
        except (OSError, pa.ArrowException) as error:
            yield Item(name, (file, -1, -1), f"{name}: {_damaged(error)}")
            return
        number = 0
        for group, size in enumerate(sizes):
            for row in range(size):
                yield Item(f"{name}#{number}", (file, group, row))
                number += 1

    def _contents(self, file: str, group: int, wanted: Sequence[Item]) -> Iterator[Content]:
        with self._store.reading(file) as opened:
            parquet = pq.ParquetFile(opened)
            column = _bytes_column(parquet.schema_arrow, self._store.name(file))
            batches = parquet.iter_batches(BATCH_ROWS, row_groups=[group], columns=[column])
            rows, here = (value for batch in batches for value in batch.column(0)), -1
            for item in wanted:
                value = None
                while here < _key(item)[2]:
                    value, here = next(rows, None), here + 1
                yield _content(item, value)


def _content(item: Item, value: Any) -> Content:
    found = None if value is None else value.as_py()
    if isinstance(found, dict):
        found = found.get("bytes")
    if not found:
        return UnreadableImageError(f"{item.name}: the row holds no bytes. Write the image's bytes into it.")
    return file_of(found)


def _bytes_column(schema: pa.Schema, name: str) -> str:
    """The column with the images: the only one that holds bytes, or the one with a usual name."""
    found = [field.name for field in schema if _holds_bytes(field.type)]
    named = found if len(found) == 1 else [one for one in COLUMNS if one in found]
    if not named:
        raise FeedError(
            f"{name}: which column holds the images? Bytes are in: {', '.join(found) or 'none'}. Name one of "
            f"them {' or '.join(COLUMNS)}."
        )
    return named[0]


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        at = kind.get_field_index("bytes")
        return bool(at >= 0 and _holds_bytes(kind.field(at).type))
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _key(item: Item) -> _Key:
    file, group, row = item.place
    return str(file), int(group), int(row)


def _damaged(error: Exception) -> str:
    return f"the Parquet file is damaged ({' '.join(str(error).split())[:200]}). Copy it again."
