"""Inside view of a translation: attention, the beam, the score of each piece.

    inspection = inspect(translator, "The house is old.", target="de")
    inspection.attention["cross"][0, 2]         # layer 0, head 2: (T + 1, S)
    inspection.steps[3].candidates              # what the search considered in its fourth step

For people who look at one sentence; nothing here is fast. The search is that of the engine, which
decodes with a network that writes down what it was asked; what it finds is not looked at by the
guard, which may have a text translated once more. The attention is that of one forced pass over the
translation that was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from tformer.model.config import AlignmentHeads
from tformer.model.datastore.layout import Datastore
from tformer.model.engine.engine import Engine
from tformer.model.errors import UsageError
from tformer.model.network.transformer import AttentionWeights, Transformer
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.memory_inspection import InspectedRetrieval, retrievals
from tformer.model.pipeline.search_steps import RecordingNetwork, Step, steps_of
from tformer.model.pipeline.translator import Translator
from tformer.model.search.request import Request

KINDS = ("cross", "encoder", "decoder")
"""Encoder-decoder attention, self-attention of the encoder, of the decoder."""


@dataclass(frozen=True)
class RankedTranslation:
    """A finished translation."""

    text: str
    score: float
    """log P / lp, by which it is ranked."""


@dataclass(frozen=True)
class Inspection:
    """All there is to see of one sentence of S source and T target tokens."""

    source: str
    source_language: str
    target_language: str
    hypotheses: tuple[RankedTranslation, ...]
    """The n-best list; what follows is of the first."""
    source_pieces: tuple[str, ...]
    """S: what the encoder read, with the tag of the language and the end."""
    target_pieces: tuple[str, ...]
    """T + 1: what the decoder predicted at each position, the end with it."""
    read_pieces: tuple[str, ...]
    """T + 1: what the decoder read at each position: the beginning, then the pieces."""
    log_probs: tuple[float, ...]
    """T + 1: of each of ``target_pieces``."""
    attention: dict[str, NDArray[np.float32]]
    """By kind, (layers, H, queries, keys): cross (…, T + 1, S), encoder (…, S, S), decoder
    (…, T + 1, T + 1); no layers where a recurrent network has none. A row belongs to the position
    that looks; rows sum to one."""
    heads: AlignmentHeads
    """Alignment heads."""
    steps: tuple[Step, ...]
    score_scale: float | None = None
    """Factor of the products of queries and keys, 1/√d_k; None if attention has no such factor."""
    memory: tuple[InspectedRetrieval, ...] = ()
    """T + 1: entries of a datastore that each position attended to; empty without one."""


def inspect(
    translator: Translator,
    text: str,
    *,
    source: str | None = None,
    target: str | None = None,
    options: DecodingOptions | None = None,
    datastore: Datastore | None = None,
) -> Inspection:
    """Translate a text as one sentence, and look on.

    Args:
        translator: whose network is looked at in its plain form, whatever it decodes in.
        text: a sentence; it is not split.
        source: its language; None detects it.
        target: the language to translate into; None is the other one of a model that has two.
        options: how to search.
        datastore: built with the translator's model; its entries are mixed in and told of.

    Raises:
        UsageError: when the text is empty or longer than the model reads in one go, the choice of
            languages is unclear, an option chooses otherwise than by log P, or the datastore was
            built with another model.
    """
    options = translator.completed(options or DecodingOptions())
    _check_plain(options)
    aligner, vocabulary = translator.plain_aligner, translator.vocabulary
    source_language, target_language = translator.route(source, target).of(text)
    tokens = _readable(translator, text, target_language)
    names = vocabulary.target_tokens
    network = RecordingNetwork(aligner.transformer)
    subset = None
    if datastore:
        datastore.check_model(translator.fingerprint)
        subset = datastore.subset(tokens, options.datastore_weight)
    found = _search(network, Request(tokens, options, subset=subset))
    ids = found[0][0]
    config = aligner.transformer.config
    with torch.inference_mode():
        attention, states, log_probs = _forced(aligner.transformer, tokens, ids)
    memory: Sequence[InspectedRetrieval] = ()
    if datastore:
        memory, log_probs = retrievals(datastore, subset, states, log_probs, names)
    pieces = [names[token] for token in ids]
    ranked = (
        RankedTranslation(" ".join(vocabulary.decode(each).split()), score) for each, score in found
    )
    return Inspection(
        source=text,
        source_language=source_language,
        target_language=target_language,
        hypotheses=tuple(ranked),
        source_pieces=tuple(vocabulary.source_tokens[token] for token in tokens),
        target_pieces=(*pieces, names[config.eos_id]),
        read_pieces=(names[config.bos_id], *pieces),
        log_probs=tuple(log_probs[range(len(ids) + 1), [*ids, config.eos_id]].tolist()),
        attention=attention,
        heads=aligner.heads,
        steps=tuple(steps_of(network.record, options, config, names, len(tokens))),
        score_scale=config.d_k**-0.5 if config.attention == "scaled_dot_product" else None,
        memory=tuple(memory),
    )


_PLAIN = {
    "beam_size",
    "length_penalty",
    "length_normalisation",
    "early_stopping",
    "n_best",
    "patience",
    "max_length",
    "length_ratio",
    "length_offset",
    "min_length",
    "alignments",
    "token_scores",
    "guard",
    "datastore_weight",
}
"""Options that leave it at that: the best candidates are those of the highest log P."""


def _check_plain(options: DecodingOptions) -> None:
    for option in fields(options):
        if option.name not in _PLAIN and getattr(options, option.name) != option.default:
            raise UsageError(
                f"{option.name} has no place in a beam that is looked at: leave it out"
            )


def _readable(translator: Translator, text: str, target_language: str) -> list[int]:
    if not any(character.isalnum() for character in text):
        raise UsageError(f"{text!r}: there is nothing to translate")
    tokens = translator.vocabulary.encode(text, target_language)
    if len(tokens) > translator.longest_source:
        raise UsageError(
            f"the text has {len(tokens)} tokens and is looked at as one sentence, which may have "
            f"{translator.longest_source}: give one sentence of it"
        )
    return tokens


def _search(network: RecordingNetwork, request: Request) -> list[tuple[tuple[int, ...], float]]:
    """The n-best list: tokens and score of each."""
    engine = Engine(network, beam_size=request.options.beam_size)
    engine.submit(request)
    finished = []
    while engine.busy:
        finished += engine.step()
    return [(hypothesis.tokens, hypothesis.score) for hypothesis in finished[0].hypotheses]


def _forced(
    transformer: Transformer, source: Sequence[int], target: Sequence[int]
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32], NDArray[np.float64]]:
    """The attention of every layer and head, states (T + 1, d) and log-probabilities (T + 1, V)."""
    device = transformer.positions.device
    config = transformer.config
    weights = AttentionWeights()
    read = torch.tensor([[config.bos_id, *target]], device=device)
    states = transformer.target_states(torch.tensor([source], device=device), None, read, weights)
    log_probs = transformer.project(states)[0].log_softmax(-1)  # (T + 1, V)
    recorded = {"cross": weights.cross, "encoder": weights.encoder, "decoder": weights.decoder}
    attention = {
        kind: torch.stack([layer[0] for layer in layers]).float().cpu().numpy()
        if layers
        else np.zeros((0, config.num_heads, 1, 1), np.float32)
        for kind, layers in recorded.items()
    }
    return attention, states[0].float().cpu().numpy(), log_probs.double().cpu().numpy()
