"""Tiny random models for tests that need a network but not a good one."""

from __future__ import annotations

from pathlib import Path

import torch

from tformer.model.checkpoint.layout import ModelFacts
from tformer.model.config import TransformerConfig
from tformer.model.network.torch_checkpoint import save_model
from tformer.model.network.transformer import Transformer
from tformer.model.vocabulary.sentencepiece import Vocabulary

SENTENCES = [
    "A dog runs on the beach.",
    "Where is the railway station?",
    "Ein Hund läuft am Strand.",
    "Wo ist der Bahnhof?",
]


def tiny_transformer(
    seed: int, vocab_size: int = 12, *, dtype: torch.dtype = torch.float64, max_length: int = 64
) -> Transformer:
    """A network of two narrow layers whose distributions are neither flat nor certain."""
    torch.manual_seed(seed)
    config = TransformerConfig(
        vocab_size=vocab_size,
        d_model=16,
        num_heads=2,
        d_ff=32,
        num_encoder_layers=1,
        num_decoder_layers=2,
        norm="pre" if seed % 2 else "post",
        max_length=max_length,
    )
    transformer = Transformer(config)
    with torch.no_grad():
        for parameter in transformer.parameters():
            parameter.mul_(1.7)
    return transformer.to(dtype).eval()


def wide_transformer(dtype: torch.dtype) -> Transformer:
    """Wide enough for the kernels, and the orders of summation, of a real network."""
    torch.manual_seed(1)
    config = TransformerConfig(
        vocab_size=500,
        d_model=128,
        num_heads=2,
        d_ff=256,
        num_encoder_layers=2,
        num_decoder_layers=2,
        norm="pre",
        max_length=128,
    )
    return Transformer(config).to(dtype).eval()


def tiny_model(folder: Path) -> Path:
    """The directory of a model between English and German that knows nothing."""
    languages = ("en", "de")
    vocabulary = Vocabulary.train(
        SENTENCES, folder / "sentencepiece.model", languages=languages, size=330
    )
    network = tiny_transformer(3, vocab_size=len(vocabulary), max_length=256)
    facts = ModelFacts("tiny", languages)
    save_model(folder / "tiny", network.state_dict(), network.config, vocabulary, facts)
    return folder / "tiny"
