"""`make bench`: this package against plain KerasTuner, as ratios within one run.

Both sides get the same configurations, batch size and number of epochs and take turns, so that a
noisy machine hurts both. The table is printed and written to RESULTS.md beside this file.
"""

import json
import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from statistics import mean, median

from scipy.stats import ttest_ind

from search import Settings, load_corpus
from tests.conftest import ROOT

MIDDLE = {"embedding_dim": 64, "lstm_units": 64, "dropout": 0.3, "learning_rate": 1e-3}
BATCH = 64


def call(side: str, what: str, **arguments):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{side}", what, json.dumps(arguments)],
        cwd=ROOT,
        env={**inherited, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def stored(data: str, folder: Path) -> tuple[str, int]:
    corpus = load_corpus(Settings(data=data))
    corpus.save(folder / data)
    return str(folder / data), len(corpus.train)


def epochs(
    folder: str, rows: int, turns: int, count: int, batch_size: int = BATCH
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Trains so many epochs of each side in turns.

    Returns:
        By side: the median seconds of an epoch after the first, and the best validation accuracy of
        each turn.
    """
    seconds = {"plain": [], "ours": []}
    accuracies = {"plain": [], "ours": []}
    for turn in range(turns):
        for side in seconds:
            arguments = dict(folder=folder, configuration=MIDDLE, batch_size=batch_size, rows=rows)
            seed = {"seed": turn} if side == "ours" else {}  # Keras draws one
            done = call(side, "epochs", **arguments, **seed, count=count)
            seconds[side] += done["seconds"][1:]
            accuracies[side].append(done["val_accuracy"])
    return {side: median(found) for side, found in seconds.items()}, accuracies


def main() -> None:
    rows: list[tuple[str, str, str, str, str]] = []

    def add(what: str, plain: float, ours: float, goal: str, unit: str = "s") -> None:
        line = (what, f"{plain:.2f} {unit}", f"{ours:.2f} {unit}", f"{plain / ours:.1f}×", goal)
        rows.append(line)
        print(" | ".join(line), flush=True)

    with tempfile.TemporaryDirectory() as directory:
        movies, all_rows = stored("rotten-tomatoes", Path(directory))
        imdb, _ = stored("imdb", Path(directory))

        seconds, accuracies = epochs(movies, all_rows, turns=5, count=3)
        p = ttest_ind(accuracies["plain"], accuracies["ours"]).pvalue
        add("rotten-tomatoes, one epoch", **seconds, goal="≥ 15×")
        seconds, _ = epochs(movies, all_rows, turns=2, count=2, batch_size=32)
        add("the same, batches of 32 (Keras' default)", **seconds, goal="")
        seconds, _ = epochs(imdb, 2_560, turns=2, count=2)
        add("IMDB, one epoch of 2,560 rows", **seconds, goal="≥ 8×")

        plain = call(
            *("plain", "trials"), folder=movies, batch_size=BATCH, count=5, max_epochs=4, first=3
        )
        ours = call(
            *("ours", "trials"), data="rotten-tomatoes", batch_size=BATCH, count=5, max_epochs=4,
            workers=1,
        )  # fmt: skip
        add("whole trial, 1 worker", mean(plain["seconds"]), mean(ours["seconds"]), "≥ 14×")
        two = call(
            *("ours", "trials"), data="rotten-tomatoes", batch_size=BATCH, count=10, max_epochs=4,
            workers=2,
        )  # fmt: skip
        add("whole trial, 2 workers (the default)", mean(plain["seconds"]), mean(two["seconds"]),
            "≥ 6×")  # fmt: skip
        kernel = call("lstm", "")

        many = call(
            *("ours", "trials"), data=str(ROOT / "data" / "sample_reviews.csv"), batch_size=BATCH,
            count=24, max_epochs=2, workers=1,
        )  # fmt: skip
        seen, first, again = set(), [], []
        for beside, size in zip(many["beside"], many["sizes"], strict=True):
            (again if tuple(size) in seen else first).append(beside)
            seen.add(tuple(size))
        print(f"beside the epochs: new sizes {median(first):.2f} s, again {median(again):.2f} s")

        stock = call("plain", "predict", folder=imdb, configuration=MIDDLE)
        fast = call(*("ours", "predict"), folder=imdb, configuration=MIDDLE, expected=stock["file"])
        add("scoring 25,000 IMDB reviews", stock["seconds"], fast["seconds"], "≥ 3×")

        grown = call("ours", "memory", folder=movies, count=100)
        growth = (grown["last"] - grown["first"]) / 1e6

    lines = [
        f"# Results of `make bench`, {date.today()}, {os.cpu_count()} cores",
        "",
        "| what | plain KerasTuner | this package | ratio | goal |",
        "|---|---|---|---|---|",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        f"- A trial beside its epochs, from its proposal to its row in the table: "
        f"{median(first):.2f} s for new sizes (goal 1.5), {median(again):.2f} s for sizes seen "
        "before (goal 0.5). Nothing is traced or compiled for new sizes.",
        f"- One training step of both directions of the LSTM (64 features, 64 units, 64 rows of "
        f"200 tokens): {kernel['ours']:.0f} GFLOP/s, TensorFlow's BlockLSTM "
        f"{kernel['block']:.0f} (ratio {kernel['ours'] / kernel['block']:.2f}), two large matrix "
        f"products side by side in OpenBLAS {kernel['sgemm']:.0f} (ratio "
        f"{kernel['ours'] / kernel['sgemm']:.2f}). CPU {kernel['cpu']}, vectors of "
        f"{kernel['lanes']} numbers, OpenBLAS' kernels for {kernel['blas']}.",
        f"- Largest difference of the 25,000 probabilities: {fast['difference']:.1e} (goal 1e-6).",
        f"- Resident memory over 100 tiny trials in one process: {growth:+.0f} MB (goal ≤ 50).",
        f"- Best validation accuracy of 3 epochs, 5 seeds: plain {mean(accuracies['plain']):.4f}, "
        f"ours {mean(accuracies['ours']):.4f}, t-test p = {p:.2f}.",
        "",
    ]
    text = "\n".join(lines)
    (Path(__file__).parent / "RESULTS.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
