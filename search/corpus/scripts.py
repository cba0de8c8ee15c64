"""Which scripts texts are written in, token by token."""

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from search.corpus.characters import table
from search.corpus.tokens import Texts, code_points, spans

DIGITS, SYMBOLS = "digits", "symbols"  # which belong to every script
_NAMES = {"CJK": "Han", "IDEOGRAPHIC": "Han", "HIRAGANA": "kana", "KATAKANA": "kana"}


def token_scripts(texts: Texts) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.int64]]:
    """The script of each token, by its first letter.

    Returns:
        scripts: str, shape (tokens,), one text after another.
        counts: shape (texts,), how many tokens each text has.
    """
    flat, bounds = code_points(texts)
    _, first, _, counts = spans(flat, bounds)
    letters, which = np.unique(table()[1][flat[first], 0], return_inverse=True)
    scripts = np.array([script(chr(letter)) for letter in letters.tolist()], dtype=object)
    return scripts[which] if len(first) else np.empty(0, object), counts


@cache
def script(character: str) -> str:
    """The script of a folded character: Latin, Cyrillic, Han, …; `DIGITS` or `SYMBOLS`.

    The Unicode names of letters begin with it.
    """
    category = unicodedata.category(character)[0]
    if category == "N":
        return DIGITS
    if category not in "LM":
        return SYMBOLS
    word = unicodedata.name(character, SYMBOLS).split()[0].split("-")[0]
    return _NAMES.get(word, word.capitalize())
