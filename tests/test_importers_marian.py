"""Imported Marian models against transformers: logits, and what both decode."""

from __future__ import annotations

import json
import math
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import torch
from late import Late
from safetensors.torch import load_file
from tiny_marian import (
    SOURCE_SENTENCES,
    TARGET_SENTENCES,
    decoded,
    random_sources,
    save_marian,
)
from torch import Tensor

from tformer.model.checkpoint.layout import read_config
from tformer.model.convert.hub import fetch
from tformer.model.convert.marian import import_marian
from tformer.model.errors import ModelError, UsageError
from tformer.model.network.torch_checkpoint import load_model
from tformer.model.network.transformer import Transformer
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.vocabulary.marian import MarianVocabulary

transformers = Late("transformers")

SHAPES = [
    pytest.param({}, id="shared"),
    pytest.param({"separate": True}, id="separate"),
    pytest.param({"encoder_layers": 3, "layers": 1, "attention_heads": 4}, id="deep-encoder"),
    pytest.param({"activation_function": "relu", "scale_embedding": False}, id="relu-unscaled"),
    pytest.param({"activation_function": "gelu", "languages": ("fr", "pt_BR")}, id="gelu-tags"),
]


def imported(folder: Path, **languages: Any) -> tuple[Transformer, MarianVocabulary]:
    out = folder.with_name("out")
    import_marian(folder, out, **languages)
    network, vocabulary, _ = load_model(out, torch.device("cpu"), torch.float32)
    assert isinstance(vocabulary, MarianVocabulary)
    return network, vocabulary


def padded(sources: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(source) for source in sources])
    width = int(lengths.max())
    rows = [[*source, *[pad_id] * (width - len(source))] for source in sources]
    return torch.tensor(rows), lengths


def generated(
    model: Any, sources: list[list[int]], num_return_sequences: int = 1, **settings: Any
) -> list[list[list[int]]]:
    """Their n-best lists, without the start, the end and what pads them."""
    ids, lengths = padded(sources, model.config.pad_token_id)
    mask = (torch.arange(ids.size(1)) < lengths[:, None]).long()
    rows = model.generate(
        input_ids=ids,
        attention_mask=mask,
        num_return_sequences=num_return_sequences,
        do_sample=False,
        **settings,
    ).tolist()
    texts = [row[1 : row.index(0)] if 0 in row else row[1:] for row in rows]
    return [texts[i : i + num_return_sequences] for i in range(0, len(texts), num_return_sequences)]


