"""Random requests over the whole contract: no defect, and whoever is innocent does not notice."""

from __future__ import annotations

import json
from pathlib import Path

import fuzz_server
import pytest
from google.protobuf.message import Message
from serving import make_model

from tformer.protos.v1 import translation_pb2 as pb


def test_every_field_of_the_contract_is_drawn() -> None:
    drawn: set[str] = set()

    def note(message: Message) -> None:
        for field, value in message.ListFields():
            drawn.add(field.full_name)
            parts = value if field.is_repeated else [value]
            for part in parts:
                if isinstance(part, Message):
                    note(part)

    for seed in range(300):
        for name in ("TranslateTextRequest", "StreamConfig", "StreamItem", "DetectLanguageRequest"):
            note(
                fuzz_server.Draw(str(seed), 0.5).message(pb.DESCRIPTOR.message_types_by_name[name])
            )
    for name in ("TranslateTextRequest", "DecodingOptions", "GlossaryConfig", "GlossaryEntry"):
        fields = pb.DESCRIPTOR.message_types_by_name[name].fields
        assert {field.full_name for field in fields} <= drawn


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_random_requests_disturb_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = make_model(tmp_path / "en-de")
    status = fuzz_server.main(["--seconds", "20", "--model", str(model)])
    said = capsys.readouterr()
    assert status == 0, said.err
    assert json.loads(said.out)["innocent_calls_right"] > 0
