"""Models of CTranslate2, Argos and Marian in their own files, read back from what is known."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import ctranslate2
import numpy as np
import pytest
import torch
from tiny_marian import SOURCE_SENTENCES

from tformer.model.config import TransformerConfig
from tformer.model.convert.binary import BinaryFile
from tformer.model.convert.frames import Languages
from tformer.model.convert.marian_file import read_settings, read_tokens
from tformer.model.convert.recognise import Layout, import_model, recognise
from tformer.model.engine.engine import Engine
from tformer.model.errors import ModelError, TformerError
from tformer.model.network.eager import Eager
from tformer.model.network.int8.network import _linear
from tformer.model.network.shortlist import Shortlist
from tformer.model.network.torch_checkpoint import load_model
from tformer.model.network.transformer import Transformer
from tformer.model.options import DecodingOptions
from tformer.model.search.request import Request
from tformer.model.vocabulary.pieces import PieceVocabulary

TOKENS = ["<blank>", "<s>", "</s>", *"abcdefghijklmnop", "<unk>"]
SAID = Languages(("en",), ("fr",))


def opened(path: Path) -> tuple[Transformer, PieceVocabulary]:
    network, vocabulary, _ = load_model(path, torch.device("cpu"), torch.float32)
    assert isinstance(vocabulary, PieceVocabulary)
    return network, vocabulary


# -- CTranslate2 ------------------------------------------------------------------------------


def save_ctranslate2(folder: Path, quantization: str | None, **shape: Any) -> None:
    """A random model, by the other library's own description."""
    draw = np.random.default_rng(3)
    spec = ctranslate2.specs.TransformerSpec.from_config((2, 1), 4, **shape)

    def fill(part: Any, name: str, *extents: int) -> None:
        values = draw.normal(size=extents).astype(np.float32) * extents[-1] ** -0.5
        setattr(part, name, 1 + values if name == "gamma" else values)

    def linear(part: Any, out: int, width: int) -> None:
        fill(part, "weight", out, width)
        fill(part, "bias", out)

    def norm(part: Any) -> None:
        fill(part, "gamma", 16)
        if not shape.get("rms_norm"):
            fill(part, "beta", 16)

    for side in (spec.encoder, spec.decoder):
        embeddings = side.embeddings[0] if isinstance(side.embeddings, list) else side.embeddings
        fill(embeddings, "weight", len(TOKENS), 16)
        if hasattr(side, "layer_norm"):
            norm(side.layer_norm)
        if hasattr(side, "layernorm_embedding"):
            norm(side.layernorm_embedding)
        for number, layer in enumerate(side.layer):
            linear(layer.self_attention.linear[0], 48, 16)
            linear(layer.self_attention.linear[1], 16, 16)
            norm(layer.self_attention.layer_norm)
            if shape.get("relative_attention_bias"):
                if number == 0:
                    fill(layer.self_attention, "relative_attention_bias", 8, 4)
                    distance = np.dtype("int32").type(20)
                    layer.self_attention.relative_attention_max_distance = distance
                else:
                    first = side.layer[0].self_attention
                    layer.self_attention.relative_attention_bias = first.relative_attention_bias
                    distance = first.relative_attention_max_distance
                    layer.self_attention.relative_attention_max_distance = distance
            if hasattr(layer, "attention"):
                for part, out in zip(layer.attention.linear, (16, 32, 16), strict=True):
                    linear(part, out, 16)
                norm(layer.attention.layer_norm)
            linear(layer.ffn.linear_0, 24, 16)
            if shape.get("ffn_glu"):
                linear(layer.ffn.linear_0_noact, 24, 16)
            linear(layer.ffn.linear_1, 16, 24)
            norm(layer.ffn.layer_norm)
    linear(spec.decoder.projection, len(TOKENS), 16)
    spec.register_source_vocabulary(TOKENS)
    spec.register_target_vocabulary(TOKENS)
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir()
    spec.save(str(folder))


