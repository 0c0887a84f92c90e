"""Files that are not read because their suffix is not that of an image: counted, and put into words."""

from __future__ import annotations

from collections.abc import Mapping

from tuilabel.errors import pluralize
from tuilabel.extras import how_to_install

# What lies beside images without being one. A start does not mention these; `stats --problems` does.
_BESIDE = frozenset(
    (
        "txt", "md", "rst", "log", "json", "jsonl", "ndjson", "csv", "tsv", "xml", "yaml", "yml", "toml", "ini", "cfg",
        "sum", "md5", "sha256", "html", "htm", "css", "js", "py", "ipynb", "sh", "sql", "db", "sqlite", "lock", "aae",
        "license", "xmp", "thm", "lnk", "url", "parquet", "cls", "names", "yolo",
    )
)  # fmt: skip
_HINTS = dict.fromkeys(("heic", "heif", "hif"), f"to read them: {how_to_install('pillow_heif')}") | {
    "arrow": "save the data set with to_parquet"
}
_SHOWN = 6  # suffixes in a line
_LONGEST = 12  # characters of what still is a suffix
_MOST = 200  # different suffixes that are counted


def suffix_of(name: str) -> str:
    """The suffix of a file in lower case, without its dot; empty if it has none."""
    stem, _, suffix = name.rpartition("/")[2].rpartition(".")
    return suffix.lower() if stem and len(suffix) <= _LONGEST and suffix.isprintable() else ""


def count_suffix(counts: dict[str, int], name: str) -> None:
    """Count a file under its suffix."""
    suffix = suffix_of(name)
    if suffix not in counts and len(counts) >= _MOST:
        suffix = ""
    counts[suffix] = counts.get(suffix, 0) + 1


def passed_over_line(counts: Mapping[str, int], *, all_suffixes: bool = False) -> str:
    """How many files are not read, most frequent suffix first; empty if there are none.

    Parameters
    ----------
    all_suffixes : also those of texts and tables, which lie beside many sets of images.
    """
    kept = {suffix: n for suffix, n in counts.items() if all_suffixes or suffix not in _BESIDE}
    if not kept:
        return ""
    first, *others = sorted(kept.items(), key=lambda item: (-item[1], item[0]))
    shown = [_words(*item) for item in (first, *others[: _SHOWN - 1])]
    more = sum(n for _, n in others[_SHOWN - 1 :])
    shown += [f"{more:,} others"] if more else []
    total = sum(kept.values())
    return f"{pluralize(total, 'file')} {'is' if total == 1 else 'are'} not read, by suffix: {', '.join(shown)}"


def _words(suffix: str, n: int) -> str:
    hint = f" ({_HINTS[suffix]})" if suffix in _HINTS else ""
    return f"{n:,} {f'.{suffix}' if suffix else 'without a suffix'}{hint}"
