"""What `stats` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuilabel.datasets.sources.passed_over import passed_over_line
from tuilabel.errors import pluralize, printable
from tuilabel.estimate import (
    ClassFigure,
    LureEstimate,
    MeasuredAccuracy,
    accuracy_text,
    agreement_text,
    balanced_text,
    baseline_text,
    recall_text,
)
from tuilabel.project.file_problems import FileProblems
from tuilabel.project.recipe import Recipe
from tuilabel.project.statistics import ProjectStatistics
from tuilabel.project.team import ProjectTeam
from tuilabel.session.annotators import TeamFigures

FILE_STATES = {
    "listed": "in total",
    "unread": "not read yet",
    "copies": "identical to another",
    "gone": "gone",
    "problems": "unusable (--problems)",
    "not_images": "not read for their suffix (--problems)",
}
PAIRS = 6  # of annotators, and classes, whose agreement is listed
CLASS_ROWS, CLASS_COLUMNS = 20, 2  # of the table of classes: with more classes than fit, the columns grow longer


def statistics_table(statistics: ProjectStatistics) -> Group:
    """The statistics as a table, in 80 columns."""
    log = statistics.log
    files = {} if statistics.files is None else asdict(statistics.files)
    table = Table("", "", show_header=False, box=None, pad_edge=False)
    table.add_row("project", f"{statistics.project} ({statistics.dataset}, {statistics.pool_size:,} images)")
    if any(files.values()):
        table.add_row("files", ", ".join(f"{n:,} {FILE_STATES[state]}" for state, n in files.items() if n))
    table.add_row("model", model_text(statistics.model))
    table.add_row("labelled", f"{log.labelled:,} in {pluralize(log.rounds, 'round')}")
    table.add_row("set aside", f"{log.skipped:,} skipped, {log.flagged_only:,} flagged")
    table.add_row("annotators", _people(log.annotators) or "–")
    if log.flagged:
        table.add_row("flagged", f"{log.flagged:,}, by {_people(log.flagged_by)}")
    if log.notes:
        table.add_row("notes", f"{log.notes:,}, by {_people(log.noted_by)}")
    test = "–" if log.test_accuracy is None else f"{log.test_accuracy:.1%} when the last batch was picked"
    table.add_row("test", test)
    audit = MeasuredAccuracy.on_audit(log.audit)
    table.add_row("audit", "–" if audit is None else accuracy_text(audit))
    if log.baseline is not None:
        balanced = [] if log.balanced is None else [balanced_text(log.balanced)]
        table.add_row("to beat", "; ".join([baseline_text(log.baseline, log.classes), *balanced]))
    table.add_row("lure", _interval(log.lure) + ("" if log.lure is None else ", averaged over the models so far"))
    table.add_row("advice", log.advice_text)
    mistakes = ", ".join(f"{log.classes[c.true]} for {log.classes[c.taken_for]} ({c.n})" for c in log.confusions)
    if mistakes:
        table.add_row("mistaken", mistakes)
    team: list[Group | str] = [_annotator_table(log.team), ""] if len(log.team.annotators) > 1 else []
    return Group(table, "", *team, _class_table(log.classes, log.class_counts, log.class_figures))


def _annotator_table(team: TeamFigures) -> Group:
    """What each annotator did, and how far they agree: all, by pair and on the classes with least agreement."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in ("annotator", "labels", "a minute", "last", "confirmed in review"):
        table.add_column(heading, justify="left" if heading in ("annotator", "last") else "right")
    for figure in team.annotators:
        pace = "" if figure.per_minute is None else f"{figure.per_minute:.0f}"
        checked = f"{figure.right} of {figure.checked}" if figure.checked else ""
        last = f"{figure.last.astimezone():%Y-%m-%d %H:%M}"
        table.add_row(Text(printable(figure.name)), f"{figure.labels:,}", pace, last, checked)
    if team.agreement is None:
        return Group(table)
    lines = [f"agreement  {agreement_text(team.agreement)}"]
    for pair in team.agreement.pairs[:PAIRS]:
        who = f"{printable(pair.first)} and {printable(pair.second)}"
        lines.append(f"  {who}: {100 * pair.share:.0f} % of {pair.n:,}, Cohen κ {pair.kappa:.2f}")
    weak = [figure for figure in team.agreement.classes if figure.share < 1][:PAIRS]
    if weak:
        least = ", ".join(f"{printable(figure.name)} {100 * figure.share:.0f} % of {figure.n:,}" for figure in weak)
        lines.append(f"  least on: {least}")
    if team.disputed:
        lines.append(f"  {pluralize(team.disputed, 'image')} disputed: `tuilabel review` shows them")
    return Group(table, *map(Text, lines))


