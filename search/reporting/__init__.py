"""What people look at: the report, its figures, comparisons of runs."""
