"""Simulations of active learning with the true labels as the annotator: runs, curves, paired statistics, plots."""