# -- the network --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_theirs(tmp_path: Path, shape: dict[str, Any]) -> None:
    model = save_marian(tmp_path / "model", **shape)
    network, _ = imported(tmp_path / "model")
    sources, lengths = padded(random_sources(model.config, 5, seed=1), model.config.pad_token_id)
    start, end = model.config.decoder_start_token_id, model.config.decoder_vocab_size - 1
    target = torch.cat([torch.full((5, 1), start), torch.randint(1, end, (5, 7))], 1)
    mask = (torch.arange(sources.size(1)) < lengths[:, None]).long()
    with torch.no_grad():
        theirs = model(input_ids=sources, attention_mask=mask, decoder_input_ids=target).logits
    ours = network(sources, lengths, target)
    pad_id = network.config.pad_id
    assert (ours[..., pad_id] == -math.inf).all()
    others = [token for token in range(ours.size(-1)) if token != pad_id]
    torch.testing.assert_close(ours[..., others], theirs[..., others], atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_greedy_search_finds_what_theirs_finds(tmp_path: Path, shape: dict[str, Any]) -> None:
    found = set()
    for seed in range(2):
        model = save_marian(tmp_path / f"model{seed}", seed, **shape)
        network, _ = imported(tmp_path / f"model{seed}")
        sources = random_sources(model.config, 16, seed)
        options = DecodingOptions(beam_size=1, max_length=25)
        ours = decoded(network, sources, options)
        assert ours == generated(model, sources, num_beams=1, max_new_tokens=25)
        found |= {str(tokens) for tokens in ours}
    assert len(found) >= 3


@pytest.mark.parametrize("early_stopping", [True, False], ids=["early", "patient"])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@pytest.mark.parametrize("beam_size", [2, 4])
def test_beam_search_finds_what_theirs_finds(
    tmp_path: Path, beam_size: int, length_penalty: float, early_stopping: bool
) -> None:
    """But for sentences that reach the limit: theirs are cut off there, ours have to end."""
    limit = 30
    options = DecodingOptions(
        beam_size=beam_size,
        n_best=beam_size,
        length_penalty=length_penalty,
        length_normalisation="average",
        early_stopping=early_stopping,
        max_length=limit,
    )
    if beam_size == 2:
        model = save_marian(tmp_path / "model", seed=2, separate=True, end_bias=3)
    else:
        model = save_marian(tmp_path / "model", seed=4, end_bias=2)
    network, _ = imported(tmp_path / "model")
    sources = random_sources(model.config, 25, seed=5)
    ours = decoded(network, sources, options)
    theirs = generated(
        model,
        sources,
        num_beams=beam_size,
        num_return_sequences=beam_size,
        length_penalty=length_penalty,
        early_stopping=early_stopping,
        max_new_tokens=limit + 1,
    )
    pairs = zip(ours, theirs, strict=True)
    ended = [pair for pair in pairs if max(map(len, pair[0] + pair[1])) < limit]
    assert all(one == other for one, other in ended)
    assert len({str(one) for one, _ in ended}) >= 8


# -- text ---------------------------------------------------------------------------------


@pytest.mark.parametrize("separate", [False, True], ids=["shared", "separate"])
def test_text_has_the_ids_and_ids_have_the_text_of_their_tokenizer(
    tmp_path: Path, separate: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_marian(tmp_path / "model", separate=separate, languages=() if separate else ("fr", "es"))
    _, vocabulary = imported(tmp_path / "model", target_languages=("de",) if separate else ())
    monkeypatch.setitem(sys.modules, "sacremoses", None)  # it would normalise punctuation
    with pytest.warns(UserWarning, match="sacremoses"):
        tokenizer = transformers.MarianTokenizer.from_pretrained(tmp_path / "model")
    for text in (*SOURCE_SENTENCES, "dogs drink 漢字!", ""):
        start = "" if separate else ">>es<<"
        ours = vocabulary.encode(text, "de" if separate else "es")
        assert ours == tokenizer(start + text).input_ids
    for text in (*TARGET_SENTENCES, "strand 漢"):
        ids = vocabulary.encode_target(text)
        assert ids == tokenizer(text_target=text).input_ids
        assert vocabulary.decode(ids) == tokenizer.decode(ids, skip_special_tokens=True)


def test_an_imported_model_translates(tmp_path: Path) -> None:
    save_marian(tmp_path / "model")
    import_marian(tmp_path / "model", tmp_path / "out")
    translator = Translator.load(tmp_path / "out", device="cpu", dtype="float32")
    assert translator.languages == ("en", "de")
    found = list(translator.translate(SOURCE_SENTENCES, source="en", target="de"))
    assert [translation.target_language for translation in found] == ["de"] * 3
    assert all("<" not in translation.text for translation in found)
    assert list(translator.translate(SOURCE_SENTENCES)) == found  # there is but one direction
    with pytest.raises(UsageError, match="does not translate from 'de', only en"):
        translator.route("de", None)
    with pytest.raises(UsageError, match="does not translate into 'en', only de"):
        translator.route(None, "en")


def test_tags_of_target_languages_are_its_languages(tmp_path: Path) -> None:
    save_marian(tmp_path / "model", languages=("fr", "pt_BR"))
    _, vocabulary = imported(tmp_path / "model")
    assert vocabulary.source_languages == ("en",)
    assert vocabulary.target_languages == ("fr", "pt_BR")
    assert vocabulary.languages == ("en", "fr", "pt_BR")
    french, portuguese = vocabulary.encode("a dog", "fr"), vocabulary.encode("a dog", "pt_BR")
    assert french[1:] == portuguese[1:] == [*vocabulary.pieces("a dog"), vocabulary.eos_id]
    assert [vocabulary.source_tokens[ids[0]] for ids in (french, portuguese)] == [
        ">>fr<<",
        ">>pt_BR<<",
    ]
    with pytest.raises(ModelError, match=r"does not translate into 'en' \(fr, pt_BR\)"):
        vocabulary.encode("a dog", "en")


def test_languages_may_be_named(tmp_path: Path) -> None:
    save_marian(tmp_path / "model")
    (tmp_path / "model" / "tokenizer_config.json").unlink()
    _, vocabulary = imported(
        tmp_path / "model", source_languages=["sv", "da"], target_languages=["fi"]
    )
    assert vocabulary.languages == ("sv", "da", "fi")
    with pytest.raises(ModelError, match=r"has no token >>fi<<"):
        import_marian(
            tmp_path / "model",
            tmp_path / "out",
            source_languages=["sv"],
            target_languages=["fi", "et"],
        )


# -- files --------------------------------------------------------------------------------


def test_facts_and_type_of_the_parameters_are_kept(tmp_path: Path) -> None:
    save_marian(tmp_path / "opus-mt-en-de").half().save_pretrained(tmp_path / "opus-mt-en-de")
    (tmp_path / "opus-mt-en-de" / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n")
    import_marian(tmp_path / "opus-mt-en-de", tmp_path / "out")
    _, facts = read_config(tmp_path / "out")
    assert facts.name == "opus-mt-en-de"
    assert facts.licence == "cc-by-4.0"
    assert facts.languages == ("en", "de")
    assert load_file(tmp_path / "out" / "model.safetensors")["logits_bias"].dtype == torch.float16


def test_pickled_parameters_are_read_as_data(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    model = save_marian(folder)
    expected, _ = imported(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")  # with all that is tied
    network, _ = imported(folder)
    for name, parameter in expected.named_parameters():
        assert torch.equal(parameter, network.get_parameter(name)), name

    torch.save({"a": Path("x")}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model.bin: damaged \(.*; fetch it again"):
        import_marian(folder, tmp_path / "other")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", None, "config.json: cannot be read"),
        ("config.json", b"{", "config.json: damaged .*fetch it again"),
        ("config.json", b"[]", "config.json: damaged"),
        ("model.safetensors", None, "has no model.safetensors or pytorch_model.bin"),
        ("model.safetensors", b"x" * 20, "model.safetensors: damaged .*fetch it again"),
        ("source.spm", None, "source.spm: not a readable SentencePiece model"),
        ("target.spm", b"x", "target.spm: not a readable SentencePiece model"),
        ("vocab.json", None, "vocab.json: cannot be read"),
        ("vocab.json", b"[1]", "vocab.json: not a table of tokens"),
        ("vocab.json", b'{"</s>": 1}', "vocab.json: its ids are not 0 to 0"),
        ("vocab.json", b'{"</s>": 0, "<unk>": 1}', "vocab.json: has no token <pad>"),
        (
            "vocab.json",
            b'{"</s>": 0, "<unk>": 1, "<pad>": 2}',
            "vocab.json: does not fit config.json: 3 tokens",
        ),
        ("tokenizer_config.json", b"{}", r"nothing tells its source language; name it \(--source"),
    ],
)
def test_a_damaged_model_is_refused_by_file(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    folder = tmp_path / "model"
    save_marian(folder)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        import_marian(folder, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "bart"}, "a model of type 'bart'; only 'marian'"),
        ({"normalize_before": True}, "normalize_before is set"),
        ({"decoder_ffn_dim": 8}, "encoder_ffn_dim and decoder_ffn_dim differ"),
        ({"activation_function": "tanh"}, "'tanh' is missing or has an unknown value"),
        ({"d_model": 15}, "config.json: d_model"),
        ({"decoder_layers": 3}, "the parameters do not fit config.json"),
        ({"vocab_size": 5}, "the parameters do not fit config.json"),
    ],
)
def test_what_our_network_cannot_compute_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    folder = tmp_path / "model"
    save_marian(folder)
    table = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(table | changes))
    with pytest.raises(ModelError, match=message):
        import_marian(folder, tmp_path / "out")


def test_an_output_matrix_of_its_own_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    parameters = save_marian(folder).state_dict()
    parameters["lm_head.weight"] = parameters["lm_head.weight"] + 1
    (folder / "model.safetensors").unlink()
    torch.save(parameters, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="matrix of its own"):
        import_marian(folder, tmp_path / "out")


# -- the hub ------------------------------------------------------------------------------


class Hub:
    """Stands in for the package huggingface_hub: a hub with one model."""

    def __init__(self, folder: Path, files: list[str]) -> None:
        self.folder = folder
        self.files = files
        self.calls: list[list[str]] = []

    def snapshot_download(self, name: str, *, allow_patterns: list[str]) -> str:
        if name != "Helsinki-NLP/opus-mt-en-de":
            raise OSError("404 Client Error.\n\nRepository Not Found")
        self.calls.append(allow_patterns)
        self.folder.mkdir(exist_ok=True)
        for file in self.files:
            if any(fnmatch(file, pattern) for pattern in allow_patterns):
                (self.folder / file).write_text("")
        return str(self.folder)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    files = ["config.json", "source.spm", "model.safetensors", "pytorch_model.bin", "tf_model.h5"]
    fake = Hub(tmp_path / "snapshot", files)
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)  # type: ignore[arg-type]
    return fake


def test_a_directory_is_itself(hub: Hub, tmp_path: Path) -> None:
    assert fetch(str(tmp_path)) == tmp_path
    assert not hub.calls


@pytest.mark.parametrize("kept", ["model.safetensors", "pytorch_model.bin"])
def test_a_name_is_fetched_with_one_copy_of_the_parameters(hub: Hub, kept: str) -> None:
    if kept == "pytorch_model.bin":
        hub.files.remove("model.safetensors")
    folder = fetch("Helsinki-NLP/opus-mt-en-de")
    assert {file.name for file in folder.iterdir()} == {"config.json", "source.spm", kept}


def test_what_is_nowhere_is_one_line(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"no such directory; name one, or a model of the Hugging"):
        fetch("/nowhere/at/all")
    with pytest.raises(ModelError, match=r"cannot be fetched .* hub: 404 Client Error.$"):
        fetch("Helsinki-NLP/opus-mt-xx-yy")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match="pip install huggingface_hub"):
        fetch("Helsinki-NLP/opus-mt-en-de")
