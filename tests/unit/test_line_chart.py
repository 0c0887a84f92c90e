"""Line charts of characters: where the curves and the numbers on the axes are."""

from __future__ import annotations

import numpy as np
import pytest

from tuilabel.render.line_chart import LETTERS, Curve, line_chart


def drawn(curves: list[Curve], width: int = 40, height: int = 12, **options: object) -> list[str]:
    limits = {"x_limits": (0.0, 100.0), "y_limits": (0.0, 100.0), **options}
    return ["".join(text for text, _ in line) for line in line_chart(curves, width, height, **limits)]  # type: ignore[arg-type]


def line(*points: tuple[float, float]) -> Curve:
    x, y = zip(*points, strict=True)
    return np.array(x, dtype=np.float64), np.array(y, dtype=np.float64)


def test_a_rising_line_goes_from_corner_to_corner() -> None:
    rows = drawn([line((0, 0), (100, 100))], letters=True)
    plot = [row.partition("│")[2] or row.partition("┤")[2] for row in rows[:-2]]
    assert plot[-1].startswith("o")
    assert plot[0].endswith("o")
    assert all("o" in row for row in plot)


def test_a_steep_line_has_no_gaps() -> None:
    rows = drawn([line((0, 0), (49, 0), (51, 100), (100, 100))], letters=True)
    assert all("o" in row for row in rows[:-2])


@pytest.mark.parametrize(("width", "height"), [(20, 6), (40, 12), (80, 18), (200, 50)])
def test_it_fills_its_size_and_never_exceeds_it(width: int, height: int) -> None:
    rows = drawn([line((0, 3), (50, 80), (100, 40))], width, height, unit=" %")
    assert len(rows) == height
    assert max(map(len, rows)) == width


def test_there_is_no_chart_where_there_is_no_room() -> None:
    assert drawn([line((0, 0), (1, 1))], 6, 12) == []
    assert drawn([line((0, 0), (1, 1))], 40, 3) == []


def test_the_axes_have_round_numbers_at_their_places() -> None:
    rows = drawn([line((0, 0), (100, 100))], 80, 22, unit=" %")
    ticks = [row.partition("┤")[0].strip() for row in rows if "┤" in row]
    assert ticks == [f"{n} %" for n in range(100, -1, -10)]
    assert rows[-1].split() == ["0", "20", "40", "60", "80", "100"]


def test_a_logarithmic_axis_gives_equal_ratios_equal_room() -> None:
    rows = drawn([line((1, 0), (100, 100))], x_limits=(1.0, 100.0), log_x=True)
    assert rows[-1].split() == ["1", "2", "5", "10", "20", "50", "100"]
    at = [column for column, character in enumerate(rows[-2]) if character == "┴"]
    assert at[3] - at[0] == pytest.approx(at[6] - at[3], abs=1)


def test_the_last_curve_is_in_front_and_pieces_name_their_curve() -> None:
    flat = line((0, 50), (100, 50))
    lines = line_chart([flat, flat], 40, 12, x_limits=(0, 100), y_limits=(0, 100), letters=True)
    assert {k for row in lines for _, k in row} == {None, 1}
    assert not any(LETTERS[0] in text for row in lines[:-2] for text, _ in row)


def test_without_letters_curves_are_braille() -> None:
    text = "".join(drawn([line((0, 0), (100, 100))])[:-2])
    assert any(0x2800 < ord(c) <= 0x28FF for c in text)


def test_one_point_and_a_flat_range_are_drawn() -> None:
    assert "o" in "".join(drawn([line((100, 100))], letters=True))
    assert "o" in "".join(drawn([line((0, 5), (100, 5))], y_limits=(5.0, 5.0), letters=True))
