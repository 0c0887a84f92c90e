"""The speed of tuilabel beside what a user would take instead; see `tests.benchmarks.rivals.run`."""
