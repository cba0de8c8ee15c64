"""Predictions for texts line by line, as text or JSON, and a pipe that is answered at once."""

import json
import os
from collections.abc import Iterator

from search.errors import DataError
from search.packaging.classifier import Classifier

BLOCK = 65_536  # bytes; what a pipe holds
LONGEST_LINE = 8_000_000  # bytes
DIGITS = 6  # of a probability


def answer_lines(
    classifier: Classifier, texts: list[str], *, as_json: bool, explain: bool = False
) -> Iterator[str]:
    """Returns one line for each text.

    Args:
        classifier: the model.
        texts: at least one.
        as_json: whether a line is an object with text, label, probability (of the label), abstain
            (true, false, or null without a threshold) and probabilities (of every class);
            otherwise it is label, probability, "abstain" or "-", and the text, separated by tabs.
        explain: whether to append the words with the largest weights, after another tab; with
            `as_json` all words.
    """
    answers = classifier.classify(texts)
    names = classifier.description.class_names
    for row, text in enumerate(texts):
        label, probability = answers.labels[row], round(float(answers.probability[row]), DIGITS)
        abstain = None if answers.abstain is None else bool(answers.abstain[row])
        if not as_json:
            mark = "abstain" if abstain else "-"
            name = " ".join(label.split())
            line = f"{name}\t{probability:.4f}\t{mark}\t{' '.join(text.splitlines())}"
            yield f"{line}\t{classifier.explain(text)}" if explain else line
            continue
        every = zip(names, answers.probabilities[row].round(DIGITS).tolist(), strict=True)
        plain = {"text": text, "label": label, "probability": probability, "abstain": abstain}
        plain["probabilities"] = dict(every)
        if explain:
            words = classifier.explain(text).words
            plain["words"] = [[word, round(weight, DIGITS)] for word, weight in words]
        yield json.dumps(plain, ensure_ascii=False)


def texts_of(descriptor: int) -> Iterator[list[str]]:
    """Yields lines as they arrive, all that are available at a time.

    So a typed line is answered at once, and a file in large batches.

    Args:
        descriptor: of a file, a pipe or a terminal.

    Raises:
        DataError: a line is not UTF-8, or is not a text.
    """
    number = 0
    for lines in _lines(descriptor):
        texts = []
        for line in lines:
            number += 1
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            try:
                text = line.removesuffix(b"\r").decode()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"standard input: line {number} has the byte 0x{line[error.start]:02x}, which "
                    "is not UTF-8"
                ) from error
            if "\0" in text:
                raise DataError(f"standard input: line {number} has a NUL character")
            texts.append(text)
        yield texts


def _lines(descriptor: int) -> Iterator[list[bytes]]:
    rest = b""
    while block := os.read(descriptor, BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        if lines:
            yield lines
        if len(rest) > LONGEST_LINE:
            raise DataError(f"standard input: has a line of more than {LONGEST_LINE:,} bytes")
    if rest:
        yield [rest]
