"""What all screens of one sitting share: the session, the keys, the commands, and what is not on disk yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tuilabel.render import PictureSource, picture_source
from tuilabel.session import LabellingSession
from tuilabel.tui.actions import ACTIONS, Action
from tuilabel.tui.keys import class_keys, with_own_class_keys


@dataclass
class Shared:
    """One object for the app and its screens."""

    session: LabellingSession
    actions: Sequence[Action] = ACTIONS
    pictures: PictureSource = field(default_factory=lambda: picture_source("blocks"))
    own_class_keys: Mapping[str, object] = field(default_factory=dict)
    unsaved: set[str] = field(default_factory=set)
    """Keys of events that are on their way to the disk."""
    save_failure: str | None = None
    """Why the disk takes nothing; no answer is taken until it does."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The key of each class, "" where there are more classes than keys."""
        names = self.session.classes
        own = {name: key for name, key in self.own_class_keys.items() if name in names}
        return with_own_class_keys(class_keys(names, self.session.class_slots), names, own)

    def class_of_key(self, character: str) -> int | None:
        """The class that a typed character means; a capital means its small letter where that is a key."""
        keys = self.keys
        for key in (character, character.lower()):
            if key in keys:
                return keys.index(key)
        return None
