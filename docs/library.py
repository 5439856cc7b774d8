"""Write docs/library.md, the reference of the Python library, from docstrings.

    python docs/library.py > docs/library.md

Sources are read, not imported: a field is documented by the string below it, which only the source
has.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent

PUBLIC = {
    "tformer.model.pipeline.translator": ["Translator"],
    "tformer.model.translation": ["Translation"],
    "tformer.model.options": ["DecodingOptions"],
    "tformer.model.errors": ["TformerError"],
    "tformer.model.terms.glossary": ["Entry", "Glossary"],
    "tformer.model.terms.translation_memory": ["Unit", "TranslationMemory"],
    "tformer.model.pipeline.tm_translator": ["MemoryTranslator"],
    "tformer.server.client.blocking": ["Client"],
    "tformer.server.client.asynchronous": ["AsyncClient"],
    "tformer.server.client.retries": ["Failure"],
    "tformer.documents.registry": ["open_document"],
    "tformer.documents.translation": ["translate_segments"],
}
"""Public names by the module that defines them."""

HEAD = """# The library

Generated from docstrings by `make docs`. `Translator`, `Translation`, `DecodingOptions` and
`TformerError` can also be imported from `tformer.model`, the clients from `tformer.server.client`.
"""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def page() -> str:
    """All of it."""
    return "\n".join([HEAD, *(part for module in PUBLIC for part in of_module(module))])


def of_module(module: str) -> Iterator[str]:
    """The public names of a module, in the order in which they are listed."""
    path = ROOT.joinpath(*module.split(".")[1:]).with_suffix(".py")
    found = {getattr(node, "name", None): node for node in ast.parse(path.read_text("utf-8")).body}
    for name in PUBLIC[module]:
        node = found[name]
        kind = "class " if isinstance(node, ast.ClassDef) else ""
        yield f"## {kind}`{module}.{name}`\n"
        yield from of_class(node) if isinstance(node, ast.ClassDef) else of_function(node)


def of_class(node: ast.ClassDef) -> Iterator[str]:
    """Its docstring, fields and public methods."""
    yield documented(node)
    for part, below in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(part, ast.AnnAssign) and not is_private(ast.unparse(part.target)):
            yield f"- `{ast.unparse(part)}`{field_text(below)}\n"
    for part in node.body:
        if isinstance(part, Function) and (part.name == "__init__" or not is_private(part.name)):
            yield f"### `{node.name}.{part.name}`\n"
            yield from of_function(part)


def of_function(node: ast.AST) -> Iterator[str]:
    """Its signature and its docstring."""
    assert isinstance(node, Function)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    prefix = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    signature = f"{prefix} {node.name}({ast.unparse(node.args)}){returns}"
    if any(ast.unparse(decorator) == "property" for decorator in node.decorator_list):
        signature = f"{node.name}: {ast.unparse(node.returns) if node.returns else 'Any'}"
    yield f"```python\n{signature}\n```\n"
    yield documented(node)


def documented(node: ast.AST) -> str:
    """A docstring, as it stands."""
    text = ast.get_docstring(node) or ""  # type: ignore[arg-type]
    return f"```text\n{text}\n```\n" if "\n" in text else f"{text}\n"


def field_text(below: ast.stmt | None) -> str:
    """Docstring of a field: the string that follows it."""
    if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
        return ": " + " ".join(inspect.cleandoc(str(below.value.value)).split())
    return ""


def is_private(name: str) -> bool:
    """Return whether a name is private."""
    return name.startswith("_")


if __name__ == "__main__":
    sys.stdout.write(page())
