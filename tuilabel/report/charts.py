"""The learning curve as inline SVG: no script, and the page's own colours."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from tuilabel.session import CurvePoint

WIDTH, HEIGHT = 640, 280
LEFT, RIGHT, TOP, BOTTOM = 78, 22, 14, 52


def learning_curve(points: Sequence[CurvePoint]) -> Markup:
    """Accuracy by labels with its band of 95 % intervals; `points` by growing number of labels, at least one."""
    low = min(point.low for point in points)
    high = max(point.high for point in points)
    floor, step = _scale(low, high)
    ceiling = min(1.0, floor + step * math.ceil((high - floor) / step - 1e-9))
    first, last = points[0].labels, points[-1].labels
    if first == last:
        first, last = max(0, first - 10), last + 10

    def x(labels: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (labels - first) / (last - first)

    def y(accuracy: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (accuracy - floor) / (ceiling - floor)

    parts = []
    for k in range(round((ceiling - floor) / step) + 1):
        at = y(floor + k * step)
        digits = 0 if step >= 0.01 else 1
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(_text(LEFT - 8, at + 4, "end", f"{100 * (floor + k * step):.{digits}f} %"))
    parts += [_text(x(n), HEIGHT - BOTTOM + 22, "middle", f"{n:,}") for n in _ticks(first, last)]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "middle", "labels"))
    upper = [f"{x(p.labels):.1f},{y(p.high):.1f}" for p in points]
    lower = [f"{x(p.labels):.1f},{y(p.low):.1f}" for p in reversed(points)]
    parts.append(f'<polygon class="band" points="{" ".join(upper + lower)}"/>')
    line = " ".join(f"{x(p.labels):.1f},{y(p.accuracy):.1f}" for p in points)
    parts.append(f'<polyline class="line" points="{line}"/>')
    parts += [f'<circle class="dot" r="3" cx="{x(p.labels):.1f}" cy="{y(p.accuracy):.1f}"/>' for p in points]
    title = f"Accuracy from {points[0].accuracy:.1%} at {points[0].labels:,} labels to {points[-1].accuracy:.1%} at "
    return Markup(
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="curve-title">'
        f'<title id="curve-title">{title}{points[-1].labels:,}</title>{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _scale(low: float, high: float) -> tuple[float, float]:
    """Start of the accuracy axis, and the step of its three to seven lines."""
    span = max(high - low, 0.005)
    step = next(s for s in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if span / s <= 5)
    return max(0.0, step * math.floor(low / step)), step


def _ticks(first: int, last: int) -> list[int]:
    """At most seven round numbers of labels between the two."""
    span = last - first
    unit = 10 ** max(0, math.floor(math.log10(span)) - 1)
    step = next(k * unit for k in (1, 2, 5, 10, 20, 50, 100) if span / (k * unit) <= 6)
    return list(range(-(-first // step) * step, last + 1, step))
