"""`cvat`: the tags of images, as CVAT exports them in `CVAT for images`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from tuilabel.datasets.sources.tables import record_of
from tuilabel.errors import TuilabelError
from tuilabel.labels.exchange.base import Format, ImportedLabel, ImportOptions
from tuilabel.labels.exchange.tables import imported_row

ANNOTATIONS = "annotations.xml"


def read_cvat(source: Path, options: ImportOptions) -> Iterator[ImportedLabel]:
    """Read `annotations.xml`, or the directory that has it: an image has the class of its only tag.

    Raises
    ------
    TuilabelError : if it is damaged, or another kind of XML.
    """
    options.refuse_columns(source)
    path = source / ANNOTATIONS if source.is_dir() else source
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        raise TuilabelError(f"{path} is not XML: {error}") from error
    if root.tag != "annotations":
        raise TuilabelError(f"{path} is not an export of `CVAT for images`: choose another `file_format`")
    for number, image in enumerate(root.iter("image"), 1):
        tags = [tag.get("label") for tag in image.iter("tag")]
        yield imported_row(record_of(f"image {number}", (image.get("name"), tags), {"path": 0, "label": 1}))


FORMAT = Format("cvat", "directory", reader=read_cvat, suffixes=(".xml",), markers=(ANNOTATIONS,))
