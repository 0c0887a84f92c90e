"""Strategies by name, including user strategies: `package.module:function`, or an entry point of an installed package.

A user strategy is a function of a `QueryContext` and k that returns positions in `context.candidates` (or a
`Selection`). It needs a model unless it sets `function.needs_model = False`. Its result is checked at each call:
otherwise a wrong batch might be labelled unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import numpy as np

from tuilabel.errors import TuilabelError, UsageError, unknown_name
from tuilabel.strategies.base import QueryContext, Selection, Strategy, registered, strategy_names
from tuilabel.user_code import import_name

GROUP = "tuilabel.strategies"  # group of entry points


def get_strategy(name: str) -> Strategy:
    """The strategy called `name`: a registered one, an entry point, or the function at `package.module:function`.

    Raises
    ------
    UsageError : if there is no such strategy, or it cannot be imported.
    """
    strategy = registered(name)
    if strategy is not None:
        return strategy
    if ":" in name:
        return _wrapped(name, import_name("strategy", name))
    installed = _installed()
    if name in installed:
        return _wrapped(name, _loaded(installed[name]))
    raise unknown_name("strategy", name, (*strategy_names(), *installed))


def checked(name: str, result: object, k: int, n: int) -> Selection:
    """Check the result of a user strategy, and return it as a Selection of min(k, n) distinct positions.

    Raises
    ------
    TuilabelError : if the result is anything else.
    """
    probability = result.query_probability if isinstance(result, Selection) else None
    k = min(k, n)
    try:
        positions = np.asarray(result.positions if isinstance(result, Selection) else result)
    except ValueError:
        raise _invalid(name, "it returned rows of unequal length, not an array of positions") from None
    if positions.ndim != 1:
        raise _invalid(name, f"it returned an array of shape {positions.shape}, not ({k},)")
    if not (np.issubdtype(positions.dtype, np.integer) or (len(positions) == 0 and k == 0)):
        raise _invalid(
            name, f"it returned {positions.dtype}, not integers: it must return positions in context.candidates"
        )
    if len(positions) != k:
        raise _invalid(name, f"it returned {len(positions)} positions, not {k}")
    if k and (positions.min() < 0 or positions.max() >= n):
        beyond = positions[(positions < 0) | (positions >= n)][0]
        raise _invalid(
            name, f"it returned position {beyond}, outside 0…{n - 1}: it must return positions in context.candidates"
        )
    unique, counts = np.unique(positions, return_counts=True)
    if len(unique) != k:
        raise _invalid(name, f"it returned position {unique[counts > 1][0]} more than once")
    return Selection(
        positions.astype(np.int64), None if probability is None else _checked_probability(name, probability, k)
    )


def _checked_probability(name: str, probability: object, k: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.asarray(probability)
    if values.shape != (k,) or not np.issubdtype(values.dtype, np.number):
        raise _invalid(name, f"its query_probability has shape {values.shape}, not ({k},)")
    if not ((values > 0) & (values <= 1)).all():
        raise _invalid(name, "its query_probability must be above 0 and at most 1")
    return values.astype(np.float64)


def _invalid(name: str, what: str) -> TuilabelError:
    return TuilabelError(f"strategy {name!r} returned an invalid result: {what}")


def _wrapped(name: str, function: object) -> Strategy:
    """The function as a Strategy whose result is checked; a Strategy keeps its description."""
    if isinstance(function, Strategy):
        return replace(function, name=name, pick=_guarded(name, function.pick))
    if not callable(function):
        raise UsageError(f"strategy {name!r} must be a function of (context, k), got {type(function).__name__}")
    return Strategy(
        name=name,
        summary=((getattr(function, "__doc__", None) or "").strip() or "a user strategy").splitlines()[0],
        when="as its author intended",
        paper="–",
        cost="unknown",
        needs_model=bool(getattr(function, "needs_model", True)),
        pick=_guarded(name, function),
    )


def _guarded(name: str, call: Callable[..., object]) -> Callable[[QueryContext, int], Selection]:
    def pick(context: QueryContext, k: int) -> Selection:
        try:
            result = call(with_matrix(context), k)
        except TuilabelError:
            raise
        except Exception as error:  # anything that user code raises
            raise TuilabelError(f"strategy {name!r} failed: {type(error).__name__}: {error}") from error
        return checked(name, result, k, len(context.candidates))

    return pick


def with_matrix(context: QueryContext) -> QueryContext:
    """The same context with an array of probabilities, as user strategies expect it."""
    return context if context.scores is None else replace(context, probabilities=context.scores.matrix(), scores=None)


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _loaded(point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:  # anything that the package raises
        raise UsageError(
            f"strategy {point.name!r} cannot be imported from {point.value}: {type(error).__name__}: {error}; "
            "reinstall its package"
        ) from error
