"""The state that all screens share: the session, the keys, the commands, and the answers not yet saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tuilabel.errors import TuilabelError
from tuilabel.render import (
    CHARACTERS,
    PictureSource,
    Renderer,
    get_renderer,
    picture_source,
    restore_aspect_ratio,
)
from tuilabel.session import LabellingSession
from tuilabel.session.state import ModelStatus
from tuilabel.tui.actions import ACTIONS, LABEL, REVIEW, Action
from tuilabel.tui.image_loader import ImageLoader
from tuilabel.tui.keys import ClassKeys
from tuilabel.tui.layout import ONE, default_size, size_of

NO_MODEL: Final[Mapping[ModelStatus, str]] = {
    "none": "no model yet",
    "loading": "model loading",
    "training": "model training",
    "ready": "",
}
"""What to say where there is no model."""
THUMBNAILS = 2048  # kept in their proportions
SAMPLE = 50  # images whose size is looked at
PAGE_SIZE = 20  # of photographs that are shown many at once
AUTO = "auto"
TICKS, ASCII_TICKS = ("✓", "○"), ("+", "~")
"""What stands before an answer that is on disk, and before one that is not yet: they differ without colours too."""


@dataclass
class AppState:
    """One object for the app and its screens."""

    session: LabellingSession
    actions: Sequence[Action] = ACTIONS
    pictures: PictureSource = field(default_factory=lambda: picture_source("blocks"))
    class_keys: ClassKeys = field(default_factory=ClassKeys)
    unsaved: set[str] = field(default_factory=set)
    """Keys of events that are not yet on disk."""
    ticks: tuple[str, str] = TICKS
    """`TICKS`, or `ASCII_TICKS` where the terminal has no others."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What the user has chosen on the screen; the project remembers it."""
    guideline: Path | None = None
    """The Markdown file that says what belongs to which class."""
    save_class_keys: Callable[[Mapping[str, str]], object] = lambda _: None
    """Notes in the project which key each class has, by name."""
    detected: str = "blocks"
    """How images are drawn where nothing else is chosen."""
    renderer_of: Callable[[str], Renderer] = get_renderer
    """Draws images in one of the ways, on this terminal."""
    unreadable: dict[int, str] = field(default_factory=dict)
    """Why images cannot be shown, by pool index: they take no answers."""
    save_failure: str | None = None
    """Why nothing can be saved; no answers are accepted until it works again."""

    def tick(self, event_key: str) -> str:
        """What stands before an answer."""
        return self.ticks[event_key in self.unsaved]

    @cached_property
    def thumbnail(self) -> Callable[[int], NDArray[np.uint8]]:
        """Gives the small image of an item, by pool index, in its original proportions: uint8 (h, w, C)."""
        pool = self.session.pool

        @lru_cache(THUMBNAILS)
        def thumbnail(pool_idx: int) -> NDArray[np.uint8]:
            try:
                image = pool.image(pool_idx)
                return restore_aspect_ratio(image, *pool.size_of(pool_idx)) if pool.can_grow else image
            except TuilabelError as error:
                self.unreadable[pool_idx] = str(error)
                return np.zeros((*self.shape, 1), dtype=np.uint8)

        return thumbnail

    @cached_property
    def images(self) -> ImageLoader:
        """The best version of each image so far."""
        return ImageLoader(self.session.pool, self.thumbnail, self.file_size, self.pictures)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the images that the cells of a grid are laid out for."""
        height, width = self.session.pool.images.shape[1:3]
        return height, width

    @cached_property
    def file_size(self) -> Callable[[int], tuple[int, int]]:
        """Gives the (width, height) in pixels of an item's image in its file, by pool index."""
        return lru_cache(THUMBNAILS)(self.session.pool.size_of)

    @cached_property
    def detail(self) -> int:
        """Pixels along the longer side of most images in their files."""
        sample = range(min(len(self.session.pool), SAMPLE))
        return int(np.median([max(self.file_size(index)) for index in sample]))

    @property
    def images_mode(self) -> str:
        """How images are drawn: one of `CHARACTERS`, or `AUTO`."""
        chosen = self.settings.get("images")
        return chosen if chosen in CHARACTERS else AUTO

    def choose_images(self, mode: str) -> None:
        """Draw images in another way; the project remembers it. The screens must be painted again."""
        self.settings["images"] = None if mode == AUTO else mode
        self.pictures.use(self.renderer_of(self.detected if mode == AUTO else mode))

    def hide_predictions(self, blind: bool) -> None:
        """Hide the predictions of all images until they are answered, or show them; the project remembers it."""
        self.session.blind = self.settings["blind"] = blind

    def size_on(self, screen: str) -> int:
        """The size of images on one of the screens, see `tuilabel.tui.layout.SIZES`."""
        chosen = size_of(self.settings.get(f"{screen}-size"))
        if chosen is not None:
            return chosen
        return self._default_size if screen in (LABEL, REVIEW) else self._default_cell_size

    def choose_size(self, screen: str, size: int) -> None:
        """Use another size on one of the screens; the project remembers it."""
        self.settings[f"{screen}-size"] = "one" if size == ONE else size

    @cached_property
    def _default_size(self) -> int:
        return default_size(*self.shape, self.detail, grey=self.session.pool.images.shape[3] == 1)

    @property
    def _default_cell_size(self) -> int:
        """For screens that show many images at once."""
        return PAGE_SIZE if self._default_size == ONE else self._default_size

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of each class, a text of none, one or several characters; `shown_keys` makes them readable."""
        return self.class_keys.of(self.session.classes, self.session.class_ids)

    def remember_class_keys(self) -> None:
        """Note in the project which keys its classes have; those that a labeller chooses hold for the session only."""
        if self.session.role == "owner":
            self.save_class_keys(self.class_keys.chosen(self.session.classes, self.session.class_ids))

    def class_of_key(self, character: str) -> int | None:
        """The class of a typed character, or None; case matters only where both are keys."""
        for key in (character, character.lower(), character.upper()):
            for class_pos, keys in enumerate(self.keys):
                if key in keys:
                    return class_pos
        return None
