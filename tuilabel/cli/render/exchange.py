"""What `export` and `import` print."""

from __future__ import annotations

import sys

from tuilabel.errors import pluralize, printable
from tuilabel.project.exchange import ExportSummary, ImportSummary


def export_lines(summary: ExportSummary) -> list[str]:
    """What was left out, and how many labels were written where."""
    lines = []
    if summary.undecided:
        lines.append(f"{pluralize(summary.undecided, 'image')} left out: annotators disagree")
    if summary.without_image:
        lines.append(f"{pluralize(summary.without_image, 'label')} left out: the image is no longer available")
    if summary.gone:
        gone = pluralize(summary.gone, "labelled image")
        lines.append(f"{gone} no longer in {summary.dataset}: exported under the last known name")
    lines += summary.notes
    if summary.out is not None:
        lines.append(f"{pluralize(summary.labels, 'label')} written to {summary.out}")
    return [printable(line) for line in lines]


def import_lines(summary: ImportSummary) -> list[str]:
    """One line per outcome with its number of rows, and examples below some of them."""
    plan, examples = summary.plan, summary.to_json()["examples"]
    policy = "replaced" if summary.on_conflict == "replace" else "kept (--on-conflict replace replaces it)"
    annotators = ", ".join(f"{name} {n:,}" for name, n in plan.annotators.items())
    twice = plan.of_two_classes
    n_conflicts = len(plan.conflicts) - len(twice)
    counts: list[tuple[int, str, list[str]]] = [
        (plan.matched, f"matched to an image of {summary.dataset}", []),
        (plan.same, "identical to the current label", []),
        (
            n_conflicts,
            "different from the current label" + (f": {policy}" if n_conflicts else ""),
            [f"{e['path'] or e['where']}: now {e['there']}, imported {e['here']}" for e in examples["conflicting"]],
        ),
        (len(plan.unknown), "not matched: no such image, or several", _places(examples["unknown"])),
        (len(plan.without_label), "without a class", _places(examples["without_label"])),
    ]
    if twice:
        kept = "the last counts" if summary.on_conflict == "replace" else "the first is kept"
        sides = [f"{e['first']}: {e['there']}, {e['where']}: {e['here']}" for e in examples["of_two_classes"]]
        counts.append((len(twice), f"with another class in the same source: {kept}", sides))
    if plan.odd:
        counts.append((len(plan.odd), "not readable", _places(examples["odd"])))
    new = plan.new_classes
    if new:
        counts.append((len(new), f"new class{'' if len(new) == 1 else 'es'}: {', '.join(map(_in_list, new))}", []))
    if plan.different_notes:
        shown = [f"{e['path'] or e['where']}: now “{e['there']}”, imported “{e['here']}”" for e in examples["notes"]]
        counts.append((len(plan.different_notes), f"with another note than the image has: {policy}", shown))
    done = "written" if summary.applied else "to write"
    written = f"label{'' if plan.n_labels == 1 else 's'} {done}"
    counts.append((plan.n_labels, written + (f" ({annotators})" if annotators else ""), []))
    for n, noun in ((plan.n_flags, "flag"), (plan.n_notes, "note")):
        if n:
            counts.append((n, f"{noun}{'' if n == 1 else 's'} {done}", []))
    lines = [f"{pluralize(summary.rows, 'row')} in {summary.source} ({summary.file_format}) for {summary.project}"]
    for n, words, shown in counts:
        lines += [f"{n:>9,} {words}", *(f"{'':12}{text}" for text in shown)]
    return [printable(line) for line in lines]


def print_table(text: str) -> None:
    """Print a table on stdout, keeping the bytes of file names; on a terminal, with control characters escaped."""
    if sys.stdout.isatty():
        text = "".join(printable(line) + "\n" for line in text.split("\n")[:-1])
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def _places(examples: list[dict[str, str]]) -> list[str]:
    reasons = (f" ({e['problem']})" if e["problem"] and e["path"] else e["problem"] for e in examples)
    return [f"{e['where']}: {e['path']}{reason}" for e, reason in zip(examples, reasons, strict=True)]


def _in_list(name: str) -> str:
    """A name among others, which commas separate."""
    return f'"{name}"' if "," in name else name
