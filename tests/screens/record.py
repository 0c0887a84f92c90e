"""`python -m tests.screens.record PHOTOS [OUT]`: the real program labelling photographs, as .gif, or its grid as .png.

PHOTOS holds a folder for each class; the class of the image in focus is read from the path in the screen's first line.
Needs Debian's fonts-dejavu-core.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.helpers.terminal import TUILABEL, Terminal
from tests.screens.paint import Cell, draw, terminal_picture

COLUMNS, ROWS = 110, 32
WARM_UP = 60  # labels before the recording, so that there is a model
SHOWN = 14  # labels in the recording
COLOURS = 128  # of the animation's palette
SECONDS = {"typed": 1.8, "label": 0.9, "view": 3.0}
GREEN = (87, 215, 135)


def record(photos: Path, out: Path, options: list[str]) -> None:
    """Label some photographs by their folders, and write the screens as an animation."""
    classes = sorted(folder.name for folder in photos.iterdir() if folder.is_dir())
    keys = dict(zip(classes, "1234567890", strict=False))
    command = f"tuilabel label {photos.name} --classes {','.join(classes)}"
    frames = [(_prompt(command), SECONDS["typed"])]
    with tempfile.TemporaryDirectory() as folder:
        argv = [*TUILABEL, "label", str(photos.resolve()), "--classes", ",".join(classes), *options]
        with Terminal(argv, columns=COLUMNS, rows=ROWS, directory=Path(folder)) as terminal:
            terminal.wait_for("Tab.* view", seconds=120)
            terminal.wait_for("image 1 of", seconds=60)
            terminal.key("tab")
            terminal.wait_for("MODEL")
            for n in range(WARM_UP if out.suffix == ".png" else WARM_UP + SHOWN):
                terminal.settle(0.6)
                if n >= WARM_UP:
                    while "finding the nearest" in terminal.text:  # the neighbours are still to come
                        terminal.read(0.1)
                    terminal.settle(0.6)
                    frames.append((terminal_picture(terminal.screen), SECONDS["label"]))
                terminal.type(keys[_class_in_focus(terminal.text, classes)])
            terminal.key("tab")
            if out.suffix == ".png":
                terminal.key("tab")
            terminal.settle(0.6)
            while "Finding images" in terminal.text:
                terminal.read(0.1)
            terminal.settle(1.5)
            frames.append((terminal_picture(terminal.screen), SECONDS["view"]))
            terminal.key("ctrl+q")
            terminal.wait_for_exit()
    if out.suffix == ".png":
        frames[-1][0].quantize(COLOURS).save(out, optimize=True)
    else:
        _write(frames, out)


def _class_in_focus(text: str, classes: list[str]) -> str:
    match = re.search(rf"\b({'|'.join(classes)})/\S+", text.splitlines()[0])
    assert match is not None, f"no path of an image in the first line:\n{text}"
    return match.group(1)


def _prompt(command: str) -> Image.Image:
    """The terminal before the program has started."""
    line = [Cell("$", GREEN), Cell(" "), *map(Cell, command), Cell("█")]
    line = line[:COLUMNS]
    blank = [Cell(" ")] * COLUMNS
    return draw([line + blank[len(line) :], *[blank] * (ROWS - 1)])


def _write(frames: list[tuple[Image.Image, float]], out: Path) -> None:
    """Write an animation with one palette for all frames, so that colours do not flicker."""
    sample = Image.new("RGB", (frames[0][0].width, sum(image.height for image, _ in frames)))
    for n, (image, _) in enumerate(frames):
        sample.paste(image, (0, n * image.height))
    palette = sample.quantize(COLOURS)
    images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image, _ in frames]
    milliseconds = [round(1000 * seconds) for _, seconds in frames]
    images[0].save(out, save_all=True, append_images=images[1:], duration=milliseconds, loop=0, optimize=True)


def main() -> None:
    """Record; further arguments go to `tuilabel label`."""
    photos, *rest = sys.argv[1:]
    out, *options = rest or ["docs/screens/photographs.gif"]
    record(Path(photos), Path(out), options)


if __name__ == "__main__":
    main()
