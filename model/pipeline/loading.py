"""From the name of a model to a network that decodes, where and in the arithmetic that is wanted.

int8 on the CPU takes the short way, without torch: its import alone takes longer than to load the
model that ships and to translate a page with it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tformer.model.checkpoint.description import read_description
from tformer.model.checkpoint.layout import find_model, fingerprint_of, read_config
from tformer.model.checkpoint.weights import StoredWeights
from tformer.model.config import Calibration
from tformer.model.hardware.cpu import level, num_cores
from tformer.model.hardware.device import (
    check_threads,
    choose_device,
    choose_dtype,
    set_threads,
    wants_int8,
)
from tformer.model.network.shortlist import Shortlist
from tformer.model.vocabulary.sentencepiece import AnyVocabulary

if TYPE_CHECKING:
    from tformer.model.network.interface import Network
    from tformer.model.passes.alignment import Aligner
    from tformer.model.pipeline.torch_scorer import PlainAligner

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A network that decodes, and what belongs to it."""

    network: Network
    vocabulary: AnyVocabulary
    open_aligner: Callable[[], Aligner]
    """Gives what alignments and scores of pieces come from."""
    open_plain: Callable[[], PlainAligner] | None = None
    """Gives an aligner by the network's plain form, where the other one is not."""
    engines: int = 1
    """As many make good use of the processor, side by side."""
    calibrations: tuple[Calibration, ...] = ()
    """Calibration of the confidence, of each direction that it was fitted for."""
    length_penalty: float | None = None
    """Exponent that its translations are best with, if that was measured."""
    fingerprint: str = ""
    """Identity of the weights."""


def load_network(
    model: str | Path, *, device: str, dtype: str, threads: int | None, graphs: bool
) -> Loaded:
    """Load a model; the arguments are those of `tformer.model.pipeline.translator.Translator.load`.

    Raises:
        ModelError: when it is missing or damaged.
        DeviceError: when the device is not there.
        UsageError: when a setting has no such value.
    """
    if threads is not None:
        check_threads(threads)
    if wants_int8(dtype, device):
        directory = find_model(model)
        if dtype == "int8" or read_config(directory)[0].is_common:
            return _load_int8(directory, threads)
        dtype = "float32"
    return _load_plain(find_model(model), device, dtype, threads, graphs)


def _load_int8(directory: Path, threads: int | None) -> Loaded:
    """In int8 on the CPU; the plain form is loaded if it is asked for, with torch."""
    from tformer.model.network.int8.network import Int8
    from tformer.model.network.int8.precompile import prepare
    from tformer.model.network.int8.scorer import Int8Reader
    from tformer.model.passes.alignment import Aligner

    config, vocabulary, facts = read_description(directory)
    shortlist = Shortlist.beside(
        directory, config.output_size, joint=config.target_vocab_size is None
    )
    network = Int8(StoredWeights(config, directory), shortlist)
    prepare()
    logger.debug("int8 kernels at level %s", level().name)

    def open_plain() -> PlainAligner:
        open_aligner = _load_plain(directory, "cpu", "float32", threads, graphs=False).open_aligner
        return cast("PlainAligner", open_aligner())

    return Loaded(
        network,
        vocabulary,
        lambda: Aligner(Int8Reader(network, facts.alignment), vocabulary),
        open_plain,
        engines=threads or num_cores(),
        calibrations=facts.confidence,
        length_penalty=facts.length_penalty,
        fingerprint=fingerprint_of(directory),
    )


def _load_plain(
    directory: Path, device: str, dtype: str, threads: int | None, graphs: bool
) -> Loaded:
    """With torch, whose own threads share the work of one engine."""
    import torch

    from tformer.model.network.cuda_graphs import Graphed
    from tformer.model.network.eager import Eager
    from tformer.model.network.float32 import packed
    from tformer.model.network.torch_checkpoint import load_model
    from tformer.model.pipeline.graph_check import recorded_or_plain
    from tformer.model.pipeline.torch_scorer import PlainAligner

    if threads is not None:
        set_threads(threads)
    place = choose_device(device)
    kind = choose_dtype(dtype, place)
    transformer, vocabulary, facts = load_model(directory, place, kind)
    if place.type == "cpu" and kind == torch.float32 and packed.usable():
        packed.prepare()
        transformer.pack()
    config = transformer.config
    common = config.is_common and config.look_back == "attention"
    recorded = graphs and place.type == "cuda" and common
    shortlist = Shortlist.beside(
        directory, config.output_size, joint=config.target_vocab_size is None
    )
    network: Network = Eager(transformer, None if recorded else shortlist)
    if recorded:
        network = recorded_or_plain(lambda: Graphed(transformer), network)
    return Loaded(
        network,
        vocabulary,
        lambda: PlainAligner(transformer, vocabulary, facts.alignment),
        calibrations=facts.confidence,
        length_penalty=facts.length_penalty,
        fingerprint=fingerprint_of(directory),
    )
