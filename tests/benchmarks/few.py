"""`python -m tests.benchmarks.few FOLDER`: searches on few rows, judged out of fold and not.

FOLDER has train, validation and test as .parquet files of the columns text and label, two classes.
For each seed so many rows are drawn and searched on, with trials judged by the validation rows and
then by all rows out of fold. All other rows are the truth. Nothing is exported.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import search
from search.corpus.encode import encode
from search.corpus.store import Split
from search.evaluation.ngram_models import fitted_models
from search.packaging.ensemble import class_counts, ensemble_of
from search.settings import Settings
from search.tuning import parts
from search.tuning.executors import slots
from search.tuning.objective import evaluate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=20)
    options = parser.parse_args()
    splits = [pd.read_parquet(path) for path in sorted(options.folder.glob("*.parquet"))]
    whole = pd.concat(splits)[["text", "label"]].astype(str).drop_duplicates("text")
    few, found = parts.FEW_VALIDATION_ROWS, []
    with slots(2) as workers:
        for seed in range(options.seeds):
            order = np.random.default_rng(seed).permutation(len(whole))
            drawn, rest = whole.iloc[order[: options.rows]], whole.iloc[order[options.rows :]]
            for judged, most in (("validation", 0), ("out of fold", few)):
                parts.FEW_VALIDATION_ROWS = most
                row = _searched(drawn, rest, options.trials, seed, workers)
                found.append({"seed": seed, "judged": judged, **row})
                print(pd.DataFrame(found[-1:]).to_string(index=False), flush=True)
    print(pd.DataFrame(found).groupby("judged").mean(numeric_only=True).to_string())


def _searched(drawn, rest, trials, seed, workers):
    """Searches on the rows that were drawn, and returns scores in percent, and seconds."""
    for slot in workers:
        slot.holds = None  # a trial of another search
    with tempfile.TemporaryDirectory() as folder:
        data = (list(drawn.text), list(drawn.label))
        settings = Settings(data=data, trials=trials, seed=seed, results=Path(folder) / "results")
        corpus = search.load_corpus(settings)
        started = time.perf_counter()
        tuner = search.tune(settings, corpus, workers=workers)
        seconds = time.perf_counter() - started
        models = fitted_models(corpus, class_counts(tuner.study))
        ensemble = ensemble_of(tuner.study, tuner.best_first()[0], models)
        scores = [r.best.val_accuracy for r in tuner.records.values() if r.best is not None]
    texts = rest.text.to_numpy(dtype=object)
    labels = np.array([corpus.class_names.index(label) for label in rest.label], np.int32)
    split = Split(*encode(texts, corpus.vocabulary), labels, np.arange(len(rest)), texts)
    networks = evaluate("val_accuracy", np.mean(ensemble.networks_say(split), axis=0), labels)
    model = evaluate("val_accuracy", ensemble.says(split), labels)
    told = {"best_trial": max(scores), "networks": networks, "model": model}
    return {**{name: 100 * value for name, value in told.items()}, "seconds": seconds}


if __name__ == "__main__":
    main()
