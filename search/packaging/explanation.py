"""Explains a prediction by leaving out one word at a time (occlusion, Zeiler & Fergus 2014).

A word's weight is how much the log-odds of the predicted class fall when the word is replaced by a
space. Weights hold for the whole model and this text only: two words that say the same have little
weight each.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from search.corpus.tokens import code_points, spans
from search.display import visible

MOST_WORDS = 1000  # that are left out in turn: those of a longer text's beginning
AT_A_TIME = 200  # texts
LEAST = 1e-6  # probability, for its logarithm
SHOWN = 5  # words in a line
LEAST_WEIGHT = 0.05  # of a word that is said to have decided
_DECIDED = re.compile(r"(\S+) ([+-]\d+\.\d\d)(?:, |$)")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """A prediction with the weight of each word of its text; displayed in a notebook.

    Attributes:
        text: the text.
        label: the predicted class.
        probability: its probability.
        places: start and end of each word in the text, in order.
        weights: of each word, shape (words,); positive for words in favour of the prediction.
    """

    text: str
    label: Any
    probability: float
    places: tuple[tuple[int, int], ...]
    weights: Floats

    @property
    def words(self) -> list[tuple[str, float]]:
        """The words and their weights, in the order of the text."""
        pairs = zip(self.places, self.weights.tolist(), strict=True)
        return [(self.text[begin:end], weight) for (begin, end), weight in pairs]

    def __str__(self) -> str:
        """The words with the largest weights, in one line."""
        heaviest = sorted(self.words, key=lambda word: -abs(word[1]))[:SHOWN]
        return ", ".join(f"{weight:+.2f} {visible(word)}" for word, weight in heaviest)

    def _repr_html_(self) -> str:
        """The text with its words marked: blue for the predicted class, orange against it."""
        most = float(np.abs(self.weights).max(initial=LEAST))
        html, done = Markup("<p>{}, {:.3f}: ").format(visible(self.label), self.probability), 0
        for (begin, end), weight in zip(self.places, self.weights.tolist(), strict=True):
            colour = "31, 119, 180" if weight > 0 else "255, 127, 14"
            html += visible(self.text[done:begin])
            style = f"color: inherit; background: rgba({colour}, {abs(weight) / most:.2f})"
            html += Markup('<mark style="{}" title="{:+.2f}">{}</mark>').format(
                style, weight, visible(self.text[begin:end])
            )
            done = end
        return str(html + visible(self.text[done:]) + Markup("</p>"))


def explained(
    probabilities: Callable[[Sequence[str]], Floats],
    labels: Sequence[Any],
    text: str,
    *,
    label: Any = None,
    most: int = MOST_WORDS,
) -> Explanation:
    """Explains a class of a text.

    Args:
        probabilities: maps texts to probabilities, (texts, classes).
        labels: the classes.
        text: the text.
        label: the class; by default the most probable one.
        most: number of words that get a weight, from the first.
    """
    flat, bounds = code_points(np.array([text], dtype=object))
    _, first, end, _ = spans(flat, bounds)
    places = tuple(zip(first[:most].tolist(), end[:most].tolist(), strict=True))
    texts = [text, *(f"{text[:begin]} {text[stop:]}" for begin, stop in places)]
    parts = [
        probabilities(texts[begin : begin + AT_A_TIME]) for begin in range(0, len(texts), AT_A_TIME)
    ]
    every = np.concatenate(parts)
    answer = int(every[0].argmax()) if label is None else list(labels).index(label)
    p = np.clip(every[:, answer], LEAST, 1 - LEAST)
    odds = np.log(p / (1 - p))
    return Explanation(text, labels[answer], float(every[0, answer]), places, odds[0] - odds[1:])


def decided_by(explanation: Explanation) -> str:
    """The words with the largest weights in one line, such as "dull +2.10, long +0.52"."""
    heaviest = sorted(explanation.words, key=lambda word: -abs(word[1]))[:SHOWN]
    some = {visible(word): weight for word, weight in heaviest if abs(weight) >= LEAST_WEIGHT}
    return ", ".join(f"{word} {weight:+.2f}" for word, weight in some.items())


def marked(text: str, decided: str) -> Markup:
    """A text as HTML with the words of `decided_by` marked, wherever they stand.

    Each has its weight beside it, so that nobody needs to see colours.
    """
    text = visible(text)
    weights = {word: float(weight) for word, weight in _DECIDED.findall(decided)}
    flat, bounds = code_points(np.array([text], dtype=object))
    _, first, end, _ = spans(flat, bounds)
    html, done = Markup(), 0
    for begin, stop in zip(first.tolist(), end.tolist(), strict=True):
        weight = weights.get(text[begin:stop])
        if weight is None:
            continue
        html += text[done:begin]
        html += Markup('<mark class="{}">{}<sup>{:+.1f}</sup></mark>').format(
            "for" if weight > 0 else "against", text[begin:stop], weight
        )
        done = stop
    return html + text[done:]
