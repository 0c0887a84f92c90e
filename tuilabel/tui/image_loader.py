"""Images from their files, decoded and drawn in a thread before they are shown."""

from __future__ import annotations

import gc
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, Thread

import numpy as np
from numpy.typing import NDArray
from rich.color import ColorSystem

from tuilabel.datasets import ImagePool
from tuilabel.render import Drawing, PictureSource, Renderer
from tuilabel.render.cells import PictureLine

log = logging.getLogger(__name__)

LONGEST = 768  # pixels per side of an image read from its file
KEPT = 40  # such images, of up to 1.8 MB each


@dataclass(frozen=True)
class Wanted:
    """A picture that is on the screen or soon will be: an item in `columns` × `rows` cells."""

    index: int
    columns: int
    rows: int


@dataclass(frozen=True)
class Loaded:
    """A picture that is ready, with the image it was drawn from, uint8 (h, w, C), and what drew it."""

    wanted: Wanted
    image: NDArray[np.uint8]
    drawing: Drawing
    renderer: Renderer
    final: bool = True
    """Whether this is the image from its file, as far as that is worth it; otherwise the best version so far."""


class ImageLoader:
    """The best version of each image so far: the small copy at first, the image from its file once it was loaded.

    All methods are called in the thread of the screen.

    Parameters
    ----------
    thumbnail : gives the small copy of an item in its proportions, by pool index.
    file_size : gives the (width, height) of the image in its file.
    pictures : receives what was drawn.
    """

    def __init__(
        self,
        pool: ImagePool,
        thumbnail: Callable[[int], NDArray[np.uint8]],
        file_size: Callable[[int], tuple[int, int]],
        pictures: PictureSource,
    ) -> None:
        self._pool, self._thumbnail, self._file_size, self._pictures = pool, thumbnail, file_size, pictures
        self._images: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._waiting: list[Wanted] = []
        self._later: list[Wanted] = []
        self._underway: dict[Wanted, tuple[Renderer, bool]] = {}
        """What the thread has taken and `accept` has not seen, with what draws it and whether that is final."""
        self._done: set[Wanted] = set()
        self._changed = Condition()
        self._held = False
        self._thread: Thread | None = None
        self._on_loaded: Callable[[Loaded], object] | None = None
        self._colours: ColorSystem | None = None

    def start(self, on_loaded: Callable[[Loaded], object], colours: ColorSystem | None = None) -> None:
        """Load from now on.

        Parameters
        ----------
        on_loaded : is called in the loader's thread, and passes what it gets to `accept`.
        colours : of the terminal that pictures are encoded for.
        """
        self._on_loaded, self._colours = on_loaded, colours

    def image(self, index: int) -> NDArray[np.uint8]:
        """The best version of an item's image so far, uint8 (h, w, C)."""
        image = self._images.get(index)
        return self._thumbnail(index) if image is None else image

    @contextmanager
    def held(self) -> Iterator[None]:
        """Begin no picture meanwhile: the screen has an answer to show, and Python runs one thread at a time.

        Nor is garbage collected, which takes 5 ms, in whatever thread.
        """
        self._held, collects = True, gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if collects:
                gc.enable()
            with self._changed:
                self._held = False
                self._changed.notify()

    def want(self, wanted: Sequence[Wanted], later: Sequence[Wanted] = ()) -> None:
        """Load and draw these pictures, the most urgent first, in place of what was wanted before.

        Parameters
        ----------
        later : pictures that may be wanted soon: when there is nothing else to do they are drawn, and not loaded.
        """
        with self._changed:
            now = self._pictures.renderer
            underway = {one: final for one, (renderer, final) in self._underway.items() if renderer is now}
            self._waiting = missing = [one for one in wanted if not underway.get(one) and self._is_missing(one)]
            known = {*underway, *missing}
            self._later = [one for one in later if one not in known and not self._is_ready(one)]
            self._changed.notify()
        if (missing or later) and self._thread is None and self._on_loaded is not None:
            self._thread = Thread(target=self._run, name="images", daemon=True)
            self._thread.start()

    def accept(self, loaded: Loaded) -> None:
        """Keep what was loaded."""
        wanted = loaded.wanted
        with self._changed:
            self._underway.pop(wanted, None)
        if not loaded.final:
            if loaded.renderer is self._pictures.renderer and not self._is_ready(wanted):
                self._pictures.add(wanted.index, wanted.columns, wanted.rows, loaded.drawing)
            return
        self._images[wanted.index] = loaded.image
        self._images.move_to_end(wanted.index)
        while len(self._images) > KEPT:
            old, _ = self._images.popitem(last=False)
            self._done = {one for one in self._done if one.index != old}
        if loaded.renderer is self._pictures.renderer:
            self._done.add(wanted)
            self._pictures.add(wanted.index, wanted.columns, wanted.rows, loaded.drawing)

    def _is_ready(self, wanted: Wanted) -> bool:
        return self._pictures.is_ready(wanted.index, wanted.columns, wanted.rows)

    def _is_missing(self, wanted: Wanted) -> bool:
        return not self._is_ready(wanted) or (wanted not in self._done and self._is_coarse(wanted))

    def _is_coarse(self, wanted: Wanted) -> bool:
        """Whether the small copy has fewer pixels than the file and than its cells could show."""
        small = max(self._thumbnail(wanted.index).shape[:2])
        across, down = self._pictures.resolution(wanted.columns, wanted.rows)
        width, height = self._file_size(wanted.index)
        return bool(small < max(width, height) * min(1, max(across / width, down / height)))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: (self._waiting or self._later) and not self._held)
                final = bool(self._waiting)
                wanted = (self._waiting if final else self._later).pop(0)
                image = self._images.get(wanted.index)
                renderer = self._pictures.renderer
                self._underway[wanted] = renderer, final
            try:
                self._load(wanted, image, renderer, final=final)
            except Exception:  # the small copy goes on being shown
                log.exception("cannot show image %d", wanted.index)
                with self._changed:
                    self._underway.pop(wanted, None)

    def _load(self, wanted: Wanted, image: NDArray[np.uint8] | None, renderer: Renderer, *, final: bool) -> None:
        if image is None:
            image = self._thumbnail(wanted.index)
            if final and self._is_coarse(wanted):
                file = self._pool.picture(wanted.index, LONGEST)  # the small copy again if the file is gone
                image = file if file.size > image.size else image
        drawing = self._pictures.draw(image, wanted.columns, wanted.rows)
        for line in drawing.cells:
            if isinstance(line, PictureLine):
                line.encoded(self._colours)
        assert self._on_loaded is not None
        self._on_loaded(Loaded(wanted, image, drawing, renderer, final))
