"""Imported NLLB, M2M100, mBART and T5 models against transformers: logits, and what both decode."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from late import Late
from safetensors.torch import load_file
from tiny_marian import SOURCE_SENTENCES

from tformer.model.checkpoint import stream
from tformer.model.convert.recognise import Layout, import_model, recognise
from tformer.model.engine.engine import Engine
from tformer.model.errors import ModelError
from tformer.model.network.eager import Eager
from tformer.model.network.torch_checkpoint import load_model
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.search.request import Request
from tformer.model.vocabulary.pieces import PieceVocabulary

transformers = Late("transformers")

CODES = {"m2m_100": ["eng_Latn", "fra_Latn", "zho_Hans"], "mbart": ["en_XX", "fr_XX", "ro_RO"]}


def save_pieces(file: Path, first: list[str]) -> int:
    """A SentencePiece model of a few pieces; how many."""
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SOURCE_SENTENCES * 20),
        model_prefix=str(file.with_suffix("")),
        vocab_size=60,
        hard_vocab_limit=False,
        user_defined_symbols=first,
        minloglevel=2,
        **({"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1} if first else {}),
    )
    file.with_suffix(".model").rename(file)
    return int(sentencepiece.SentencePieceProcessor(model_file=str(file)).get_piece_size())


def bart(folder: Path, kind: str, **shape: Any) -> Any:
    """A random M2M100 or mBART model, saved."""
    size = 4 + save_pieces(folder / "sentencepiece.bpe.model", []) - 3 + len(CODES[kind])
    special = {"additional_special_tokens": CODES[kind]}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    classes = {
        "m2m_100": (transformers.M2M100Config, transformers.M2M100ForConditionalGeneration),
        "mbart": (transformers.MBartConfig, transformers.MBartForConditionalGeneration),
    }
    make_config, make_model = classes[kind]
    config = make_config(
        vocab_size=size,
        decoder_start_token_id=2,
        max_position_embeddings=128,
        scale_embedding=True,
        init_std=0.3,
        **shape,
    )
    return saved(make_model(config), folder)


def t5(folder: Path, kind: str, **shape: Any) -> Any:
    """A random T5, mT5 or umT5 model, saved; it has tags as MADLAD does."""
    size = save_pieces(folder / "spiece.model", ["<2en>", "<2fr>"])
    classes = {
        "t5": (transformers.T5Config, transformers.T5ForConditionalGeneration),
        "mt5": (transformers.MT5Config, transformers.MT5ForConditionalGeneration),
        "umt5": (transformers.UMT5Config, transformers.UMT5ForConditionalGeneration),
    }
    make_config, make_model = classes[kind]
    config = make_config(
        vocab_size=size + 5, decoder_start_token_id=0, initializer_factor=1.0, **shape
    )
    return saved(make_model(config), folder)


def saved(model: Any, folder: Path) -> Any:
    torch.manual_seed(7)
    model = model.eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1 or parameter.shape[-1] <= 8:  # biases, of distances too
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    return model


BART_SHAPE = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
}
T5_SHAPE = {"d_model": 32, "num_layers": 2, "num_heads": 3, "d_kv": 8, "d_ff": 48}
MODELS = [
    pytest.param(bart, "m2m_100", BART_SHAPE, id="nllb"),
    pytest.param(
        bart, "m2m_100", BART_SHAPE | {"encoder_layers": 3, "decoder_layers": 1}, id="m2m"
    ),
    pytest.param(bart, "m2m_100", BART_SHAPE | {"d_model": 24, "activation_function": "gelu"}),
    pytest.param(bart, "mbart", BART_SHAPE, id="mbart"),
    pytest.param(bart, "mbart", BART_SHAPE | {"encoder_layers": 1, "decoder_layers": 3}),
    pytest.param(bart, "mbart", BART_SHAPE | {"d_model": 16, "activation_function": "relu"}),
    pytest.param(t5, "t5", T5_SHAPE | {"num_heads": 4}, id="t5"),
    pytest.param(t5, "t5", T5_SHAPE | {"feed_forward_proj": "gated-gelu", "num_decoder_layers": 1}),
    pytest.param(t5, "t5", T5_SHAPE | {"d_model": 24, "num_layers": 3, "num_decoder_layers": 1}),
    pytest.param(t5, "mt5", T5_SHAPE | {"relative_attention_num_buckets": 8}, id="mt5"),
    pytest.param(t5, "umt5", T5_SHAPE, id="umt5"),
    pytest.param(t5, "umt5", T5_SHAPE | {"d_model": 24, "num_layers": 3, "num_decoder_layers": 1}),
    pytest.param(
        t5,
        "umt5",
        T5_SHAPE | {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 12},
    ),
]


@pytest.mark.parametrize(("make", "kind", "shape"), MODELS)
def test_logits_and_translations_are_theirs(
    tmp_path: Path, make: Any, kind: str, shape: dict[str, Any]
) -> None:
    folder, out = tmp_path / "theirs", tmp_path / "ours"
    folder.mkdir()
    theirs = make(folder, kind, **shape)
    assert recognise(folder) is Layout.HUGGING_FACE
    import_model(folder, out)
    assert recognise(out) is Layout.OURS
    network, vocabulary, _ = load_model(out, torch.device("cpu"), torch.float32)
    assert isinstance(vocabulary, PieceVocabulary)
    draw, size = random.Random(2), theirs.config.vocab_size
    sources = [
        [*(draw.randrange(4, size) for _ in range(draw.randint(1, 20))), network.config.eos_id]
        for _ in range(8)
    ]
    width = max(map(len, sources))
    pad = theirs.config.pad_token_id
    ids = torch.tensor([[*source, *[pad] * (width - len(source))] for source in sources])
    lengths = torch.tensor([len(source) for source in sources])
    mask = (torch.arange(width) < lengths[:, None]).long()
    target = torch.randint(3, size, (len(sources), 30))
    target[:, 0] = network.config.bos_id
    with torch.inference_mode():
        ours = network(ids, lengths, target)
        wanted = theirs(input_ids=ids, attention_mask=mask, decoder_input_ids=target).logits
    torch.testing.assert_close(ours, wanted, atol=1e-4, rtol=1e-4)

    start = vocabulary.target_start("fr")
    for beam_size in (1, 4):
        found = decoded(network, sources, start, beam_size)
        rows = theirs.generate(
            input_ids=ids,
            attention_mask=mask,
            num_beams=beam_size,
            max_new_tokens=26,
            do_sample=False,
            length_penalty=0.0,
            early_stopping=True,
            forced_eos_token_id=None,
            forced_bos_token_id=start[0] if start else None,
        ).tolist()
        eos = network.config.eos_id
        for mine, row in zip(found, rows, strict=True):
            tokens = row[1:]
            if eos in tokens:  # what reaches the limit ends in its own way
                assert list(mine) == tokens[: tokens.index(eos)]


def decoded(
    network: Any, sources: list[list[int]], start: tuple[int, ...], beam_size: int
) -> list[tuple[int, ...]]:
    options = DecodingOptions(
        beam_size=beam_size, length_penalty=0.0, max_length=25, early_stopping=True
    )
    engine = Engine(Eager(network), beam_size=beam_size)
    numbers = [engine.submit(Request(source, options, start)) for source in sources]
    found = {}
    while engine.busy:
        found.update((each.number, each.hypotheses[0].tokens) for each in engine.step())
    return [found[number] for number in numbers]


def test_languages_go_by_their_common_codes(tmp_path: Path) -> None:
    bart(tmp_path, "m2m_100", **BART_SHAPE)
    import_model(tmp_path, tmp_path / "out")
    translator = Translator.load(tmp_path / "out", dtype="int8", threads=1)
    assert translator.languages == ("en", "fr", "zh-Hans")
    vocabulary = translator.vocabulary
    source = vocabulary.encode(SOURCE_SENTENCES[0], "fr", "zh-Hans")
    tokens = [vocabulary.source_tokens[token] for token in source]
    assert (tokens[0], tokens[-1]) == ("zho_Hans", "</s>")
    (text,) = translator.translate([SOURCE_SENTENCES[0]], source="en", target="fr")
    assert "fra_Latn" not in text.text


@pytest.mark.parametrize("kind", ["m2m_100", "mbart"])
def test_a_large_model_is_stored_in_int8_a_few_rows_at_a_time(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    bart(folder, kind, **BART_SHAPE)
    monkeypatch.setattr(stream, "ROWS_BYTES", 700)  # a few rows
    import_model(folder, tmp_path / "whole")
    import_model(folder, tmp_path / "rows", int8=True)
    whole, rows = (
        load_model(tmp_path / name, torch.device("cpu"), torch.float32)[0].state_dict()
        for name in ("whole", "rows")
    )
    assert whole.keys() == rows.keys()
    for name, wanted in whole.items():
        step = wanted.abs().amax(-1, keepdim=True) / 127
        assert ((rows[name] - wanted).abs() <= step * 0.501).all(), name
    stored = load_file(tmp_path / "rows" / "model.safetensors")
    assert stored["embedding.weight"].dtype == torch.int8
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match="ends too early"):
        import_model(folder, tmp_path / "broken", int8=True)
    assert not (tmp_path / "broken").exists()


def test_what_is_damaged_is_refused_in_a_line(tmp_path: Path) -> None:
    t5(tmp_path, "t5", **T5_SHAPE)
    file = tmp_path / "config.json"
    table = json.loads(file.read_text())
    for changes in ({"num_layers": 3}, {"d_kv": 4}, {"model_type": "bert"}, {"vocab_size": 9}):
        file.write_text(json.dumps(table | changes))
        with pytest.raises(ModelError) as error:
            import_model(tmp_path, tmp_path / "out")
        assert "\n" not in str(error.value)
        assert not (tmp_path / "out").exists()
