"""Strategies by name, also the user's own: `package.module:function`, or an entry point of an installed package.

A strategy of one's own is a function of a `QueryContext` and of k, which returns positions in `context.candidates`
(or a `Selection`). It needs a model unless it says `function.needs_model = False`. What it returns is checked at each
call, for a wrong batch would be labelled before anybody noticed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np

from tuilabel.errors import TuilabelError, UsageError, unknown_name
from tuilabel.strategies.base import QueryContext, Selection, Strategy, registered, strategy_names

GROUP = "tuilabel.strategies"  # of entry points


def get_strategy(name: str) -> Strategy:
    """The strategy called `name`: a registered one, an entry point, or the function at `package.module:function`.

    Raises
    ------
    UsageError : where there is none, or it cannot be imported.
    """
    strategy = registered(name)
    if strategy is not None:
        return strategy
    if ":" in name:
        return _wrapped(name, _imported(name))
    installed = _installed()
    if name in installed:
        return _wrapped(name, _loaded(installed[name]))
    raise unknown_name("strategy", name, (*strategy_names(), *installed))


def checked(name: str, result: object, k: int, n: int) -> Selection:
    """What a strategy of the user's own returned, as a Selection of min(k, n) distinct positions.

    Raises
    ------
    TuilabelError : where it is anything else; says what.
    """
    probability = result.query_probability if isinstance(result, Selection) else None
    k = min(k, n)
    try:
        positions = np.asarray(result.positions if isinstance(result, Selection) else result)
    except ValueError:
        raise _wrong(name, "it returned rows of unequal length, not an array of positions") from None
    if positions.ndim != 1:
        raise _wrong(name, f"it returned an array of shape {positions.shape}, not ({k},)")
    if not (np.issubdtype(positions.dtype, np.integer) or (len(positions) == 0 and k == 0)):
        raise _wrong(name, f"it returned {positions.dtype}, not integers: positions in context.candidates")
    if len(positions) != k:
        raise _wrong(name, f"it returned {len(positions)} positions, not {k}")
    if k and (positions.min() < 0 or positions.max() >= n):
        beyond = positions[(positions < 0) | (positions >= n)][0]
        raise _wrong(name, f"it returned position {beyond}, outside 0…{n - 1}: positions in context.candidates, no ids")
    unique, counts = np.unique(positions, return_counts=True)
    if len(unique) != k:
        raise _wrong(name, f"it returned position {unique[counts > 1][0]} more than once")
    return Selection(
        positions.astype(np.int64), None if probability is None else _checked_probability(name, probability, k)
    )


def _checked_probability(name: str, probability: object, k: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.asarray(probability)
    if values.shape != (k,) or not np.issubdtype(values.dtype, np.number):
        raise _wrong(name, f"its query_probability has shape {values.shape}, not ({k},)")
    if not ((values > 0) & (values <= 1)).all():
        raise _wrong(name, "its query_probability is not above 0 and at most 1 everywhere")
    return values.astype(np.float64)


def _wrong(name: str, what: str) -> TuilabelError:
    return TuilabelError(f"strategy {name!r} is wrong: {what}")


def _wrapped(name: str, function: object) -> Strategy:
    """The function as a Strategy whose picks are checked; a Strategy keeps what it says of itself."""
    if isinstance(function, Strategy):
        about, call = function, function.pick
        return Strategy(
            name, about.summary, about.when, about.paper, about.cost, about.needs_model, _guarded(name, call)
        )
    if not callable(function):
        raise UsageError(f"strategy {name!r} is {type(function).__name__}, not a function of (context, k)")
    return Strategy(
        name=name,
        summary=((getattr(function, "__doc__", None) or "").strip() or "your own").splitlines()[0],
        when="you wrote it",
        paper="–",
        cost="its own",
        needs_model=bool(getattr(function, "needs_model", True)),
        pick=_guarded(name, function),
    )


def _guarded(name: str, call: Callable[..., object]) -> Callable[[QueryContext, int], Selection]:
    def pick(context: QueryContext, k: int) -> Selection:
        try:
            result = call(context, k)
        except TuilabelError:
            raise
        except Exception as error:  # whatever the user's code raises
            raise TuilabelError(f"strategy {name!r} failed: {type(error).__name__}: {error}") from error
        return checked(name, result, k, len(context.candidates))

    return pick


def _imported(name: str) -> object:
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise UsageError(f"strategy {name!r} names no function: give package.module:function")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last: a file of the user's hides no library
    try:
        found: object = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"strategy {name!r} cannot be imported: {error}. Install it, or start in the directory where it is"
        ) from error
    except Exception as error:  # whatever the user's module raises
        raise UsageError(f"strategy {name!r} cannot be imported: {type(error).__name__}: {error}; mend it") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"strategy {name!r} cannot be imported: {module} has no {attribute}; check its name")
        found = getattr(found, part)
    return found


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _loaded(point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:  # whatever the package raises
        raise UsageError(
            f"strategy {point.name!r} cannot be imported from {point.value}: {type(error).__name__}: {error}; "
            "install its package anew"
        ) from error
