"""Are n-gram models worth their place beside the networks? Two searches, and a paired test.

python examples/compare_two.py reviews.csv
"""

import sys

import search
from search.reporting.archive import read_archive
from search.reporting.differences import compare

data = sys.argv[1] if len(sys.argv) > 1 else "data/sample_reviews.csv"
runs = {"with_ngrams": {}, "networks_alone": {"ngrams": "none"}}
for name, changes in runs.items():
    settings = search.Settings(data=data, trials=5, set=changes, results=name)
    search.conclude(search.tune(settings, search.load_corpus(settings)))

found = compare(*map(read_archive, runs))
for name, (one, other) in found.differences.items():
    print(f"{name}: {one} and {other}")
print(found.verdict)
