"""Reads data from any source: a named data set, files, a folder, an address.

`read` reads labelled texts, and `read_texts` texts alone. The file formats are in
`search.corpus.readers`. Everything that was detected is reported to `tell`.
"""

import glob
import io
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

import numpy as np
import numpy.typing as npt
import pandas as pd

from search.corpus.addresses import fetched, file_name, is_address
from search.corpus.cells import refuse_impossible, texts_of, whole
from search.corpus.columns import JOINED, LABEL_COLUMNS, TEXT_COLUMNS, chosen_columns
from search.corpus.compression import (
    ARCHIVES,
    TABLES,
    content,
    content_of,
    kind,
    member_kind,
)
from search.corpus.dialect import Form
from search.corpus.encodings import decoded
from search.corpus.folders import class_files, class_folders, tables, text_files
from search.corpus.frames import table_of
from search.corpus.named import NAMED, is_named, movie_reviews
from search.corpus.readers import ENDINGS, READERS, text_lines
from search.corpus.table import Source, Table
from search.display import counted
from search.errors import DataError
from search.memory import InMemory
from search.progress import Say, silent
from search.untrusted import content_of as content_of_file
from search.untrusted import opened

REMEDIES = {
    (".xls", ".xlsb", ".xlsm", ".numbers"): "save it as .xlsx or .csv",
    (".db", ".sqlite", ".sqlite3", ".mdb", ".accdb"): "save its table as .csv or .parquet",
    (".gsheet",): "it is only a link to a table of Google; download that as .csv",
    (".pdf", ".doc", ".docx", ".odt", ".rtf", ".ppt", ".pptx"): "save its texts as .csv",
    (".html", ".htm", ".xml", ".yaml", ".yml", ".md", ".ipynb"): "save its texts as .csv",
    (".pkl", ".pickle", ".joblib", ".npy", ".npz", ".pt", ".h5", ".hdf5", ".rds", ".rdata"): (
        "save it as .csv or .parquet with the program that wrote it"
    ),
    (".sav", ".dta", ".sas7bdat", ".orc", ".avro", ".tfrecord"): (
        "save it as .csv or .parquet with the program that wrote it"
    ),
}
"""What to do with files of other kinds that texts are kept in, by their endings."""

ANY_FORM = Form()
SHOWN_FILES = 3


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
        named_tables = iter([(str(source), _filled(str(source), table_of(source)))])
    else:
        if is_named(source):
            _refuse_columns(source, text_column, label_column, group_column)
            return movie_reviews(source)
        if source in NAMED:
            tell(f"{source}: read from the disk, and not the data set of that name")
        path = Path(source)
        if path.is_dir() and class_folders(path):
            _refuse_columns(f"the folder {path}", text_column, label_column, group_column)
            return _mended(str(path), _classes(path, form, tell), tell)
        if path.is_dir() and (classes := class_files(path)):
            _refuse_columns(f"the folder {path}", text_column, label_column, group_column)
            return _mended(str(path), _lines_of_classes(path, classes, form, tell), tell)
        files = _files(source, form, (text_column, label_column, group_column), labelled=True)
        named_tables = ((file.name, _read(file, READERS)) for file in files)
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
            {"text": [_file_text(file, form) or None for file in files]},
            index=[str(file) for file in files],
            dtype=object,
        )
    elif path.is_dir() and not tables(path):
        raise DataError(f"{source}: expected .txt files, one text each, found none")
    else:
        parts = []
        for file in _files(source, form, (text_column,)):
            is_plain = file.ending == ".txt"
            read_as = _read(file, {**READERS, ".txt": text_lines})
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
        plain = text_lines(Source(name, _content(path)[0], ".txt", form))
        lines = [str(line).strip() for line in plain.column(0)]
        columns.append(lines if lines[-1] else lines[:-1])
        tell(f"{name}: {plain.description}")
    texts, found = columns
    if len(texts) != len(found):
        raise DataError(
            f"{labels}: expected a label for each of the {len(texts)} lines of {source}, found "
            f"{len(found)} lines"
        )
    table = pd.DataFrame({"text": texts, "label": found}, dtype=object)
    return _mended(source, _together([(source, table)]), tell)


def _files(
    source: str, form: Form, wanted: tuple[str | None, ...], *, labelled: bool = False
) -> Iterator[Source]:
    """Yields the files of a source."""
    named = tuple(name for column in wanted if column for name in (column, *column.split(",")))
    if is_address(source):
        for address, whole_file in fetched(source).items():
            found = _unpacked(file_name(address), address, whole_file)
            yield Source(*found, form, named, labelled)
        return
    for path in _paths(source):
        yield Source(str(path), *_content(path), form, named, labelled)


def _content(path: Path) -> tuple[bytes, str]:
    """Content and ending of a file on the disk."""
    try:
        with opened(path) as file:
            ending = member_kind(file, path)
        check_kind(path, ending)
        return content(path), ending
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _unpacked(path: PurePath, name: str, packed: bytes) -> tuple[str, bytes, str]:
    """Name, content and ending of a file that was fetched."""
    ending = member_kind(io.BytesIO(packed), path)
    check_kind(path, ending)
    return name, content_of(io.BytesIO(packed), path, name), ending


