"""One image large, with its reconstruction, class probabilities and nearest neighbours in latent space."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.timer import Timer

from tuilabel.session import Belief
from tuilabel.tui.state import NO_MODEL, AppState
from tuilabel.tui.widgets.grid import NOT_SEEN, GridCell, ImageGrid
from tuilabel.tui.widgets.picture import Picture, PoolItem
from tuilabel.tui.widgets.probabilities import ClassBeliefs, ProbabilityBars

NEIGHBOURS = 8
SETTLE_TIME = 0.08  # seconds without a key after which the trainer is queried about the focused image
MAX_SIDE = 2048  # pixels of an image that is zoomed into
ROOMY = (110, 34)  # columns and lines from which its parts have borders
MAX_ZOOM = 5  # each step halves the part shown


class LargeView(Horizontal):
    """Shows one item of the pool; the trainer is queried about it once the focus stays on it."""

    def __init__(self, state: AppState, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._state = state
        self._session = state.session
        self._index: int | None = None
        self._image: NDArray[np.uint8] = np.zeros((1, 1, 1), dtype=np.uint8)
        """The best version loaded so far."""
        self._queried: tuple[int, int] | None = None
        self._zoom, self._centre = 0, (0.5, 0.5)
        self._settle_timer: Timer | None = None
        self._original = Picture(state.pictures, id="original")
        self._reconstruction = Picture(state.pictures, id="reconstruction")
        self._belief: Belief | None = None
        self._enter: int | None = None
        """Position of the class that Enter writes."""
        self._selected: Collection[int] = frozenset()
        self._probabilities = ProbabilityBars(id="probabilities")
        self._neighbours = ImageGrid(state.thumbnail, state.shape, state.pictures, id="neighbours")

    def compose(self) -> ComposeResult:
        yield self._original
        with Vertical(id="large-side"):
            with Horizontal(id="large-model") as model:
                model.border_title = "THIS IMAGE"
                yield self._reconstruction
                yield self._probabilities
            self._neighbours.border_title = "NEAREST IMAGES"
            yield self._neighbours

    def show(
        self,
        index: int,
        caption: str,
        belief: Belief | None = None,
        selected: Collection[int] = frozenset(),
        enter: int | None = None,
    ) -> None:
        """Show item `index` with a caption below it, and what the caption's model believes or, without, the newest.

        Parameters
        ----------
        selected : pool indices of selected items, some of which may be neighbours.
        enter : position of the class that Enter writes, if it writes one.
        """
        changed, self._index = index != self._index, index
        self._belief, self._selected, self._enter = belief, selected, enter
        loaded = self._state.images.image(index)
        if changed or loaded.size > self._image.size:
            self._image = loaded
        if changed:
            self._centre = (0.5, 0.5)
            if self._settle_timer is not None:
                self._settle_timer.stop()
            self._settle_timer = self.set_timer(SETTLE_TIME, self._query)
        self._show_original(caption)
        self._show_inspection()
        model = 0 if self._session.result is None else self._session.result.n_labels
        if not changed and self._queried is not None and self._queried != (index, model) and self._queried[0] == index:
            self._query()

    @property
    def is_zoomed(self) -> bool:
        """Whether only a part of the image is shown."""
        return self._zoom > 0

    @property
    def neighbours(self) -> list[int]:
        """Pool indices of the neighbours on the screen, nearest first."""
        inspection = self._session.model_queries.inspection
        grid = self._neighbours
        if inspection is None or inspection.index != self._index or not grid.region or grid.seen_at == NOT_SEEN:
            return []
        near: list[int] = inspection.neighbours.tolist()
        return near[: min(NEIGHBOURS, grid.per_page)]

    def reset_zoom(self) -> None:
        """Show the whole image again."""
        self._zoom, self._centre, self._queried, self._index = 0, (0.5, 0.5), None, None

    def zoom(self, step: int) -> None:
        """Zoom in or out."""
        self._zoom = max(0, min(MAX_ZOOM, self._zoom + step))
        self._redraw()
        if self._zoom and self._index is not None and self._session.pool.can_grow:
            self.run_worker(self._load(self._index), exclusive=True)

    def pan(self, x: int, y: int) -> None:
        """Pan by a quarter of the part shown."""
        part = 0.5 ** (self._zoom + 2)
        across, down = (min(1.0, max(0.0, c + part * d)) for c, d in zip(self._centre, (x, y), strict=True))
        self._centre = (across, down)
        self._redraw()

    def _redraw(self) -> None:
        if self._index is not None:
            self._show_original(self._original.caption)

    def _show_original(self, caption: str) -> None:
        assert self._index is not None
        if self._zoom:
            self._original.show(self._part(), caption)
        else:
            self._original.show(self._image, caption, PoolItem(self._index, *self._state.file_size(self._index)))

    def cells_of(self, item: PoolItem) -> tuple[int, int]:
        """The columns and rows of an item's picture."""
        return self._original.cells_of(item)

    @property
    def picture(self) -> Picture:
        """The image."""
        return self._original

    @property
    def pending(self) -> bool:
        """Whether the last change of the image has not been rendered yet."""
        return self._original.pending

    @property
    def seen_at(self) -> float:
        """The time at which the image was written to the terminal."""
        return self._original.seen_at

    @property
    def has_room(self) -> bool:
        """Whether there is room for an image."""
        return self._original.has_room

    def displayed(self, at: float) -> None:
        """The screen was written to the terminal at `at`."""
        if self.display:
            self._original.displayed(at)
            self._neighbours.displayed(at)

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < 60, "narrow")
        self.set_class(event.size.width >= ROOMY[0] and event.size.height >= ROOMY[1], "roomy")

    def _query(self) -> None:
        if self._index is not None and self.display:
            model = 0 if self._session.result is None else self._session.result.n_labels
            self._queried = (self._index, model)
            self._session.model_queries.inspect(self._index)
            self._show_inspection()

    async def _load(self, index: int) -> None:
        """Replace the image by one with more pixels. It is the same item, so keys keep counting."""
        image = await asyncio.to_thread(self._session.pool.picture, index, MAX_SIDE)
        if index == self._index and image.size > self._image.size:
            self._image = image
            if self._zoom:
                self._original.sharpen(self._part())

    def _show_inspection(self) -> None:
        inspection = self._session.model_queries.inspection
        if inspection is None or inspection.index != self._index:
            self._reconstruction.show(None, "VAE …")
            self._show_belief(None)
            self._neighbours.show_text("finding the nearest images …")
            return
        self._reconstruction.display = inspection.reconstruction is not None
        self._reconstruction.show(inspection.reconstruction, "VAE")
        chances = inspection.probabilities
        waiting = NO_MODEL[self._session.model_status] or NO_MODEL["training"]  # which a newer reply will show
        self._show_belief(chances, waiting if chances is None else "")
        pairs = list(zip(inspection.neighbours.tolist(), inspection.near_duplicates.tolist(), strict=True))[:NEIGHBOURS]
        cells = [self._neighbour(index, near) for index, near in pairs]
        if cells:
            self._neighbours.show(cells, -1)

    def _show_belief(self, newest: NDArray[np.float32] | None, note: str = "") -> None:
        """Show what the caption's model believes, so that there is one model on the screen; else the newest one."""
        classes, belief, chances = self._session.classes, self._belief, dict[int, float]()
        enter = self._enter
        if self._index is not None and self._session.hides(self._index):
            note, enter = "hidden until you answer", None
        elif belief is not None:
            of_all = belief.chances(len(classes))
            chances = dict(enumerate(of_all)) if of_all else {belief.predicted: belief.confidence}
            note = ""
        elif newest is not None and len(newest) == len(classes):
            chances = dict(enumerate(newest.tolist()))
        self._probabilities.show(ClassBeliefs(classes, self._state.keys, chances, enter, note))

    def _neighbour(self, index: int, near: bool) -> GridCell:
        selected = index in self._selected
        if self._index is not None and self._session.hides(self._index):
            return GridCell(index, "?", "prediction", selected)  # its neighbours' labels would be a prediction
        event = self._session.answer_at(index)
        mark = "≈ " if near else ""
        if event is None:
            return GridCell(index, "near copy" if near else "unlabelled", "prediction", selected)
        if event.class_name is None:
            return GridCell(index, mark + ("skipped" if event.kind == "skip" else "flagged"), "aside")
        return GridCell(index, f"{mark}{self._state.tick(event.key)} {event.class_name}", "saved")

    def _part(self) -> NDArray[np.uint8]:
        """The part of the image that is shown: it fills the room, at 2^zoom times the size of the whole image."""
        height, width = self._image.shape[:2]
        columns, rows = self._original.size.width, 2 * max(1, self._original.size.height - 1)
        scale = min(columns / width, rows / height) * 2**self._zoom
        shown_width, shown_height = (
            max(min(4, whole), min(whole, round(room / scale))) for whole, room in ((width, columns), (height, rows))
        )
        left, top = (
            int(min(max(0, centre * whole - shown / 2), whole - shown))
            for centre, whole, shown in zip(self._centre, (width, height), (shown_width, shown_height), strict=True)
        )
        return self._image[top : top + shown_height, left : left + shown_width]
