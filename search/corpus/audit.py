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

from search.corpus.duplicates import near_duplicates
from search.corpus.encode import OOV, Encoded, encode, learn_vocabulary
from search.corpus.labels import Reviews
from search.corpus.scripts import DIGITS, SYMBOLS, token_scripts
from search.corpus.split import Rows, equal_texts, kept_together
from search.corpus.store import Corpus

PERCENTILES = (50, 90, 95, 99, 100)
MAX_LENGTHS = (100, 200, 400, 800)
VOCABULARIES = (10_000, 30_000)
EXAMPLES, SHOWN_CHARACTERS = 5, 80
SHOWN_CLASSES, SHOWN_SHORTCUTS = 5, 3

SHORTCUT_ROWS = 0.01  # of train: fewer do not matter
SHORTCUT_CLASS_ROWS = 0.2  # of a class: words of sentiment do not stand in as many ...
SHORTCUT_PURITY = 0.98  # ... and hardly in other classes
SHORTCUT_CHANCE = 0.001  # that by chance any token of the data looks like one
SCRIPT_ROWS = 5_000  # of a side, evenly from all of it, whose scripts are looked at
SCRIPT_SHARE = 0.01  # of tokens, from which on a script is worth a word
UNLIKE = 0.1  # of tokens: so many more than train in other scripts, or unknown
IMBALANCE = 0.15  # of the largest class above an even share

