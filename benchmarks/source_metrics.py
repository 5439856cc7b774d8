"""Metrics of the source code: rooms, imports between them, sizes, duplicate names, wording.

    python benchmarks/source_metrics.py [ROOT]

ROOT is a checkout, by default this one; nothing of it is imported. A room is a folder, or a file
at the top of a package; an arrow is one room importing from another.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("cli", "daemon", "dataset", "documents", "model", "protos", "server")

CLAUSE = re.compile(r"(What|Whether|How|Where|Which|Of|Those|Who|Whom|Whose|Why)\b")

LONG_FILE, LONG_FUNCTION = 300, 40


class Checkout:
    """Syntax trees of all modules below a root, but for generated ones."""

    def __init__(self, root: Path) -> None:
        paths = [path for package in PACKAGES for path in (root / package).rglob("*.py")]
        self.sources = {
            path.relative_to(root): path.read_text("utf-8")
            for path in sorted(paths)
            if "_pb2" not in path.name
        }
        self.trees = {path: ast.parse(text) for path, text in self.sources.items()}

    def nodes(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        """All nodes of some kinds."""
        for tree in self.trees.values():
            yield from (node for node in ast.walk(tree) if isinstance(node, kinds))

    def rooms(self, package: str = "") -> set[Path]:
        """Rooms of a package, or of all."""
        return {room(path) for path in self.trees if path.parts[0].startswith(package)}

    def arrows(self, package: str = "") -> set[tuple[Path, Path]]:
        """Pairs of rooms of which the first imports from the second."""
        found = set()
        for path, tree in self.trees.items():
            for module in imported(tree):
                other = self.file_of(module)
                if other and path.name != "__init__.py" and room(other) != room(path):
                    found.add((room(path), room(other)))
        return {pair for pair in found if all(one.parts[0].startswith(package) for one in pair)}

    def file_of(self, module: str) -> Path | None:
        """File of a module, or of the module that has a name."""
        for name in (module, module.rpartition(".")[0]):
            path = Path(*name.split(".")[1:])
            for candidate in (path.with_suffix(".py") if path.name else path, path / "__init__.py"):
                if candidate in self.trees:
                    return candidate
        return None


def room(path: Path) -> Path:
    """The folder of a file; the file itself at the top of a package."""
    return path.parent if len(path.parts) > 2 else path


def imported(tree: ast.AST) -> Iterator[str]:
    """Names of ours that are imported anywhere in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tformer."):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("tformer."))


def floors(arrows: set[tuple[Path, Path]]) -> int:
    """Length of the longest way down; 0 if there is a circle."""
    below: dict[Path, set[Path]] = {}
    for above, under in arrows:
        below.setdefault(above, set()).add(under)
        below.setdefault(under, set())
    depth: dict[Path, int] = {}
    while len(depth) < len(below):
        ready = {one for one in below if one not in depth and below[one] <= depth.keys()}
        if not ready:
            return 0
        depth |= {one: 1 + max((depth[under] for under in below[one]), default=0) for one in ready}
    return max(depth.values(), default=0)


def docstrings(checkout: Checkout) -> Iterator[str]:
    """Every docstring, those of fields and constants included."""
    for node in checkout.nodes(ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef):
        for statement in node.body:  # type: ignore[attr-defined]
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield str(statement.value.value)


def metrics(checkout: Checkout) -> dict[str, int]:
    """All figures, by name."""
    functions = list(checkout.nodes(ast.FunctionDef, ast.AsyncFunctionDef))
    lengths = [node.end_lineno - node.lineno + 1 for node in functions]  # type: ignore[attr-defined]
    classes = Counter(node.name.lstrip("_") for node in checkout.nodes(ast.ClassDef))  # type: ignore[attr-defined]
    return {
        "rooms": len(checkout.rooms()),
        "arrows between rooms": len(checkout.arrows()),
        "floors (0: a circle)": floors(checkout.arrows()),
        "rooms in model/": len(checkout.rooms("model")),
        "arrows in model/": len(checkout.arrows("model")),
        "floors in model/": floors(checkout.arrows("model")),
        "files": len(checkout.trees),
        "lines": sum(text.count("\n") for text in checkout.sources.values()),
        f"files over {LONG_FILE} lines": sum(
            text.count("\n") > LONG_FILE for text in checkout.sources.values()
        ),
        "functions": len(functions),
        f"functions over {LONG_FUNCTION} lines": sum(n > LONG_FUNCTION for n in lengths),
        "class names defined twice": sum(number > 1 for number in classes.values()),
        "docstrings": sum(1 for _ in docstrings(checkout)),
        "docstrings that begin with a clause": sum(
            bool(CLAUSE.match(text)) for text in docstrings(checkout)
        ),
    }


def main() -> None:
    """Print the metrics of a checkout."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
    for name, figure in metrics(Checkout(root)).items():
        print(f"{figure:>7,}  {name}")


if __name__ == "__main__":
    main()
