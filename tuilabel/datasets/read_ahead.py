"""Files are read one after the other and worked on in threads, a few ahead of what is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Content = TypeVar("Content")
Result = TypeVar("Result")


def in_threads(
    contents: Iterable[tuple[str, Content]], work: Callable[[str, Content], Result], *, threads: int, ahead: int
) -> Iterator[tuple[str, Result]]:
    """The name of each file with what `work` makes of it, in order; for work that releases the GIL, as Pillow's.

    Parameters
    ----------
    contents : names and contents; read in the caller's thread.
    ahead : how many files are read and worked on beyond the one that is asked for: so much memory is needed.
    """
    waiting: deque[tuple[str, Future[Result]]] = deque()
    executor = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    try:
        for name, content in contents:
            waiting.append((name, executor.submit(work, name, content)))
            if len(waiting) > ahead:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
