"""A file of texts in, the same file with the model's answers out, in memory of constant size.

Whatever a file holds is written as it was read, with three columns more: `label`, `probability` (of
that label) and `abstain`. If one of these names is taken, all three begin with `predicted_`.
"""

import csv
import gzip
import io
import itertools
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from search.corpus.parquet import parquet
from search.corpus.sources import (
    LONGEST_TEXT,
    READERS,
    TEXT_COLUMNS,
    choose_column,
    kind,
)
from search.errors import DataError
from search.files import write_atomically
from search.packaging.classifier import Answers, Classifier
from search.untrusted import Unpacked, opened

COLUMNS = ("label", "probability", "abstain")
PREFIX = "predicted_"
MOST_ROWS = 2_000  # rows that are in memory at a time,
MOST_CHARACTERS = 4_000_000  # and about how many characters
DIGITS = 6  # of a probability in text

Score = Callable[[Sequence[str]], Answers]
Row = tuple[str, Any]
"""A row's text, and the row itself."""


def target_of(source: Path) -> Path:
    """Where the answers for a file go by default: reviews.csv → reviews.predicted.csv."""
    ending = "".join(source.suffixes[-2:] if kind(source) != source.suffix.lower() else [])
    ending = ending or source.suffix
    return source.with_name(source.name.removesuffix(ending) + ".predicted" + ending)


def check_files(source: Path, target: Path) -> None:
    """Looks, before anything heavy is loaded, whether a file can be read and another written.

    Raises:
        DataError: one cannot.
    """
    try:
        opened(source).close()
    except OSError as error:
        raise DataError(
            f"{source}: {error.strerror}; expected a file ending in {', '.join(READERS)}"
        ) from error
    if kind(source) not in READERS:
        raise DataError(
            f"{source}: expected a file ending in {', '.join(READERS)} (or those with .gz or "
            f".zst), found {''.join(source.suffixes) or 'no ending'}; one text a line is read "
            "from the standard input: python -m search.predict < FILE"
        )
    if _ending(target) != _ending(source):
        raise DataError(
            f"{target}: is written in the format of {source}; its name must end in "
            f"{_ending(source)}"
        )
    if target.is_dir() or not target.absolute().parent.is_dir():
        what = "is a folder" if target.is_dir() else f"there is no folder {target.parent}"
        raise DataError(f"{target}: cannot be written: {what}")
    if target.exists() and target.samefile(source):
        raise DataError(f"{target}: is what is read; name another file with --output FILE")


def _ending(path: Path) -> str:
    compression = path.suffix.lower()
    return kind(path) + (compression if compression != kind(path) else "")


