"""The tables that a source names: a path, a folder, a pattern, an address, or several of them."""

import glob
import io
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath

from search.corpus.addresses import fetched, file_name, is_address
from search.corpus.compression import ARCHIVES, content, content_of, member_kind
from search.corpus.dialect import Form
from search.corpus.folders import listed_others, tables
from search.corpus.named import NAMED
from search.corpus.readers import ENDINGS, READERS, Reader
from search.corpus.table import Source, Table
from search.errors import DataError
from search.progress import Say
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


def source_tables(
    source: str,
    form: Form,
    wanted: tuple[str | None, ...],
    readers: Mapping[str, Reader],
    tell: Say,
    *,
    labelled: bool = False,
) -> Iterator[tuple[Source, Table]]:
    """Yields the files of a source, read; of several, those with nothing in them are passed over.

    Args:
        source: a path, a folder, a pattern, an address, or several of them.
        form: the user's options for reading files.
        wanted: the columns that the user named.
        readers: by the ending of a file.
        tell: called with a sentence for everything that is passed over.
        labelled: whether a table must have labels.

    Raises:
        DataError: a file cannot be read, or all are empty.
    """
    empty, there = list[str](), False
    for file in _source_files(source, form, wanted, tell, labelled=labelled):
        reason = "the file is empty"
        if file.content.strip():
            table, reason = readers[file.ending](file), "there are no rows in it"
            if table.rows:
                there = True
                yield file, table
                continue
        empty.append(f"{file.name}: {reason}")
    if not there:
        raise DataError(empty[0])
    for line in empty:
        tell(f"{line}; passed over")


def _source_files(
    source: str, form: Form, wanted: tuple[str | None, ...], tell: Say, *, labelled: bool
) -> Iterator[Source]:
    named = tuple(name for column in wanted if column for name in (column, *column.split(",")))
    if is_address(source):
        for address, whole_file in fetched(source).items():
            found = _unpacked(file_name(address), address, whole_file)
            yield Source(*found, form, named, labelled)
        return
    for path in _paths(source, tell):
        yield Source(str(path), *content_and_ending(path), form, named, labelled)


def content_and_ending(path: Path) -> tuple[bytes, str]:
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


def _paths(source: str, tell: Say) -> list[Path]:
    """The paths that a source names: itself, the tables in a folder, a pattern's, or several."""
    path = Path(source)
    if path.is_dir():
        if found := tables(path):
            if others := listed_others(path, found):
                tell(f"{path}: passed over: {others}")
            return found
        raise DataError(
            f"{path}: expected one folder of .txt files for each class "
            f"(such as {path / 'positive'}), or files of data, found neither"
        )
    if path.exists():
        return [path]
    if source == "-":
        raise DataError(
            "-: the standard input is not read, because a resumed run reads its data again; "
            "save them as a file"
        )
    if glob.has_magic(source):
        if found := sorted(Path(name) for name in glob.glob(source) if Path(name).is_file()):  # noqa: PTH207  (a pattern may be absolute)
            return found
        raise DataError(f"{source}: no file has a name of this pattern")
    parts = [part.strip() for part in source.split(",")]
    if len(parts) > 1 and all(parts):
        return [path for part in parts for path in _paths(part, tell)]
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
