"""Says when a store takes long: a server may be frozen, or another program may keep a file locked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Timer

SLOW_AFTER = 5.0  # seconds


@contextmanager
def told_when_slow(tell: Callable[[str], object], after: float = SLOW_AFTER) -> Iterator[None]:
    """Call `tell` in another thread, with what to say, if the block has not ended after so many seconds."""
    ending, ended = Lock(), False

    def say() -> None:
        with ending:
            if not ended:
                tell(f"the store has not answered for {after:g} s")

    timer = Timer(after, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with ending:  # nothing is said after the end
            ended = True