def _paths(source: str) -> list[Path]:
    """The paths that a source names: itself, the tables in a folder, a pattern's, or several."""
    path = Path(source)
    if path.is_dir():
        if found := tables(path):
            return found
        raise DataError(
            f"{path}: expected one folder of .txt files for each class "
            f"(such as {path / 'positive'}), or files of data, found neither"
        )
    if path.exists():
        return [path]
    if source == "-":
        raise DataError(
            "-: the standard input is not read, because a run that goes on reads its data again; "
            "save them as a file"
        )
    if glob.has_magic(source):
        if found := sorted(Path(name) for name in glob.glob(source) if Path(name).is_file()):  # noqa: PTH207  (a pattern may be absolute)
            return found
        raise DataError(f"{source}: no file has a name of this pattern")
    parts = [part.strip() for part in source.split(",")]
    if len(parts) > 1 and all(parts):
        return [path for part in parts for path in _paths(part)]
    known = ", ".join(NAMED)
    raise DataError(
        f"{path}: no such file or folder, and no data set of that name (known: {known})"
    )


def check_kind(path: PurePath, ending: str) -> None:
    """Checks that a file is of a known format."""
    if path.suffix.lower() in ARCHIVES or ending in ARCHIVES:
        raise DataError(f"{path}: is an archive; unpack it, and name the file or the folder")
    if ending not in READERS:
        remedy = next((advice for endings, advice in REMEDIES.items() if ending in endings), None)
        inside = (
            f" with {ending or 'a file without ending'} in it"
            if path.suffix.lower() != ending
            else ""
        )
        raise DataError(
            f"{path}: expected a file ending in {ENDINGS} (or those with .gz, .bz2, .xz, .zst or "
            f".zip), found {path.suffix}{inside}" + (f"; {remedy}" if remedy else "")
        )


def _read(source: Source, readers: "dict[str, Callable[[Source], Table]]") -> Table:
    """Reads a file, which must have rows."""
    return _filled(source.name, readers[source.ending](source))


def _filled(name: str, table: Table) -> Table:
    """Returns a table, which must have rows."""
    if not table.rows:
        raise DataError(f"{name}: there are no rows in it")
    return table


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
        cells = [None if pd.isna(cell) else whole(cell) for cell in table[name]]
        broken += sum(a is not None and a != b for a, b in zip(cells, table[name], strict=True))
        table[name] = pd.Series(cells, index=table.index, dtype=object)
    if broken:
        tell(f"{source}: {broken} cells have half a surrogate pair in them, which is read as �")
    refuse_impossible(table["text"].tolist(), table.index.tolist(), source)
    return table


def _refuse_columns(source: str, *columns: str | None) -> None:
    if any(column is not None for column in columns):
        raise DataError(
            f"--text-column, --label-column and --group-column have no meaning for {source}"
        )


def _classes(path: Path, form: Form, tell: Say) -> pd.DataFrame:
    """Reads CLASS/*.txt, one review a file."""
    rows, passed, empty = list[tuple[str, str | None, str]](), 0, 0
    folders = class_folders(path)
    for folder in folders:
        files, others = text_files(folder)
        passed += others
        if not files:
            raise DataError(f"{folder}: expected .txt files, one review each, found none")
        if kind(files[0]) in (".parquet", ".arrow"):
            raise DataError(
                f"{folder}: expected .txt files, one review each, found {files[0].name}; is one of "
                f"the folders the data, such as --data {folder}?"
            )
        for file in files:
            text = _file_text(file, form)
            empty += not text
            rows.append((str(file), text or None, folder.name))
    found = f"{path}: {counted(len(folders), 'folder')}, one a class; {counted(len(rows), 'file')}"
    found += f", {empty} of them empty" if empty else ""
    found += f"; {counted(passed, 'other')} passed over" if passed else ""
    tell(found)
    return pd.DataFrame(rows, columns=["file", "text", "label"]).set_index("file")


def _lines_of_classes(path: Path, classes: dict[str, Path], form: Form, tell: Say) -> pd.DataFrame:
    """Reads a file for each class, one review a line."""
    parts = []
    for label, file in classes.items():
        plain = text_lines(Source(str(file), content(file), ".txt", form))
        texts = [str(line).strip() for line in plain.column(0)]
        texts = [text for text in texts if text]
        tell(f"{file}: {plain.description}, all of them {label!r}")
        columns = {"text": texts, "label": [label] * len(texts)}
        parts.append((str(file), pd.DataFrame(columns, dtype=object)))
    return _together(parts)


def _file_text(file: Path, form: Form) -> str:
    """The text that a whole file is; nothing where it is empty."""
    try:
        found = content_of_file(file)
    except OSError as error:
        raise DataError(
            f"{file}: cannot be read: {error.strerror or error}; expected a text file, so move "
            "anything else to another folder"
        ) from error
    return decoded(str(file), found, form.encoding)[0] if found.strip() else ""
