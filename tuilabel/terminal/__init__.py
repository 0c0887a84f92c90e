"""What the terminal can show, from its environment and one round of queries before the app starts."""

from __future__ import annotations

from tuilabel.terminal.detect import COLOUR_CHOICES, GRAPHICS, IMAGE_CHOICES, TerminalInfo, check_choices, detect
from tuilabel.terminal.notice import colour_notice, dismiss_colour_notice
from tuilabel.terminal.probe import Probe
from tuilabel.terminal.sequences import SequenceReader, is_reply

__all__ = [
    "COLOUR_CHOICES",
    "GRAPHICS",
    "IMAGE_CHOICES",
    "Probe",
    "SequenceReader",
    "TerminalInfo",
    "check_choices",
    "colour_notice",
    "detect",
    "dismiss_colour_notice",
    "is_reply",
]
