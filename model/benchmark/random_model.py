"""Models of any shape whose weights are random, to measure what training would change nothing of.

save_random_model(Path("model"), TransformerConfig(vocab_size=16_000))
"""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Any

import torch

from tformer.model.checkpoint.layout import ModelFacts
from tformer.model.config import TransformerConfig
from tformer.model.network.torch_checkpoint import save_model
from tformer.model.network.transformer import Transformer
from tformer.model.vocabulary.sentencepiece import EOS_ID, FILE, UNKNOWN_ID, Vocabulary, tag

LANGUAGES = ("en", "de")


def save_random_model(folder: Path, config: TransformerConfig, seed: int = 1) -> None:
    """Write a model directory, in float32, with a vocabulary of words that mean nothing.

    Raises:
        OutputError: when it cannot be written.
    """
    torch.manual_seed(seed)
    network = _talkative(Transformer(config))
    with tempfile.TemporaryDirectory() as aside:
        vocabulary = random_vocabulary(Path(aside), config.vocab_size)
        facts = ModelFacts("random", LANGUAGES)
        parameters = network.state_dict()
        save_model(folder, parameters, config, vocabulary, facts, dtype=torch.float32)


def _talkative(network: Transformer) -> Transformer:
    """Layers that outweigh the embeddings; else every word would be the one before it again."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith(("encoder.", "decoder.")):
                parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def random_vocabulary(folder: Path, size: int) -> Vocabulary:
    """``size`` pieces in a file in ``folder``: control symbols, the tags, bytes, and words."""
    # The generated messages have no types.
    format: Any = importlib.import_module("sentencepiece.sentencepiece_model_pb2")
    model, kinds = format.ModelProto(), format.ModelProto.SentencePiece
    special = ["<pad>", "<s>", "</s>", "<unk>", *map(tag, LANGUAGES)]
    spelt = [f"<0x{byte:02X}>" for byte in range(256)]
    for number, piece in enumerate([*special, *spelt]):
        kind = kinds.BYTE if number >= len(special) else kinds.CONTROL
        model.pieces.add(piece=piece, type=kinds.UNKNOWN if number == UNKNOWN_ID else kind)
    for number in range(len(model.pieces), size):
        model.pieces.add(piece=f"\u2581{number}", type=kinds.NORMAL, score=-float(number))
    trained = model.trainer_spec
    trained.model_type, trained.byte_fallback, trained.vocab_size = trained.BPE, True, size
    trained.pad_id, trained.bos_id, trained.eos_id, trained.unk_id = 0, 1, EOS_ID, UNKNOWN_ID
    path = folder / FILE
    path.write_bytes(model.SerializeToString())
    return Vocabulary(path)
