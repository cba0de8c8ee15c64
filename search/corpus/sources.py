"""Reads data from any source: a named data set, files, a folder, an address.

`read` reads labelled texts, and `read_texts` texts alone. The file formats are in
`search.corpus.readers`. Everything that was detected is reported to `tell`.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from search.corpus.cells import refuse_impossible, refuse_numbers, texts_of, whole
from search.corpus.columns import JOINED, LABEL_COLUMNS, TEXT_COLUMNS, chosen_columns
from search.corpus.compression import TABLES, kind
from search.corpus.dialect import Form
from search.corpus.folder_texts import file_text, lines_of_class_files, texts_of_class_folders
from search.corpus.folders import class_files, class_folders, tables, text_files
from search.corpus.frames import table_of
from search.corpus.named import NAMED, is_named, movie_reviews
from search.corpus.readers import READERS, text_lines
from search.corpus.source_files import content_and_ending, source_tables
from search.corpus.table import Source, Table
from search.display import counted
from search.errors import DataError
from search.memory import InMemory
from search.progress import Say, silent

ANY_FORM = Form()
GARBLED = ("â€", "Ã©", "Ã¼", "Ã³", "Ã£", "Ð¾")
"""What is left of ’ é ü ó ã о where UTF-8 was read as if it were Windows' encoding."""


def read(
    source: str | InMemory,
    text_column: str | None = None,
    label_column: str | None = None,
    form: Form = ANY_FORM,
    tell: Say = silent,
    group_column: str | None = None,
) -> pd.DataFrame:
    """Reads labelled texts.

    Args:
        source: "rotten-tomatoes", "imdb", the path or address of a file of one of `READERS`' kinds
            (also compressed), a pattern of paths, several of them separated by commas, a folder
            with such files or with one folder of texts for each class; or data in memory.
        text_column: name or number of the text column, or several to join; by default the column
            with a usual name.
        label_column: the column with the label; by default the one with a usual name.
        form: the user's options for reading files.
        tell: called with a sentence for everything that was detected.
        group_column: the column with the group; None for none.

    Returns:
        A data frame with the columns `text`, `label` and, where it was asked for, `group` (str, or
        missing), and an index that says where a row stands: its 1-based row number, or its file's
        path, or both.

    Raises:
        DataError: the source does not exist or cannot be read as what its name says.
    """
    if isinstance(source, InMemory):
        table = table_of(source)
        if not table.rows:
            raise DataError(f"{source}: there are no rows in it")
        named_tables = iter([(str(source), table)])
    else:
        if is_named(source):
            _refuse_columns(source, text_column, label_column, group_column)
            return movie_reviews(source)
        if source in NAMED:
            tell(f"{source}: read from the disk, and not the data set of that name")
        path = Path(source)
        if path.is_dir() and class_folders(path):
            _refuse_columns(f"the folder {path}", text_column, label_column, group_column)
            return _mended(str(path), texts_of_class_folders(path, form, tell), tell)
        if path.is_dir() and (classes := class_files(path)):
            _refuse_columns(f"the folder {path}", text_column, label_column, group_column)
            return _mended(str(path), _together(lines_of_class_files(classes, form, tell)), tell)
        wanted = (text_column, label_column, group_column)
        found = source_tables(source, form, wanted, READERS, tell, labelled=True)
        named_tables = ((file.name, table) for file, table in found)
    parts = []
    for name, table in named_tables:
        names, guess = table.names, table.guess
        text, label = (
            (guess[place],)
            if guess is not None and wanted is None
            else chosen_columns(name, names, wanted, usual, what, table.advice)
            for place, wanted, usual, what in (
                (0, text_column, TEXT_COLUMNS, "text"),
                (1, label_column, LABEL_COLUMNS, "label"),
            )
        )
        if set(text) & set(label):
            raise DataError(
                f"{name}: column {names[label[0]]!r} cannot be both the text and the label"
            )
        joined = ", ".join(names[place] for place in text)
        tell(f"{name}: {table.description}; text: {joined}, label: {names[label[0]]}")
        cells = texts_of(table.column(label[0]), name, names[label[0]])
        columns = {"text": _texts(name, table, text), "label": cells}
        if text_column is None:
            refuse_numbers(columns["text"], name, joined)
        if group_column is not None:
            [place] = chosen_columns(name, names, group_column, (), "group", table.advice)
            columns["group"] = texts_of(table.column(place), name, names[place])
        parts.append((name, pd.DataFrame(columns, dtype=object)))
    return _mended(str(source), _together(parts), tell)


