"""Counts with a limit, and a message that says what has grown."""

from __future__ import annotations


def check_count(what: str, n: float, limit: float, details: object = "") -> None:
    """Fail if there are more than `limit`, with what has grown.

    Parameters
    ----------
    limit : a third above what was counted when it was set; a change that needs more raises it, and says why.
    details : what helps to find the cause.
    """
    print(f"{what}: {n:,} of {limit:,}")  # `pytest -s` shows how much room is left
    assert n <= limit, f"{what}: {n:,}, more than {limit:,}. {details}"
