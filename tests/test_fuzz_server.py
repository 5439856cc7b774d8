"""Random requests over the whole contract: no defect, and whoever is innocent does not notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import fuzz_server
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from serving import make_model


def test_every_field_of_the_contract_is_drawn() -> None:
    drawn: set[str] = set()

    def note(message: Message) -> None:
        for field, value in message.ListFields():
            drawn.add(field.full_name)
            parts = value if field.is_repeated else [value]
            for part in parts:
                if isinstance(part, Message):
                    note(part)

    inputs = {m.input_type for service in fuzz_server.SERVICES for m in service.methods}
    for seed in range(300):
        for each in inputs:
            note(fuzz_server.Draw(str(seed), 0.3).message(each))
    assert {field.full_name for each in inputs for field in _fields(each)} <= drawn


def _fields(message: Descriptor) -> Iterator[FieldDescriptor]:
    """Fields of a message and of the messages in it."""
    for field in message.fields:
        yield field
        if field.message_type:
            yield from _fields(field.message_type)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_random_requests_disturb_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = make_model(tmp_path / "en-de")
    status = fuzz_server.main(["--seconds", "20", "--model", str(model)])
    said = capsys.readouterr()
    assert status == 0, said.err
    assert json.loads(said.out)["innocent_calls_right"] > 0
