"""The audit of the data, before anything is trained.

It finds leaks between train, validation and test, repeated texts, texts with two labels, shortcuts
(Geirhos et al. 2020: tokens that predict the class but are not what should be learned), unbalanced
classes, splits in other scripts or of other words than train, and what no network sees: unknown
tokens and those behind `max_length`.
"""

import itertools
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from search.corpus.encode import OOV, Encoded, encode, learn_vocabulary
from search.corpus.labels import Reviews
from search.corpus.overlaps import AllRows, Overlap, Pair, contradictions, overlaps
from search.corpus.scripts import DIGITS, SYMBOLS, token_scripts
from search.corpus.shortcuts import Shortcut, shortcuts
from search.corpus.split import Rows
from search.corpus.store import Corpus, Split
from search.display import briefly

PERCENTILES = (50, 90, 95, 99, 100)
MAX_LENGTHS = (100, 200, 400, 800)
VOCABULARIES = (10_000, 30_000)
SHOWN_CLASSES, SHOWN_SHORTCUTS = 5, 3

SCRIPT_ROWS = 5_000  # of a split, evenly from all of it, whose scripts are looked at
SCRIPT_SHARE = 0.01  # of tokens, from which on a script is worth a word
UNLIKE = 0.1  # of tokens: so many more than train in other scripts, or unknown
IMBALANCE = 0.15  # of the largest class above an even share

Shares = dict[str, float]
_NONE: Shares = {"share": 0.0}


