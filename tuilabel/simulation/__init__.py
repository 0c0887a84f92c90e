"""Active learning with the true labels as oracle: runs, curves, paired statistics, plots."""
