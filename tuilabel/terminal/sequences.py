"""Splits terminal input into keys and complete escape sequences, no matter how late or in what pieces they arrive.

A terminal's reply to a query consists of the same bytes as keys. Textual's parser gives up on a sequence after 0.1 s
and passes its characters on as keys, and it does the same with sequences that it does not know: over a slow connection
the reply `ESC [ ? 6 2 c` would become two labels. Here a sequence is held back until it is complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

ESC = "\x1b"
LONE_ESCAPE = 0.1  # seconds after which an escape byte is taken for the Escape key
GIVE_UP = 5.0  # seconds after which an incomplete sequence is dropped

_STRINGS = "P_]^X"  # device control, application, operating system, privacy, start of string: all end with ESC \
_PASTE_BEGINS, _PASTE_ENDS = "\x1b[200~", "\x1b[201~"
_REPLIES = re.compile(
    r"\x1b\[[?>=][\d;:]*[cuSn]"  # device attributes, keyboard flags, graphics attributes, status
    r"|\x1b\[\d*n"  # status
    r"|\x1b\[[3-9];\d+(?:;\d+)?t"  # sizes in pixels or cells; not 48, which reports a resize and is for Textual
    rf"|\x1b[{re.escape(_STRINGS)}].*",
    re.DOTALL,
)


def is_reply(token: str) -> bool:
    """Whether a complete escape sequence is a reply of the terminal, which no later reader expects."""
    return _REPLIES.fullmatch(token) is not None


class SequenceReader:
    """Splits a stream of characters into tokens: single characters, complete escape sequences, pasted text.

    An incomplete sequence is held back. After `GIVE_UP` seconds it is dropped, and no part of it ever becomes a key. A
    lone escape byte becomes a token after `LONE_ESCAPE` seconds; if the rest of a sequence follows later, it is still
    recognised as one.
    """

    def __init__(self) -> None:
        self._held = ""
        self._held_since = 0.0
        self._escaped_at = float("-inf")
        self._pasting = False

    def feed(self, text: str, now: float) -> Iterator[str]:
        """Yield the tokens that are completed by `text`, read at `now` in monotonic seconds."""
        yield from self.tick(now)
        for character in text:
            yield from self._add(character, now)

    def tick(self, now: float) -> Iterator[str]:
        """Yield the tokens that have become complete as time passed; call it a few times a second."""
        if not self._held or self._pasting:
            return
        waited = now - self._held_since
        if self._held == ESC and waited >= LONE_ESCAPE:
            self._held, self._escaped_at = "", now
            yield ESC
        elif waited >= GIVE_UP:
            self._held = ""

    def _add(self, character: str, now: float) -> Iterator[str]:
        if self._pasting:
            yield from self._add_to_paste(character)
        elif self._held:
            yield from self._add_to_held(character, now)
        elif character == ESC:
            self._held, self._held_since = ESC, now
        elif character in "[P_]" and now - self._escaped_at < GIVE_UP:
            self._held, self._held_since = ESC + character, now
        else:
            self._escaped_at = float("-inf")
            yield character

    def _add_to_held(self, character: str, now: float) -> Iterator[str]:
        if character < " " and character != ESC and not (character == "\x07" and self._held[1:2] == "]"):
            held, self._held = self._held, ""  # a control key ends a sequence that will never be completed
            yield from (ESC, character) if held == ESC else (character,)
        elif self._held[1:] and self._held[1] in _STRINGS:
            yield from self._add_to_string(character, now)
        elif character == ESC:
            if self._held == ESC:
                yield ESC
            self._held, self._held_since = ESC, now
        else:
            self._held += character
            if _is_complete(self._held):
                yield self._complete()

    def _add_to_string(self, character: str, now: float) -> Iterator[str]:
        ends = self._held[-1] == ESC
        if ends and character != "\\":
            self._held, self._held_since = ESC, now  # the string was not terminated, and another sequence begins
            yield from self._add(character, now)
            return
        self._held += character
        if ends or character == "\x07":
            yield self._complete()

    def _add_to_paste(self, character: str) -> Iterator[str]:
        self._held += character
        if self._held == _PASTE_ENDS:
            self._pasting = False
            yield self._complete()
        elif not _PASTE_ENDS.startswith(self._held):
            text, self._held = self._held, ""
            if len(text) > 1 and text.endswith(ESC):
                text, self._held = text[:-1], ESC
            yield text

    def _complete(self) -> str:
        token, self._held = self._held, ""
        self._escaped_at = float("-inf")
        self._pasting = token == _PASTE_BEGINS
        return token


def _is_complete(sequence: str) -> bool:
    """Whether an escape sequence other than a string is complete."""
    if sequence[1] == "[":
        if sequence.startswith("\x1b[M"):
            return len(sequence) == 6  # a mouse event in the oldest encoding: three bytes follow
        return len(sequence) > 2 and "@" <= sequence[-1] <= "~" and sequence != "\x1b[["
    if sequence[1] == "O":
        return len(sequence) == 3
    return sequence[1] not in _STRINGS
