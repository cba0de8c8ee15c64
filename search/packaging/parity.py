"""The check of every exported file: in its own runtime it must give the same probabilities."""

import atexit
import contextlib
import json
import os
import random
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from search.errors import ParityError, SearchError
from search.evaluation.calibration import tempered
from search.packaging import runtimes
from search.tuning.objective import Numbers

PARITY = 1e-5  # of a probability
TEXTS = 500  # that a file is tried on, at least;
MADE = 150  # of them, at least so many were never written by anybody
SECONDS = 0.5  # for about how long single texts are timed
VERBS = {"convert": "converting it to", "run": "running it as"}  # requests

HARD = (
    *(
        "",
        " ",
        "\t\r\n",
        "!!!",
        "...?!",
        "[UNK]",
        "-",
        "\u00a0",
        "\ufeff",
        "\N{REPLACEMENT CHARACTER}",
    ),
    *("GOOD", "gOOd!", "good.bad", "good,bad", "don't", "don’t", "(well)made", "a-b-c", "<br />"),
    *(
        "naïve café",
        "nai\u0308ve cafe\u0301",
        "ÜBER über",
        "İstanbul ıı",
        "straße STRASSE",
        "ﬁne ﬁlm",
    ),
    *(
        "日本語のとても良い映画",
        "ดีมาก",
        "очень хорошо",
        "جيد جدا",
        "אהבתי",
        "πολύ ΚΑΛΌΣ",
        "बहुत अच्छी।",
        "재미있다 \u1112\u1161\u11ab\u1100\u116e\u11a8",
        "很好看 film",
        "კარგი, լավ՞ ጥሩ፧",
        "ထောက်ခံ ល្អណាស់",
        "ＧＲＥＡＴ \u202eturned",
        "\u0301a \u200d b\u0301\u0323",
        "😀👍🏽",
        "👩‍👩‍👧 family",
    ),
    *(
        "a\u00a0b\u2003c\u2028d\u0085e",
        "a\vb\fc\x1cd\x1fe",
        "zero\u200bwidth\u200djoiner",
        "tab\tbed",
    ),
    *(
        "1,000.50",
        "50%",
        "e-mail@example",
        "#tag",
        "C:\\new\\name",
        "\\n",
        "a_b",
        "~`^",
        "“quoted”",
    ),
)
"""Unicode, punctuation, nothing at all."""
LONG = ("word " * 3000, "x" * 20_000, "a " * 999 + "!", "good bad " * 600, "é" * 3000, "?" * 5000)


def hard_texts(words: tuple[str, ...], count: int, seed: int = 0) -> list[str]:
    """Adversarial texts: `HARD` ones, random mixtures of words and characters, and `LONG` ones.

    The long ones are the last, and so in the smallest batch, which is padded to their length.

    Args:
        words: known tokens.
        count: minimum number of texts.
        seed: of the mixtures.
    """
    generator = random.Random(seed)

    def word() -> str:
        if words and generator.random() < 0.8:
            return generator.choice(words)
        highest = generator.choice([0x80, 0x250, 0xD800])  # surrogates begin there
        return "".join(chr(generator.randrange(1, highest)) for _ in range(3))

    def changed(text: str) -> str:
        return generator.choice([text, text, text.upper(), text.title(), f"{text}!", f"({text})"])

    texts = list(HARD)
    while len(texts) < count - len(LONG):
        length = generator.choice([1, 2, 5, 20, 60])
        between = ("", " ", " ", " ", "  ", "\n", ", ", "-", "\u3000")
        parts = [changed(word()) + generator.choice(between) for _ in range(length)]
        texts.append("".join(parts))
    return [*texts, *LONG]


def tried_texts(written: list[str], words: tuple[str, ...]) -> list[str]:
    """The texts that a file is tried on: those that people wrote, and then `hard_texts`."""
    return [*written, *hard_texts(words, TEXTS - len(written))]


class Runtimes:
    """A process in which exported models run without this package."""

    def __init__(self) -> None:
        self._one = threading.Lock()  # at a time: an answer is that of the last request
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            [sys.executable, "-I", runtimes.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            encoding="utf-8",
        )
        atexit.register(self.close)

    def ask(self, **request: Any) -> dict[str, Any]:
        """Sends a request and returns the answer; see `search.packaging.runtimes`.

        Raises:
            SearchError: it failed; the message says why.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._one:
            try:
                self._process.stdin.write(json.dumps(request) + "\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline()
            except BrokenPipeError:
                line = ""
        if not line:
            started.cache_clear()  # the next one who asks gets a new process
            code = self._process.wait()
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise SearchError(
                f"{request['path']}: the process that tries it as {request['format']} {how}, "
                "perhaps for lack of memory. Nothing was written; the same command tries again"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SearchError(
                f"{request['path']}: {VERBS[request['do']]} {request['format']} failed: "
                f"{answer['error']}"
            )
        return answer

    def close(self) -> None:
        """Ends the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()


@cache
def started() -> Runtimes:
    """The one process of this one; to call it early lets it import TensorFlow meanwhile."""
    return Runtimes()


def check_parity(
    path: Path,
    format: str,
    texts: list[str],
    expected: Numbers,
    temperature: float = 1.0,
    timed: int = 1,
) -> dict[str, Any]:
    """Runs an exported model in its own runtime, and compares its probabilities.

    Args:
        path: the file or folder.
        format: keras, saved_model, onnx or litert.
        texts: the texts to run it on.
        expected: their probabilities before tempering, (texts, outputs).
        temperature: of the model.
        timed: how many of the first texts are real ones, to measure its speed on.

    Returns:
        parity (the largest difference, of the probabilities before or after tempering, whichever
        are more extreme), texts (their number), median_ms and p95_ms for one text,
        texts_per_second in batches.

    Raises:
        ParityError: a difference is larger than `PARITY`.
        SearchError: the model cannot be run.
    """
    answer = started().ask(
        do="run",
        format=format,
        path=str(path.absolute()),
        texts=texts,
        timed=timed,
        seconds=SECONDS,
    )
    given: Numbers = np.array(answer.pop("probabilities"), np.float32)
    wanted: npt.NDArray[np.floating[Any]] = expected
    if temperature < 1:
        wanted = tempered(wanted, temperature)
    elif temperature > 1:
        # The other way round: a float32 near 1 has too few digits left to be drawn away from it.
        given = tempered(given, 1 / temperature)
    differences = np.abs(given - wanted).max(axis=1)
    worst = int(differences.argmax())
    if not differences[worst] <= PARITY:
        own, other = (", ".join(f"{p:.7g}" for p in row[worst][:5]) for row in (given, wanted))
        raise ParityError(
            f"{path}: its probabilities differ from the search's by {differences[worst]:.2g}, for "
            f"the text {texts[worst][:60]!r}: {own} and {other}; does the network's result depend "
            "on the padding of a text (an Embedding without mask_zero)?"
        )
    rounded = {name: float(f"{value:.4g}") for name, value in answer.items()}
    return {"parity": float(differences[worst]), "texts": len(texts), **rounded}
