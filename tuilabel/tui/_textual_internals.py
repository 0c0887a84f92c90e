"""Every use of Textual's private parts: no other module of the program uses them.

Textual may change these in any release. `pyproject.toml` therefore allows only minor versions that were tested, and
`tests/unit/test_textual_internals.py` fails with the name of a part that is gone after an update.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from time import monotonic

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual._styles_cache import StylesCache
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.binding import Binding
from textual.driver import Driver
from textual.drivers import linux_driver
from textual.drivers._byte_stream import ByteStream
from textual.drivers._writer_thread import WriterThread as WriterThread  # for a subclass
from textual.geometry import Region, Size
from textual.keys import _character_to_key
from textual.message import Message
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

# Textual caches this method with its instance, and so keeps the lines of every widget that is closed: a megabyte each
# time that history or charts are looked at.
StylesCache.get_inner_outer = staticmethod(  # type: ignore[assignment, method-assign]
    lru_cache(1024)(partial(StylesCache.get_inner_outer.__wrapped__, StylesCache))
)

MOST_COLUMNS, MOST_ROWS = 1000, 500
"""Of the screen. A wall of 4K displays in the smallest type has fewer."""


def key_name(character: str) -> str:
    """Textual's name of the key that types `character`: ";" is "semicolon".

    Only the inverse, `textual.keys.key_to_character`, is public.
    """
    return _character_to_key(character)


def set_bindings(screen: Screen[bool], bindings: Sequence[Binding]) -> None:
    """Bind keys on one screen, replacing bindings of the same keys.

    Textual's `BINDINGS` belongs to a class and is read when the class is made, before the user's keys have been read.
    """
    for binding in bindings:
        screen._bindings.key_to_bindings[binding.key] = [binding]


def use_writer(writer: type[WriterThread]) -> None:
    """Write to the terminal with a writer of one's own from now on."""
    linux_driver.__dict__["WriterThread"] = writer


class LimitedDriver(linux_driver.LinuxDriver):
    """Draws on a part of a terminal that claims to be larger than any: an SSH client names whatever size it likes."""

    def _get_terminal_size(self) -> tuple[int, int]:
        return limited(Size(*super()._get_terminal_size()))


def limited(size: Size) -> Size:
    """A size of the terminal, or the largest that is believed."""
    return Size(min(size.width, MOST_COLUMNS), min(size.height, MOST_ROWS))


class LinesWidget(Widget):
    """A widget whose lines are ready before they are rendered."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.pending = False
        """Whether the last change has not been rendered yet."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing is added to its lines, and nothing changed in them."""
        return not (self.gutter or self.get_line_filters()) and self.opacity == 1


