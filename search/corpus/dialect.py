"""The dialect of a delimited text file: delimiter, quotation marks, header.

It is detected in the head of the file, and checked on all rows: every row must have the same number
of cells. What cannot be determined is refused, never guessed.
"""

import contextlib
import csv
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any, NamedTuple

from search.corpus.columns import LABEL_COLUMNS, TEXT_COLUMNS, NoLabels, usual_among
from search.display import counted
from search.errors import DataError
from search.settings import Quote

MARKS: dict[Quote, str | None] = {"double": '"', "single": "'", "none": None}
DELIMITERS = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'"}
USUAL = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
MOST_ABOVE = 20  # lines, of a title, comments or settings above the header
MOST_COLUMNS = 50_000
HEAD = 1_000_000  # characters that are looked at before one way of reading is chosen
LONGEST_CELL = 20_000_000  # characters; csv's own limit is far below a long review
FEW_VALUES = 0.25  # of the rows: a column with fewer different values than that has labels
SHOWN = 40  # characters of what was found

Lines = Callable[[], Iterable[str]]
"""Gives a file's lines, with their ends, from the beginning whenever it is called."""

Row = tuple[int, list[str]]
"""The line on which a row ends, and its cells."""


class Head(NamedTuple):
    """The first lines of a file, and whether they are all there are."""

    lines: list[str]
    whole: bool


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
            while True:
                try:
                    row = next(reader, None)
                except csv.Error as error:
                    line = self.above + reader.line_num
                    more = f"the row from line {begin} on, " if line > begin else ""
                    raise csv.Error(f"{more}line {line}: {error}") from None
                if row is None:
                    return
                line = self.above + reader.line_num
                begin = line + 1
                if row:  # not an empty line
                    yield line, row
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


def recognised(
    name: str,
    lines: Lines,
    ending: str,
    form: Form,
    wanted: Sequence[str] = (),
    *,
    labelled: bool = False,
) -> Dialect:
    """How a table is written; all of its rows are in that form.

    Args:
        name: the file, for messages.
        lines: of the file.
        ending: of the file's name.
        form: what the user said.
        wanted: columns that the user named.
        labelled: whether it must have labels.

    Raises:
        NoLabels: it has one column; of a large file this is told by its head.
        DataError: it cannot be determined, or a row differs from the others.
    """
    above, separator = (0, None) if form.no_header else _above(lines(), wanted)
    if separator is not None and form.delimiter is None:
        form = replace(form, delimiter=separator)
    head = _head(itertools.islice(lines(), above, None))
    if not head.lines:
        raise DataError(f"{name}: the file is empty")
    dialect = replace(_delimited(name, head, ending, form, wanted), above=above)
    first, *rest = _tried(replace(dialect, above=0), head)
    if len(first) > MOST_COLUMNS:
        raise DataError(
            f"{name}: line {above + 1} has {len(first):,} fields, more than {MOST_COLUMNS:,}; is "
            "another separator meant? It is named with --delimiter"
        )
    if labelled and not head.whole and all(len(row) == 1 for row in (first, *rest)):
        raise NoLabels(
            f"{name}: expected a text and a label, found one column ({first[0][:SHOWN]!r}); "
            "another separator is named with --delimiter, labels in another file with --labels"
        )
    reason = ""
    unnamed = form.no_header or not _names_something(first, wanted)
    if unnamed and not form.no_header:
        reason = _looks_like_data(first, rest)
    if unnamed and not form.no_header and not reason:
        guess = clear_columns(list(zip(*(row[: len(first)] for row in rest), strict=False)))
        dialect = replace(dialect, guess=guess, clear=guess is not None)
    elif unnamed:
        columns = list(
            zip(*(row for row in (first, *rest) if len(row) >= len(first)), strict=False)
        )
        guess = _guess(columns)
        clear = clear_columns(columns) is not None
        dialect = replace(dialect, header=False, reason=reason, guess=guess, clear=clear)
    if dialect.delimiter == "\t" and dialect.quote is not None and form.quote is None:
        try:
            _check(name, dialect, lines, rest)
        except DataError:
            # Tab-separated files need no quotation marks, and mostly have none.
            dialect = replace(dialect, quote=None, escape=None)
            _check(name, dialect, lines, rest)
    else:
        _check(name, dialect, lines, rest)
    return dialect


def _above(lines: Iterable[str], wanted: Sequence[str]) -> tuple[int, str | None]:
    """How many lines stand above the header, and what they say the separator is.

    They may say it as `sep=;`, which Excel understands.
    """
    head = list(itertools.islice(lines, MOST_ABOVE))
    said = re.fullmatch(r"sep=([^\r\n])[\r\n]*", head[0]) if head else None
    settings = 0 if said is None else 1
    cells = (
        max((line.split(one) for one in DELIMITERS), key=len)  # as far as they are told apart
        for line in head[settings:]
    )
    above = header_place([[cell.strip(" \r\n\"'") for cell in row] for row in cells], wanted)
    return settings + above, None if said is None else said[1]


