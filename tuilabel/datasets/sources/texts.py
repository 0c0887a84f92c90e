"""Texts of other programs in one form: how files are decoded, what a cell says about a class, how a path is meant."""

from __future__ import annotations

import ast
import codecs
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from typing import IO
from urllib.parse import parse_qs, unquote, urlsplit

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_FEWEST_CAPTIONS, _MANY_CAPTIONS, _WORDS_OF_CAPTIONS, _MOSTLY = 3, 10, 3, 0.8
_LONGEST_LITERAL = 10_000  # characters
_UPLOAD = re.compile(r"(?:^|/)upload/(?:.*/)?[0-9a-f]{8}-([^/]+)$")  # where Label Studio keeps what was uploaded


def is_url(text: str) -> bool:
    """Whether the text is a URL."""
    return _SCHEME.match(text) is not None


def text_of(file: IO[bytes]) -> TextIOWrapper:
    """A file as text with its line ends: UTF-8 or UTF-16, by its byte order mark or, without one, its first bytes.

    Bytes that are not valid UTF-8 become lone surrogates, as in file names.
    """
    start = file.read(4)
    file.seek(0)
    return TextIOWrapper(file, _encoding(start), errors="surrogateescape", newline="")


def decoded(content: bytes) -> str:
    """The text of a file's content, decoded like `text_of`."""
    return content.decode(_encoding(content[:4]), "surrogateescape")


def normal(text: str) -> str:
    """The text in Unicode's composed form (NFC): macOS writes é as two characters, other systems as one."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def classes_in(value: object) -> list[str]:
    """The classes that a cell names: none, one, or several.

    A list, as doccano writes it, or an object also counts when a table has it as text: Label Studio's
    `{"choices": […]}`, the only attribute of VIA's `{"class": "cat"}`, or what is true of labelme's `{"cat": true,
    "dog": false}`. Whole numbers lose the `.0` that pandas gives them. Lists of anything but names and numbers, such
    as boxes, name none.
    """
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str) and value.strip()[:1] in ("[", "{") and len(value) < _LONGEST_LITERAL:
        value = _literal(value)
    if isinstance(value, dict):
        value = _chosen_in(value)
    if isinstance(value, (list, tuple)):
        flat = all(isinstance(part, (str, bool, int, float)) or part is None for part in value)
        return list(dict.fromkeys(name for part in value for name in classes_in(part))) if flat else []
    if value is None or value != value:
        return []
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    name = normal(str(value).strip())
    return [name] if name else []


def _chosen_in(values: Mapping[str, object]) -> object:
    if "choices" in values:
        return values["choices"]
    if values and all(isinstance(value, bool) for value in values.values()):
        return [name for name, is_true in values.items() if is_true]
    only = next(iter(values.values())) if len(values) == 1 else None
    if isinstance(only, dict):  # VIA's boxes to tick
        return [name for name, is_true in only.items() if is_true is True]
    return only if isinstance(only, str) else None


def class_text(value: object) -> str | None:
    """The class that a cell names; None if that is none, or several."""
    names = classes_in(value)
    return names[0] if len(names) == 1 else None


def are_captions(counts: Mapping[str, int]) -> bool:
    """Whether texts are captions and not classes, given how many images have each: nearly all of them differ.

    Of a few images that is said only if the texts have several words.
    """
    n = sum(counts.values())
    if n < _FEWEST_CAPTIONS or len(counts) <= _MOSTLY * n:
        return False
    words = sum(len(text.split()) for text in counts) / len(counts)
    return n >= _MANY_CAPTIONS or words >= _WORDS_OF_CAPTIONS


def paths_meant(text: str) -> Iterator[str]:
    """What the text of a path may mean, the likeliest first: as it is, then as other systems and programs write it.

    They put backslashes, spaces around it, `%20`, a server or `file://` before it, the hash and the folders of Label
    Studio, or another form of Unicode.
    """
    yield text
    seen, waiting = {text, ""}, [text]
    while waiting:
        for other in _rewritten(waiting.pop(0)):
            if other not in seen:
                seen.add(other)
                waiting.append(other)
                yield other


def _rewritten(text: str) -> Iterator[str]:
    if is_url(text) or "/local-files/?d=" in text:
        try:
            parts = urlsplit(text)
        except ValueError:  # such as http://[x
            return
        yield from parse_qs(parts.query).get("d", [])[:1] if "local-files" in parts.path else ()
        yield unquote(parts.path)
        return
    yield text.strip()
    if "\\" in text:
        yield text.replace("\\", "/")
    if "%" in text:
        yield unquote(text)
    upload = _UPLOAD.search(text)
    if upload:
        yield upload[1]
    if not text.isascii():
        yield normal(text)
        yield unicodedata.normalize("NFD", text)


def upload_name(name: str) -> str:
    """The name that Label Studio gives to an uploaded file, after the hash: spaces become `_`, parentheses vanish."""
    return re.sub(r"[^-\w.]", "", normal(name).strip().replace(" ", "_"))


def is_upload(path: str) -> bool:
    """Whether a path is one of a file that was uploaded to Label Studio."""
    return _UPLOAD.search(path) is not None


def _literal(text: str) -> object:
    """The list of names or the object that a text shows, in JSON or Python; the text itself if it shows none."""
    for read in (json.loads, ast.literal_eval):
        try:
            value: object = read(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        shows_names = isinstance(value, dict) or (isinstance(value, list) and all(isinstance(n, str) for n in value))
        return value if shows_names else text
    return text


def _encoding(start: bytes) -> str:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(start) > 1 and 0 in start[:2]:
        return "utf-16-le" if start[1] == 0 else "utf-16-be"
    return "utf-8-sig"
