"""A curve written as an expression, such as `users*(1+sin(2*pi*t/duration))/2`.

Evaluated by simpleeval, which walks the syntax tree and runs no code, cut down to arithmetic on
floats: no attributes, no indices, no strings, and no number that grows without end.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping

from simpleeval import InvalidExpression, SimpleEval

from load_tester.errors import ScheduleError
from load_tester.plan.curves import Curve

MAX_LENGTH = 1000
CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}
FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "abs": abs,
    "min": min,
    "max": max,
    **{
        name: getattr(math, name)
        for name in (
            *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh"),
            *("exp", "log", "log2", "log10", "sqrt", "pow", "hypot", "fmod", "floor", "ceil"),
        )
    },
}
OPERATORS: Mapping[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
# What an expression may be made of; everything else is refused.
NODES = frozenset(
    {
        *(ast.Constant, ast.Name, ast.UnaryOp, ast.BinOp, ast.BoolOp),
        *(ast.Compare, ast.IfExp, ast.Call),
    }
)

_WRONG = (InvalidExpression, ArithmeticError, ValueError, TypeError, AttributeError, KeyError)


def read_expression(text: str, *, spawn_rate: float | None = None) -> Curve:
    """Return the curve that an expression of t, users, duration, pi and functions of math gives.

    `spawn_rate` is a name in it, too, where one was given. Raises ScheduleError when it cannot
    be read; so does the curve, when it cannot be evaluated at some moment.
    """
    if len(text) > MAX_LENGTH:
        raise ScheduleError(f"the curve's expression is longer than {MAX_LENGTH} characters")
    tree = _parse(text)
    names = dict(CONSTANTS) if spawn_rate is None else {**CONSTANTS, "spawn_rate": spawn_rate}
    evaluator = _create_evaluator(names)

    def evaluate(t_s: float, users: float, duration_s: float) -> float:
        names.update(t=t_s, users=users, duration=duration_s)
        try:
            return _float(evaluator.eval(text, previously_parsed=tree))
        except (*_WRONG, RecursionError) as exc:
            raise ScheduleError(
                f"the curve's expression has no value at t = {t_s:g}: {_first_line(exc)}"
            ) from exc

    return evaluate


def _parse(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        raise ScheduleError(f"not an expression: {text[:60]!r} ({_first_line(exc)})") from exc


def _create_evaluator(names: dict[str, float]) -> SimpleEval:
    evaluator = SimpleEval(
        operators={kind: _in_floats(function) for kind, function in OPERATORS.items()},
        functions={name: _in_floats(function) for name, function in FUNCTIONS.items()},
        names=names,
    )
    evaluator.nodes = {kind: see for kind, see in evaluator.nodes.items() if kind in NODES}
    return evaluator


def _in_floats(function: Callable[..., float]) -> Callable[..., float]:
    """Let a function see floats only: they overflow at once where whole numbers would grow."""

    def call(*values: object) -> float:
        return function(*map(_float, values))

    return call


def _float(value: object) -> float:
    if not isinstance(value, int | float):
        shown = "a function" if callable(value) else repr(value)
        raise TypeError(f"{shown:.40} is not a number")
    return float(value)


def _first_line(exc: BaseException) -> str:
    return (str(exc).splitlines() or [type(exc).__name__])[0][:100]