def header_place(rows: Sequence[Sequence[str]], wanted: Sequence[str]) -> int:
    """Which of the first rows names the columns; 0 where that is not clear.

    It is the first that names both a text and a label, where all above it have less in them, as
    titles and comments have.
    """
    fullest = 0
    for place, row in enumerate(rows[:MOST_ABOVE]):
        filled = sum(map(bool, row))
        texts, labels = (usual_among(row, usual) for usual in (TEXT_COLUMNS, LABEL_COLUMNS))
        known = len({*texts, *labels, *(set(row) & set(wanted))})
        if (texts and labels) or known > 1 or (known and fullest <= 1 < filled):
            return place if fullest < filled else 0
        fullest = max(fullest, filled)
    return 0


def _head(lines: Iterable[str]) -> Head:
    """The first lines from one that is not blank on, and whether they are all there are."""
    found, characters = list[str](), 0
    for line in itertools.dropwhile(lambda line: not line.strip(), lines):
        if characters >= HEAD:
            return Head(found, whole=False)
        found.append(line)
        characters += len(line)
    return Head(found, whole=True)


def _tried(dialect: Dialect, head: Head) -> list[list[str]]:
    """The rows of the head as far as they can be read."""
    rows = list[list[str]]()
    with contextlib.suppress(csv.Error):
        rows.extend(row for _, row in dialect.rows(head.lines))
    return rows or [[line.rstrip("\r\n")] for line in head.lines]


def _delimited(name: str, head: Head, ending: str, form: Form, wanted: Sequence[str]) -> Dialect:
    """Chooses delimiter and quotation marks by the rows of the head."""
    usual, asked = USUAL.get(ending, ","), form.separator()
    delimiters = [asked] if asked else [usual, *(d for d in DELIMITERS if d != usual)]
    fitting = [d for one in delimiters if (d := _quoted(one, head, form)) is not None]
    if len(fitting) > 1:
        named = [d for d in fitting if _names_something(_tried(d, head)[0], wanted)]
        if len(named) == 1 or usual in [d.delimiter for d in named]:
            fitting = named[:1]
        elif ending in (".tsv", ".tab") and fitting[0].delimiter == usual:
            fitting = fitting[:1]
        elif len(marked := [d for d in fitting if d.quote and _is_certain(d, head)]) == 1:
            fitting = marked
    if len(fitting) > 1:
        could = " or ".join(DELIMITERS[d.delimiter] for d in fitting)
        raise DataError(
            f"{name}: cannot tell what separates its columns: {could}. Say it with --delimiter"
        )
    if fitting:
        return fitting[0]
    # None gives all rows one width: the most usual one, whose first wrong row will be named.
    plain = [Dialect(one, MARKS[form.quote or "double"]) for one in delimiters]
    return next((d for d in plain if len(_tried(d, head)[0]) > 1), plain[0])


def _quoted(delimiter: str, head: Head, form: Form) -> Dialect | None:
    """The way to read the head with a delimiter that gives all rows one width of 2 or more."""
    if delimiter not in head.lines[0]:
        return None
    if form.quote is not None:
        asked = Dialect(delimiter, MARKS[form.quote])
        return asked if _fits(asked, head) else None
    double, single = Dialect(delimiter, '"'), Dialect(delimiter, "'")
    escaped, plain = Dialect(delimiter, '"', "\\"), Dialect(delimiter, None)
    spaced = Dialect(delimiter, '"', spaced=True)
    certain = _fits(double, head) and _is_certain(double, head)
    if not certain and _fits(single, head) and _is_certain(single, head):
        return single
    if delimiter == "\t" and not certain and _fits(plain, head):
        return double if not _quoted_cells(double, head) and _fits(double, head) else plain
    return next((d for d in (double, escaped, spaced) if _fits(d, head)), None)


def _fits(dialect: Dialect, head: Head) -> bool:
    """Whether all rows have as many cells, two or more."""
    rows = list[list[str]]()
    try:
        rows.extend(row for _, row in dialect.rows(head.lines))
    except csv.Error as error:
        # A head that is not all may end within a cell.
        if head.whole or "unexpected end" not in str(error):
            return False
    return len(rows) > 0 and len(rows[0]) > 1 and all(_fits_in(row, len(rows[0])) for row in rows)


def _fits_in(row: Sequence[str], width: int) -> bool:
    """Whether a row has so many cells; empty ones more do not matter, nor does a blank line."""
    if len(row) < width:
        return len(row) == 1 and not row[0].strip()
    return not any(row[width:])


def _quoted_cells(dialect: Dialect, head: Head) -> list[str]:
    """What is between the marks of the cells that begin and end with one."""
    mark, delimiter = dialect.quote or "", re.escape(dialect.delimiter)
    begin, end = f"(?:^|(?<=[\r{delimiter}]))", rf"(?={delimiter}|[\r\n]|\Z)"
    return re.findall(
        f"{begin}{mark}((?:[^{mark}]|{mark}{mark})*+){mark}{end}", "".join(head.lines), re.MULTILINE
    )