@dataclass(frozen=True)
class Audit:
    """The result of `audit`.

    Attributes:
        classes: by split, the number of rows of each class.
        guess: by split, the accuracy of always predicting the most frequent class of train.
        lengths: by split, percentiles of the number of tokens in a text; "100" is the longest.
        cut: by split and `max_length`, the share of "texts" and of "tokens" that are truncated.
        known: by split, the share of tokens covered by a vocabulary of "10000", "30000", or "all"
            training words.
        scripts: by split and script, its "share" of the tokens, and the share of these that do not
            occur in train, "unknown".
        expected: the expected share of unknown tokens in texts like those of train: the share of
            its tokens that occur once (Good 1953).
        overlaps: near-duplicates between splits (leaks) and within them.
        templated: rows in groups of near-duplicates that are too large to be kept together.
        conflicts: rows whose text has a different label elsewhere.
        conflict_examples: some of them.
        shortcuts: the most frequent first.
    """

    classes: dict[str, dict[str, int]]
    guess: Shares
    lengths: dict[str, dict[str, int]]
    cut: dict[str, dict[str, Shares]]
    known: dict[str, Shares]
    scripts: dict[str, dict[str, Shares]]
    expected: float
    overlaps: tuple[Overlap, ...]
    templated: int
    conflicts: int
    conflict_examples: tuple[Pair, ...]
    shortcuts: tuple[Shortcut, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns plain values for JSON, with the `lines`."""
        return {"lines": self.lines(), **asdict(self)}

    def lines(self) -> list[str]:
        """The lines to print, at most 17: leaks first, then other warnings, then facts."""
        leaks = [o for o in self.overlaps if o.rows and o.first != o.second]
        repeated = [o for o in self.overlaps if o.rows and o.first == o.second]
        lines = [
            f"LEAK: {o.second_rows / sum(self.classes[o.second].values()):.1%} of {o.second} "
            f"({_count(o.second_rows)}) is near-duplicate of {o.first} ({_count(o.rows)}, "
            f"{o.equal:,} of them equal), so the accuracy on {o.second} is too high. Remove them "
            f"from {o.first} with --remove-leaks, or give all rows as one file: its "
            f"near-duplicates go to one split. For example {o.examples[0]}"
            for o in leaks
        ]
        if self.templated:
            lines.append(
                f"{_count(self.templated)} follow templates of so many rows that only equal ones "
                "are kept in one split: the scores hold for these templates, not for other texts"
            )
        if self.conflicts:
            lines.append(
                f"{_count(self.conflicts)} have a text that is also there with another label. "
                f"For example {self.conflict_examples[0]}"
            )
        if self.shortcuts:
            lines.append(
                f"tokens that give a class away: "
                f"{_listed(map(str, self.shortcuts), SHOWN_SHORTCUTS)}. If they come from how the "
                "texts were collected, remove them: other texts will not have them"
            )
        even = 1 / len(self.classes["train"])
        if self.guess["train"] > even + IMBALANCE:
            name = max(self.classes["train"], key=self.classes["train"].__getitem__)
            shares = ", ".join(f"{share:.1%} on {split}" for split, share in self.guess.items())
            f1 = "val_f1"
            if len(self.classes["train"]) == 2:
                rarer = min(self.classes["train"], key=self.classes["train"].__getitem__)
                f1 += f" (of {rarer!r} alone with --positive {shlex.quote(rarer)})"
            lines.append(
                f"UNBALANCED: always guessing {name!r} has an accuracy of {shares}, and a balanced "
                f"accuracy of {even:.1%}; think of --objective val_balanced_accuracy, "
                f"val_auc or {f1}, and of --class-weight balanced"
            )
        lines += self._unlike()
        lines.append("rows: " + "; ".join(map(self._rows, self.classes)))
        within = ", ".join(f"{o.rows:,} in {o.first} ({o.equal:,} equal)" for o in repeated)
        lines.append(
            f"near-duplicates within a split: {within or 'none'}"
            + ("; in different splits: none" if not leaks and len(self.classes) > 1 else "")
        )
        lengths = ", ".join(f"{n:,} at {p}%" for p, n in self.lengths["train"].items())
        lines.append(f"tokens of a text: {lengths}")
        cuts = [
            f"{most} cuts {cut['texts']:.1%} of texts, {cut['tokens']:.1%} of tokens"
            for most, cut in self.cut["train"].items()
            if cut["texts"]
        ]
        if cuts:
            lines.append(f"max_length {'; '.join(cuts)}")
        known = [
            f"{split} {', '.join(f'{share:.1%}' for share in shares.values())}"
            for split, shares in self.known.items()
            if split != "train"
        ]
        if known:
            sizes = " or ".join(f"{size:,}" for size in VOCABULARIES)
            lines.append(
                f"share of tokens covered by a vocabulary of {sizes}, or all training words: "
                f"{'; '.join(known)}"
            )
        lines += self._written()
        return lines

    def _unlike(self) -> Iterator[str]:
        """Of splits that are unlike train."""
        own = self.scripts["train"]
        for split, known in self.known.items():
            theirs, unknown = self.scripts[split], 1 - known["all"]
            more = {n: found["share"] - own.get(n, _NONE)["share"] for n, found in theirs.items()}
            if sum(share for share in more.values() if share > 0) >= UNLIKE:
                script = max(more, key=more.__getitem__)
                shares = (s.get(script, _NONE)["share"] for s in (theirs, own))
                yield (
                    f"DIFFERENT: {split} is written in other scripts than train: {script} is "
                    "{:.1%} of its tokens, and {:.1%} of train's".format(*shares)
                )
            if split != "train" and unknown - self.expected >= UNLIKE:
                yield (
                    f"DIFFERENT: {unknown:.1%} of the tokens of {split} do not occur in train; of "
                    f"texts like train's it would be about {self.expected:.1%}. Is it of another "
                    "source, subject or language?"
                )

    def _written(self) -> Iterator[str]:
        """Of the scripts, if there are several."""
        many = {
            split: {n: found for n, found in scripts.items() if found["share"] >= SCRIPT_SHARE}
            for split, scripts in self.scripts.items()
        }
        if len({name for found in many.values() for name in found} - {DIGITS, SYMBOLS}) < 2:
            return
        for what, splits in (("share", many), ("unknown", {**many, "train": {}})):
            shares = "; ".join(
                f"{split} "
                + ", ".join(f"{name} {found[what]:.1%}" for name, found in there.items())
                for split, there in splits.items()
                if there
            )
            if shares:
                yield f"{'scripts of tokens' if what == 'share' else 'unknown tokens'}: {shares}"

    def _rows(self, split: str) -> str:
        total = sum(self.classes[split].values())
        largest = sorted(self.classes[split].items(), key=lambda item: -item[1])
        shares = (f"{briefly(name)} {rows / total:.1%}" for name, rows in largest)
        return f"{split} {total:,} ({_listed(shares, SHOWN_CLASSES)})"


def audit(
    splits: dict[str, Reviews],
    corpus: Corpus | None = None,
) -> Audit:
    """Looks for problems that make scores wrong or a search useless.

    Args:
        splits: train, validation and test, as `read_splits` returns them; the latter are optional.
        corpus: the result of `encode_splits` for them, if it was computed already.
    """
    splits = {name: part for name, part in splits.items() if len(part.texts)}
    train = splits["train"]
    encoded, vocabulary = _encoded(splits, corpus)
    counts = {
        name: np.bincount(part.labels, minlength=len(train.class_names))
        for name, part in splits.items()
    }
    majority = counts["train"].argmax()
    lengths = {name: np.diff(offsets) for name, (_, offsets) in encoded.items()}
    learned = int(encoded["train"][0].max()) + 1  # behind them are tokens of unlabelled texts
    rows = AllRows.of(splits)
    conflicts, conflict_examples = contradictions(rows)
    return Audit(
        classes={
            name: dict(zip(train.class_names, number.tolist(), strict=True))
            for name, number in counts.items()
        },
        guess={name: float(number[majority] / number.sum()) for name, number in counts.items()},
        lengths={name: _percentiles(tokens) for name, tokens in lengths.items()},
        cut={name: _cut(tokens) for name, tokens in lengths.items()},
        known={name: _known(ids, learned) for name, (ids, _) in encoded.items()},
        scripts={name: _scripts(part, encoded[name], learned) for name, part in splits.items()},
        expected=_once(encoded["train"], rows.equal[: len(train.texts)]),
        overlaps=tuple(overlaps(rows)),
        templated=rows.templated,
        conflicts=conflicts,
        conflict_examples=conflict_examples,
        shortcuts=tuple(shortcuts(encoded["train"], train, vocabulary)),
    )


def _encoded(
    splits: dict[str, Reviews], corpus: Corpus | None
) -> tuple[dict[str, Encoded], tuple[str, ...]]:
    """The splits in ids, and the tokens of the ids from 2 on."""
    if corpus is not None:
        known: dict[str, Split] = {name: getattr(corpus, name) for name in splits}
        return {name: (s.ids, s.offsets) for name, s in known.items()}, corpus.vocabulary
    vocabulary, [train] = learn_vocabulary(splits["train"].texts)
    others = {name: part.texts for name, part in splits.items() if name != "train"}
    encoded = {name: encode(texts, vocabulary) for name, texts in others.items()}
    return {"train": train, **encoded}, vocabulary


def _percentiles(lengths: Rows) -> dict[str, int]:
    found = np.percentile(lengths, PERCENTILES, method="inverted_cdf")
    return {str(p): int(length) for p, length in zip(PERCENTILES, found, strict=True)}


def _cut(lengths: Rows) -> dict[str, Shares]:
    beyond = {str(most): np.maximum(lengths - most, 0) for most in MAX_LENGTHS}
    return {
        most: {"texts": float((cut > 0).mean()), "tokens": float(cut.sum() / lengths.sum())}
        for most, cut in beyond.items()
    }


def _known(ids: npt.NDArray[np.int32], learned: int) -> Shares:
    sizes = {str(size): min(size, learned) for size in VOCABULARIES} | {"all": learned}
    return {name: float(((ids > OOV) & (ids < size)).mean()) for name, size in sizes.items()}


def _scripts(part: Reviews, encoded: Encoded, learned: int) -> dict[str, Shares]:
    """The scripts of one split, the most frequent first."""
    ids, offsets = encoded
    count = len(part.texts)
    rows = np.unique(np.linspace(0, count - 1, min(count, SCRIPT_ROWS)).astype(np.int64))
    names, counts = token_scripts(part.texts[rows])
    # A text without a token has an id all the same.
    tokens = [ids[offsets[r] : offsets[r] + n] for r, n in zip(rows, counts, strict=True)]
    there = np.concatenate(tokens)
    unknown = (there <= OOV) | (there >= learned)
    found = {
        str(name): {
            "share": float((names == name).mean()),
            "unknown": float(unknown[names == name].mean()),
        }
        for name in dict.fromkeys(names.tolist())
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]["share"]))


def _once(encoded: Encoded, equal: Rows) -> float:
    """The share of tokens that occur once; equal texts count as one."""
    ids, offsets = encoded
    first = np.zeros(len(equal), bool)
    first[np.unique(equal, return_index=True)[1]] = True
    there = ids[np.repeat(first, np.diff(offsets))]
    return float((np.bincount(there) == 1).sum() / len(there))


def _count(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _listed(things: Iterator[str], most: int) -> str:
    """The first few, and an ellipsis for the others."""
    first = list(itertools.islice(things, most))
    return ", ".join([*first, "…"] if next(things, None) is not None else first)
