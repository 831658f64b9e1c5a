"""Which curve is meant: one of the built-in ones, an expression, or the user's own function."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from load_tester.errors import ScheduleError
from load_tester.plan.curves import CURVES, DEFAULT_DURATION_S, DEFAULT_SPAWN_RATE, Curve
from load_tester.plan.expression import read_expression
from load_tester.plan.sampling import SampledCurve, sample_curve

EXPRESSION_MARK = "="


@dataclass(frozen=True, slots=True)
class NamedCurve:
    """A curve and how a report calls it."""

    name: str
    users_at: Curve
    is_custom: bool


def find_curve(text: str, *, spawn_rate: float | None = None) -> NamedCurve:
    """Return the curve called `ramp` and so on, `=EXPRESSION`, or `FILE.py:FUNCTION`.

    Raises ScheduleError when there is none of that name.
    """
    if text.startswith(EXPRESSION_MARK):
        expression = text.removeprefix(EXPRESSION_MARK)
        return NamedCurve(text, read_expression(expression, spawn_rate=spawn_rate), True)
    if text in CURVES:
        return NamedCurve(text, CURVES[text], False)
    file, colon, function = text.rpartition(":")
    if colon and file.endswith(".py"):
        return NamedCurve(f"{Path(file).name}:{function}", _load(Path(file), function), True)
    known = ", ".join(CURVES)
    raise ScheduleError(f"no such curve: {text[:60]!r} ({known}, =EXPRESSION, FILE.py:FUNCTION)")


def draw_curve(
    text: str, *, users: float, duration_s: float | None, spawn_rate: float | None
) -> SampledCurve:
    """Return the curve that `text` names, sampled.

    Built-in curves last 60 s and add 2 users a second unless said otherwise. A custom one means
    what it says: it has no duration of its own, and only a spawn rate that was given bounds it.
    Raises ScheduleError.
    """
    curve = find_curve(text, spawn_rate=spawn_rate)
    if not curve.is_custom:
        duration_s = DEFAULT_DURATION_S if duration_s is None else duration_s
        spawn_rate = DEFAULT_SPAWN_RATE if spawn_rate is None else spawn_rate
    if duration_s is None:
        raise ScheduleError(f"the curve {curve.name!r:.60} needs --duration, in seconds")
    bound = {} if spawn_rate is None else {"spawn_rate": spawn_rate}
    return sample_curve(curve.users_at, users=users, duration_s=duration_s, **bound)


def _load(path: Path, name: str) -> Curve:
    """Return a function from a file of the user's, made to fail in one line."""
    module_spec = importlib.util.spec_from_file_location(f"curve_{path.stem}", path)
    if module_spec is None or module_spec.loader is None:
        raise ScheduleError(f"cannot read the curve's file {str(path)!r}")
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except Exception as exc:  # whatever the user's own file does
        raise ScheduleError(f"cannot load the curve's file {str(path)!r}: {_say(exc)}") from exc
    function = getattr(module, name, None)
    if not callable(function):
        raise ScheduleError(f"no function {name!r} in {str(path)!r}")
    return _guard(function, name)


def _guard(function: Callable[[float, float, float], object], name: str) -> Curve:
    def users_at(t_s: float, users: float, duration_s: float) -> float:
        try:
            value = function(t_s, users, duration_s)
        except Exception as exc:  # whatever the user's own function does
            raise ScheduleError(f"the curve {name!r} failed at t = {t_s:g}: {_say(exc)}") from exc
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ScheduleError(f"the curve {name!r} gives no number at t = {t_s:g}: {value!r:.40}")
        return value

    return users_at


def _say(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}".splitlines()[0][:120]
