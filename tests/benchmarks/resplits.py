"""`python -m tests.benchmarks.resplits FOLDER`: does what a search says hold for other rows?

FOLDER has .parquet files of the columns text and label, whose rows are taken together. For each
seed some rows are drawn and the default command searches on them; all others are its test rows, the
truth. It prints the accuracies of the model, of the best single baseline and of all n-grams on
these rows, and the interval that was printed before they were looked at.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, help="by default the half")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=20)
    options = parser.parse_args()
    files = sorted(options.folder.glob("*.parquet"))
    whole = pd.concat(map(pd.read_parquet, files))[["text", "label"]].astype(str)
    whole = whole.drop_duplicates("text", ignore_index=True)
    rows = options.rows or len(whole) // 2
    found = []
    for seed in range(options.seeds):
        order = np.random.default_rng(seed).permutation(len(whole))
        row = _searched(whole.iloc[order[:rows]], whole.iloc[order[rows:]], options.trials, seed)
        found.append({"seed": seed, **row})
        print(pd.DataFrame(found[-1:]).round(1).to_string(index=False, header=not seed), flush=True)
    table = pd.DataFrame(found)
    inside = table["model"].between(table["low"], table["high"])
    print(table.drop(columns="seed").mean().round(2).to_string())
    print(f"in the interval: {inside.sum()} of {len(table)}")


def _searched(drawn, rest, trials, seed):
    with tempfile.TemporaryDirectory() as folder:
        data, test, results = (Path(folder) / name for name in ("d.parquet", "t.parquet", "r"))
        drawn.to_parquet(data)
        rest.to_parquet(test)
        command = [sys.executable, "-m", "search.run", "-q", "--data", data, "--test", test]
        command += ["--trials", trials, "--seed", seed, "--results", results]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
        best = json.loads((results / "best_model.json").read_text(encoding="utf-8"))
    baselines = {one["name"]: one["test_accuracy"] for one in best["baselines"]}
    all_ngrams = baselines.pop("all n-grams")
    low, high = best["val_accuracy_ci"]
    told = {
        "model": best["test_accuracy"],
        "networks": best["test_accuracy_networks"],
        "best_baseline": max(baselines.values()),
        "all_ngrams": all_ngrams,
        "low": low,
        "said": best["val_accuracy"],
        "high": high,
    }
    return {name: 100 * value for name, value in told.items()}


if __name__ == "__main__":
    main()
