"""What all screens of one sitting share: the session, the keys, the commands, and what is not on disk yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from tuilabel.render import PictureSource, picture_source, restore_aspect_ratio
from tuilabel.session import LabellingSession
from tuilabel.tui.actions import ACTIONS, Action
from tuilabel.tui.keys import class_keys, with_user_class_keys

IMAGES = 2048  # that are kept in their proportions


@dataclass
class AppState:
    """What the app and its screens share: the session, the keys, the commands, the answers not yet saved."""

    session: LabellingSession
    actions: Sequence[Action] = ACTIONS
    pictures: PictureSource = field(default_factory=lambda: picture_source("blocks"))
    user_class_keys: Mapping[str, object] = field(default_factory=dict)
    unsaved: set[str] = field(default_factory=set)
    """Keys of events that are on their way to the disk."""
    save_failure: str | None = None
    """Why the disk takes nothing; no answer is taken until it does."""

    @cached_property
    def thumbnail(self) -> Callable[[int], NDArray[np.uint8]]:
        """The small image of an item by its index, in its own proportions, uint8 (h, w, C)."""
        pool = self.session.pool
        if not pool.can_grow:
            return lambda index: pool.images[index]

        @lru_cache(IMAGES)
        def thumbnail(index: int) -> NDArray[np.uint8]:
            return restore_aspect_ratio(pool.images[index], *pool.size_of(index))

        return thumbnail

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) that the cells of a grid are made for."""
        height, width = self.session.pool.images.shape[1:3]
        return height, width

    @property
    def keys(self) -> tuple[str, ...]:
        """The key of each class, "" where there are more classes than keys."""
        names = self.session.classes
        own = {name: key for name, key in self.user_class_keys.items() if name in names}
        return with_user_class_keys(class_keys(names, self.session.class_ids), names, own)

    def class_of_key(self, character: str) -> int | None:
        """The class that a typed character means; a capital means its small letter where that is a key."""
        keys = self.keys
        for key in (character, character.lower()):
            if key in keys:
                return keys.index(key)
        return None
