"""The rules of the house: who may import whom, and what must be in the wheel."""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
ROOMS = ("cli", "daemon", "dataset", "server", "model", "protos", "documents")

# What a room may import of the others. The server is also used by the command line, but only
# inside the functions that need it: nothing else is allowed to pay for gRPC.
MAY_IMPORT = {
    "model": set(),
    "protos": set(),
    "documents": {"model"},
    "dataset": {"model", "documents"},
    # Documents for text/html alone: how a browser's text keeps its tags is known there.
    "server": {"model", "protos", "documents"},
    "daemon": {"model", "protos", "server"},
    "cli": {"model", "server", "documents", "dataset", "daemon"},
}

# What is loaded to translate in int8 on the CPU: no torch but inside functions, at any depth.
WITHOUT_TORCH = (
    "model/text",
    "model/hardware/numba_cache",
    "model/vocabulary",
    "model/literals",
    "model/terms",
    "model/checkpoint",
    "model/engine",
    "model/passes",
    "model/network/interface",
    "model/network/int8",
    "model/pipeline/translator",
    "model/pipeline/loading",
    "model/pipeline/wrapper",
    "documents",
    "dataset",
)

SOURCES = sorted(path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py"))


def names(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere below a node."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def imports(path: Path) -> frozenset[str]:
    return frozenset(names(parsed(path)))


@cache
def imports_on_loading(path: Path) -> frozenset[str]:
    """What is imported when the module is: not inside functions, nor for the type checker only."""
    found: set[str] = set()
    for node in parsed(path).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        found |= set(names(node))
    return frozenset(found)


def room_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).parts[0]


FILES = {
    ".".join(("tformer", *path.relative_to(REPOSITORY).with_suffix("").parts)): path
    for path in SOURCES
}
"""Every module of the product, by its dotted name; a package by its ``__init__``."""


def modules(imported: frozenset[str]) -> set[str]:
    """Modules of ours among what is imported, whether a module is named or something in it."""
    found = set()
    for name in imported:
        for candidate in (name, name.rpartition(".")[0]):
            if known := {candidate, f"{candidate}.__init__"} & FILES.keys():
                found |= known
                break
    return found


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """A way from a node back to itself, or nothing."""
    done: set[str] = set()

    def visit(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        for following in sorted(arrows.get(node, ())):
            if found := visit(following, [*way, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(arrows) if (found := visit(node, []))), [])


def test_rooms_import_only_what_they_may() -> None:
    for path in SOURCES:
        rooms = {name.split(".")[1] for name in imports(path) if name.startswith("tformer.")}
        assert rooms - {room_of(path)} <= MAY_IMPORT[room_of(path)], path


def test_files_form_no_circle() -> None:
    assert not circle({name: modules(imports(path)) - {name} for name, path in FILES.items()})


def floor(path: Path) -> str:
    """The folder of a file; the file itself if it stands at the top of a room."""
    parts = path.relative_to(REPOSITORY).parts
    return "/".join(parts[:-1] if len(parts) > 2 else parts)


def test_folders_form_no_circle() -> None:
    """Imports of a folder's files point to the folder itself or to lower ones."""
    arrows: dict[str, set[str]] = {}
    for path in SOURCES:
        if path.name == "__init__.py":  # a public face: names what is below it
            continue
        below = {floor(FILES[name]) for name in modules(imports(path))}
        arrows.setdefault(floor(path), set()).update(below - {floor(path)})
    assert not circle(arrows)


def test_commands_load_neither_torch_nor_the_server_before_they_need_them() -> None:
    for path in SOURCES:
        if room_of(path) in ("cli", "daemon"):
            loaded = imports_on_loading(path)
            assert not {n for n in loaded if n.startswith(("torch", "grpc", "tformer.server"))}, (
                path
            )


def test_a_translation_in_int8_is_loaded_without_torch() -> None:
    waiting = {
        name
        for name, path in FILES.items()
        if str(path.relative_to(REPOSITORY)).startswith(WITHOUT_TORCH)
    }
    reached: set[str] = set()
    while waiting:
        reached.add(name := waiting.pop())
        loaded = imports_on_loading(FILES[name])
        assert not {n for n in loaded if n.startswith(("torch", "safetensors.torch"))}, name
        waiting |= modules(loaded) - reached


def test_documents_need_of_the_model_only_errors_literals_and_what_files_hold() -> None:
    allowed = {"errors", "files", "text", "terms", "literals"}
    for path in SOURCES:
        if room_of(path) == "documents":
            used = {n.split(".")[2] for n in imports(path) if n.startswith("tformer.model.")}
            assert used <= allowed, path


def test_no_module_needs_posix_to_be_imported() -> None:
    """`tformer translate` starts on every system: functions import what only some have."""
    posix = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty", "uvloop"}
    for path in SOURCES:
        assert not {n.split(".")[0] for n in imports_on_loading(path)} & posix, path


def test_no_class_name_is_defined_twice() -> None:
    """One name, one idea; a leading underscore does not make another."""
    places: dict[str, list[Path]] = {}
    for path in SOURCES:
        if room_of(path) != "protos":
            for node in ast.walk(parsed(path)):
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name.lstrip("_"), []).append(path)
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert not twice, twice


def test_every_folder_with_code_is_in_the_wheel() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    folders = {path.parent.relative_to(REPOSITORY).parts for path in SOURCES}
    packages = {".".join(("tformer", *parts)) for parts in folders}
    assert packages == set(project["tool"]["setuptools"]["packages"])


def test_every_package_has_an_init_file_and_the_namespace_has_none() -> None:
    for folder in {path.parent for path in SOURCES}:
        assert (folder / "__init__.py").is_file(), folder
    assert not (REPOSITORY / "tformer").exists()
    assert not (REPOSITORY / "tests" / "__init__.py").exists()


def test_the_linter_refuses_rooms_as_top_level_modules() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    lint = project["tool"]["ruff"]["lint"]
    assert set(ROOMS) <= set(lint["flake8-tidy-imports"]["banned-api"])
    assert "TID" in lint["select"]
