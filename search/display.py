"""Text from data, made safe to show: in a terminal, on a page."""

_CONTROL = [*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000)]
_BIDIRECTIONAL = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_INVISIBLE: dict[int, str | None] = {
    **{code: "\N{REPLACEMENT CHARACTER}" for code in _CONTROL if chr(code) not in "\n\t"},
    **dict.fromkeys(_BIDIRECTIONAL),
}


def visible(text: object) -> str:
    """Text without the characters that are not shown, but act.

    Control characters would move a terminal's cursor, rename its window or hide what follows
    (escape sequences begin with one), and NUL would break a page's source: each is shown as "�".
    Characters that turn the direction of writing are left out: with them a text reads otherwise
    than it is. New lines and tabs stay.
    """
    return str(text).translate(_INVISIBLE)
