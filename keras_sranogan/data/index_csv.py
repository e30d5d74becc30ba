"""``index.csv``: who each image is of, in the forms that spreadsheets, scripts and data sets write it."""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_sranogan.data.listing import entries
from keras_sranogan.data.names import plain
from sranogan_edge.errors import DataError

__all__ = ["CURE", "INDEX", "Index", "indexes_in", "read_index"]

INDEX = "index.csv"
CURE = (
    "Give it a first line such as file,patient and a line for each image, such as train/NORMAL/a.png,P1; or "
    "remove it, and images are told apart by DICOM headers and file names alone."
)
# names of a column, without case, spaces and signs, the likeliest first
_FILES_WORDS = """
file filename filepath path relativepath relpath imagepath imgpath image imagefile imagename imageid
imageindex img imgname imgid imagefilename files filenames paths images dicom dicomfile dicompath dicomid
picture photo scan scanid frame key name id uid sopinstanceuid datei dateiname bild fichier archivo
"""
FILES = tuple(_FILES_WORDS.split())
_PATIENTS_WORDS = """
patient patientid patientno patientnumber patientnr patientname patients patid pid subject subjectid
subjectno subjectname subjects subj subjid person personid individual participant participantid mrn case
caseid caseno casenumber group groupid groups part partid partno partnumber serial serialnumber serialno
piece pieceid specimen specimenid owner patientennummer patientin fall fallnummer gruppe paciente
"""
PATIENTS = tuple(_PATIENTS_WORDS.split())
SPLITS = ("split", "set", "subset", "partition", "dataset", "fold")
CLASSES = ("class", "label", "category", "classname", "diagnosis", "finding")
DELIMITERS = ",;\t|"
HEADS = 6  # lines among which the first may be that of the columns, below a title or remarks
NAMES = frozenset({INDEX, "index.tsv", "index.tab", "index.txt", "index.csv.txt", "index.csv.csv"})
SPREADSHEETS = frozenset({".xlsx", ".xlsm", ".xls", ".ods", ".numbers"})
NOBODY = frozenset({"", "nan", "na", "n/a", "none", "null", "-", "?", "unknown", "#n/a"})
_WHOLE = re.compile(r"(\d+)\.0+")  # how a spreadsheet with a gap in the column writes a number


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        number: of the line, for messages.
        cells: as written, without the blanks around them.
    """

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Index:
    """One file's table.

    Attributes:
        path: of the file.
        header: the columns' names in one form.
        rows: all lines below it that are not blank.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[Row, ...]

    def columns(self, names: Sequence[str]) -> list[int]:
        """Places of the columns with one of ``names``, the likeliest first."""
        return [self.header.index(name) for name in names if name in self.header]

    def values(self, column: int | None) -> Iterator[tuple[Row, str]]:
        """Each row with its cell of ``column``; empty where the row is short, or there is no such column."""
        for row in self.rows:
            yield row, row.cells[column] if column is not None and column < len(row.cells) else ""


def indexes_in(folder: Path) -> list[Path]:
    """The files in ``folder`` that are called index.csv, in any case, or by another suffix of such tables.

    Raises:
        DataError: there is one of a spreadsheet program's own.
    """
    named = [path for path in entries(folder) if path.name.casefold().startswith("index.")]
    found = [*filter(os.path.isfile, named)]  # false, not an error, of a share whose server is gone
    for path in found:
        if path.suffix.casefold() in SPREADSHEETS:
            raise DataError(f"{path}: is a spreadsheet. Save it as {INDEX} (CSV, UTF-8), or remove it.")
    return [path for path in found if path.name.casefold() in NAMES]


def read_index(path: Path) -> Index:
    """Read a table with a column of files and one of patients.

    Read are commas, semicolons, tabs and bars between the columns; UTF-8, UTF-16 and Windows' Latin-1; blank
    lines, and above the columns' names a line ``sep=;``, a title or remarks.

    Raises:
        DataError: it cannot be read, is empty, or a column is missing.
    """
    lines = _text(path).splitlines()
    filled = [number for number, line in enumerate(lines) if line.strip()]
    named = re.fullmatch(r'"?sep=(.)"?[,;\t]*', lines[filled[0]].strip(), re.IGNORECASE) if filled else None
    heads = filled[bool(named) : HEADS]
    if not heads:
        raise DataError(f"{path}: is empty. {CURE}")
    first = next((number for number in heads if _worth(lines[number])[0] == 2), heads[0])
    delimiter = named[1] if named else _worth(lines[first])[2]
    rows = list(_parsed(path, lines[first:], delimiter, first))
    if not rows:
        raise DataError(f"{path}: is empty. {CURE}")
    index = Index(path, tuple(map(plain, rows[0].cells)), tuple(rows[1:]))
    for what, names in (("file", FILES), ("patient", PATIENTS)):
        if not index.columns(names):
            columns = ", ".join(map(repr, rows[0].cells[:8]))
            raise DataError(f"{path}: no column {what!r} in its first line; found {columns}. {CURE}")
    return index


def patient_of_cell(cell: str) -> str:
    """Return the patient in one form; empty where the cell says that nobody knows."""
    name = " ".join(unicodedata.normalize("NFC", cell).split())
    if name.casefold() in NOBODY:
        return ""
    whole = _WHOLE.fullmatch(name)
    return whole[1] if whole else name


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error
    for encoding in _encodings(data):
        try:
            text = data.decode(encoding).lstrip("\ufeff").rstrip("\0\x1a")
        except UnicodeDecodeError:
            continue
        if not any(c < " " and c not in "\t\r\n\f" for c in text):
            return text
    raise DataError(f"{path}: cannot be read as text. Save it as CSV in UTF-8. {CURE}")


def _encodings(data: bytes) -> Sequence[str]:
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return ("utf-32",)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ("utf-16",)
    if b"\0" in data:
        return ("utf-16-le", "utf-16-be") if data[1::2].count(0) > data[::2].count(0) else ("utf-16-be",)
    return ("utf-8", "cp1252", "latin-1")


def _worth(header: str) -> tuple[int, int, str]:
    """How many of the two columns a line names, how many it has, and the delimiter that gives most."""
    found = []
    for delimiter in DELIMITERS:
        cells = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True), [])
        names = {plain(cell) for cell in cells}
        found.append((sum(not names.isdisjoint(of) for of in (FILES, PATIENTS)), len(names), delimiter))
    return max(found, key=lambda one: one[:2])


def _parsed(path: Path, lines: Sequence[str], delimiter: str, before: int) -> Iterator[Row]:
    reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter, skipinitialspace=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield Row(before + reader.line_num, tuple(cell.strip() for cell in cells))
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read as CSV ({error}). {CURE}") from error
