"""Pictures that are drawn behind the screen: each once, the wanted ones first, and none while a key is answered."""

from __future__ import annotations

from queue import Queue
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tuilabel.render import picture_source
from tuilabel.tui.image_loader import ImageLoader, Loaded, Wanted

IMAGE = np.zeros((8, 8, 1), dtype=np.uint8)
FIRST, SECOND, NEXT_PAGE = Wanted(0, 4, 2), Wanted(1, 4, 2), Wanted(2, 4, 2)
PATIENCE = 20.0


class Setup:
    """A loader whose pictures arrive in a queue, and the items whose files were read."""

    def __init__(self, file_size: int) -> None:
        self.read: list[int] = []
        self.arrived: Queue[Loaded] = Queue()
        self.pictures = picture_source("halfblock")
        pool: Any = SimpleNamespace(picture=self._picture)
        copy = IMAGE if file_size == len(IMAGE) else IMAGE[:2, :2]  # with fewer pixels than four cells have
        self.loader = ImageLoader(pool, lambda _: copy, lambda _: (file_size, file_size), self.pictures)
        self.loader.start(self.arrived.put)

    def _picture(self, index: int, _longest: int) -> np.ndarray:
        self.read.append(index)
        return np.zeros((64, 64, 1), dtype=np.uint8)

    def next(self) -> Wanted:
        loaded = self.arrived.get(timeout=PATIENCE)
        self.loader.accept(loaded)
        return loaded.wanted


@pytest.fixture
def small() -> Setup:
    return Setup(file_size=8)


def test_a_picture_is_drawn_once_however_often_it_is_wanted(small: Setup) -> None:
    small.loader.want([FIRST])
    first = small.arrived.get(timeout=PATIENCE)
    small.loader.want([FIRST, SECOND])  # the screen changes before it has got the picture
    small.loader.accept(first)
    assert small.next() == SECOND
    small.loader.want([FIRST, SECOND])
    small.loader.want([], [NEXT_PAGE])
    assert small.next() == NEXT_PAGE
    assert small.arrived.empty()


def test_no_picture_is_begun_while_a_key_is_answered(small: Setup) -> None:
    with small.loader.held():
        small.loader.want([FIRST])
        small.loader.want([SECOND, FIRST])  # what counts is what is wanted in the end
        assert small.arrived.empty()
    assert [small.next(), small.next()] == [SECOND, FIRST]


def test_the_next_page_is_drawn_last_and_no_file_is_read_for_it() -> None:
    large = Setup(file_size=64)
    with large.loader.held():
        large.loader.want([FIRST, SECOND], [NEXT_PAGE, FIRST])
    assert [large.next() for _ in range(3)] == [FIRST, SECOND, NEXT_PAGE]
    assert large.read == [0, 1]
    large.loader.want([NEXT_PAGE])
    assert large.next() == NEXT_PAGE
    assert large.read == [0, 1, 2], "once it is shown it is as sharp as the others"


def test_a_picture_for_another_way_of_drawing_is_drawn_again(small: Setup) -> None:
    small.loader.want([FIRST])
    old = small.arrived.get(timeout=PATIENCE)
    small.pictures.use(picture_source("quadrant").renderer)
    small.loader.want([FIRST])
    small.loader.accept(old)
    assert not small.pictures.is_ready(0, 4, 2)
    assert small.next() == FIRST
    assert small.pictures.is_ready(0, 4, 2)
