"""Conditions on rows: a small part of Python's expressions, read with its parser and never run.

    lang == "en" and len(text) > 3 and not (score < 0.5 or status in ("spam", "empty"))
    meta.quality >= 2 and title is not None

Comparisons with a null are false, as in SQL. A number is compared with a text that spells one.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tformer.model.errors import UsageError

_Row = Mapping[str, Any]
_Value = Callable[[_Row], Any]

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}

_METHODS = frozenset({"startswith", "endswith", "lower", "upper", "strip"})


@dataclass(frozen=True)
class Condition:
    """A condition on a row."""

    text: str
    names: tuple[str, ...]
    """Paths of the columns that it looks at."""
    holds: _Value
    """From values by column path to a truth value."""


def parse_condition(text: str) -> Condition:
    """Read a condition.

    Raises:
        UsageError: it is none.
    """
    names: dict[str, None] = {}
    try:
        tree = ast.parse(text.strip(), mode="eval")
        holds = _truth(tree.body, names)
    except SyntaxError as error:
        raise _refused(text, f"{error.msg} at character {error.offset}") from error
    except (NotImplementedError, RecursionError) as error:
        raise _refused(text, str(error)) from error
    if not names:
        raise _refused(text, "names no column")
    return Condition(text, tuple(names), holds)


def _refused(text: str, why: str) -> UsageError:
    return UsageError(
        f"--where {text!r}: {why}; conditions look like 'lang == \"en\" and len(text) > 3'"
    )


def _truth(node: ast.expr, names: dict[str, None]) -> _Value:
    match node:
        case ast.BoolOp(op=op, values=values):
            parts = [_truth(value, names) for value in values]
            together = all if isinstance(op, ast.And) else any
            return lambda row: together(part(row) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _truth(operand, names)
            return lambda row: not inner(row)
        case ast.Compare(left=left, ops=ops, comparators=others):
            return _comparison(left, ops, others, names)
    value = _value(node, names)
    return lambda row: bool(value(row))


def _comparison(
    left: ast.expr, ops: list[ast.cmpop], others: list[ast.expr], names: dict[str, None]
) -> _Value:
    sides = [_value(node, names) for node in (left, *others)]
    tests = [_test(op) for op in ops]

    def holds(row: _Row) -> bool:
        values = [side(row) for side in sides]
        return all(test(a, b) for test, a, b in zip(tests, values, values[1:], strict=False))

    return holds


def _test(op: ast.cmpop) -> Callable[[Any, Any], bool]:
    match op:
        case ast.In():
            return lambda a, b: a is not None and b is not None and a in b
        case ast.NotIn():
            return lambda a, b: a is not None and b is not None and a not in b
        case ast.Is():
            return lambda a, b: a is b
        case ast.IsNot():
            return lambda a, b: a is not b
    return _null_is_false(_COMPARISONS[type(op)])


def _null_is_false(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(a: Any, b: Any) -> bool:
        if a is None or b is None:
            return False
        try:
            return compare(*_alike(a, b))
        except (TypeError, ValueError):
            return False

    return test


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    """A text beside a number as a number."""
    if isinstance(a, str) and isinstance(b, int | float):
        return float(a), b
    if isinstance(b, str) and isinstance(a, int | float):
        return a, float(b)
    return a, b


def _value(node: ast.expr, names: dict[str, None]) -> _Value:
    match node:
        case ast.Constant(value=value):
            return lambda row: value
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
            parts = [_value(item, names) for item in items]
            return lambda row: [part(row) for part in parts]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return lambda row: -number
        case ast.Name() | ast.Attribute():
            path = _path(node)
            names[path] = None
            return lambda row: row[path]
        case ast.Call(func=func, args=arguments, keywords=[]):
            return _call(func, [_value(one, names) for one in arguments], names)
        case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
            return _truth(node, names)
    raise NotImplementedError(f"cannot hold {ast.unparse(node)!r}")


def _call(func: ast.expr, arguments: list[_Value], names: dict[str, None]) -> _Value:
    if isinstance(func, ast.Name) and func.id == "len" and len(arguments) == 1:
        return lambda row: len(arguments[0](row) or "")
    if isinstance(func, ast.Attribute) and func.attr in _METHODS:
        owner, name = _value(func.value, names), func.attr
        return lambda row: _method(owner(row), name, [one(row) for one in arguments])
    raise NotImplementedError(f"has no function {ast.unparse(func)!r}")


def _method(text: Any, name: str, arguments: list[Any]) -> Any:
    return getattr(text, name)(*arguments) if isinstance(text, str) else None


def _path(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{_path(value)}.{name}"
    raise NotImplementedError(f"cannot hold {ast.unparse(node)!r}")
