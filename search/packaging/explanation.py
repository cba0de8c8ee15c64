"""Which words carried an answer: by leaving out one at a time (occlusion, Zeiler & Fergus 2014).

A word's weight is how much the log-odds of the answer fall when a space stands in its place. That
is of the model with its networks and n-gram models, and of this text: words that say the same twice
have little weight each.
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
    """An answer, and what each word of its text adds to it. It shows itself in a notebook.

    Attributes:
        text: as it was given.
        label: the answer.
        probability: of it.
        places: where each word begins and ends in the text, in order.
        weights: of each word, shape (words,): above 0 for those that speak for the answer.
    """

    text: str
    label: Any
    probability: float
    places: tuple[tuple[int, int], ...]
    weights: Floats

    @property
    def words(self) -> list[tuple[str, float]]:
        """The words with their weights, as they stand in the text."""
        pairs = zip(self.places, self.weights.tolist(), strict=True)
        return [(self.text[begin:end], weight) for (begin, end), weight in pairs]

    def __str__(self) -> str:
        """The words that weigh most, in one line."""
        heaviest = sorted(self.words, key=lambda word: -abs(word[1]))[:SHOWN]
        return ", ".join(f"{weight:+.2f} {visible(word)}" for word, weight in heaviest)

    def _repr_html_(self) -> str:
        """The text with its words marked: blue for the answer, orange against it."""
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
    """What the words of a text add to the most probable class.

    Args:
        probabilities: gives those of every class for some texts, shape (texts, classes).
        labels: the classes.
        text: what to explain.
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