def older(data: bytes) -> bytes:
    """A file of version 6 as one of version 3, which has sizes of numbers for their types."""
    at = 4 + 2 + struct.unpack_from("<H", data, 4)[0]
    out = bytearray(struct.pack("<I", 3) + data[4 : at + 8])
    (count,) = struct.unpack_from("<I", data, at + 4)
    at += 8
    for _ in range(count):
        start = at
        at += 2 + struct.unpack_from("<H", data, at)[0]
        at += 1 + 4 * data[at]
        kind, size = struct.unpack_from("<BI", data, at)
        width = (4, 1, 2, 4)[kind]
        out += data[start:at] + struct.pack("<BI", width, size // width)
        out += data[at + 5 : at + 5 + size]
        at += 5 + size
    return bytes(out + data[at:])


SHAPES: list[tuple[str | None, dict[str, Any]]] = [
    (None, {"pre_norm": True}),
    ("int8", {"pre_norm": False, "activation": ctranslate2.specs.Activation.SWISH}),
    ("int16", {"pre_norm": True, "layernorm_embedding": True}),
    ("float16", {"activation": ctranslate2.specs.Activation.GELU}),
    (None, {"relative_attention_bias": True, "rms_norm": True, "ffn_glu": True}),
]


@pytest.mark.parametrize(("quantization", "shape"), SHAPES)
def test_models_of_ctranslate2_translate_as_there(
    tmp_path: Path, quantization: str | None, shape: dict[str, Any]
) -> None:
    theirs = tmp_path / "theirs"
    save_ctranslate2(theirs, quantization, **shape)
    sentences = [list("abcd"), list("a"), list("ponmlkjih"), list("acegikmo")]
    reference = ctranslate2.Translator(str(theirs), compute_type="float32")
    for version in (6, 3):
        if version == 3:
            file = theirs / "model.bin"
            if quantization == "float16" or shape.get("relative_attention_bias"):
                continue  # whose types that version does not know
            file.write_bytes(older(file.read_bytes()))
        assert recognise(theirs) is Layout.CTRANSLATE2
        import_model(theirs, tmp_path / "ours", languages=SAID)
        network, vocabulary = opened(tmp_path / "ours")
        for beam_size in (1, 3):
            options = DecodingOptions(
                beam_size=beam_size,
                max_length=12,
                length_penalty=1.0,
                length_normalisation="average",
            )
            engine = Engine(Eager(network), beam_size=beam_size)
            wanted = reference.translate_batch(
                sentences, beam_size=beam_size, max_decoding_length=12, min_decoding_length=0
            )
            for sentence, result in zip(sentences, wanted, strict=True):
                ids = [vocabulary.source_tokens.index(token) for token in sentence]
                engine.submit(Request(ids, options))
                found = None
                while engine.busy:
                    found = engine.step() or found
                assert found is not None
                tokens = [vocabulary.target_tokens[t] for t in found[0].hypotheses[0].tokens]
                if max(len(tokens), len(result.hypotheses[0])) < 12:  # the limit is met otherwise
                    assert tokens == result.hypotheses[0]


def test_int8_matrices_are_taken_as_they_are(tmp_path: Path) -> None:
    save_ctranslate2(tmp_path / "theirs", "int8")
    import_model(tmp_path / "theirs", tmp_path / "ours", languages=SAID)
    from tformer.model.checkpoint.description import read_description
    from tformer.model.checkpoint.weights import StoredWeights

    config, _, _ = read_description(tmp_path / "ours")
    arrays = StoredWeights(config, tmp_path / "ours").arrays()
    weight = arrays["encoder.0.feed_forward.inner.weight"]
    linear = _linear(arrays, "encoder.0.feed_forward.inner")
    assert weight.dtype == np.int8
    assert (linear.scale[:24] == arrays["encoder.0.feed_forward.inner.weight_scale"]).all()


def test_damaged_files_of_ctranslate2_are_refused_in_a_line(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    save_ctranslate2(theirs, "int8")
    whole = (theirs / "model.bin").read_bytes()
    draw = np.random.default_rng(1)
    cases = [whole[:length] for length in (0, 3, 40, 500, len(whole) - 8)]
    cases += [b"\x09\0\0\0" + whole[4:]]
    for _ in range(60):  # bits that fell over, most of them in headers
        bad = bytearray(whole)
        bad[int(draw.integers(0, 400))] ^= 1 << int(draw.integers(0, 8))
        cases.append(bytes(bad))
    for data in cases:
        (theirs / "model.bin").write_bytes(data)
        try:
            import_model(theirs, tmp_path / "ours", languages=SAID)
        except TformerError as error:
            assert "\n" not in str(error)


def test_packages_of_argos_say_their_languages(tmp_path: Path) -> None:
    save_ctranslate2(tmp_path / "theirs", "int8")
    package = tmp_path / "translate-en_fr.argosmodel"
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SOURCE_SENTENCES * 20),
        model_prefix=str(tmp_path / "spm"),
        vocab_size=60,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    with ZipFile(package, "w") as archive:
        archive.writestr("en_fr/metadata.json", json.dumps({"from_code": "en", "to_code": "fr"}))
        archive.write(tmp_path / "spm.model", "en_fr/sentencepiece.model")
        archive.writestr("en_fr/stanza/evil.pt", b"never read")
        archive.writestr("../evil", b"never written")
        for file in (tmp_path / "theirs").iterdir():
            archive.write(file, f"en_fr/model/{file.name}")
    assert recognise(package) is Layout.ARGOS
    import_model(package, tmp_path / "ours")
    _, vocabulary = opened(tmp_path / "ours")
    assert (vocabulary.source_languages, vocabulary.target_languages) == (("en",), ("fr",))
    assert vocabulary.encode("a", "fr") == vocabulary.pieces("a")  # Argos ends no source
    assert not (tmp_path.parent / "evil").exists()
    package.write_bytes(package.read_bytes()[:2000])
    with pytest.raises(ModelError, match="damaged"):
        import_model(package, tmp_path / "again")


# -- Marian -----------------------------------------------------------------------------------

MARIAN = TransformerConfig(
    vocab_size=21, d_model=16, num_heads=2, d_ff=24, num_encoder_layers=2, num_decoder_layers=2
)


def marian_arrays(recurrent: bool) -> dict[str, np.ndarray]:
    """Random parameters under Marian's names, weights (in, out)."""
    draw = np.random.default_rng(5)
    arrays: dict[str, np.ndarray] = {}

    def put(name: str, *shape: int) -> None:
        arrays[name] = (draw.normal(size=shape) * shape[0] ** -0.5).astype(np.float32)

    def attention(name: str) -> None:
        for letter in "qkvo":
            put(f"{name}_W{letter}", 16, 16)
            put(f"{name}_b{letter}", 1, 16)
        norm(f"{name}_Wo")

    def norm(name: str) -> None:
        put(f"{name}_ln_scale", 1, 16)
        put(f"{name}_ln_bias", 1, 16)

    put("Wemb", 20, 16)
    put("decoder_ff_logit_out_b", 1, 20)
    for stack in ("encoder", "decoder"):
        for number in (1, 2):
            layer = f"{stack}_l{number}"
            if stack == "decoder" and recurrent:
                put(f"{layer}_rnn_W", 16, 16)
                put(f"{layer}_rnn_Wf", 16, 16)
                put(f"{layer}_rnn_bf", 1, 16)
                norm(f"{layer}_rnn_ffn")
            else:
                attention(f"{layer}_self")
            if stack == "decoder":
                attention(f"{layer}_context")
            put(f"{layer}_ffn_W1", 16, 24)
            put(f"{layer}_ffn_b1", 1, 24)
            put(f"{layer}_ffn_W2", 24, 16)
            put(f"{layer}_ffn_b2", 1, 16)
            norm(f"{layer}_ffn_ffn")
    return arrays


def marian_settings(recurrent: bool) -> bytes:
    autoreg = "rnn" if recurrent else "self-attention"
    lines = f"""dec-cell: ssru
dec-depth: 2
dim-emb: 16
dim-vocabs:
  - 20
  - 20
enc-depth: 2
tied-embeddings-all: true
transformer-decoder-autoreg: {autoreg}
transformer-dim-ffn: 24
transformer-heads: 2
transformer-postprocess: dan
transformer-preprocess: ""
type: transformer
"""
    return lines.encode() + b"\0"


def save_npz(folder: Path, arrays: dict[str, np.ndarray], settings: bytes) -> None:
    special = np.frombuffer(settings, np.int8)
    np.savez(folder / "model.npz", **arrays, **{"special:model.yml": special})


def save_binary(folder: Path, arrays: dict[str, np.ndarray], settings: bytes) -> None:
    """With matrices in int8; ``arrays`` are changed to what these stand for."""
    parts: list[tuple[str, tuple[int, ...], int, bytes]] = []
    for name, array in arrays.items():
        if name == "Wemb" or ("_W" in name and array.shape[0] > 1):
            factor = np.float32(127 / np.abs(array).max())
            rows = array if name == "Wemb" else array.T
            whole = np.rint(rows * factor).astype(np.int8)
            values = whole.astype(np.float32) / factor
            arrays[name] = values if name == "Wemb" else values.T
            data = whole.tobytes() + factor.tobytes()
            parts.append((name, array.shape, 0x4101, data + bytes(-len(data) % 256)))
            parts.append((f"{name}_QuantMultA", (1, 1), 0x404, bytes(256)))
        else:
            parts.append((name, array.shape, 0x404, array.tobytes()))
    parts.append(("special:model.yml", (len(settings),), 0x101, settings))
    out = struct.pack("<QQ", 1, len(parts))
    for name, shape, kind, data in parts:
        out += struct.pack("<QQQQ", len(name) + 1, kind, len(shape), len(data))
    out += b"".join(name.encode() + b"\0" for name, *_ in parts)
    out += b"".join(struct.pack(f"<{len(shape)}i", *shape) for _, shape, *_ in parts)
    out += struct.pack("<Q", 5) + bytes(5) + b"".join(data for *_, data in parts)
    (folder / "model.enfr.intgemm.alphas.bin").write_bytes(out)


def save_shortlist(folder: Path) -> None:
    offsets, tokens = np.arange(0, 42, 2, dtype="<u8"), np.arange(40, dtype="<u4") % 20
    header = np.array([0xF11A48D5013417F5, 0, 3, 2, len(offsets), len(tokens)], "<u8")
    data = header.tobytes() + offsets.tobytes() + tokens.tobytes()
    (folder / "lex.50.50.enfr.s2t.bin").write_bytes(data)


@pytest.mark.parametrize("recurrent", [True, False], ids=["ssru", "attention"])
def test_both_layouts_of_marian_are_the_same_model(tmp_path: Path, recurrent: bool) -> None:
    tokens = ["</s>", "<unk>", *"abcdefghijklmnopqr"]
    table = "".join(f'"{token}": {number}\n' for number, token in enumerate(tokens))
    arrays, settings = marian_arrays(recurrent), marian_settings(recurrent)
    folders = [tmp_path / name for name in ("binary", "npz")]
    savers: list[Callable[..., None]] = [save_binary, save_npz]
    logits = []
    for folder, save in zip(folders, savers, strict=True):
        folder.mkdir()
        save(folder, arrays, settings)
        (folder / "vocab.yml").write_text(table)
        if save is save_binary:
            save_shortlist(folder)
        assert recognise(folder) is Layout.MARIAN
        import_model(folder, folder / "ours", languages=SAID)
        network, vocabulary = opened(folder / "ours")
        assert network.config.look_back == ("ssru" if recurrent else "attention")
        assert vocabulary.encode("a b", "fr") == [2, 3, 0]
        assert not network.target_embedding.weight[vocabulary.bos_id].any()
        with torch.inference_mode():
            logits.append(network(torch.tensor([[2, 3, 0]]), None, torch.tensor([[20, 4, 5]])))
        assert torch.isneginf(logits[-1][..., 20]).all()
    torch.testing.assert_close(*(each[..., :20] for each in logits), atol=1e-5, rtol=1e-5)

    shortlist = Shortlist.beside(folders[0] / "ours", 21, joint=True)
    assert shortlist is not None
    assert shortlist.allowed([5, 7]).tolist() == [0, 1, 2, 5, 7, 10, 11, 14, 15]
    listed = Eager(opened(folders[0] / "ours")[0], shortlist).start(1)
    listed.admit([[5, 7]])
    assert torch.isfinite(listed.step(np.array([20])).all()).nonzero()[:, 1].tolist() == [
        0, 1, 2, 5, 7, 10, 11, 14, 15,
    ]  # fmt: skip


def test_damaged_files_of_marian_are_refused_in_a_line(tmp_path: Path) -> None:
    save_binary(tmp_path, marian_arrays(True), marian_settings(True))
    (tmp_path / "vocab.yml").write_text('"</s>": 0\n"<unk>": 1\n')
    file = tmp_path / "model.enfr.intgemm.alphas.bin"
    whole = file.read_bytes()
    wrong_ways = [whole[:100], whole[:-400], b"\2" + whole[1:], b""]
    wrong_ways += [whole[:8] + b"\xff" * 8 + whole[16:], whole[:40] + b"\xff" * 8 + whole[48:]]
    wrong_ways += [whole.replace(b"rnn\n", b"gru\n"), whole]  # the vocabulary is too small
    for data in wrong_ways:
        file.write_bytes(data)
        with pytest.raises(ModelError) as error:
            import_model(tmp_path, tmp_path / "ours")
        assert "\n" not in str(error.value)
    with pytest.raises(ModelError, match="damaged"):
        (tmp_path / "shortlist.bin").write_bytes(
            np.array([0xF11A48D5013417F5, 0, 3, 2, 99, 99], "<u8").tobytes()
        )
        Shortlist.beside(tmp_path, 20, joint=True)


def test_yaml_of_marian_is_read(tmp_path: Path) -> None:
    settings = read_settings('a: 1\nb:\n  - x\n  - "y: z"\nc: "q\\"\'"\n')
    assert settings == {"a": "1", "b": ["x", "y: z"], "c": "q\"'"}
    file = tmp_path / "vocab.yml"
    file.write_text("""</s>: 0\n"\\"": 1\n'''': 2\n":": 3\n""")
    assert read_tokens(file) == ["</s>", '"', "'", ":"]
    file.write_text("a: 0\nb: 2\n")
    with pytest.raises(ModelError, match="nothing has the id 1"):
        read_tokens(file)


def test_headers_are_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(struct.pack("<Q", 1 << 60) + bytes(16))
    with pytest.raises(ModelError, match="announces"):
        BinaryFile(file).count("Q", smallest=1)
    with pytest.raises(ModelError, match="needs"):
        BinaryFile(file).array("<f4", (1 << 40,), 16)
    with pytest.raises(ModelError, match="ends before"):
        BinaryFile(file).take(25)


def test_a_configuration_of_many_vocabularies_is_checked() -> None:
    with pytest.raises(ModelError, match="look_back must be one of"):
        replace(MARIAN, look_back="lstm")  # type: ignore[arg-type]