def read_texts(
    source: str | InMemory,
    text_column: str | None = None,
    form: Form = ANY_FORM,
    tell: Say = silent,
) -> npt.NDArray[np.object_]:
    """Reads texts alone; labels are ignored.

    Args:
        source: as for `read`; or a .txt file with one text a line (also compressed), or a folder
            with .txt files anywhere in it, one text each, but not in hidden folders.
        text_column: the column with the text; by default the one with a usual name.
        form: the user's options for reading files.
        tell: called with a sentence for everything that was detected.

    Returns:
        object array of str, shape (rows,); none is empty.

    Raises:
        DataError: the source does not exist or cannot be read as what its name says.
    """
    if isinstance(source, InMemory):
        found_table = table_of(source)
        place = chosen_columns(str(source), found_table.names, text_column, TEXT_COLUMNS, "text")
        table = _together([(str(source), _text_column(str(source), found_table, place))])
        return _there(str(source), table, tell)
    path = Path(source)
    if is_named(source):
        table = movie_reviews(source)[["text"]]
    elif path.is_dir() and (files := text_files(path)[0]) and not tables(path):
        table = pd.DataFrame(
            {"text": [file_text(file, form) or None for file in files]},
            index=[str(file) for file in files],
            dtype=object,
        )
    elif path.is_dir() and not tables(path):
        raise DataError(f"{source}: expected .txt files, one text each, found none")
    else:
        parts = []
        readers = {**READERS, ".txt": text_lines}
        for file, read_as in source_tables(source, form, (text_column,), readers, tell):
            is_plain = file.ending == ".txt"
            wanted = None if is_plain else text_column
            if read_as.guess is not None and wanted is None:
                text: tuple[int, ...] = read_as.guess[:1]
            else:
                text = chosen_columns(
                    file.name, read_as.names, wanted, TEXT_COLUMNS, "text", read_as.advice
                )
            tell(f"{file.name}: {read_as.description}")
            parts.append((file.name, _text_column(file.name, read_as, text)))
        table = _together(parts)
    return _there(source, table, tell)


def _text_column(name: str, table: Table, places: tuple[int, ...]) -> pd.DataFrame:
    return pd.DataFrame({"text": _texts(name, table, places)}, dtype=object)


def _there(source: str, table: pd.DataFrame, tell: Say) -> npt.NDArray[np.object_]:
    """The texts of a table that are not empty."""
    cells = _mended(source, table, tell)["text"].fillna("").str.strip().to_numpy(dtype=object)
    found: npt.NDArray[np.object_] = cells[cells != ""]
    if not len(found):
        raise DataError(f"{source}: expected texts that are not empty, found none")
    return found


def read_labelled_lines(source: str, labels: Path, form: Form, tell: Say) -> pd.DataFrame:
    """Reads texts, one a line, and their labels, on the same lines of another file.

    Raises:
        DataError: the files have different numbers of lines.
    """
    columns = []
    for name in (source, str(labels)):
        path = Path(name)
        if kind(path) in TABLES:
            raise DataError(f"{name}: with --labels, texts and labels are lines of two files")
        plain = text_lines(Source(name, content_and_ending(path)[0], ".txt", form))
        lines = [str(line).strip() for line in plain.column(0)]
        columns.append(lines if lines[-1] else lines[:-1])
        tell(f"{name}: {plain.description}")
    texts, found = columns
    if len(texts) != len(found):
        raise DataError(
            f"{labels}: expected a label for each of the {len(texts)} lines of {source}, found "
            f"{counted(len(found), 'line')}"
        )
    table = pd.DataFrame({"text": texts, "label": found}, dtype=object)
    return _mended(source, _together([(source, table)]), tell)


def _texts(name: str, table: Table, places: tuple[int, ...]) -> list[str | None]:
    """The texts of a table; of several columns joined, where they are not empty."""
    columns = [
        texts_of(table.column(place), name, table.names[place], numbers=False) for place in places
    ]
    if len(columns) == 1:
        return columns[0]
    return [JOINED.join(filter(None, cells)) or None for cells in zip(*columns, strict=True)]


def _together(parts: list[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """Tables one after another, with numbers of rows; of several files with their names."""
    for name, part in parts:
        numbers = range(1, len(part) + 1)
        if len(parts) == 1:
            part.index = pd.RangeIndex(1, len(part) + 1, name="row")
        else:
            part.index = pd.Index([f"{name} row {number}" for number in numbers], name="row")
    return pd.concat([part for _, part in parts])


def _mended(source: str, table: pd.DataFrame, tell: Say) -> pd.DataFrame:
    """Mends characters that are none, and refuses impossible texts."""
    broken = 0
    for name in table.columns:
        before = [cell if isinstance(cell, str) else None for cell in table[name]]
        cells = [cell if cell is None or cell.isascii() else whole(cell) for cell in before]
        broken += sum(a is not b for a, b in zip(cells, before, strict=True))
        table[name] = pd.Series(cells, index=table.index, dtype=object)
    if broken:
        tell(f"{source}: {broken} cells have half a surrogate pair in them, which is read as �")
    others = (cell for cell in table["text"] if cell is not None and not cell.isascii())
    if garbled := sum(any(mark in cell for mark in GARBLED) for cell in others):
        tell(
            f"{source}: {counted(garbled, 'text')} with signs such as 'Ã©', which is é in a "
            "wrong encoding; new texts may not have them: better export the data again as UTF-8"
        )
    refuse_impossible(table["text"].tolist(), table.index.tolist(), source)
    return table


def _refuse_columns(source: str, *columns: str | None) -> None:
    if any(column is not None for column in columns):
        raise DataError(
            f"--text-column, --label-column and --group-column cannot be used with {source}"
        )
