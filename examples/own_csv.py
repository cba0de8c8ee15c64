"""Searches a classifier for a table of your own: python examples/own_csv.py reviews.csv

The table has a column with texts and one with labels; the results are in a directory beside it.
"""

import sys
from pathlib import Path

import search

data = Path(sys.argv[1] if len(sys.argv) > 1 else "data/sample_reviews.csv")
settings = search.Settings(
    data=data,
    trials=10,
    timeout="30m",
    results=data.with_name(data.stem + "_results") if len(sys.argv) > 1 else "sample_results",
    # text_column="review", label_column="stars",  # where they have no usual names
)
outcome = search.conclude(search.tune(settings, search.load_corpus(settings, tell=print)))

print(outcome.leaderboard[["rank", "trial_id", "val_accuracy", "val_mean"]].head())
low, high = outcome.best["test_accuracy_ci"]
print(f"test accuracy {outcome.best['test_accuracy']:.3f} (95% interval {low:.3f} to {high:.3f})")
print(outcome.best["verdict"])

model = search.load(settings.results)
texts = ["a warm and funny film", "dull, and far too long"]
for text, label in zip(texts, model.predict(texts), strict=True):
    print(f"{label}: {text}")
