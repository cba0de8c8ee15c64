"""Reads the texts in a folder: a file each, or one a line, in a file for each class."""

from pathlib import Path

import pandas as pd

from search.corpus.compression import TABLES, content, kind
from search.corpus.dialect import Form
from search.corpus.encodings import decoded
from search.corpus.folders import class_folders, listed_others, text_files
from search.corpus.readers import text_lines
from search.corpus.table import Source
from search.display import counted
from search.errors import DataError
from search.progress import Say


def texts_of_class_folders(path: Path, form: Form, tell: Say) -> pd.DataFrame:
    """Reads CLASS/*.txt, one review a file."""
    rows, passed, empty = list[tuple[str, str | None, str]](), 0, 0
    folders = class_folders(path)
    if len(folders) == 1 and class_folders(folders[0]):
        raise DataError(
            f"{path}: expected one folder for each class, found {folders[0].name} alone, with "
            f"folders in it; are they the classes: --data {folders[0]}?"
        )
    for folder in folders:
        files, left = text_files(folder)
        passed += left
        if not files:
            raise DataError(f"{folder}: expected .txt files, one review each, found none")
        if kind(files[0]) in TABLES and "=" in folder.name:
            raise DataError(
                f"{path}: its folders are named for the values of a column, such as {folder.name}; "
                "save it as one file, with that column"
            )
        if kind(files[0]) in TABLES:
            raise DataError(
                f"{folder}: expected .txt files, one review each, found {files[0].name}; is one of "
                f"the folders the data, such as --data {folder}?"
            )
        for file in files:
            text = file_text(file, form)
            empty += not text
            rows.append((str(file), text or None, folder.name))
    found = f"{path}: {counted(len(folders), 'folder')}, one a class; {counted(len(rows), 'file')}"
    found += f", {empty} of them empty" if empty else ""
    found += f"; {counted(passed, 'other')} passed over" if passed else ""
    found += f"; of no class: {others}" if (others := listed_others(path, ())) else ""
    tell(found)
    return pd.DataFrame(rows, columns=["file", "text", "label"]).set_index("file")


def lines_of_class_files(
    classes: dict[str, Path], form: Form, tell: Say
) -> list[tuple[str, pd.DataFrame]]:
    """Reads a file for each class, one review a line; each with its name."""
    parts = []
    for label, file in classes.items():
        plain = text_lines(Source(str(file), content(file), ".txt", form))
        texts = [str(line).strip() for line in plain.column(0)]
        texts = [text for text in texts if text]
        tell(f"{file}: {plain.description}, all of them {label!r}")
        columns = {"text": texts, "label": [label] * len(texts)}
        parts.append((str(file), pd.DataFrame(columns, dtype=object)))
    return parts


def file_text(file: Path, form: Form) -> str:
    """The text that a whole file is; nothing where it is empty."""
    try:
        found = content(file)
    except OSError as error:
        raise DataError(
            f"{file}: cannot be read: {error.strerror or error}; expected a text file, so move "
            "anything else to another folder"
        ) from error
    return decoded(str(file), found, form.encoding)[0] if found.strip() else ""