def score_file(
    source: Path,
    target: Path,
    classifier: Classifier,
    text_column: str | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> dict[str, Any]:
    """Classifies every row of a file; a missing text is read as an empty one.

    Args:
        source: a .csv, .tsv, .jsonl or .parquet file (the first three also with .gz or .zst).
        target: is written in the same format, whole or not at all.
        classifier: the model.
        text_column: the column with the text; by default the one with a usual name.
        progress: called with the number of rows that are done, after every chunk.

    Returns:
        rows, empty (how many rows have no text), abstained (or None), labels (rows of each), and
        columns (the names of what was added).

    Raises:
        DataError: the file cannot be read as what its name says; the message says where.
    """
    counts: dict[str, Any] = {"rows": 0, "empty": 0, "abstained": None, "labels": Counter()}

    def score(texts: Sequence[str]) -> Answers:
        answers = classifier.classify(texts)
        counts["rows"] += len(texts)
        counts["empty"] += sum(not text.strip() for text in texts)
        counts["labels"].update(answers.labels)
        if answers.abstain is not None:
            counts["abstained"] = (counts["abstained"] or 0) + int(answers.abstain.sum())
        progress(counts["rows"])
        return answers

    write = {
        ".csv": _delimited(","),
        ".tsv": _delimited("\t"),
        ".jsonl": _json_lines,
        ".parquet": _parquet,
    }[kind(source)]

    def whole(file: IO[bytes]) -> None:
        counts["columns"] = write(source, file, score, text_column)

    try:
        write_atomically(target, whole)
    except UnicodeDecodeError as error:
        raise _not_utf8(source) from error
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system, not of a reader
            raise
        raise DataError(f"{source}: cannot be decompressed: {error}") from error
    return {**counts, "labels": dict(counts["labels"])}


def _new_columns(path: Path, there: Sequence[str]) -> list[str]:
    """The names of the added columns."""
    for names in (list(COLUMNS), [PREFIX + name for name in COLUMNS]):
        if not set(names) & set(there):
            return names
    raise DataError(
        f"{path}: has some of the columns {', '.join(COLUMNS)} already, and some of "
        f"{PREFIX}{COLUMNS[0]}, …, too; rename those"
    )


def _chunks(path: Path, rows: Iterator[Row], first: int = 1) -> Iterator[list[Row]]:
    """Rows in lists that are neither long nor large; refuses texts that cannot be texts."""
    chunk: list[Row] = []
    characters = 0
    for number, (text, row) in enumerate(rows, start=first):
        if len(text) > LONGEST_TEXT or "\0" in text:
            what = "a NUL character" if "\0" in text else f"more than {LONGEST_TEXT:,} characters"
            raise DataError(f"{path}: the text at row {number} has {what}")
        chunk.append((text, row))
        characters += len(text)
        if len(chunk) == MOST_ROWS or characters >= MOST_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _cells(answers: Answers) -> Iterator[tuple[str, float, bool | None]]:
    """Label, probability and abstain of each row."""
    abstain = itertools.repeat(None) if answers.abstain is None else answers.abstain.tolist()
    rounded = answers.probability.round(DIGITS).tolist()
    return zip(answers.labels, rounded, abstain, strict=False)  # one may be endless


def _delimited(separator: str) -> Callable[[Path, IO[bytes], Score, str | None], list[str]]:
    def write(path: Path, file: IO[bytes], score: Score, wanted: str | None) -> list[str]:
        previous = csv.field_size_limit(LONGEST_TEXT)
        try:
            with (
                io.TextIOWrapper(_opened(path), "utf-8-sig", newline="") as source,
                _compressed(file, path) as out,
            ):
                reader = csv.reader(source, delimiter=separator, strict=True)
                header = next(reader, [])
                if repeated := sorted({name for name in header if header.count(name) > 1}):
                    raise DataError(
                        f"{path}: line 1 names the column {repeated[0]!r} "
                        f"{header.count(repeated[0])} times"
                    )
                if not header:
                    raise DataError(f"{path}: the file is empty, or its first line is")
                place = header.index(choose_column(path, header, wanted, TEXT_COLUMNS, "text"))
                names = _new_columns(path, header)

                def write_rows(rows: list[list[Any]]) -> None:
                    text = io.StringIO()
                    csv.writer(text, delimiter=separator, lineterminator="\n").writerows(rows)
                    out.write(text.getvalue().encode())

                write_rows([[*header, *names]])

                def rows() -> Iterator[Row]:
                    for row in reader:
                        if len(row) > len(header):
                            raise DataError(
                                f"{path}: line {reader.line_num}: expected {len(header)} fields, "
                                f"found {len(row)}; is a text with a separator in it missing its "
                                "quotation marks?"
                            )
                        if row:  # not an empty line
                            row += [""] * (len(header) - len(row))
                            yield row[place], row

                for chunk in _chunks(path, rows()):
                    answers = score([text for text, _ in chunk])
                    pairs = zip(chunk, _cells(answers), strict=True)
                    write_rows([[*row, *cells] for (_, row), cells in pairs])
                return names
        except csv.Error as error:
            raise DataError(
                f"{path}: line {reader.line_num}: {error}; is a quotation mark missing, or one "
                "inside of a text not doubled?"
            ) from error
        finally:
            csv.field_size_limit(previous)

    return write


def _json_lines(path: Path, file: IO[bytes], score: Score, wanted: str | None) -> list[str]:
    column, names = "", list[str]()

    def rows(source: Iterable[bytes]) -> Iterator[Row]:
        nonlocal column, names
        for number, line in enumerate(source, start=1):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if not text:
                continue
            try:
                row = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}: line {number} is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise DataError(
                    f"{path}: line {number}: expected an object such as "
                    f'{{"text": "…"}}, found {text[:40]!r}'
                )
            if not names:
                column = choose_column(path, list(row), wanted, TEXT_COLUMNS, "text")
                names = _new_columns(path, list(row))
            if taken := set(names) & set(row):
                raise DataError(
                    f"{path}: line {number} has {sorted(taken)[0]!r}, which the first line has "
                    "not, and which is the name of an answer; give it another name"
                )
            value = row.get(column)
            yield "" if value is None else str(value), (text, bool(row))

    with closing(_opened(path)) as source, _compressed(file, path) as out:
        for chunk in _chunks(path, rows(source)):
            answers = score([text for text, _ in chunk])
            for (_, (line, filled)), cells in zip(chunk, _cells(answers), strict=True):
                added = json.dumps(dict(zip(names, cells, strict=True)), ensure_ascii=False)
                # What was there stays as it was, to the letter.
                joined = f"{line[:-1].rstrip()}{', ' if filled else ''}{added[1:]}\n"
                out.write(joined.encode())
    if not names:
        raise DataError(f"{path}: there are no rows in it")
    return names


