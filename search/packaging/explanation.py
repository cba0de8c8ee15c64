"""Explains a prediction by leaving out one word at a time (occlusion, Zeiler & Fergus 2014).

A word's weight is how much the log-odds of the predicted class fall when the word is replaced by a
space. Weights hold for the whole model and this text only: two words that say the same have little
weight each.
"""

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
    probabilities: Callable[[Sequence[str]], Floats], labels: Sequence[Any], text: str
) -> Explanation:
    """Explains the most probable class of a text.

    Args:
        probabilities: maps texts to probabilities, (texts, classes).
        labels: the classes.
        text: the text.
    """
    flat, bounds = code_points(np.array([text], dtype=object))
    _, first, end, _ = spans(flat, bounds)
    places = tuple(zip(first[:MOST_WORDS].tolist(), end[:MOST_WORDS].tolist(), strict=True))
    texts = [text, *(f"{text[:begin]} {text[stop:]}" for begin, stop in places)]
    parts = [
        probabilities(texts[begin : begin + AT_A_TIME]) for begin in range(0, len(texts), AT_A_TIME)
    ]
    every = np.concatenate(parts)
    answer = int(every[0].argmax())
    p = np.clip(every[:, answer], LEAST, 1 - LEAST)
    odds = np.log(p / (1 - p))
    return Explanation(text, labels[answer], float(every[0, answer]), places, odds[0] - odds[1:])