def _is_certain(dialect: Dialect, head: Head) -> bool:
    """Whether cells are quoted, and not texts that begin and end with a quotation mark.

    They are where there is one in every row, or where each has something in it that needs it.
    """
    cells = _quoted_cells(dialect, head)
    rows = len(_tried(dialect, head)) - 1  # the header may have none
    need = re.compile(f"[\r\n{re.escape(dialect.delimiter)}{dialect.quote}]")
    return bool(cells) and (len(cells) >= rows or all(need.search(cell) for cell in cells))


def _names_something(first: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether a row has the name of a column in it: one the user named, or a usual one."""
    usual = usual_among(first, (*TEXT_COLUMNS, *LABEL_COLUMNS))
    return bool(usual) or any(cell in wanted for cell in first)


def _looks_like_data(first: Sequence[str], rest: Sequence[Sequence[str]]) -> str:
    """What in the first row stands in other rows, too, and therefore is no name; or nothing."""
    for place, cell in enumerate(first):
        column = [row[place] for row in rest if len(row) > place]
        if cell and cell in column and _has_labels(column):
            again = column.count(cell)
            return f"line 1 looks like data: {cell[:SHOWN]!r} is in {again} other rows, too"
    return ""


def _has_labels(column: Sequence[str]) -> bool:
    """Whether few values stand in a column, again and again."""
    return 1 < len(set(column)) <= max(2, FEW_VALUES * len(column))


def _has_texts(column: Sequence[str]) -> bool:
    """Whether most values of a column stand there once."""
    return 2 * len(set(column)) > len(column)


def clear_columns(columns: Sequence[Sequence[str]]) -> tuple[int, int] | None:
    """The columns of (text, label) where they can be no others: of two, one has texts."""
    guess = _guess(columns) if len(columns) == 2 else None
    return guess if guess is not None and _has_texts(columns[guess[0]]) else None


def _guess(columns: Sequence[Sequence[str]]) -> tuple[int, int] | None:
    """The likeliest columns of (text, label): the longest, and the first with few values."""
    labels = [place for place, column in enumerate(columns) if _has_labels(column)]
    text = max(range(len(columns)), key=lambda place: sum(map(len, columns[place])))
    label = next((place for place in labels if place != text), None)
    return None if label is None else (text, label)


def _check(name: str, dialect: Dialect, lines: Lines, head: Sequence[Sequence[str]]) -> None:
    """Reads all rows once, and refuses the first that cannot be right."""
    width, before = 0, 0
    labels: list[set[str]] | None = None
    where = {",": "a comma", ";": "a semicolon"}.get(dialect.delimiter, "a separator")
    try:
        for line, row in dialect.rows(lines()):
            if not width:
                width = len(row)
                labels = _label_values(head, width)
            elif not _fits_in(row, width):
                if width == 1:
                    raise DataError(
                        f"{name}: line {line} has {len(row)} fields, and the first has one: remove "
                        "what stands above the names of the columns, or name another separator "
                        "with --delimiter"
                    )
                raise DataError(
                    f"{name}: line {line}: expected {width} fields, found {len(row)} "
                    f"({dialect.delimiter.join(row)[:SHOWN]!r}); is a text with {where} in it "
                    "missing its quotation marks? Another separator is named with --delimiter"
                )
            elif labels is not None and line > before + 1 and dialect.quote is not None:
                _refuse_swallowed(name, dialect, row, (before + 1, line), labels)
            before = line
    except csv.Error as error:
        raise DataError(
            f"{name}: {error}; is a quotation mark missing, or one inside of a text not doubled? "
            "If such marks are part of the texts: --quote none"
        ) from error


def _label_values(head: Sequence[Sequence[str]], width: int) -> list[set[str]]:
    """Of each column with few values, these; of others nothing."""
    found = []
    for place in range(width):
        column = [row[place] for row in head if len(row) > place]
        values = {value for value, rows in Counter(column).items() if rows > 1 and value}
        found.append(values if _has_labels(column) else set())
    return found


def _refuse_swallowed(
    name: str, dialect: Dialect, row: list[str], lines: tuple[int, int], labels: list[set[str]]
) -> None:
    """Refuses a quoted cell over several lines, if these are rows as all the others."""
    width, begin = len(labels), lines[0]
    for place, cell in enumerate(row[:width]):
        pieces = cell.splitlines()
        if len(pieces) < 2:
            continue
        first = [*row[:place], *pieces[0].split(dialect.delimiter)]
        second = pieces[1].split(dialect.delimiter)
        one = _is_row(first, labels, place) or (place == width - 1 and _is_row(second, labels, -1))
        if one:
            raise DataError(
                f"{name}: line {begin}: the quoted text that begins here goes on to line "
                f"{lines[1]}, and what is in it looks like rows ({pieces[1][:SHOWN]!r}); is its "
                "closing quotation mark missing? If such marks are part of the texts: --quote none"
            )


def _is_row(cells: list[str], labels: list[set[str]], behind: int) -> bool:
    """Whether cells are as many as in a row, with values of the columns with few ones."""
    if len(cells) != len(labels):
        return False
    known = [(cell, values) for cell, values in zip(cells, labels, strict=True) if values]
    seen = [values for values in labels[behind + 1 :] if values]
    return bool(seen) and all(cell in values for cell, values in known)
