"""Decodes bytes: as UTF-8, by a byte-order mark, or as the user says; never by a guess."""

import codecs
import re

from search.corpus.guesses import likeliest
from search.display import counted
from search.errors import DataError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
KINDS = {
    b"PAR1": "a Parquet file: give it the ending .parquet",
    b"ARROW1": "an Arrow file: give it the ending .arrow",
    b"\x1f\x8b": "compressed by gzip: give it the ending .gz behind that of its content",
    b"BZh": "compressed by bzip2: give it the ending .bz2 behind that of its content",
    b"\xfd7zXZ": "compressed by xz: give it the ending .xz behind that of its content",
    b"(\xb5/\xfd": "compressed by Zstandard: give it the ending .zst behind that of its content",
    b"PK\x03\x04": "a zip archive or a workbook: give it the ending .zip or .xlsx",
    b"\xd0\xcf\x11\xe0": "an old workbook or document of Office: save it as .xlsx or .csv",
    b"%PDF": "a PDF: save its texts as .csv",
    b"\x89PNG": "a picture",
    b"\x89HDF": "an HDF5 file: save its table as .csv or .parquet",
    b"SQLite format 3": "a database: save its table as .csv or .parquet",
    b"\x80\x04\x95": "a pickle, which is not read because it may run code: save it as .parquet",
    b"\x80\x05\x95": "a pickle, which is not read because it may run code: save it as .parquet",
}
"""What files are that are no text, by their first bytes."""

PLAIN = "utf-8"
HALF_A_PAIR = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
MOST_WRONG = 0.1  # of the bytes beyond ASCII, in a file that is UTF-8 but for some lines
FEWEST_RIGHT = 0.1  # of the lines beyond ASCII, in a file that is UTF-8 in other lines
MOST_NULS = 20  # bytes on each NUL in a file that is text but for them; of UTF-16 it is two


def marked(head: bytes) -> str | None:
    """The encoding that the byte-order mark at a file's beginning stands for, if there is one."""
    return next((encoding for mark, encoding in MARKS if head.startswith(mark)), None)


def shown(encoding: str) -> str:
    """The name of an encoding for messages, such as UTF-8."""
    return encoding.removesuffix("-sig").upper()


def checked_encoding(name: str) -> str:
    """The usual name of an encoding that a user named.

    Raises:
        DataError: Python knows none of that name.
    """
    try:
        found = codecs.lookup(name)
        b"".decode(found.name)  # rot13 is a codec, too
    except LookupError:
        raise DataError(
            f"--encoding {name}: there is no such encoding; usual ones are utf-8, utf-16, "
            "windows-1252, windows-1251, latin-1, shift_jis, gb18030"
        ) from None
    return found.name


def chosen_encoding(head: bytes, asked: str | None) -> str:
    """How to read a file that begins with `head`, whatever the user asked for."""
    mark = marked(head)
    if asked is None:
        return mark or PLAIN
    asked = checked_encoding(asked)
    if mark is not None and codecs.lookup(mark).name.startswith(asked):
        return mark  # without the mark in the text
    return asked


def decoded(name: str, content: bytes, asked: str | None = None) -> tuple[str, str]:
    """A file's text, and how it is encoded.

    Args:
        name: what to call it in messages.
        content: all of it.
        asked: the encoding that the user named, or None for UTF-8 or what its mark says.

    Raises:
        DataError: it is empty, or not in this encoding; the message says where, and what it is
            likely to be.
    """
    if not content.strip():
        raise DataError(f"{name}: the file is empty")
    refuse_binary(name, content)
    encoding = chosen_encoding(content[:4], asked)
    try:
        # Binary files are reported as such, not by their first byte above 127.
        text = content[: content.find(b"\0") + 1].decode(encoding, "replace")
        if "\0" not in text:
            text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise not_decoded(name, content, error.start, encoding, asked) from error
    if "\0" in text:
        line = line_ends(text[: text.index("\0")]) + 1
        if content.count(b"\0") * MOST_NULS < len(content) and _is_in(encoding, content):
            raise DataError(
                f"{name}: line {line} has a NUL character, which no text has: remove it"
            )
        raise DataError(
            f"{name}: line {line} has a NUL byte: this is not a text file in "
            f"{encoding.upper()}{_likeliest(content)}"
        )
    if not text.strip():
        raise DataError(f"{name}: the file is empty")
    return text, shown(encoding)


def refuse_binary(name: str, head: bytes) -> None:
    """Refuses a file that begins as one of another kind.

    Raises:
        DataError: it does; the message says what it is, whatever its name says.
    """
    for begin, what in KINDS.items():
        if head.startswith(begin):
            raise DataError(f"{name}: this is no text, but {what}")


def not_decoded(
    name: str, content: bytes, start: int, encoding: str, asked: str | None, before: int = 0
) -> DataError:
    """What to say of bytes that are not in an encoding.

    Args:
        name: the file.
        content: its bytes, or some of them around the wrong one.
        start: the place of the wrong byte.
        encoding: in which it is wrong.
        asked: the encoding that the user named, or None.
        before: lines that end before `content`.
    """
    line = before + line_ends(content[:start]) + 1
    byte = f"0x{content[start]:02x}" if start < len(content) else "no end"
    problem = f"{name}: line {line} has the byte {byte}, which is not {shown(encoding)}"
    if asked is not None:
        return DataError(f"{problem}; name another --encoding")
    if encoding == PLAIN and HALF_A_PAIR.match(content, start):
        return DataError(f"{problem}, but half a surrogate pair; mend that line")
    if encoding == PLAIN and _is_mostly(PLAIN, content):
        return DataError(f"{problem}, as the rest of the file is; mend that line")
    if encoding == PLAIN and (lines := _other_lines(PLAIN, content)):
        return DataError(
            f"{problem}, as {counted(lines, 'other line')} with such characters "
            f"{'is' if lines == 1 else 'are'}: the file is in two encodings; write it in one"
        )
    return DataError(f"{problem}{_likeliest(content, start)}; or save the file as UTF-8")


def line_ends(text: bytes | str) -> int:
    """How many lines end in a text, whatever they end with."""
    if isinstance(text, bytes):
        return len(re.findall(rb"\r\n|\n|\r", text))
    return len(re.findall(r"\r\n|\n|\r", text))


def _likeliest(content: bytes, start: int = 0) -> str:
    """An advice."""
    if (found := likeliest(content, start)) is None:
        return "; if it is text, say how it is encoded: --encoding NAME"
    encoding, word = found
    return f"; it is likeliest {encoding}, which reads {word!r}: if so, say --encoding {encoding}"


def _is_in(encoding: str, content: bytes) -> bool:
    """Whether bytes can be read in an encoding."""
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _other_lines(encoding: str, content: bytes) -> int:
    """How many lines with characters beyond ASCII are in an encoding; 0 where it may be chance."""
    lines = [line for line in re.split(rb"\r\n|\n|\r", content) if not line.isascii()]
    right = sum(_is_in(encoding, line) for line in lines)
    return right if right >= FEWEST_RIGHT * len(lines) else 0


def _is_mostly(encoding: str, content: bytes) -> bool:
    """Whether of what is beyond ASCII hardly anything is not in an encoding."""
    beyond = sum(byte > 127 for byte in content)
    good = sum(len(c.encode()) for c in content.decode(encoding, "ignore") if not c.isascii())
    return MOST_WRONG * beyond > beyond - good
