"""The rules of the house: who may import whom, and what must be in the wheel."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
ROOMS = ("cli", "server", "model", "protos", "documents")

# What a room may import of the others. The server is also used by the command line, but only
# inside the functions that need it: nothing else is allowed to pay for gRPC.
MAY_IMPORT = {
    "model": set(),
    "protos": set(),
    "documents": {"model"},
    # Documents for text/html alone: how a browser's text keeps its tags is known there.
    "server": {"model", "protos", "documents"},
    "cli": {"model", "server", "documents"},
}

# Layers of tformer.model, the lowest first: a module imports from its own layer or below.
LAYERS = (
    {
        "normalisation",
        "errors",
        "config",
        "options",
        "request",
        "processor",
        "translation",
        "accelerator",
        "compiling",
    },
    {"around", "device"},
    {"translation_records"},
    {
        "cache",
        "directory",
        "weights",
        "scores",
        "candidates",
        "constraints",
        "sentences",
        "spans",
        "metrics",
    },
    {"glossary", "translation_memory", "guard"},
    {
        "transformer",
        "vocabulary",
        "drafts",
        "hypotheses",
        "processors",
        "sampling",
        "remembering",
        "wishes",
    },
    {"spelling", "demands", "revising"},
    {"decoding", "eager", "graphed", "int8", "search", "marian_vocabulary"},
    {"checkpoint", "vocabularies"},
    {"engine", "alignment", "training", "importers"},
    {"reading"},
    {"parallel", "second_look", "enforcing", "preparing", "loading"},
    {"requiring"},
    {"translator"},
    {"benchmark", "inspection"},
)

# These must not cost the import of torch, at any depth.
WITHOUT_TORCH = (
    "errors",
    "config",
    "options",
    "request",
    "directory",
    "translation",
    "translation_records",
    "drafts",
    "alignment",
    "guard",
    "sentences",
    "spans",
    "metrics",
    "vocabulary",
    "marian_vocabulary",
    "normalisation",
    "processor",
    "accelerator",
    "compiling",
    "around",
    "glossary",
    "translation_memory",
    "remembering",
    "spelling",
    "demands",
    "vocabularies",
    "weights",
)

# What a translation in int8 on the CPU is loaded with: torch only inside functions, for what does
# without it only sometimes.
TORCH_WHEN_NEEDED = (
    "translator",
    "loading",
    "engine",
    "decoding",
    "int8/network",
    "alignment",
)

SOURCES = sorted(path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py"))


def names(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere below a node."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(path: Path) -> set[str]:
    return set(names(ast.parse(path.read_text("utf-8"))))


def imports_on_loading(path: Path) -> set[str]:
    """What is imported when the module is: not inside functions, nor for the type checker only."""
    tree = ast.parse(path.read_text("utf-8"))
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        found |= set(names(node))
    return found


def room_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).parts[0]


def layer(module: str) -> int | None:
    return next((level for level, modules in enumerate(LAYERS) if module in modules), None)


def module_of(path: Path) -> str:
    """The module, or the folder, of tformer.model that a file is or is in."""
    return path.relative_to(REPOSITORY / "model").parts[0].removesuffix(".py")


def parts_of_model(imported: set[str]) -> set[str]:
    return {name.split(".")[2] for name in imported if name.startswith("tformer.model.")}


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_rooms_import_only_what_they_may(path: Path) -> None:
    room = room_of(path)
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("tformer.")}
    assert rooms - {room} <= MAY_IMPORT[room]


@pytest.mark.parametrize("path", [p for p in SOURCES if room_of(p) == "cli"], ids=str)
def test_commands_load_neither_torch_nor_the_server_before_they_need_them(path: Path) -> None:
    loaded = imports_on_loading(path)
    assert not {name for name in loaded if name.startswith(("torch", "tformer.server"))}


@pytest.mark.parametrize(
    "path",
    [p for p in SOURCES if room_of(p) == "model" and module_of(p) != "__init__"],
    ids=str,
)
def test_the_model_imports_downwards_only(path: Path) -> None:
    own = layer(module_of(path))
    assert own is not None, f"{path} has no layer: give it one in LAYERS"
    for module in parts_of_model(imports(path)):
        below = layer(module)
        assert below is not None and below <= own, f"{module} is above {module_of(path)}"


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_some_modules_do_without_torch(module: str) -> None:
    reached, waiting = set(), {module}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        loaded = imports(REPOSITORY / "model" / f"{name}.py")
        assert not {imported for imported in loaded if imported.split(".")[0] == "torch"}, name
        waiting |= parts_of_model(loaded) - reached


def file_of(module: str) -> Path:
    """The file of a module of tformer.model, which may be a folder."""
    path = REPOSITORY.joinpath("model", *module.split("/"))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@pytest.mark.parametrize("module", TORCH_WHEN_NEEDED)
def test_a_translation_in_int8_is_loaded_without_torch(module: str) -> None:
    reached, waiting = set(), {module}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        loaded = imports_on_loading(file_of(name))
        assert not {i for i in loaded if i.startswith(("torch", "safetensors.torch"))}, name
        parts = [i.split(".")[2:] for i in loaded if i.startswith("tformer.model.")]
        paths = {"/".join(part[:n]) for part in parts for n in range(1, len(part) + 1)}
        waiting |= {path for path in paths if file_of(path).is_file()} - reached


@pytest.mark.parametrize("path", [p for p in SOURCES if room_of(p) == "documents"], ids=str)
def test_documents_need_of_the_model_only_errors_and_what_files_hold(path: Path) -> None:
    imported = imports(path)
    assert parts_of_model(imported) <= {"errors", "normalisation", "glossary", "translation_memory"}
    assert not {name for name in imported if name.split(".")[0] == "torch"}


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
