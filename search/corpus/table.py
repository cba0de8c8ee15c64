"""A file that is to be read, and what is in it: a table whose cells are as written."""

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
"""What downloads leave in place of data, by its beginning."""


@dataclass(frozen=True)
class Source:
    """A file that is to be read.

    Attributes:
        name: what to call it in messages.
        content: its bytes, decompressed.
        ending: of its name, such as ".csv".
        form: what the user said of how it is written.
        wanted: columns that the user named.
    """

    name: str
    content: bytes
    ending: str
    form: Form
    wanted: tuple[str, ...] = ()

    def text(self) -> tuple[str, str]:
        """Its text, and how it is encoded; it is data, and not what a download left in its place.

        Raises:
            DataError: it is no text, or no data.
        """
        text, encoding = decoded(self.name, self.content, self.form.encoding)
        begin = text[:100].lstrip().lower()
        for page, told in PAGES.items():
            if begin.startswith(page):
                raise DataError(f"{self.name}: this is no data: {told}")
        return text, encoding


@dataclass(frozen=True)
class Table:
    """What is in a file.

    Attributes:
        names: of the columns; "1", "2", … where they have none.
        rows: how many there are.
        column: gives the cells of one, by its 0-based place.
        told: how the file was read, in words.
        guess: the (text, label) columns where they have no names, but are clear.
        advice: what to say where they are not clear.
    """

    names: list[str]
    rows: int
    column: Callable[[int], Sequence[object]]
    told: str
    guess: tuple[int, int] | None = None
    advice: str = ""


def numbered_columns(guess: tuple[int, int] | None, reason: str) -> str:
    """How to name the columns of a table without a header."""
    text, label = (1, 2) if guess is None else (guess[0] + 1, guess[1] + 1)
    return (
        f"{reason or 'there is no header'}: say which columns are which by their numbers, such as "
        f"--no-header --text-column {text} --label-column {label}"
    )