Shares = dict[str, float]
_NONE: Shares = {"share": 0.0}
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Two similar rows, numbered as in `Reviews.where`, and the beginning of the first."""

    first: str
    first_row: int | str
    second: str
    second_row: int | str
    text: str

    def __str__(self) -> str:
        rows = f"{self.first} row {self.first_row} and {self.second} row {self.second_row}"
        return f"{rows}: {self.text!r}"


@dataclass(frozen=True)
class Overlap:
    """Near-duplicates between two splits or, if both are the same, within one.

    Attributes:
        first, second: the splits.
        rows: of `first`, with a near-duplicate in `second`, or earlier in the same split.
        second_rows: of `second`, with a near-duplicate in `first`.
        equal: those of `rows` with the same text except for case and white space.
        examples: some of them.
    """

    first: str
    second: str
    rows: int
    second_rows: int
    equal: int
    examples: tuple[Pair, ...]


@dataclass(frozen=True)
class Shortcut:
    """A token that predicts a class on its own.

    Attributes:
        token, class_name: the token and the class.
        class_share: share of the class' training rows that have the token.
        purity: share of the training rows with the token that are of the class.
    """

    token: str
    class_name: str
    class_share: float
    purity: float

    def __str__(self) -> str:
        return (
            f"{self.token!r} (in {self.class_share:.0%} of {self.class_name!r}, to which "
            f"{self.purity:.1%} of the texts with it belong)"
        )


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
            f"near-duplicates go to one side. For example {o.examples[0]}"
            for o in leaks
        ]
        if self.templated:
            lines.append(
                f"{_count(self.templated)} follow templates of so many rows that only equal ones "
                "are kept on one side: the scores hold for these templates, not for other texts"
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
            shares = ", ".join(f"{share:.1%} on {side}" for side, share in self.guess.items())
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
            f"near-duplicates within a side: {within or 'none'}"
            + ("; on different sides: none" if not leaks and len(self.classes) > 1 else "")
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
            f"{side} {', '.join(f'{share:.1%}' for share in shares.values())}"
            for side, shares in self.known.items()
            if side != "train"
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
        """Of sides that are unlike train."""
        own = self.scripts["train"]
        for side, known in self.known.items():
            theirs, unknown = self.scripts[side], 1 - known["all"]
            more = {n: found["share"] - own.get(n, _NONE)["share"] for n, found in theirs.items()}
            if sum(share for share in more.values() if share > 0) >= UNLIKE:
                script = max(more, key=more.__getitem__)
                shares = (s.get(script, _NONE)["share"] for s in (theirs, own))
                yield (
                    f"DIFFERENT: {side} is written in other scripts than train: {script} is "
                    "{:.1%} of its tokens, and {:.1%} of train's".format(*shares)
                )
            if side != "train" and unknown - self.expected >= UNLIKE:
                yield (
                    f"DIFFERENT: {unknown:.1%} of the tokens of {side} do not occur in train; of "
                    f"texts like train's it would be about {self.expected:.1%}. Is it of another "
                    "source, subject or language?"
                )

    def _written(self) -> Iterator[str]:
        """Of the scripts, if there are several."""
        many = {
            side: {n: found for n, found in scripts.items() if found["share"] >= SCRIPT_SHARE}
            for side, scripts in self.scripts.items()
        }
        if len({name for found in many.values() for name in found} - {DIGITS, SYMBOLS}) < 2:
            return
        for what, sides in (("share", many), ("unknown", {**many, "train": {}})):
            told = "; ".join(
                f"{side} " + ", ".join(f"{name} {found[what]:.1%}" for name, found in there.items())
                for side, there in sides.items()
                if there
            )
            if told:
                yield f"{'scripts of tokens' if what == 'share' else 'unknown tokens'}: {told}"

    def _rows(self, side: str) -> str:
        total = sum(self.classes[side].values())
        largest = sorted(self.classes[side].items(), key=lambda item: -item[1])
        shares = (f"{name} {rows / total:.1%}" for name, rows in largest)
        return f"{side} {total:,} ({_listed(shares, SHOWN_CLASSES)})"


def audit(
    sides: dict[str, Reviews],
    corpus: Corpus | None = None,
) -> Audit:
    """Looks for problems that make scores wrong or a search useless.

    Args:
        sides: train, validation and test, as `read_sides` returns them; the latter are optional.
        corpus: the result of `encode_sides` for them, if it was computed already.
    """
    sides = {name: part for name, part in sides.items() if len(part.texts)}
    train = sides["train"]
    encoded, vocabulary = _encoded(sides, corpus)
    counts = {
        name: np.bincount(part.labels, minlength=len(train.class_names))
        for name, part in sides.items()
    }
    majority = counts["train"].argmax()
    lengths = {name: np.diff(offsets) for name, (_, offsets) in encoded.items()}
    learned = int(encoded["train"][0].max()) + 1  # behind them are tokens of unlabelled texts
    rows = _all_rows(sides)
    conflicts, conflict_examples = _conflicts(rows)
    return Audit(
        classes={
            name: dict(zip(train.class_names, number.tolist(), strict=True))
            for name, number in counts.items()
        },
        guess={name: float(number[majority] / number.sum()) for name, number in counts.items()},
        lengths={name: _percentiles(tokens) for name, tokens in lengths.items()},
        cut={name: _cut(tokens) for name, tokens in lengths.items()},
        known={name: _known(ids, learned) for name, (ids, _) in encoded.items()},
        scripts={name: _scripts(part, encoded[name], learned) for name, part in sides.items()},
        expected=_once(encoded["train"], rows.equal[: len(train.texts)]),
        overlaps=tuple(_overlaps(rows)),
        templated=rows.templated,
        conflicts=conflicts,
        conflict_examples=conflict_examples,
        shortcuts=tuple(_shortcuts(encoded["train"], train, vocabulary)),
    )


def leaking_rows(sides: dict[str, Reviews]) -> dict[str, Rows]:
    """The rows to remove so that no text is in two splits.

    Args:
        sides: as for `audit`.

    Returns:
        Positions, ascending. "train": those of its rows with a near-duplicate in validation or
        test. "validation": those of its rows with one in test.
    """
    rows = _all_rows(sides)
    own = {name: rows.near[rows.side == name] for name in ("train", "validation", "test")}
    scored = np.concatenate([own["validation"], own["test"]])
    return {
        "train": np.flatnonzero(np.isin(own["train"], scored)),
        "validation": np.flatnonzero(np.isin(own["validation"], own["test"])),
    }


@dataclass(frozen=True)
class _Rows:
    """The rows of all splits, concatenated: arrays of shape (rows,)."""

    side: npt.NDArray[np.str_]
    where: npt.NDArray[np.object_]
    texts: npt.NDArray[np.object_]
    labels: npt.NDArray[np.int32]
    near: Rows
    equal: Rows
    templated: int

    def pair(self, *rows: int) -> Pair:
        named = []
        for row in rows:
            where = self.where[row]
            named.append((str(self.side[row]), where if isinstance(where, int) else str(where)))
        (first, first_row), (second, second_row) = named
        return Pair(first, first_row, second, second_row, self.texts[rows[0]][:SHOWN_CHARACTERS])


def _all_rows(sides: dict[str, Reviews]) -> _Rows:
    parts = sides.values()
    texts = np.concatenate([part.texts for part in parts])
    known = [part.groups for part in parts if part.groups is not None]
    alike = np.concatenate(known) if len(known) == len(parts) else near_duplicates(texts)
    near = kept_together(texts, alike)
    pieces = np.bincount(alike[np.unique(near, return_index=True)[1]], minlength=alike.max() + 1)
    return _Rows(
        side=np.repeat(list(sides), [len(part.texts) for part in parts]),
        where=np.concatenate([part.where for part in parts]),
        texts=texts,
        labels=np.concatenate([part.labels for part in parts]),
        near=near,
        equal=equal_texts(texts),
        templated=int((pieces[alike] > 1).sum()),
    )


def _overlaps(rows: _Rows) -> Iterator[Overlap]:
    own = {name: np.flatnonzero(rows.side == name) for name in dict.fromkeys(rows.side.tolist())}
    for (first, a), (second, b) in itertools.combinations(own.items(), 2):
        alike = a[np.isin(rows.near[a], rows.near[b])]
        second_rows = int(np.isin(rows.near[b], rows.near[a]).sum())
        equal = int(np.isin(rows.equal[a], rows.equal[b]).sum())
        yield Overlap(first, second, len(alike), second_rows, equal, _examples(rows, alike, b))
    for name, a in own.items():
        later = np.setdiff1d(a, a[np.unique(rows.near[a], return_index=True)[1]])
        equal = len(a) - len(np.unique(rows.equal[a]))
        yield Overlap(name, name, len(later), len(later), equal, _examples(rows, later, a))


def _examples(rows: _Rows, alike: Rows, others: Rows) -> tuple[Pair, ...]:
    """Some rows, each with the first similar one of the others."""
    return tuple(
        rows.pair(row, int(others[np.argmax(rows.near[others] == rows.near[row])]))
        for row in alike[:EXAMPLES].tolist()
    )


def _conflicts(rows: _Rows) -> tuple[int, tuple[Pair, ...]]:
    first = np.unique(rows.equal, return_index=True)[1][rows.equal]
    other = np.flatnonzero(rows.labels != rows.labels[first])
    examples = [rows.pair(int(first[row]), row) for row in other[:EXAMPLES].tolist()]
    return int(np.isin(rows.equal, rows.equal[other]).sum()), tuple(examples)


def _encoded(
    sides: dict[str, Reviews], corpus: Corpus | None
) -> tuple[dict[str, Encoded], tuple[str, ...]]:
    """The sides in ids, and the tokens of the ids from 2 on."""
    if corpus is not None:
        splits = {name: getattr(corpus, name) for name in sides}
        return {name: (s.ids, s.offsets) for name, s in splits.items()}, corpus.vocabulary
    vocabulary, [train] = learn_vocabulary(sides["train"].texts)
    others = {name: part.texts for name, part in sides.items() if name != "train"}
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


def _shortcuts(encoded: Encoded, train: Reviews, vocabulary: tuple[str, ...]) -> Iterator[Shortcut]:
    ids, offsets = encoded
    row = np.repeat(np.arange(len(train.labels)), np.diff(offsets))
    shape = len(train.class_names), int(ids.max()) + 1
    class_rows = np.bincount(train.labels, minlength=shape[0])

    def by_class(rows: npt.NDArray[np.integer], tokens: npt.NDArray[np.integer]) -> Rows:
        codes = train.labels[rows].astype(np.int64) * shape[1] + tokens
        return np.bincount(codes, minlength=shape[0] * shape[1]).reshape(shape)

    # A token occurs at least as often as there are texts with it: few deserve to be counted.
    enough = np.maximum(SHORTCUT_CLASS_ROWS * class_rows, 1)
    frequent = (by_class(row, ids) >= enough[:, None]).any(axis=0)
    frequent[: OOV + 1] = False
    counted = frequent[ids]
    codes = np.sort(row[counted] * shape[1] + ids[counted])
    texts = by_class(*np.divmod(codes[np.diff(codes, prepend=-1) > 0], shape[1]))
    together, inside, of = texts.sum(axis=0), texts.max(axis=0), texts.argmax(axis=0)
    purity = inside / np.maximum(together, 1)
    share = inside / np.maximum(class_rows[of], 1)
    evidence = together * _divergence(purity, class_rows[of] / len(train.labels))
    wanted = (
        (together >= SHORTCUT_ROWS * len(train.labels))
        & (inside >= enough[of])
        & (purity >= SHORTCUT_PURITY)
        & (evidence > np.log(shape[1] / SHORTCUT_CHANCE))  # Chernoff's bound, for all tokens
    )
    for token in sorted(np.flatnonzero(wanted).tolist(), key=lambda token: -share[token]):
        name = train.class_names[of[token]]
        yield Shortcut(vocabulary[token - 2], name, float(share[token]), float(purity[token]))


def _divergence(found: Floats, expected: Floats) -> Floats:
    """Of two shares (Kullback & Leibler); 0 where less is found than expected."""
    with np.errstate(divide="ignore", invalid="ignore"):
        yes = found * np.log(found / expected)
        no = (1 - found) * np.log((1 - found) / (1 - expected))
    result: Floats = np.where(found > expected, yes + np.nan_to_num(no), 0)
    return result


def _count(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _listed(things: Iterator[str], most: int) -> str:
    """The first few, and an ellipsis for the others."""
    first = list(itertools.islice(things, most))
    return ", ".join([*first, "…"] if next(things, None) is not None else first)
