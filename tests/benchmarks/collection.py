"""`python -m tests.benchmarks.collection FOLDER`: the default command and its peers, on many sets.

FOLDER has a folder for each data set, with train, validation and test as .parquet or .csv files of
the columns text and label. For each and each seed the default command searches, and peers that
people would use instead are tuned on the validation rows:

- TF-IDF: logistic regression on words and pairs of words,
- NB-weighted: the same with naive Bayes log-count ratios (Wang & Manning 2012),
- SVM: a linear one on TF-IDF of words, pairs and character 2-5-grams,
- fastText: autotuned for as many seconds as the search took, where `fasttext` is installed.

The table goes to stdout and to collection.csv in --results: test accuracies, the model's less the
best peer's with the standard error of that difference, seconds, bytes, milliseconds a text.
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.svm import LinearSVC

from search.packaging.classifier import load_classifier

SPLITS = ("train", "validation", "test")
WORDS = {"ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]", "sublinear_tf": True}
CHARACTERS = {"analyzer": "char_wb", "ngram_range": (2, 5), "sublinear_tf": True, "min_df": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--results", type=Path, default=Path("collection"))
    options = parser.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    rows = []
    for place in sorted(path for path in options.folder.iterdir() if path.is_dir()):
        files = {split: next(place.glob(f"{split}.*")) for split in SPLITS}
        splits = {split: _read(path) for split, path in files.items()}
        peers: dict[str, np.ndarray] = {}
        for seed in range(options.seeds):
            results = options.results / f"{place.name}-{seed}"
            row, seconds = _searched(files, splits["test"], results, options.trials, seed)
            peers = peers or dict(_peers(splits, seconds))
            rows.append({"data": place.name, "seed": seed, **row(peers)})
            table = pd.DataFrame(rows)
            table.to_csv(options.results / "collection.csv", index=False)
            print(table.tail(1).to_string(index=False, header=len(rows) == 1), flush=True)
    print(f"mean of model less best peer: {table['over_best_peer'].mean():+.2f} points")


def _read(path: Path) -> pd.DataFrame:
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return table[["text", "label"]].astype(str)


def _searched(files, test, results, trials, seed):
    """Searches; returns what makes a row of the table of the peers, and the seconds it took."""
    command = [sys.executable, "-m", "search.run", "-q", "--data", files["train"]]
    command += ["--validation", files["validation"], "--test", files["test"]]
    command += ["--trials", trials, "--seed", seed, "--results", results]
    started = time.perf_counter()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    best = json.loads((results / "best_model.json").read_text(encoding="utf-8"))
    labels = np.array(
        load_classifier(results / "best_model.keras").classify(list(test.text)).labels
    )
    mine = labels == test.label.to_numpy()

    def row(peers):
        found = {name: 100 * right.mean() for name, right in peers.items()}
        strongest = max(peers, key=found.__getitem__)
        difference = mine.astype(float) - peers[strongest]
        return {
            "rows": len(mine),
            "networks": 100 * best["test_accuracy_networks"],
            "single": 100 * best["test_accuracy_single"],
            "model": 100 * mine.mean(),
            **found,
            "best_peer": strongest,
            "over_best_peer": 100 * difference.mean(),
            "standard_error": 100 * difference.std(ddof=1) / np.sqrt(len(mine)),
            "out_of_fold": 100 * best["val_accuracy"],
            "seconds": seconds,
            "megabytes": best["size_bytes"] / 1e6,
            "ms": best["formats"]["keras"]["median_ms"],
        }

    return row, seconds


def _peers(splits: dict[str, pd.DataFrame], seconds: float) -> Iterator[tuple[str, np.ndarray]]:
    """Which test rows each peer has right, tuned on the validation rows."""
    both = make_union(TfidfVectorizer(**WORDS), TfidfVectorizer(**CHARACTERS))
    regression = {"solver": "liblinear", "dual": True, "max_iter": 1000}
    yield "TF-IDF", _tuned(splits, lambda c: make_pipeline(
        TfidfVectorizer(**WORDS), _one_against_rest(LogisticRegression(C=c, **regression))
    ), (1, 3, 10, 30, 100))  # fmt: skip
    yield "NB-weighted", _tuned(splits, _NBWeighted, (0.1, 0.3, 1, 3))
    yield (
        "SVM",
        _tuned(splits, lambda c: make_pipeline(both, LinearSVC(C=c)), (0.03, 0.1, 0.3, 1, 3)),
    )
    if importlib.util.find_spec("fasttext") is not None:
        yield "fastText", _fasttext(splits, seconds)


def _tuned(splits, make, grid):
    train, validation, test = (splits[split] for split in SPLITS)
    models = [make(c).fit(train.text, train.label) for c in grid]
    best = max(models, key=lambda m: (m.predict(validation.text) == validation.label).mean())
    return np.asarray(best.predict(test.text)) == test.label.to_numpy()


def _one_against_rest(model):
    from sklearn.multiclass import OneVsRestClassifier

    return OneVsRestClassifier(model)


class _NBWeighted:
    """Logistic regression on the presence of words and pairs, times log-count ratios."""

    def __init__(self, c):
        self._c = c

    def fit(self, texts, labels):
        self._counts = CountVectorizer(
            ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", binary=True
        )
        x = self._counts.fit_transform(texts).astype(float)
        self.names = np.unique(labels)
        self._fits = []
        for name in self.names:
            inside = (np.asarray(labels) == name).astype(float)
            p, q = x.T @ inside + 1, x.T @ (1 - inside) + 1
            ratio = sparse.diags_array(np.log(p / p.sum()) - np.log(q / q.sum()))
            model = LogisticRegression(C=self._c, solver="liblinear", dual=True, max_iter=1000)
            self._fits.append((ratio, model.fit(x @ ratio, inside)))
        return self

    def predict(self, texts):
        x = self._counts.transform(texts).astype(float)
        scores = [model.decision_function(x @ ratio) for ratio, model in self._fits]
        return self.names[np.argmax(scores, axis=0)]


def _fasttext(splits, seconds):
    """fastText's autotune; labels and texts on one line each."""
    fasttext = importlib.import_module("fasttext")
    names = {
        name: f"__label__{number}" for number, name in enumerate(np.unique(splits["train"].label))
    }
    lines = {
        split: [" ".join(text.lower().split()) for text in table.text]
        for split, table in splits.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        for split in SPLITS[:2]:
            pairs = zip(splits[split].label, lines[split], strict=True)
            content = "".join(f"{names[label]} {text}\n" for label, text in pairs)
            Path(folder, split).write_text(content, encoding="utf-8")
        model = fasttext.train_supervised(
            str(Path(folder, "train")),
            autotuneValidationFile=str(Path(folder, "validation")),
            autotuneDuration=int(seconds),
            verbose=0,
        )
        given = [model.f.predict(text + "\n", 1, 0.0, "strict")[0][1] for text in lines["test"]]
    return np.array(given) == splits["test"].label.map(names).to_numpy()


if __name__ == "__main__":
    main()
