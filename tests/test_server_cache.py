"""Translations that have been made before."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from serving import SENTENCES, RunningServer, make_model, serving

from tformer.model.translation import Hypothesis, Translation
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.translation_cache import OVERHEAD, TranslationCache


def translation(text: str) -> Translation:
    return Translation(text, "en", "de", (Hypothesis(text, 0.0),))


def test_what_was_not_asked_for_longest_is_thrown_out() -> None:
    cache = TranslationCache(2 * (OVERHEAD + 2))
    for name in "ab":
        cache.put(name, translation(name), name)
    assert cache.get("a") == translation("a")
    cache.put("c", translation("c"), "c")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (
        translation("a"),
        None,
        translation("c"),
    )


def test_size_is_that_of_the_texts() -> None:
    cache = TranslationCache(10 * OVERHEAD)
    for number in range(100):
        cache.put(number, translation("x" * OVERHEAD), "y" * OVERHEAD)
        cache.put(number, translation("x" * OVERHEAD), "y" * OVERHEAD)
    assert len(cache) == 3
    cache.put("large", translation("x" * 10 * OVERHEAD), "")
    assert len(cache) == 3 and cache.get("large") is None


def test_a_cache_for_nothing_keeps_nothing() -> None:
    cache = TranslationCache(0)
    cache.put("a", translation("a"), "a")
    assert len(cache) == 0


# --- in the server -------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "en-de")


def hits(running: RunningServer) -> float:
    registry = running.server._metrics.registry
    return registry.get_sample_value("tformer_cache_hits_total", {"model": "en-de"}) or 0.0


def test_a_known_text_is_answered_as_before_and_only_if_all_is_the_same(model: Path) -> None:
    def ask(*texts: str, source: str = "en", **options: object) -> list[pb.Translation]:
        chosen = pb.DecodingOptions(**{"beam_size": 2, "max_length": 6, **options})  # type: ignore[arg-type]
        request = pb.TranslateTextRequest(
            contents=texts, source_language_code=source, target_language_code="de", options=chosen
        )
        return list(stub.TranslateText(request, timeout=30).translations)

    with (
        serving(model, cache_characters=100_000, dtype="int8") as running,
        grpc.insecure_channel(running.address) as channel,
    ):
        stub = TranslationServiceStub(channel)
        first = ask(*SENTENCES[:2])
        assert hits(running) == 0
        again = ask(SENTENCES[2], SENTENCES[1], SENTENCES[0])
        assert hits(running) == 2
        assert [t.translated_text for t in again[1:]] == [
            first[1].translated_text,
            first[0].translated_text,
        ]
        assert again[0].usage.compute_seconds > 0 == again[1].usage.compute_seconds

        assert ask(SENTENCES[0], source="")[0].detected_language_code == "en"
        assert len(ask(SENTENCES[0], n_best=2)[0].hypotheses) == 2
        ask(SENTENCES[0], length_penalty=0.0)
        assert hits(running) == 2

        make_model(model, seed=5)
        assert running.do(running.server.reload) == ["en-de"]
        assert ask(SENTENCES[0])[0].translated_text != first[0].translated_text
        assert hits(running) == 2
