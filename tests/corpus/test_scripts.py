"""Which scripts tokens are of."""

import pytest

from search.corpus.scripts import DIGITS, SYMBOLS, token_scripts


@pytest.mark.parametrize(
    ("text", "scripts"),
    [
        ("Great ＧＲＥＡＴ “schön”", ["Latin"] * 3),
        ("плохой фильм", ["Cyrillic"] * 2),
        ("好看ですね", ["Han", "Han", "kana", "kana", "kana"]),
        ("좋은 영화", ["Hangul"] * 2),
        ("अच्छी فيلم ภ καλή טוב", ["Devanagari", "Arabic", "Thai", "Greek", "Hebrew"]),
        ("12 ٣ 4th", [DIGITS] * 3),
        ("😀 ? €", [SYMBOLS] * 3),
        ("\ufffd \U000e0041x", [SYMBOLS, SYMBOLS, "Latin"]),
        ("", []),
        ("...", []),
    ],
)
def test_the_script_of_each_token(text, scripts):
    found, counts = token_scripts([text, "a b"])
    assert found.tolist() == [*scripts, "Latin", "Latin"]
    assert counts.tolist() == [len(scripts), 2]