def team_tables(found: ProjectTeam) -> Group:
    """Who has labelled, with roles, and who is here now."""
    members = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in ("annotator", "role", "answers"):
        members.add_column(heading, justify="right" if heading == "answers" else "left")
    for name in found.people:
        members.add_row(Text(printable(name)), found.team.role_of(name), f"{found.answers.get(name, 0):,}")
    here = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for present in found.team.sessions:
        asked = found.asked.get(present.session, 0)
        since = present.since.astimezone()
        where = f"since {since:%Y-%m-%d %H:%M} on {printable(present.host)}, process {present.process}"
        here.add_row(Text(printable(present.annotator)), f"asked {pluralize(asked, 'image')}", Text(where))
    here_now = (
        [Text("here now", style="dim"), here] if found.team.sessions else [Text("nobody is here now", style="dim")]
    )
    return Group(Text(f"{found.project}"), "", members, "", *here_now)


def model_text(model: Recipe) -> str:
    """How a project's model is made, in a line."""
    settled = model.space not in (None, model.encoder)
    images = model.images + (f" (latents {model.space} in the last session)" if settled else "")
    return printable(f"{images}, learner {model.learner}, strategy {model.strategy}, seed {model.seed}")


def problem_lines(unusable: FileProblems) -> list[str]:
    """A line for each file, and how many there are."""
    report = unusable.report
    lines = [f"{problem.name}: {problem.reason}" for problem in report.problems]
    for name, label, other, its in report.conflicts:
        lines.append(f"{name}: of class {label}, and as {other} of class {its}")
    counts = [f"{pluralize(len(report.problems), 'file')} of {unusable.dataset} cannot be used"]
    if report.conflicts:
        counts.append(f"{pluralize(len(report.conflicts), 'image')} in two classes")
    passed_over = passed_over_line(report.passed_over, all_suffixes=True)
    return [printable(line) for line in (*lines, *counts, passed_over) if line]


def _people(counts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts)


def _interval(estimate: LureEstimate | None) -> str:
    if estimate is None:
        return "–"
    return f"{estimate.value:.0%} ({estimate.low:.0%} to {estimate.high:.0%}, n {estimate.n})"


def _class_table(names: Sequence[str], counts: Sequence[int], figures: Sequence[ClassFigure]) -> Table:
    """Labels and audited recall of each class; many classes are set side by side, at most `CLASS_COLUMNS` in a row."""
    side = max(1, min(CLASS_COLUMNS, -(-len(names) // CLASS_ROWS)))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for _ in range(side):
        table.add_column("class", max_width=78 // side - 22, no_wrap=True)
        table.add_column("labels", justify="right")
        table.add_column("audited", justify="right")
    cells = []
    for name, count, figure in zip(names, counts, figures, strict=True):
        audited = "" if figure.accuracy is None else recall_text(figure.accuracy, figure.n)
        cells.append((name, f"{count:,}", audited))
    rows = -(-len(cells) // side)
    for row in range(rows):
        table.add_row(*(text for cell in cells[row::rows] for text in cell))
    return table
