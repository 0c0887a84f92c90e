"""What Python and the C library do beside a key: settings for a process that answers for hours."""

from __future__ import annotations

import ctypes
import gc
import sys

GARBAGE = (2_000, 10, 10)
"""Thresholds of the garbage collector. A full collection takes 70 ms, since pictures are many small objects; without
one, Textual's strips, whose caches refer to themselves, take a megabyte for each hundred keys."""
SWITCH = 0.001
"""Seconds that a thread in the background, which draws or talks to the trainer, may keep a key waiting each time."""
LARGE = 1 << 17
"""Bytes from which a block gets pages of its own, which go back to the system when it is freed. It is glibc's default,
but once an array of megabytes has been freed glibc takes such from its heap, which they tear to pieces within hours."""

_M_MMAP_THRESHOLD = -3  # of malloc.h


def prepare_for_keys() -> None:
    """Keep garbage collection, threads and freed memory out of the way of keys; called once everything is loaded."""
    gc.freeze()  # objects from the start are never freed: scanning them would delay a key by 60 ms
    gc.set_threshold(*GARBAGE)
    sys.setswitchinterval(SWITCH)
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, LARGE)
