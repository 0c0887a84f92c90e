"""The panel's first lines: how far labelling has come, and what the trainer does."""

from __future__ import annotations

import math

from tuilabel.encoders.titles import title_of
from tuilabel.session import Statistics, TrainerState
from tuilabel.tui.widgets.panel.line import Line


def progress_lines(statistics: Statistics, width: int) -> list[Line]:
    """How many labels there are, the pace, the round, and what the trainer does."""
    aside = statistics.skipped + statistics.flagged_only
    pace = "–" if statistics.per_minute is None else f"{statistics.per_minute:.0f}"
    word = "set aside" if statistics.skipped and statistics.flagged_only else "skipped"
    word = word if statistics.skipped else "flagged"
    skipped: Line = [(f"  {aside} {word}", "dim")] if aside else []
    lines: list[Line] = [
        [(f"{statistics.labelled:,}", "strong"), (f" of {statistics.pool_size:,} labelled", "text")],
        [(pace, "strong"), (" a minute" if aside and width < 32 else " labels a minute", "text"), *skipped],
        [(f"round {statistics.round}", "text"), (f" · {statistics.strategy}", "dim")],
    ]
    if statistics.target is not None:
        lines.insert(2, [(f"to {100 * statistics.target:g}%: ", "dim"), *_to_target(statistics)])
    return [*lines, _trainer(statistics.trainer, width), *_space(statistics.trainer, width)]


def _to_target(statistics: Statistics) -> Line:
    left, minutes = statistics.labels_to_target, statistics.minutes_left
    if left is None:
        return [("too early", "dim")]
    if left == 0:
        return [("reached", "good")]
    labels: Line = [(f"{left:,}", "strong"), (" labels", "text")]
    return labels if minutes is None else [*labels, (f", {max(1, round(minutes)):,} min", "text")]


_DOING = {
    "starting": "starting",
    "load": "loading",
    "encode": "encoding",
    "train": "training",
    "idle": "idle",
    "stopped": "stopped",
    "overdue": "overdue",
}
"""What the trainer is doing, in words of similar length, as the line changes with every key."""


def _trainer(trainer: TrainerState, width: int) -> Line:
    doing = _DOING.get(trainer.doing, trainer.doing).ljust(8)
    line: Line = [("trainer ", "dim"), (doing, "bad" if trainer.doing in ("stopped", "overdue") else "text")]
    if trainer.total and trainer.doing == "encode":
        return [*line, (f"{trainer.done / trainer.total:5.0%}", "text")]
    if trainer.trained_on is None or trainer.fit_seconds is None:
        return line
    took = trainer.fit_seconds + (trainer.query_seconds or 0)
    figures = f" {took:.2f} s" if width < 34 else f" {took:.2f} s for {trainer.trained_on:,}"
    return [*line, (figures, "dim")]


_BACKGROUND = {
    "read": "reading",
    "download": "downloading",
    "vae": "training VAE",
    "encode": "encoding",
    "compare": "comparing with your labels",
}


def _space(trainer: TrainerState, width: int) -> list[Line]:
    """How images are represented, and what is being prepared: two lines, or none if images are always the same."""
    if trainer.encoder is None:
        return []
    title, _, which = title_of(trainer.encoder).partition(" (")
    whole = f"{title} ({which}" if which else title
    fits = len("space ") + len(whole) <= width
    space: Line = [("space ", "dim"), (whole if fits else title, "text")]
    if trainer.background is None:
        return [space, [] if fits or not which else [(which.rstrip(")"), "dim")]]
    return [space, _preparing(trainer, width)]


def _preparing(trainer: TrainerState, width: int) -> Line:
    """What is being prepared: how much of it is done, how fast, and how long it takes, as far as that fits."""
    doing = _BACKGROUND.get(trainer.background or "", trainer.background or "")
    if trainer.background == "encode" and title_of(trainer.background_encoder or "").startswith("network features"):
        doing = "features"
    if trainer.background == "compare":
        return [(doing[:width], "dim")]
    share = trainer.background_done / trainer.background_total if trainer.background_total else 0
    line: Line = [(doing, "dim"), (f" {share:.0%}", "text")]
    if not trainer.background_rate:
        return line
    left = f" · {_duration((trainer.background_total - trainer.background_done) / trainer.background_rate)}"
    rate = "" if trainer.background in ("download", "vae") else f" · {trainer.background_rate:,.0f}/s"
    for text in (f"{rate}{left}", left):
        if sum(len(piece) for piece, _ in line) + len(text) <= width:
            return [*line, (text, "dim")]
    return line


def _duration(seconds: float) -> str:
    """A time to wait, coarse, so that it does not change with every glance."""
    if seconds < 60:
        return f"{10 * max(1, math.ceil(seconds / 10))} s"
    return f"{math.ceil(seconds / 60):,} min"
