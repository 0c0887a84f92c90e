"""One folder per class, shared by the formats that store classes that way."""

from __future__ import annotations

from collections.abc import Sequence

from tuilabel.errors import pluralize
from tuilabel.labels.exchange.directory import MANIFEST, ExportDirectory, all_classes
from tuilabel.labels.exchange.image_files import UniqueNames
from tuilabel.labels.exchange.rows import LabelRow


def add_class_folders(
    directory: ExportDirectory,
    rows: Sequence[LabelRow],
    classes: Sequence[str],
    parts: Sequence[str] | None = None,
    complete_parts: Sequence[str] = (),
) -> int:
    """Write each row's image to `CLASS/` or, with `parts`, to `PART/CLASS/`; return how many were written.

    Parameters
    ----------
    parts : the name of each row's part, such as `train`.
    complete_parts : parts that get a folder for every class that has a label, even an empty one.
    """
    used = {row.label for row in rows}
    folder_of = _folder_names(directory, [name for name in all_classes(rows, classes) if name in used])
    for part in complete_parts:
        for folder in folder_of.values():
            (directory.root / part / folder).mkdir(parents=True)
    written = 0
    for k, row in enumerate(rows):
        above = () if parts is None else (parts[k],)
        written += directory.add_image(row, *above, folder_of[row.label]) is not None
    return written


def _folder_names(directory: ExportDirectory, classes: Sequence[str]) -> dict[str, str]:
    """A safe folder name for each class; the manifest maps them back."""
    names = UniqueNames()
    folder_of = {name: names.new(name) for name in classes}
    directory.class_of_folder.update({folder: name for name, folder in folder_of.items()})
    changed = [name for name, folder in folder_of.items() if name != folder]
    if changed:
        directory.notes.append(f"{pluralize(len(changed), 'class folder')} renamed: {MANIFEST} lists the class names")
    return folder_of
