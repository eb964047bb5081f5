"""Uploaded tables, CSV or XLSX, as rows of texts by the names of their heading."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import IO, Any, Final
from xml.etree.ElementTree import ParseError
from xml.parsers import expat

from project.errors import FieldInvalid
from project.relay.batches import MOST_ROWS

MOST_UNPACKED_BYTES: Final = 256 * 1024 * 1024
"""Of a workbook, which is an archive: a small file can be made to unpack to any size."""
MOST_ELEMENTS: Final = 4_000_000
"""Of all its parts: a cell of text is three, and each takes time."""
MOST_ELEMENTS_AT_ONCE: Final = 200_000
"""Of one row, or of a part that has no rows: these are held in memory together, some hundred bytes each."""
PIECE_BYTES: Final = 64 * 1024
MOST_AT_ONCE_BYTES: Final = 1024 * 1024
"""Of one tag or comment."""
_ONE_BY_ONE: Final = {("row", 2), ("si", 1)}
"""What is read and forgotten one after the other, with its depth: rows of a sheet, shared strings."""
MOST_COLUMNS: Final = 100
MOST_LINES: Final = 2 * MOST_ROWS
"""Blank ones are left out, but take time."""
ZIP: Final = b"PK\x03\x04"
_UNREADABLE: Final = (ParseError, expat.ExpatError, KeyError, ValueError, TypeError, IndexError, EOFError, OSError,
                      NotImplementedError, RuntimeError)  # fmt: skip
"""What the reader of workbooks raises where one is not what it says: damaged, encrypted, or without a sheet."""
Row = dict[str, str]


def read_table(file: IO[bytes]) -> list[Row]:
    """The rows below the heading, blank ones left out. Raises FieldInvalid saying what is wrong with the file."""
    is_workbook = file.read(len(ZIP)) == ZIP
    file.seek(0)
    return _named(_workbook(file) if is_workbook else _csv(file))


def _csv(file: IO[bytes]) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), strict=True)
    except UnicodeDecodeError:
        raise FieldInvalid("The file is neither a workbook (XLSX) nor a CSV in UTF-8", field="file") from None
    except csv.Error as error:
        raise FieldInvalid(f"The CSV cannot be read: {error}", field="file") from None


def _workbook(file: IO[bytes]) -> Iterator[list[str]]:
    # Here, because it is as large as the framework itself, and few sites are ever given a workbook.
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(file) as archive:
            _measure(archive)
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        try:
            for row in book.worksheets[0].iter_rows(values_only=True, max_col=MOST_COLUMNS):
                yield [_as_text(value) for value in row]
        finally:
            book.close()
    except (zipfile.BadZipFile, zlib.error, InvalidFileException, *_UNREADABLE):
        raise FieldInvalid("The workbook cannot be read; save it again as XLSX or CSV", field="file") from None


def _measure(archive: zipfile.ZipFile) -> None:
    """See that a workbook stays within memory and time when it is read. Raises FieldInvalid."""
    parts = archive.infolist()
    if sum(part.file_size for part in parts) > MOST_UNPACKED_BYTES:
        raise FieldInvalid("The workbook is too large when unpacked", field="file")
    left = MOST_ELEMENTS
    for part in parts:  # whatever their names are: any may be called a sheet
        with archive.open(part) as content:
            left -= _elements(content, left)


def _elements(content: IO[bytes], most: int) -> int:
    """How many elements a part has, as far as it is XML. Raises FieldInvalid: too many, in all or at once.

    A tag or comment without end is refused, too: the parser begins with it again and again, for each piece that comes.
    """
    count = depth = at_once = 0

    def begins(name: str, _attributes: object) -> None:
        nonlocal count, depth, at_once
        at_once = 0 if (name.rpartition(":")[2], depth) in _ONE_BY_ONE else at_once + 1
        count += 1
        depth += 1
        if count > most or at_once > MOST_ELEMENTS_AT_ONCE:
            raise FieldInvalid("The workbook has too many cells", field="file")

    def ends(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begins, ends
    read = 0
    try:
        while piece := content.read(PIECE_BYTES):
            parser.Parse(piece, False)
            read += len(piece)
            if read - max(0, parser.CurrentByteIndex) > MOST_AT_ONCE_BYTES:
                raise FieldInvalid("The workbook has a tag without end", field="file")
    except expat.ExpatError:
        pass  # a picture, or damaged: whoever reads it as XML gets as far as this
    return count


def _as_text(value: Any) -> str:
    """A cell as a CSV would have it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _named(lines: Iterable[list[str]]) -> list[Row]:
    rows: list[Row] = []
    heading: list[str] | None = None
    for number, line in enumerate(lines):
        if number > MOST_LINES:
            raise FieldInvalid(f"The table has more than {MOST_LINES} lines, most of them blank", field="file")
        cells = [cell.strip() for cell in line]
        if not any(cells):
            continue
        if heading is None:
            heading = [name.lower().replace(" ", "_") for name in cells[:MOST_COLUMNS]]
            continue
        rows.append(dict(zip(heading, cells, strict=False)))
        if len(rows) > MOST_ROWS:
            break
    return rows
