"""Input from a terminal, cut into keys and whole escape sequences, however late and in whatever pieces they come.

A terminal's answer to a query is made of the same bytes as keys are. Textual's parser gives up on a sequence after
0.1 s and hands its characters on as keys, and does the same with sequences that it does not know: over a slow line the
answer `ESC [ ? 6 2 c` would be two labels. Here a sequence is held until it is whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ESC = "\x1b"
LONE_ESCAPE = 0.1  # seconds after which an escape byte was the Escape key
GIVE_UP = 5.0  # seconds after which the rest of a sequence will not come any more

_STRINGS = "P_]^X"  # device control, application, operating system, privacy, start of string: until ESC \
_PASTE_BEGINS, _PASTE_ENDS = "\x1b[200~", "\x1b[201~"
_REPLIES = re.compile(
    r"\x1b\[[?>=][\d;:]*[cuSn]"  # device attributes, keyboard flags, graphics attributes, status
    r"|\x1b\[\d*n"  # status
    r"|\x1b\[[3-9];\d+(?:;\d+)?t"  # sizes, in pixels or cells; 48 is a change of size, which Textual reads
    rf"|\x1b[{re.escape(_STRINGS)}].*",
    re.DOTALL,
)


def is_reply(token: str) -> bool:
    """Whether a whole escape sequence is an answer of the terminal that nobody behind the reader waits for."""
    return _REPLIES.fullmatch(token) is not None


class SequenceReader:
    """Cuts a stream of characters into tokens: single characters, whole escape sequences, pasted text.

    What is unfinished waits; after `GIVE_UP` seconds it is dropped, and no part of it ever becomes a key. A lone escape
    byte becomes a token after `LONE_ESCAPE` seconds, but a sequence that goes on after it is still one.
    """

    def __init__(self) -> None:
        self._held = ""
        self._held_since = 0.0
        self._escaped_at = float("-inf")
        self._pasting = False

    @property
    def waiting(self) -> bool:
        """Whether a sequence is unfinished."""
        return bool(self._held)

    def feed(self, text: str, now: float) -> Iterator[str]:
        """The tokens that `text`, read at `now` (monotonic seconds), completes."""
        yield from self.tick(now)
        for character in text:
            yield from self._take(character, now)

    def tick(self, now: float) -> Iterator[str]:
        """What the time that has passed decides: call it a few times a second."""
        if not self._held or self._pasting:
            return
        waited = now - self._held_since
        if self._held == ESC and waited >= LONE_ESCAPE:
            self._held, self._escaped_at = "", now
            yield ESC
        elif waited >= GIVE_UP:
            self._held = ""

    def _take(self, character: str, now: float) -> Iterator[str]:
        if self._pasting:
            yield from self._take_pasted(character)
        elif self._held:
            yield from self._take_held(character, now)
        elif character == ESC:
            self._held, self._held_since = ESC, now
        elif character in "[P_]" and now - self._escaped_at < GIVE_UP:
            self._held, self._held_since = ESC + character, now
        else:
            self._escaped_at = float("-inf")
            yield character

    def _take_held(self, character: str, now: float) -> Iterator[str]:
        if character < " " and character != ESC and not (character == "\x07" and self._held[1:2] == "]"):
            held, self._held = self._held, ""  # a control key ends what will never be whole
            yield from (ESC, character) if held == ESC else (character,)
        elif self._held[1:] and self._held[1] in _STRINGS:
            yield from self._take_in_string(character, now)
        elif character == ESC:
            if self._held == ESC:
                yield ESC
            self._held, self._held_since = ESC, now
        else:
            self._held += character
            if _is_whole(self._held):
                yield self._whole()

    def _take_in_string(self, character: str, now: float) -> Iterator[str]:
        ends = self._held[-1] == ESC
        if ends and character != "\\":
            self._held, self._held_since = ESC, now  # the string was cut short, and another sequence begins
            yield from self._take(character, now)
            return
        self._held += character
        if ends or character == "\x07":
            yield self._whole()

    def _take_pasted(self, character: str) -> Iterator[str]:
        self._held += character
        if self._held == _PASTE_ENDS:
            self._pasting = False
            yield self._whole()
        elif not _PASTE_ENDS.startswith(self._held):
            text, self._held = self._held, ""
            if len(text) > 1 and text.endswith(ESC):
                text, self._held = text[:-1], ESC
            yield text

    def _whole(self) -> str:
        token, self._held = self._held, ""
        self._escaped_at = float("-inf")
        self._pasting = token == _PASTE_BEGINS
        return token


def _is_whole(sequence: str) -> bool:
    """Whether an escape sequence that is no string is complete."""
    if sequence[1] == "[":
        if sequence.startswith("\x1b[M"):
            return len(sequence) == 6  # a mouse event of the oldest kind: three bytes follow
        return len(sequence) > 2 and "@" <= sequence[-1] <= "~" and sequence != "\x1b[["
    if sequence[1] == "O":
        return len(sequence) == 3
    return sequence[1] not in _STRINGS
