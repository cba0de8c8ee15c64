"""How a delimited text file is written: delimiter, quotation marks, header."""

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from search.display import counted
from search.errors import DataError
from search.settings import Quote

MARKS: dict[Quote, str | None] = {"double": '"', "single": "'", "none": None}
DELIMITERS = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'"}
LONGEST_CELL = 20_000_000  # characters; csv's own limit is far below a long review
SHOWN = 40  # characters of what was found

Lines = Callable[[], Iterable[str]]
"""Gives a file's lines, with their ends, from the beginning whenever it is called."""

Row = tuple[int, list[str]]
"""The line on which a row ends, and its cells."""


@dataclass(frozen=True)
class Form:
    """The user's options for reading text files; None means to detect it.

    Attributes:
        encoding: a name that Python knows.
        delimiter: what stands between columns: one character, or "tab".
        quote: what stands around cells that need it.
        no_header: whether the first line is a row as any other.
    """

    encoding: str | None = None
    delimiter: str | None = None
    quote: Quote | None = None
    no_header: bool = False

    def separator(self) -> str | None:
        """The delimiter as one character.

        Raises:
            DataError: it is something else.
        """
        text = {"tab": "\t", "\\t": "\t"}.get(self.delimiter or "", self.delimiter)
        if text is not None and (len(text) != 1 or text in "\r\n\"'"):
            raise DataError(f"--delimiter: expected one character or tab, found {self.delimiter!r}")
        return text


@dataclass(frozen=True)
class Dialect:
    """How a table is written.

    Attributes:
        delimiter: between cells.
        quote: around cells that need it; None where quotation marks are part of the text.
        escape: before a quotation mark in a cell; None where it is doubled.
        header: whether the first row has the columns' names.
        reason: why there is no header, where that was recognised.
        guess: the likeliest (text, label) columns, 0-based, of a table without usual names.
        clear: whether they can be no others: there are two, one with texts, one with labels.
        above: lines of the file above the header, which are no rows.
        spaced: whether spaces behind a delimiter belong to it.
    """

    delimiter: str
    quote: str | None = '"'
    escape: str | None = None
    header: bool = True
    reason: str = ""
    guess: tuple[int, int] | None = None
    clear: bool = False
    above: int = 0
    spaced: bool = False

    def rows(self, lines: Iterable[str]) -> Iterator[Row]:
        """The rows that have something in them.

        Args:
            lines: of the whole file.

        Raises:
            csv.Error: a cell's quotation marks are wrong, or the cell is endless.
        """
        previous = csv.field_size_limit(LONGEST_CELL)
        try:
            reader = csv.reader(
                itertools.islice(lines, self.above, None),
                delimiter=self.delimiter,
                quotechar=self.quote,
                quoting=csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
                escapechar=self.escape,
                skipinitialspace=self.spaced,
                strict=True,
            )
            begin = 1 + self.above
            try:
                for row in reader:
                    line = self.above + reader.line_num
                    begin = line + 1
                    if row:  # not an empty line
                        yield line, row
            except csv.Error as error:
                line = self.above + reader.line_num
                more = f"the row from line {begin} on, " if line > begin else ""
                raise csv.Error(f"{more}line {line}: {error}") from None
        finally:
            csv.field_size_limit(previous)

    def writer(self, file: IO[str]) -> Any:
        """A csv.writer of the same form, with plain line ends."""
        return csv.writer(
            file,
            delimiter=self.delimiter,
            quotechar=self.quote,
            quoting=csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
            escapechar=self.escape,
            doublequote=self.escape is None,
            lineterminator="\n",
        )

    def described(self) -> str:
        """What was recognised, in words."""
        words = [f"{DELIMITERS.get(self.delimiter, repr(self.delimiter))} between columns"]
        if self.spaced:
            words.append("spaces behind it")
        if self.quote == "'":
            words.append("quoted by apostrophes")
        elif self.quote is None:
            words.append("quotation marks are part of the texts")
        if self.escape is not None:
            words.append(f"{self.escape} before a quotation mark in a text")
        if self.header:
            words.append("a header")
        else:
            words.append(f"no header{f' ({self.reason})' if self.reason else ''}")
        if self.above:
            words.append(f"{counted(self.above, 'line')} above it passed over")
        return ", ".join(words)


def fits_in(row: Sequence[str], width: int) -> bool:
    """Whether a row has so many cells; empty ones more do not matter, nor does a blank line."""
    if len(row) < width:
        return len(row) == 1 and not row[0].strip()
    return not any(row[width:])
