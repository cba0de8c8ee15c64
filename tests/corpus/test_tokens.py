"""Tokens: one word however it is written, in any script, and never lost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.corpus.tokens import (
    MOST_CHARACTERS,
    code_points,
    hashed,
    signed,
    spans,
    spelled,
    spellings,
    token_hash,
)


def tokens(text):
    """A text's tokens as a vocabulary has them."""
    flat, bounds = code_points([text])
    _, first, end, _ = spans(flat, bounds)
    tokens = [spelled(flat[a:b]) for a, b in zip(first, end, strict=True)]
    assert spellings(flat, first, end) == tokens
    return tokens


@pytest.mark.parametrize(
    "alike",
    [
        ("плохой фильм", "ПЛОХОЙ ФИЛЬМ", "Плохой фильм", "«плохой» фильм", "плохой — фильм"),
        ("great", "“great”", "great!", "GREAT", "ＧＲＥＡＴ", "...great", "great\ufe0f"),
        ("schön", "scho\u0308n", "SCHÖN", "schön."),
        ("straße", "STRASSE"),
        ("iyi film", "İyi.film", "(iyi)film"),
        ("👍", "👍🏽", "👍\ufe0f"),
        ("soft", "so\u00adft", "\ufeffsoft"),
        ("why ?", "why?", "Why？", "why؟"),
        ("καλός", "ΚΑΛΌΣ"),
    ],
)
def test_one_word_however_it_is_written(alike):
    assert len({tuple(hashed([text])[0].tolist()) for text in alike}) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("很好看 film很", ["很", "好", "看", "film", "很"]),
        ("ดีมาก", ["ด\u0e35", "ม", "า", "ก"]),
        ("हिन्दी फ़िल्म।", ["हिन्दी", "फ\u093cिल्म"]),
        ("don't e-mail a_b", ["don", "t", "e", "mail", "a", "b"]),
        ("👩‍👩‍👧 ok", ["👩", "👩", "👧", "ok"]),
        ("£5 1,000.50", ["£", "5", "1", "000", "50"]),
        ("", []),
        ("!!! \t\n", []),
        ("\u0301a", ["a"]),
        ("\ud800x", ["\ufffd", "x"]),
    ],
)
def test_what_a_token_is(text, expected):
    assert tokens(text) == expected


@given(st.lists(st.text(), max_size=5))
@settings(max_examples=100, deadline=None)
def test_any_text(texts):
    hashes, offsets = hashed(texts)
    assert len(offsets) == len(texts) + 1 and offsets[-1] == len(hashes)
    alone = [hashed([text])[0].tolist() for text in texts]
    rows = np.split(hashes, offsets[1:-1]) if texts else []
    assert alone == [row.tolist() for row in rows], "a text's tokens are its own"
    for text, row in zip(texts, alone, strict=True):
        assert [token_hash(token) for token in tokens(text)] == row
        assert hashed([f"“{text}” !"])[0].tolist() == row


def test_long_texts_are_cut():
    assert len(hashed(["a " * MOST_CHARACTERS])[0]) == MOST_CHARACTERS // 2


def test_arithmetic_wraps():
    assert signed(2**63) == -(2**63) and signed(-1) == -1 and signed(2**64 + 5) == 5
