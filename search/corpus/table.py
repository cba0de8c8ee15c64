"""The input and output of all readers: a file, and its content as a table of raw cells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from search.corpus.dialect import Form
from search.corpus.encodings import decoded
from search.errors import DataError

PAGES = {
    "<!doctype html": "it is a web page; the address of the data itself is another",
    "<html": "it is a web page; the address of the data itself is another",
    "version https://git-lfs": "it is only where Git LFS keeps the data; fetch it: git lfs pull",
}
"""What failed downloads leave instead of data, by its beginning."""


@dataclass(frozen=True)
class Source:
    """A file to read.

    Attributes:
        name: its name in messages.
        content: its bytes, decompressed.
        ending: the extension of its name, such as ".csv".
        form: the user's options for reading it.
        wanted: columns that the user named.
        labelled: whether a table must have labels.
    """

    name: str
    content: bytes
    ending: str
    form: Form
    wanted: tuple[str, ...] = ()
    labelled: bool = False

    def text(self) -> tuple[str, str]:
        """Decodes the file; returns its text and the name of its encoding.

        Raises:
            DataError: it is not text, or is what a failed download left instead of data.
        """
        text, encoding = decoded(self.name, self.content, self.form.encoding)
        begin = text[:100].lstrip().lower()
        for page, reason in PAGES.items():
            if begin.startswith(page):
                raise DataError(f"{self.name}: this is no data: {reason}")
        return text, encoding


@dataclass(frozen=True)
class Table:
    """The content of a file.

    Attributes:
        names: of the columns; "1", "2", … if they have none.
        rows: number of rows.
        column: returns the cells of a column, by its 0-based index.
        description: how the file was read, in words.
        guess: the (text, label) columns of a table without names, if they are clear.
        advice: the advice to the user if they are not clear.
    """

    names: list[str]
    rows: int
    column: Callable[[int], Sequence[object]]
    description: str
    guess: tuple[int, int] | None = None
    advice: str = ""


def numbered_columns(guess: tuple[int, int] | None, reason: str) -> str:
    """Advice on how to select the columns of a table without a header."""
    text, label = (1, 2) if guess is None else (guess[0] + 1, guess[1] + 1)
    return (
        f"{reason or 'there is no header'}: say which columns are which by their numbers, such as "
        f"--no-header --text-column {text} --label-column {label}"
    )
