"""Values of classical expressions in OpenQASM: numbers, truth values, and angles of parameters."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from surrogates.physics.circuits import Angle
from surrogates.physics.errors import DomainError, FileError

CONSTANTS = {"pi": math.pi, "π": math.pi, "tau": math.tau, "τ": math.tau, "euler": math.e, "ℇ": math.e}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "arcsin": math.asin, "arccos": math.acos, "arctan": math.atan,
    "exp": math.exp, "ln": math.log, "log": math.log, "sqrt": math.sqrt, "floor": math.floor, "ceiling": math.ceil,
    "mod": operator.mod, "pow": operator.pow,
}  # fmt: skip
UNARY: dict[str, Callable[[Any], Any]] = {"-": operator.neg, "!": operator.not_, "~": operator.invert}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "%": operator.mod,
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le,
    ">=": operator.ge, "&&": lambda a, b: a and b, "||": lambda a, b: a or b, 
    ">>": operator.rshift, "&": operator.and_, "|": operator.or_, "^": operator.xor,
}  # fmt: skip


def place(node: Any) -> str:
    """Line and column of a node, counted from 1."""
    span = getattr(node, "span", None)
    return "" if span is None else f"line {span.start_line}, column {span.start_column + 1}"


def value(node: Any, names: Mapping[str, Any], file: str) -> Any:
    """Number, truth value or `Angle` of an expression. Raises FileError with line and column."""
    try:
        return _value(node, names, file)
    except (DomainError, ValueError, ZeroDivisionError, OverflowError, TypeError) as error:
        raise FileError(f"{file}: {place(node)}: {error}") from None


def integer(node: Any, names: Mapping[str, Any], file: str) -> int:
    """A whole number. Raises FileError."""
    found = value(node, names, file)
    found = found.number if isinstance(found, Angle) and not found.slopes else found
    if isinstance(found, bool) or not isinstance(found, int | float) or found != int(found):
        raise FileError(f"{file}: {place(node)}: a whole number is wanted here, not {found}")
    return int(found)


def _value(node: Any, names: Mapping[str, Any], file: str) -> Any:
    kind = type(node).__name__
    if kind in ("IntegerLiteral", "FloatLiteral", "BooleanLiteral"):
        return node.value
    if kind == "Identifier":
        if node.name in names:
            return names[node.name]
        if node.name in CONSTANTS:
            return CONSTANTS[node.name]
        raise FileError(f"{file}: {place(node)}: {node.name!r} has no value that is known before the circuit runs")
    if kind == "UnaryExpression":
        inside = _value(node.expression, names, file)
        return UNARY[node.op.name](inside)
    if kind == "BinaryExpression":
        first, second = _value(node.lhs, names, file), _value(node.rhs, names, file)
        if node.op.name in ("/", "%") and not isinstance(second, Angle) and second == 0:
            raise ValueError("a division by zero")
        if node.op.name == "/" and all(isinstance(x, int) and not isinstance(x, bool) for x in (first, second)):
            return first // second if first % second == 0 else first / second
        if isinstance(second, Angle) and not isinstance(first, Angle):
            first = Angle.of(first)
        return BINARY[node.op.name](first, second)
    if kind == "FunctionCall" and node.name.name in FUNCTIONS:
        given = [_value(a, names, file) for a in node.arguments]
        return FUNCTIONS[node.name.name](*(g.number if isinstance(g, Angle) else g for g in given))
    if kind == "Cast":
        return _value(node.argument, names, file)
    raise FileError(f"{file}: {place(node)}: {_words(kind)} is nothing that can be computed before the circuit runs")


def _shifted(number: Any, by: Any) -> Any:
    if not 0 <= by <= 64:
        raise ValueError(f"a shift by {by}; give 0 to 64")
    return number << by


def _power(base: Any, exponent: Any) -> Any:
    """Whole numbers stay whole where they stay small; large ones overflow instead of growing without end."""
    small = isinstance(exponent, int) and isinstance(base, int) and 0 <= exponent <= 64 and abs(base) < 2**16
    return base**exponent if small else float(base) ** float(exponent)


def _words(kind: str) -> str:
    return "".join(f" {c.lower()}" if c.isupper() else c for c in kind).strip()


BINARY |= {"**": _power, "<<": _shifted}
