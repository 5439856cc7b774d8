"""Tiny random Marian models, as the Hugging Face hub has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from late import Late

from tformer.model.engine.engine import Engine
from tformer.model.network.eager import Eager
from tformer.model.network.transformer import Transformer
from tformer.model.options import DecodingOptions
from tformer.model.search.request import Request

transformers = Late("transformers")

SOURCE_SENTENCES = ["a dog runs on the beach", "two men drink tea in a garden", "the cat sees it"]
TARGET_SENTENCES = ["ein hund rennt am strand", "zwei männer trinken tee", "die katze sieht es"]


def write_vocabulary(
    folder: Path, languages: tuple[str, ...] = (), *, separate: bool = False
) -> tuple[int, int]:
    """SentencePiece models and tables; the sizes of the source and the target vocabulary."""
    sides = []
    for name, sentences in (("source", SOURCE_SENTENCES), ("target", TARGET_SENTENCES)):
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_prefix=str(folder / name),
            model_type="unigram",
            vocab_size=34,
            hard_vocab_limit=False,
            minloglevel=2,
        )
        (folder / f"{name}.model").rename(folder / f"{name}.spm")
        lines = (folder / f"{name}.vocab").read_text("utf-8").splitlines()
        sides.append([line.split("\t")[0] for line in lines[3:]])
        (folder / f"{name}.vocab").unlink()
    tags = [f">>{language}<<" for language in languages]
    if not separate:
        sides = [[*dict.fromkeys([*sides[0], *sides[1]])]] * 2
    for name, pieces in zip(("vocab.json", "target_vocab.json"), sides, strict=True):
        tokens = ["</s>", "<unk>", *tags, *pieces, "<pad>"]
        if separate or name == "vocab.json":
            table = {token: identity for identity, token in enumerate(tokens)}
            (folder / name).write_text(json.dumps(table), "utf-8")
    stated = {"source_lang": "en", "target_lang": "de", "separate_vocabs": separate}
    (folder / "tokenizer_config.json").write_text(json.dumps(stated))
    return len(sides[0]) + len(tags) + 3, len(sides[1]) + len(tags) + 3


def save_marian(
    folder: Path,
    seed: int = 0,
    *,
    languages: tuple[str, ...] = (),
    separate: bool = False,
    end_bias: float = 2.0,
    sharpness: float = 0.3,
    **changes: Any,
) -> Any:
    """A random model whose distributions are neither flat nor certain, saved with its files."""
    # It would write to the stderr that tests look at.
    transformers.utils.logging.disable_progress_bar()
    folder.mkdir(exist_ok=True)
    size, target_size = write_vocabulary(folder, languages, separate=separate)
    shape = dict(d_model=16, attention_heads=2, ffn_dim=24, layers=2) | changes
    config = transformers.MarianConfig(
        vocab_size=size,
        decoder_vocab_size=target_size,
        share_encoder_decoder_embeddings=not separate,
        d_model=shape["d_model"],
        encoder_layers=shape.get("encoder_layers", shape["layers"]),
        decoder_layers=shape["layers"],
        encoder_attention_heads=shape["attention_heads"],
        decoder_attention_heads=shape["attention_heads"],
        encoder_ffn_dim=shape["ffn_dim"],
        decoder_ffn_dim=shape["ffn_dim"],
        activation_function=shape.get("activation_function", "swish"),
        scale_embedding=shape.get("scale_embedding", True),
        max_position_embeddings=64,
        pad_token_id=target_size - 1,
        decoder_start_token_id=target_size - 1,
        eos_token_id=0,
        forced_eos_token_id=None,
    )
    torch.manual_seed(seed)
    model = transformers.MarianMTModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_positions" not in name:
                # Layers so wide that what was decoded last does not drown the rest.
                width = 1.5 if ".layers." in name else sharpness
                width = width if parameter.dim() == 2 else 0.1
                parameter.add_(width * torch.randn_like(parameter))
        model.final_logits_bias.normal_(std=0.3)
        model.final_logits_bias[0, 0] += end_bias
    model.generation_config = transformers.GenerationConfig(
        pad_token_id=target_size - 1,
        decoder_start_token_id=target_size - 1,
        eos_token_id=0,
        bad_words_ids=[[target_size - 1]],
        renormalize_logits=True,
    )
    model.save_pretrained(folder)
    return model


def random_sources(config: Any, count: int, seed: int) -> list[list[int]]:
    """Token ids, each sentence with its end, for a vocabulary of that size."""
    draw = torch.Generator().manual_seed(seed)
    size = config.vocab_size - 1
    lengths = torch.randint(1, 12, (count,), generator=draw).tolist()
    return [[*torch.randint(1, size, (n,), generator=draw).tolist(), 0] for n in lengths]


def decoded(
    network: Transformer, sources: list[list[int]], options: DecodingOptions
) -> list[list[list[int]]]:
    """The n-best list of every sentence, by our search."""
    engine = Engine(Eager(network), beam_size=options.beam_size)
    numbers = [engine.submit(Request(source, options)) for source in sources]
    found = {}
    while engine.busy:
        found.update({answer.number: answer.hypotheses for answer in engine.step()})
    return [[list(hypothesis.tokens) for hypothesis in found[number]] for number in numbers]
