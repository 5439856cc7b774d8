"""Models exported to CTranslate2 decode there what they decode here."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import ctranslate2
import pytest
import torch
from tiny_marian import SOURCE_SENTENCES, decoded, random_sources, save_marian

from tformer.model.checkpoint.layout import ModelFacts
from tformer.model.config import TransformerConfig
from tformer.model.convert.ctranslate2 import export_ctranslate2
from tformer.model.convert.marian import import_marian
from tformer.model.engine.engine import Engine
from tformer.model.errors import OutputError, UsageError
from tformer.model.network.eager import Eager
from tformer.model.network.torch_checkpoint import load_model, save_model
from tformer.model.network.transformer import Transformer
from tformer.model.options import DecodingOptions
from tformer.model.search.request import Request
from tformer.model.vocabulary.sentencepiece import Vocabulary

CPU = torch.device("cpu")


def save_random(folder: Path, vocabulary: Vocabulary, **changes: object) -> Path:
    """A model of ours whose layers and biases do something."""
    config = TransformerConfig(
        vocab_size=len(vocabulary),
        d_model=16,
        num_heads=2,
        d_ff=24,
        num_encoder_layers=2,
        num_decoder_layers=1,
        max_length=64,
    )
    torch.manual_seed(1)
    network = Transformer(replace(config, **changes))  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    facts = ModelFacts("random", vocabulary.languages)
    parameters = network.state_dict()
    save_model(folder, parameters, network.config, vocabulary, facts, dtype=torch.float32)
    return folder


def assert_same_translations(model: Path, exported: Path, target_language: str) -> None:
    """Greedy search, token by token, and the scores of a beam's best."""
    network, vocabulary, _ = load_model(model, CPU, torch.float32)
    source, target = vocabulary.source_tokens, vocabulary.target_tokens
    encoded = [vocabulary.encode(text, target_language) for text in SOURCE_SENTENCES]
    theirs = ctranslate2.Translator(str(exported), device="cpu", intra_threads=1)
    found = theirs.translate_batch(
        [[source[token] for token in ids] for ids in encoded],
        beam_size=1,
        min_decoding_length=0,  # theirs is 1: no empty translation
        max_decoding_length=12,
        return_scores=True,
        length_penalty=0,
    )
    engine = Engine(Eager(network), beam_size=1)
    options = DecodingOptions(beam_size=1, max_length=12, length_penalty=0)
    numbers = [engine.submit(Request(ids, options)) for ids in encoded]
    ours = {}
    while engine.busy:
        ours.update({answer.number: answer.hypotheses[0] for answer in engine.step()})
    for number, result in zip(numbers, found, strict=True):
        tokens = [target[token] for token in ours[number].tokens]
        assert tokens == result.hypotheses[0]
        if len(tokens) < 12:  # at the limit ours pays for its end
            assert ours[number].score == pytest.approx(result.scores[0], abs=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="paper"),
        pytest.param({"norm": "pre", "activation": "gelu"}, id="pre-norm-gelu"),
        pytest.param({"positions": "concatenated", "activation": "silu"}, id="concatenated-silu"),
        pytest.param({"scale_embedding": False, "logits_bias": True}, id="unscaled-bias"),
    ],
)
def test_our_models_decode_the_same_there(
    tmp_path: Path, vocabulary: Vocabulary, changes: dict[str, object]
) -> None:
    model = save_random(tmp_path / "model", vocabulary, **changes)
    export_ctranslate2(model, tmp_path / "out")
    assert_same_translations(model, tmp_path / "out", "de")
    assert (tmp_path / "out" / "sentencepiece.model").is_file()


@pytest.mark.parametrize("separate", [False, True], ids=["shared", "separate"])
def test_imported_models_decode_the_same_there(tmp_path: Path, separate: bool) -> None:
    save_marian(tmp_path / "marian", separate=separate, sharpness=0.5)
    import_marian(tmp_path / "marian", tmp_path / "model")
    export_ctranslate2(tmp_path / "model", tmp_path / "out")
    assert_same_translations(tmp_path / "model", tmp_path / "out", "de")
    assert (tmp_path / "out" / "source.spm").is_file()


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_beam_search_finds_the_same_there(tmp_path: Path, length_penalty: float) -> None:
    """But for sentences that reach the limit, where ours have to end."""
    limit = 30
    save_marian(tmp_path / "marian", seed=4)
    import_marian(tmp_path / "marian", tmp_path / "model")
    export_ctranslate2(tmp_path / "model", tmp_path / "out")
    network, vocabulary, _ = load_model(tmp_path / "model", CPU, torch.float32)
    sources = random_sources(network.config, 25, seed=5)
    options = DecodingOptions(
        n_best=4,
        length_penalty=length_penalty,
        length_normalisation="average",
        max_length=limit,
    )
    translator = ctranslate2.Translator(str(tmp_path / "out"), device="cpu", intra_threads=1)
    found = translator.translate_batch(
        [[vocabulary.source_tokens[token] for token in source] for source in sources],
        beam_size=4,
        num_hypotheses=4,
        length_penalty=length_penalty,
        min_decoding_length=0,
        max_decoding_length=limit,
    )
    ours = [
        [[vocabulary.target_tokens[token] for token in tokens] for tokens in n_best]
        for n_best in decoded(network, sources, options)
    ]
    pairs = zip(ours, [result.hypotheses for result in found], strict=True)
    ended = [pair for pair in pairs if max(map(len, pair[0] + pair[1])) < limit]
    assert all(one == other for one, other in ended)
    assert len({str(one) for one, _ in ended}) >= 8


def test_weights_may_be_stored_in_int8(tmp_path: Path, vocabulary: Vocabulary) -> None:
    model = save_random(tmp_path / "model", vocabulary)
    export_ctranslate2(model, tmp_path / "plain")
    export_ctranslate2(model, tmp_path / "int8", quantization="int8")
    sizes = [(tmp_path / name / "model.bin").stat().st_size for name in ("plain", "int8")]
    assert sizes[1] < sizes[0] / 2
    translator = ctranslate2.Translator(str(tmp_path / "int8"), device="cpu", intra_threads=1)
    tokens = ["<2de>", "▁a", "</s>"]
    assert translator.translate_batch([tokens], max_decoding_length=4)[0].hypotheses


def test_what_exists_is_not_written_over(tmp_path: Path, vocabulary: Vocabulary) -> None:
    model = save_random(tmp_path / "model", vocabulary)
    with pytest.raises(OutputError, match="exists; name a folder that does not"):
        export_ctranslate2(model, tmp_path)


def test_an_export_that_fails_leaves_nothing(tmp_path: Path, vocabulary: Vocabulary) -> None:
    model = save_random(tmp_path / "model", vocabulary)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        export_ctranslate2(model, tmp_path / "file" / "out")


def test_a_missing_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2.specs", None)
    with pytest.raises(UsageError, match="run `pip install ctranslate2`"):
        export_ctranslate2(tmp_path, tmp_path / "out")
