"""The contract: its code is generated from it, its every part documented, nothing of it lost."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.json_format import MessageToDict
from grpc_tools import protoc

from tformer.protos.generate import ROOM, SOURCES, generate
from tformer.protos.v1 import admin_pb2, translation_pb2

RELEASED = Path(__file__).parent / "released_contract.json"
"""The contract as it was last released; written anew by `python tests/test_protos.py`."""


def contract() -> dict[str, object]:
    """Every source as its descriptor says."""
    found: dict[str, object] = {}
    for source, module in zip(SOURCES, (translation_pb2, admin_pb2), strict=True):
        descriptor = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(descriptor)
        found[source] = MessageToDict(descriptor)
    return found


def test_the_code_is_generated_from_the_contract(tmp_path: Path) -> None:
    generate(tmp_path)
    generated = {p.relative_to(tmp_path): p.read_text() for p in tmp_path.rglob("*.py*")}
    assert len(generated) == 3 * len(SOURCES)
    for path, text in generated.items():
        assert (ROOM / path).read_text() == text, "run python -m tformer.protos.generate"


def test_clients_are_generated_from_the_folder_as_it_lies_there(tmp_path: Path) -> None:
    well_known = files("grpc_tools") / "_proto"
    arguments = [f"-I{ROOM}", f"-I{well_known}", f"--python_out={tmp_path}", *SOURCES]
    assert protoc.main(["protoc", *arguments, "google/rpc/status.proto"]) == 0
    for source in SOURCES:
        assert re.search(r"(?m)^option go_package = ", (ROOM / source).read_text("utf-8"))


@pytest.mark.parametrize(("source", "parts"), [*zip(SOURCES, (90, 7), strict=True)])
def test_every_part_of_the_contract_is_documented(source: str, parts: int) -> None:
    lines = (ROOM / source).read_text("utf-8").splitlines()
    part = re.compile(
        r"\s*(rpc \w+|service \w+|(optional |repeated )?[\w.]+ \w+ = \d+;|[A-Z_]+ = \d+;)"
    )
    found = 0
    for number, line in enumerate(lines):
        if part.match(line) and not line.startswith("syntax"):
            found += 1
            assert lines[number - 1].strip().startswith("//"), f"{source}:{number + 1}: {line}"
    assert found >= parts


def test_nothing_that_was_released_has_changed() -> None:
    released = json.loads(RELEASED.read_text("utf-8"))
    assert not list(losses(released, contract(), "v1"))


def losses(old: object, new: object, where: str) -> list[str]:
    """What `old` says and `new` does not, at any depth; parts of a list go by their name."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            loss
            for key, value in old.items()
            for loss in losses(value, new.get(key), f"{where}.{key}")
        ]
    if isinstance(old, list) and isinstance(new, list) and old and isinstance(old[0], dict):
        named = {part.get("name"): part for part in new}
        return [
            loss
            for part in old
            for loss in losses(part, named.get(part["name"]), f"{where}.{part['name']}")
        ]
    return [] if old == new else [f"{where}: {old} has become {new}"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({"number": 1}, {"number": 2}, id="another number"),
        pytest.param({"type": "TYPE_INT32"}, {}, id="no type"),
        pytest.param({"field": [{"name": "a"}]}, {"field": [{"name": "b"}]}, id="renamed"),
        pytest.param({"field": [{"name": "a"}]}, {}, id="none left"),
    ],
)
def test_a_change_is_found(old: object, new: object) -> None:
    assert losses(old, new, "v1")


def test_an_addition_is_no_change() -> None:
    assert not losses({"field": [{"name": "a"}]}, {"field": [{"name": "b"}, {"name": "a"}]}, "v1")


if __name__ == "__main__":
    RELEASED.write_text(json.dumps(contract(), indent=1) + "\n", encoding="utf-8")
