"""Escapes text from data for terminals, HTML and Markdown."""

import json
import re

LONGEST_NAME = 60  # characters

_CONTROL = [*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000)]
_BIDIRECTIONAL = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_INVISIBLE: dict[int, str | None] = {
    **{code: "\N{REPLACEMENT CHARACTER}" for code in _CONTROL if chr(code) not in "\n\t"},
    **dict.fromkeys(_BIDIRECTIONAL),
}


def code(text: object) -> str:
    """Formats text as inline code in Markdown, whatever characters it has."""
    line = " ".join(visible(text).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if not line or line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{space}{line or ' '}{space}{fence}"


def markdown(text: object) -> str:
    """Escapes text for one line of Markdown: no headings, links, tables or HTML."""
    return re.sub(r"([\\`*_\[\]<>#|&])", r"\\\1", " ".join(visible(text).split()))


def yaml(value: object) -> str:
    """Formats a value as YAML: as JSON, with YAML's further line ends escaped."""
    text = json.dumps(value, ensure_ascii=False)
    unusual = "[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]"
    return re.sub(unusual, lambda found: f"\\u{ord(found[0]):04x}", text)


def visible(text: object) -> str:
    """Replaces or removes control characters and changes of direction.

    Control characters would move a terminal's cursor, rename its window or hide what follows
    (escape sequences begin with one), and NUL would break a page's source: each is shown as "�".
    Characters that turn the direction of writing are left out: with them a text reads otherwise
    than it is. New lines and tabs stay.
    """
    return str(text).translate(_INVISIBLE)


def briefly(text: object) -> str:
    """A name from data on one line, and not longer than a part of it."""
    line = " ".join(visible(text).split())
    return line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 1]}…"


def counted(number: int, thing: str) -> str:
    """Formats a number of things in English: "1 row", "2,000 rows"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
