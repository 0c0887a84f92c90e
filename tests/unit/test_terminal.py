"""Telling the terminal's replies from keys, interpreting them, and choosing pictures and colours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuilabel.errors import UsageError
from tuilabel.render import RENDERERS
from tuilabel.terminal import IMAGE_CHOICES, SequenceReader, TerminalInfo, detect, is_reply
from tuilabel.terminal.probe import Replies, parse

# -- keys and replies -------------------------------------------------------------------------------------------

KEYS = ["1", "a", "é", "\r", "\x7f", "\x11", "\x1b[A", "\x1bOA", "\x1b[1;5C", "\x1b[53;;53u", "\x1b[<0;12;5M", "\x1b[I"]
REPLIES = [
    "\x1b[?62;1;4c",
    "\x1b[>41;354;0c",
    "\x1bP>|kitty(0.35.2)\x1b\\",
    "\x1bP1$r0;48:2::1:2:3m\x1b\\",
    "\x1bP1+r524742=382F382F38\x1b\\",
    "\x1b_Gi=31;OK\x1b\\",
    "\x1b]11;rgb:1111/2222/3333\x07",
    "\x1b]11;rgb:1111/2222/3333\x1b\\",
    "\x1b[6;16;8t",
    "\x1b[4;640;960t",
    "\x1b[?1u",
    "\x1b[0n",
]


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.sampled_from(KEYS + REPLIES), max_size=8), st.lists(st.integers(1, 9), max_size=40), st.data())
def test_keys_pass_and_replies_do_not_however_the_input_is_split(
    parts: list[str], sizes: list[int], data: st.DataObject
) -> None:
    reader, text, got, now = SequenceReader(), "".join(parts), "", 0.0
    while text:
        size = sizes.pop() if sizes else len(text)
        piece, text = text[:size], text[size:]
        if piece.endswith("\x1b") and text:  # only what follows can show that an escape byte is not a key
            piece, text = piece[:-1], "\x1b" + text
            if not piece:
                piece, text = text[:2], text[2:]
        got += "".join(token for token in reader.feed(piece, now) if not is_reply(token))
        now += data.draw(st.sampled_from([0.0, 0.2, 1.0]))
        got += "".join(token for token in reader.tick(now) if not is_reply(token))
    assert got == "".join(part for part in parts if part in KEYS)


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("cut", [1, 2, 3, 5])
def test_a_reply_split_anywhere_leaves_no_character(reply: str, cut: int) -> None:
    reader = SequenceReader()
    got = [*reader.feed(reply[:cut], 0.0), *reader.tick(0.5), *reader.feed(reply[cut:], 0.6), *reader.tick(9.0)]
    assert [token for token in got if not is_reply(token)] in ([], ["\x1b"])  # at worst the Escape key, but no label


def test_escape_becomes_a_key_after_a_moment_and_incomplete_sequences_are_dropped() -> None:
    reader = SequenceReader()
    assert [*reader.feed("\x1b", 0.0), *reader.tick(0.05)] == []
    assert list(reader.tick(0.2)) == ["\x1b"]
    assert [*reader.feed("5", 0.3)] == ["5"]
    assert [*reader.feed("\x1b[?12;", 1.0), *reader.tick(5.9)] == []
    assert [*reader.tick(6.1), *reader.feed("7", 6.2)] == ["7"]
    assert [*reader.feed("\x1b[?12\x11", 7.0)] == ["\x11"]  # Ctrl+Q works in the middle of a reply
    assert [*reader.feed("\x1bP1$r12\x1b[A", 8.0)] == ["\x1b[A"]


def test_pasted_text_stays_between_its_markers() -> None:
    reader = SequenceReader()
    got = list(reader.feed("\x1b[200~1\x1b[?62c2\x1b[20", 0.0)) + list(reader.feed("1~3", 1.0))
    assert "".join(got) == "\x1b[200~1\x1b[?62c2\x1b[201~3"
    assert not any(is_reply(token) for token in got)
    assert got[-1] == "3"


# -- the content of replies --------------------------------------------------------------------------------------


def test_replies_are_interpreted() -> None:
    replies = parse([*REPLIES, "7"], 0.25)
    assert replies == Replies(
        asked=True,
        answered=True,
        round_trip=0.25,
        name="kitty",
        version="0.35.2",
        truecolor=True,
        kitty_graphics=True,
        sixel=True,
        cell_pixels=(8, 16),
    )
    painting = parse(["\x1b]1337;Capabilities=T3CwLrMSc7UUw9Ts3BFGsSyHSx\x1b\\", "\x1b[?1;0;256S", "\x1b[?62;4c"], 0.1)
    assert (painting.iterm2_images, painting.sixel, painting.registers) == (True, True, 256)
    other = parse(["\x1b]1337;Capabilities=T2FoSx\x07", "\x1b[?1;3;0S", "\x1b[?62c"], 0.1)
    assert (other.iterm2_images, other.sixel, other.registers) == (False, False, None)
    assert parse(["\x1bP>|tmux 3.3a\x1b\\"], None).name == "tmux"
    assert parse(["\x1bP>|VTE(7600)\x1b\\"], None).version == "7600"
    assert not parse(["\x1bP0$r\x1b\\", "\x1bP1$r0;48:5:16m\x1b\\", "\x1b_Gi=31;EINVAL\x1b\\"], None).truecolor


# -- decisions --------------------------------------------------------------------------------------------------

KITTY = Replies(asked=True, answered=True, name="kitty", version="0.35.2", kitty_graphics=True)
SIXEL = Replies(asked=True, answered=True, name="XTerm", version="390", sixel=True, cell_pixels=(8, 16))
XTERM = {"TERM": "xterm-256color"}
TRUE = {**XTERM, "COLORTERM": "truecolor"}
SSH = {**XTERM, "SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22"}


@pytest.mark.parametrize(
    ("environ", "replies", "images", "colours"),
    [
        (TRUE, None, "blocks", "truecolor"),
        (XTERM, None, "blocks", "256"),
        ({"TERM": "xterm"}, None, "blocks", "16"),
        ({"TERM": "linux"}, None, "blocks", "16"),
        ({**TRUE, "NO_COLOR": "1"}, None, "ascii", "truecolor"),
        (SSH, KITTY, "kitty", "truecolor"),
        (SSH, Replies(asked=True, name="kitty", version="0.21.0", kitty_graphics=True), "fine-blocks", "truecolor"),
        (SSH, Replies(asked=True, name="Konsole", version="23", kitty_graphics=True), "blocks", "truecolor"),
        (SSH, Replies(asked=True, name="XTerm", version="390", truecolor=True), "blocks", "truecolor"),
        (SSH, Replies(asked=True, name="VTE", version="7600"), "fine-blocks", "truecolor"),
        ({**SSH, "TERM": "xterm-ghostty"}, Replies(asked=True, kitty_graphics=True), "kitty", "truecolor"),
        ({**SSH, "TERM": "xterm-kitty"}, None, "fine-blocks", "truecolor"),
        ({**SSH, "TERM": "foot"}, None, "fine-blocks", "truecolor"),
        ({**TRUE, "TERM": "tmux-256color", "TMUX": "/tmp/x,1,0", "PATH": ""}, KITTY, "blocks", "truecolor"),
        ({**SSH, "TERM": "screen-256color"}, KITTY, "blocks", "256"),
        ({**TRUE, "TERM": "screen-256color", "STY": "1.pts"}, None, "blocks", "256"),
        (SSH, Replies(asked=True, name="tmux 3.3a", kitty_graphics=True), "blocks", "256"),
        ({**TRUE, "VTE_VERSION": "6003"}, None, "blocks", "truecolor"),
        (TRUE, SIXEL, "sixel", "truecolor"),
        (XTERM, SIXEL, "sixel", "256"),
        ({"TERM": "xterm"}, SIXEL, "sixel", "16"),
        ({**TRUE, "NO_COLOR": "1"}, SIXEL, "ascii", "truecolor"),
        (TRUE, replace(SIXEL, registers=16), "blocks", "truecolor"),
        (TRUE, replace(SIXEL, cell_pixels=None), "blocks", "truecolor"),
        ({**TRUE, "TMUX": "x", "PATH": ""}, SIXEL, "blocks", "truecolor"),
        (TRUE, replace(SIXEL, name="iTerm2", version="3.5.0"), "iterm2", "truecolor"),
        (TRUE, replace(SIXEL, name="WezTerm", version="20240203-110809-5046fc22"), "iterm2", "truecolor"),
        (TRUE, replace(SIXEL, name="other", iterm2_images=True), "iterm2", "truecolor"),
        ({**TRUE, "TERM_PROGRAM": "iTerm.app"}, Replies(asked=True, answered=True), "iterm2", "truecolor"),
        (TRUE, replace(KITTY, iterm2_images=True, sixel=True), "kitty", "truecolor"),
        ({**TRUE, "VTE_VERSION": "6800"}, None, "fine-blocks", "truecolor"),
    ],
)
def test_automatic_choice_of_pictures_and_colours(
    environ: dict[str, str], replies: Replies | None, images: str, colours: str
) -> None:
    info = detect(replies=replies, environ=environ)
    assert (info.images, info.colours) == (images, colours), (info.images_why, info.colours_why)


def test_arguments_win_over_variables_and_variables_over_the_terminal() -> None:
    environ = {**SSH, "TUILABEL_IMAGES": "sextant", "TUILABEL_COLOR": "16", "NO_COLOR": "1"}
    named = detect("quadrant", "truecolor", KITTY, environ)
    assert (named.images, named.images_why) == ("quadrant", "as requested")
    assert (named.colours, named.colours_why) == ("truecolor", "as requested")
    by_variable = detect(replies=KITTY, environ=environ)
    assert (by_variable.images, by_variable.images_why) == ("sextant", "TUILABEL_IMAGES")
    assert (by_variable.colours, by_variable.colours_why) == ("16", "TUILABEL_COLOR")
    inside = detect("kitty", environ={**TRUE, "TMUX": "x", "PATH": ""})
    assert (inside.images, inside.passthrough) == ("kitty", True)  # an explicit choice is respected
    assert detect("sixel", environ=TRUE).images == "sixel"


def test_tmux_passes_images_on_where_it_is_allowed_to(tmp_path: Path) -> None:
    """A tmux that answers as one would that runs in kitty."""
    tmux = tmp_path / "tmux"
    for says, images in (("xterm-kitty on", "kitty"), ("xterm-kitty off", "blocks"), ("xterm-256color on", "blocks")):
        tmux.write_text(f'#!/bin/sh\ncase "$*" in *termname*) echo "{says}" ;; *) echo RGB ;; esac\n')
        tmux.chmod(0o755)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", str(tmp_path))
            info = detect(environ={**XTERM, "TERM": "tmux-256color", "TMUX": "x"}, replies=Replies(asked=True))
        assert (info.images, info.passthrough) == (images, images == "kitty")
        assert info.blocks == "blocks"


@pytest.mark.parametrize(
    ("images", "colour", "environ", "message"),
    [
        ("photo", "auto", {}, "images must be one of auto, halfblock, .*, got 'photo'"),
        ("auto", "8", {}, "colour must be one of auto, truecolor, 256, 16, got '8'"),
        ("auto", "auto", {"TUILABEL_IMAGES": "x"}, "TUILABEL_IMAGES must be one of .*, got 'x'"),
        ("kitty", "16", {}, "images='kitty'` needs 256 colours"),
    ],
)
def test_an_unknown_choice_is_refused(images: str, colour: str, environ: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        detect(images, colour, environ=environ)


def dropped(environ: dict[str, str], colour: str = "auto") -> bool:
    info: TerminalInfo = detect(colour=colour, environ=environ)
    return info.colours_dropped


def test_dropped_colours_are_only_suspected_over_ssh() -> None:
    assert dropped(SSH)
    assert not dropped(XTERM)
    assert not dropped({**SSH, "COLORTERM": "truecolor"})
    assert not dropped(SSH, "256")


def test_every_renderer_can_be_chosen() -> None:
    """`--images`, its help and its completion offer IMAGE_CHOICES."""
    assert set(IMAGE_CHOICES) == {"auto", *RENDERERS}