@dataclass(frozen=True)
class Lines(CompositorUpdate):
    """An update of (column, line, cells)."""

    changes: Sequence[tuple[int, int, Strip]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for _, _, strip in self.changes:
            yield from strip


def paint_now(screen: Screen[bool]) -> None:
    """Write at once what has changed on `screen`.

    Textual does it some messages later, and at most 60 times a second, and its compositor divides every line at the
    edges of all widgets. Lines that are ready and lie below nothing else need none of that. Where the layout has to
    change first it is left to Textual, and so is a screen that is not in front.
    """
    widgets = [node for node in screen.walk_children(with_self=True) if isinstance(node, Widget)]
    if not screen.is_current or any(widget._layout_required or widget._scroll_required for widget in widgets):
        return
    for widget in widgets:
        if widget._repaint_required and widget.display and widget is not screen:
            widget._repaint_required = False
            screen._dirty_widgets.add(widget)
    lines = None if screen._repaint_required or screen._compositor._dirty_regions else _ready_lines(screen)
    if lines is None:
        screen._on_timer_update()
    elif lines:
        screen.app._display(screen, Lines(lines))


def _ready_lines(screen: Screen[bool]) -> list[tuple[int, int, Strip]] | None:
    """The changed lines of the screen if all are ready, no longer to be painted; None where it takes the compositor."""
    visible = screen._compositor.visible_widgets
    dirty = [widget for widget in screen._dirty_widgets if isinstance(widget, LinesWidget) and widget in visible]
    if len(dirty) < len(screen._dirty_widgets):
        return None
    if not all(widget.is_plain and not _is_covered(widget, visible) for widget in dirty):
        return None
    lines: list[tuple[int, int, Strip]] = []
    for widget in dirty:
        region, clip = visible[widget]
        shown = region.intersection(clip)
        changed = {y for one in widget._exchange_repaint_regions() for y in one.line_range}
        for y in sorted(changed & {*range(shown.y - region.y, shown.bottom - region.y)}):
            strip = widget.render_line(y)
            lines.append((shown.x, region.y + y, strip.crop(shown.x - region.x, shown.right - region.x)))
    screen._dirty_widgets.clear()
    return lines


def _is_covered(widget: Widget, visible: Mapping[Widget, tuple[Region, Region]]) -> bool:
    """Whether another widget, other than those it is in, lies over a part of its region."""
    region = visible[widget][0].intersection(visible[widget][1])
    return any(
        one is not widget and other.overlaps(region) and clip.overlaps(region) and one not in widget.ancestors
        for one, (other, clip) in visible.items()
    )


class ScreenUpdate(CompositorUpdate):
    """What Textual is about to write to the terminal: parts of the screen, or all of it.

    Subclasses define how it is written; Textual has no public hook for that.
    """

    def __init__(self, update: ChopsUpdate | LayoutUpdate | Lines) -> None:
        self._update = update

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return self._update.__rich_console__(console, options)

    def changes(self) -> Iterator[tuple[int, int, Strip]]:
        """(column, line, cells) of every span that is to be written."""
        update = self._update
        if isinstance(update, Lines):
            yield from update.changes
            return
        if isinstance(update, LayoutUpdate):
            for y, strips in enumerate(update.strips, update.region.y):
                yield update.region.x, y, Strip.join(list(strips))
            return
        for y, x1, x2 in update.spans:
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                left, right = max(x, x1), min(end, x2)
                if strip is not None and left < right:
                    yield left, y, strip.crop(left - x, right - x)


class HookedApp(App[None]):
    """An app with the hooks that Textual lacks: before and after a screen is written, and when the app fails."""

    update_type: type[ScreenUpdate] = ScreenUpdate
    """How updates are written."""

    @property
    def driver(self) -> Driver | None:
        """What reads from the terminal and writes to it, while the app runs."""
        return self._driver

    def after_write(self, screen: Screen[object], at: float) -> None:
        """`screen` has been written to the terminal; the write began at `at`, a monotonic time in seconds."""

    def before_failing(self, error: BaseException | None) -> None:
        """An exception ends the app; Textual's own traceback over the terminal is not printed."""

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        if isinstance(renderable, ChopsUpdate | LayoutUpdate | Lines):
            renderable = self.update_type(renderable)
        at = monotonic()
        super()._display(screen, renderable)
        if renderable is not None:
            self.after_write(screen, at)

    def _fatal_error(self) -> None:
        self.before_failing(sys.exc_info()[1])
        self._close_messages_no_wait()


class PacketStream:
    """Textual's parser of what a server sends: packets of keys (D) and of messages (M)."""

    def __init__(self) -> None:
        self._stream = ByteStream()

    def feed(self, data: bytes) -> Iterable[tuple[str, bytes]]:
        """The packets that are completed by `data`."""
        return self._stream.feed(data) if data else ()  # nothing would be the end


class WholeSequenceParser:
    """Textual's parser of terminal input, fed whole escape sequences only.

    A sequence that Textual does not know would make it wait for more and then hand it on as keys, character by
    character. Here it is dropped.
    """

    def __init__(self) -> None:
        self._parser = XTermParser()

    def feed(self, sequence: str) -> Iterable[Message]:
        """The events of one character or whole escape sequence."""
        yield from self._parser.feed(sequence)
        if self._parser._awaiting.timeout is not None:  # it waits for more, yet the sequence is whole
            self._start_over()

    def _start_over(self) -> None:
        old, self._parser = self._parser, XTermParser()
        new = self._parser
        new.last_x, new.last_y, new.mouse_pixels = old.last_x, old.last_y, old.mouse_pixels
        new.terminal_size, new.terminal_pixel_size = old.terminal_size, old.terminal_pixel_size