def _parquet(path: Path, file: IO[bytes], score: Score, wanted: str | None) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with parquet(path, MOST_ROWS) as (schema, batches):
        column = choose_column(path, schema.names, wanted, TEXT_COLUMNS, "text")
        names = _new_columns(path, schema.names)
        for name, kind_of in zip(names, (pa.string(), pa.float64(), pa.bool_()), strict=True):
            schema = schema.append(pa.field(name, kind_of))
        first = 1
        with pq.ParquetWriter(file, schema) as writer:
            for batch in batches:
                values = batch.column(column).to_pylist()
                rows = (("" if value is None else str(value), None) for value in values)
                cells = [
                    cell
                    for chunk in _chunks(path, rows, first)
                    for cell in _cells(score([text for text, _ in chunk]))
                ]
                first += len(values)
                added = [
                    pa.array([cell[place] for cell in cells], schema.field(name).type)
                    for place, name in enumerate(names)
                ]
                writer.write_batch(pa.record_batch([*batch.columns, *added], schema=schema))
        return names


def _opened(path: Path) -> Any:
    """A file's content, decompressed."""
    ending, size = path.suffix.lower(), path.stat().st_size
    if ending == ".gz":
        return io.BufferedReader(Unpacked(gzip.open(path), size))
    if ending == ".zst":
        import pyarrow as pa

        # Not zstandard's own reader, which takes half a file for a whole one.
        return io.BufferedReader(Unpacked(pa.input_stream(str(path), compression="zstd"), size))
    return opened(path)


@contextmanager
def _compressed(file: IO[bytes], like: Path) -> Iterator[Any]:
    """A file to write to, compressed as another one is."""
    ending = like.suffix.lower()
    if ending == ".gz":
        with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as out:
            yield out
    elif ending == ".zst":
        import zstandard

        with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as writer:
            yield writer
    else:
        yield file


def _not_utf8(path: Path) -> DataError:
    """Where in a file the first byte is that is not UTF-8."""
    with closing(_opened(path)) as file:
        for number, line in enumerate(file, start=1):
            if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
                return DataError(f"{path}: this is UTF-16; save it as UTF-8")
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return DataError(
                    f"{path}: line {number} has the byte 0x{line[error.start]:02x}, which is not "
                    "UTF-8; save the file as UTF-8 (it may be Latin-1 or Windows-1252)"
                )
    return DataError(f"{path}: is not UTF-8; save it as UTF-8")
