"""Docstrings begin with the field's term or with a verb, never with a relative clause."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
FOLDERS = ("benchmarks", "cli", "daemon", "dataset", "docs", "documents", "model", "server")

CLAUSE = re.compile(r"(What|Whether|How|Where|Which|Of|Those|Who|Whom|Whose|Why)\b")


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring, those of fields and constants included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in node.body:
                if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                    yield statement.lineno, str(statement.value.value)


def test_no_docstring_begins_with_a_clause() -> None:
    found = []
    for path in sorted(path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py")):
        name = str(path.relative_to(REPOSITORY))
        for line, text in docstrings(ast.parse(path.read_text("utf-8"))):
            if CLAUSE.match(text):
                found.append(f"{name}:{line}: {text.splitlines()[0]}")
    assert not found, "\n".join(found)
