"""Filters of answers by class, annotator, flag, note, and whether the model was right: one for screens and exports."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tuilabel.errors import UsageError
from tuilabel.labels.events import Event

HELP: Final = "class:cat by:ada flag note:blurred wrong right, -term for the opposite"
_TERM = re.compile(r'(-?)(?:(\w+):)?(?:"([^"]*)"|(\S+))')
_WORDS: Final = {
    "flag": ("flag", "flags", "flagged"),
    "note": ("note", "notes", "noted"),
    "wrong": ("wrong", "mistake", "mistakes"),
    "right": ("right", "correct"),
    "skip": ("skip", "skipped"),
    "label": ("label", "labels", "labelled", "labeled"),
}
_NAMES: Final = {"flag": "flagged", "skip": "skipped", "label": "labelled"}
_KEYS: Final = {
    "class": ("class", "label"),
    "by": ("by", "annotator"),
    "flag": ("flag", "flagged"),
    "note": ("note",),
}


@dataclass(frozen=True)
class Subject:
    """What a filter looks at: all that is known of one item.

    Attributes
    ----------
    answer : the standing answer, with current class names; None without one.
    flag : its flag; None without one.
    note : the text of its note; empty without one.
    """

    answer: Event | None
    flag: Event | None = None
    note: str = ""


@dataclass(frozen=True)
class Term:
    """One condition."""

    key: str
    value: str = ""
    negated: bool = False

    def __str__(self) -> str:
        value = f'"{self.value}"' if re.search(r"\s", self.value) else self.value
        return ("-" if self.negated else "") + (f"{self.key}:{value}" if value else _NAMES.get(self.key, self.key))

    def holds(self, subject: Subject) -> bool:
        """Whether an item meets the condition."""
        return _TESTS[self.key](subject, self.value.casefold()) != self.negated


@dataclass(frozen=True)
class Filter:
    """Conditions that all have to be met; of several with the same key one is enough."""

    terms: tuple[Term, ...]

    @classmethod
    def parse(cls, text: str, classes: Sequence[str] = ()) -> Filter:
        """A filter from words such as `class:cat by:ada flag note:"two of them" -wrong`, or the name of a class.

        Parameters
        ----------
        classes : the names that a class may have; a name alone stands for its class.

        Raises
        ------
        UsageError : if there is no such condition, or no such class.
        """
        name = _class_named(text.strip(), classes)
        if name is not None:
            return cls((Term("class", name),))
        terms = [_term(match, classes) for match in _TERM.finditer(text)]
        if not terms:
            raise UsageError(f"a filter needs a condition: {HELP}")
        return cls(tuple(dict.fromkeys(terms)))

    def __str__(self) -> str:
        return " ".join(map(str, self.terms))

    def matches(self, subject: Subject) -> bool:
        """Whether an item meets all conditions."""
        met: dict[str, bool] = {}
        for term in self.terms:
            key = str(term) if term.negated else term.key
            met[key] = met.get(key, False) or term.holds(subject)
        return all(met.values())


def _term(match: re.Match[str], classes: Sequence[str]) -> Term:
    minus, key, quoted, word = match.groups()
    value, negated = (quoted if word is None else word), bool(minus)
    if key is None:
        name = _class_named(value, classes)
        for wanted, words in _WORDS.items():
            if value.casefold() in words and name is None:
                return Term(wanted, negated=negated)
        if name is None:
            raise UsageError(f"{value!r} is neither a class nor a condition: {HELP}")
        return Term("class", name, negated)
    wanted = next((name for name, names in _KEYS.items() if key.casefold() in names), "")
    if not wanted:
        raise UsageError(f"a filter knows no {key!r}: {HELP}")
    if wanted == "class":
        name = _class_named(value, classes)
        if name is None:
            raise UsageError(f"there is no class {value!r}: the classes are {', '.join(classes)}")
        value = name
    return Term(wanted, value, negated)


def _class_named(value: str, classes: Sequence[str]) -> str | None:
    """The class of that name or, if there is only one, the one that is the same but for its case."""
    if value in classes:
        return value
    alike = [name for name in classes if name.casefold() == value.casefold()]
    return alike[0] if len(alike) == 1 else None


def _is_by(event: Event | None, name: str) -> bool:
    return event is not None and (not name or name in event.annotator.casefold().split("+"))


def _is_of_class(subject: Subject, name: str) -> bool:
    return subject.answer is not None and (subject.answer.class_name or "").casefold() == name


def _has_kind(subject: Subject, kind: str) -> bool:
    return subject.answer is not None and subject.answer.kind == kind


def _audit_verdict(subject: Subject) -> bool | None:
    """Whether the model was right about an audit item before it learned the answer; None for other items."""
    answer = subject.answer
    if answer is None or answer.kind != "label" or not answer.audit or answer.predicted is None:
        return None
    return answer.predicted == answer.class_name


_TESTS: Final[dict[str, Callable[[Subject, str], bool]]] = {
    "class": _is_of_class,
    "by": lambda subject, name: _is_by(subject.answer, name),
    "flag": lambda subject, name: _is_by(subject.flag, name),
    "note": lambda subject, text: bool(subject.note) and text in subject.note.casefold(),
    "wrong": lambda subject, _: _audit_verdict(subject) is False,
    "right": lambda subject, _: _audit_verdict(subject) is True,
    "skip": lambda subject, _: _has_kind(subject, "skip"),
    "label": lambda subject, _: _has_kind(subject, "label"),
}
