"""The report of a run, its figures, and comparisons of runs."""
