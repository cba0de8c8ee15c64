"""What words add to an answer: exactly, of a model that is known; of ours, by leaving out."""

import json

import numpy as np
import pytest

import search
from search.packaging.explanation import AT_A_TIME, MOST_WORDS, decided_by, explained, marked
from search.packaging.lines import answer_lines
from tests.conftest import run_here

WEIGHTS = {"good": 2.0, "bad": -3.0, "很": 1.0}


def known(texts):
    """Log-odds that are sums over words."""
    found = [sum(w * text.lower().count(word) for word, w in WEIGHTS.items()) for text in texts]
    p = 1 / (1 + np.exp(-np.array(found)))
    return np.stack([1 - p, p], axis=1)


def test_weights_are_what_the_words_add():
    text = "A GOOD film, not bad; 很x"
    found = explained(known, ("no", "yes"), text)
    assert found.label in ("no", "yes") and found.probability == pytest.approx(0.5)
    sign = 1 if found.label == "yes" else -1
    weights = {word: weight * sign for word, weight in found.words}
    assert list(weights) == ["A", "GOOD", "film", "not", "bad", "很", "x"]
    np.testing.assert_allclose(list(weights.values()), [0, 2, 0, 0, -3, 1, 0], atol=1e-9)
    assert str(found).startswith(f"{-3 * sign:+.2f} bad, {2 * sign:+.2f} GOOD")


def test_a_page_shows_the_whole_text_and_nothing_acts():
    html = explained(known, ("no", "yes"), "a good <script>x</script> \x1b[2J film")._repr_html_()
    assert "<script" not in html and "\x1b" not in html
    assert 'title="+2.00">good</mark>' in html and "film</mark></p>" in html


def test_words_that_decided_are_marked_without_colours():
    text = "A GOOD film & bad <b>good</b> 很"
    line = decided_by(explained(known, ("no", "yes"), text, label="yes"))
    assert line == "bad -3.00, GOOD +2.00, good +2.00, 很 +1.00"
    html = str(marked(text, line))
    assert html == (
        'A <mark class="for">GOOD<sup>+2.0</sup></mark> film &amp; '
        '<mark class="against">bad<sup>-3.0</sup></mark> &lt;b&gt;'
        '<mark class="for">good<sup>+2.0</sup></mark>&lt;/b&gt; '
        '<mark class="for">很<sup>+1.0</sup></mark>'
    )
    assert marked("<i>\x1b film", "") == "&lt;i&gt;� film"
    few = explained(known, ("no", "yes"), "good bad", label="no", most=1)
    assert decided_by(few) == "good -2.00"


def test_texts_without_words_and_very_long_ones():
    assert explained(known, ("no", "yes"), " . ").words == []
    calls = []
    found = explained(lambda some: calls.append(len(some)) or known(some), "ny", "good " * 1500)
    assert len(found.words) == MOST_WORDS and max(calls) == AT_A_TIME


def test_a_model_explains_itself(model_file):
    model, text = search.load(model_file), "a warm and funny film"
    found = model.explain(text)
    assert [word for word, _ in found.words] == text.split()
    at = model.description.class_names.index(found.label)
    with_word, without = model.predict_proba([text, "a   and funny film"])[:, at]
    odds = np.log(with_word / (1 - with_word)) - np.log(without / (1 - without))
    assert found.weights[1] == pytest.approx(odds, abs=1e-5)
    [line] = answer_lines(model, [text], as_json=True, explain=True)
    assert [word for word, _ in json.loads(line)["words"]] == text.split()
    with pytest.raises(TypeError, match="found None"):
        model.explain(None)


def test_the_command_explains(model_file):
    done = run_here("search.predict", "--model", model_file, "--explain", "warm and funny")
    *_, text, words = done.stdout.rstrip("\n").split("\t")
    assert (done.returncode, text) == (0, "warm and funny")
    assert {word.split()[1] for word in words.split(", ")} == {"warm", "and", "funny"}
    done = run_here("search.predict", "--explain", "--file", "r.csv")
    assert done.returncode == 2 and "--explain cannot be used with --file" in done.stderr
