"""The network as it was written down, operation by operation, on any device and in any dtype."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor

from tformer.model.config import TransformerConfig
from tformer.model.datastore.layout import Subset
from tformer.model.hardware.device import on_device
from tformer.model.network.knn import TensorSubset, mixed_logits
from tformer.model.network.kv_cache import DecoderCache, in_blocks
from tformer.model.network.shortlist import Shortlist
from tformer.model.network.transformer import Transformer
from tformer.model.search.candidates import Integers
from tformer.model.search.scores import LogProbs


class Plain:
    """A Transformer as it was written down; what networks over one have in common."""

    def __init__(self, transformer: Transformer) -> None:
        """The network of ``transformer``, which is switched to evaluation mode."""
        self.transformer = transformer.eval()

    @property
    def config(self) -> TransformerConfig:
        """The shape."""
        return self.transformer.config

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self._parameter.device

    @property
    def dtype(self) -> str:
        """That of the weights."""
        return str(self._parameter.dtype).removeprefix("torch.")

    @property
    def out_of_memory(self) -> type[Exception]:
        """That of torch."""
        return torch.OutOfMemoryError

    def computing(self) -> AbstractContextManager[None]:
        """Nothing will be differentiated."""
        return torch.inference_mode()

    def give_back_memory(self) -> None:
        """Give what torch keeps to the device."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @property
    def _parameter(self) -> Tensor:
        return next(self.transformer.parameters())


class Eager(Plain):
    """A Transformer, operation by operation."""

    def __init__(self, transformer: Transformer, shortlist: Shortlist | None = None) -> None:
        """The network of ``transformer``, which says what ``shortlist`` lets it say."""
        super().__init__(transformer)
        self._shortlist = shortlist

    def start(self, beam_size: int) -> EagerDecoding:
        """An empty batch."""
        return EagerDecoding(self.transformer, self.device, beam_size, self._shortlist)


class EagerDecoding:
    """A batch over a :class:`~tformer.model.network.kv_cache.DecoderCache`."""

    def __init__(
        self,
        transformer: Transformer,
        device: torch.device,
        beam_size: int,
        shortlist: Shortlist | None = None,
    ) -> None:
        """An empty batch."""
        self._shortlist = shortlist
        self._allowed: list[Tensor] = []
        self._transformer = transformer
        self._device = device
        self._beam_size = beam_size
        self._cache: DecoderCache | None = None
        self._subsets: list[TensorSubset | None] = []

    def admit(self, sources: Sequence[Sequence[int]]) -> None:
        """Encode sentences together; see :meth:`~network.interface.Decoding.admit`."""
        if self._shortlist is not None:
            self._allowed += [
                torch.from_numpy(self._shortlist.allowed(source)).to(self._device)
                for source in sources
            ]
        source, lengths = self._padded(sources)
        encoded = self._transformer.encode(source, lengths)
        cache = self._transformer.start_cache(encoded, self._beam_size)
        if self._cache is None:
            self._cache = cache
        else:
            self._cache.extend(cache)
        self._subsets += [None] * len(sources)

    def recall(self, subsets: Sequence[Subset | None]) -> None:
        """Compare the sentences that were admitted last with entries of datastores."""
        new = [
            None if subset is None else TensorSubset.of(subset, self._device) for subset in subsets
        ]
        self._subsets[len(self._subsets) - len(new) :] = new

    def step(self, tokens: Integers) -> LogProbs:
        """One token further; see :meth:`~tformer.model.network.interface.Decoding.step`."""
        assert self._cache is not None
        return LogProbs(self._logits(tokens))

    def step_with_attention(self, tokens: Integers) -> tuple[LogProbs, Tensor]:
        """One token further; see `AttentiveDecoding.step_with_attention`."""
        assert self._cache is not None
        weights: list[Tensor] = []
        scores = LogProbs(self._logits(tokens, weights))
        attention = weights[-1].mean(1).flatten(0, 1)  # (G, H, K, S) to (R, S)
        return scores, attention.to(torch.promote_types(attention.dtype, torch.float32))

    def select(self, rows: Integers, sentences: Sequence[int] | None = None) -> None:
        """Follow the beam; see :meth:`~tformer.model.network.interface.Decoding.select`."""
        assert self._cache is not None
        if sentences is not None:
            self._subsets = [self._subsets[sentence] for sentence in sentences]
        if sentences is not None and self._shortlist is not None:
            self._allowed = [self._allowed[sentence] for sentence in sentences]
        if sentences is None:
            self._cache.select(self._tensor(rows))
        elif sentences:
            kept = np.array(sentences, np.int64)
            self._cache.select(self._tensor(rows), self._tensor(kept))
        else:
            self._cache = None

    def _logits(self, tokens: Integers, weights: list[Tensor] | None = None) -> Tensor:
        """Logits (R, V) of the next token, with the nearest entries of datastores mixed in."""
        assert self._cache is not None
        states = self._transformer.decoded(self._tensor(tokens), self._cache, weights)
        logits = self._listed(self._transformer.project(states))
        beam = self._beam_size
        for sentence, subset in enumerate(self._subsets):
            if subset is not None:
                rows = slice(sentence * beam, (sentence + 1) * beam)
                logits[rows] = mixed_logits(logits[rows], states[rows], subset)
        return logits

    def _listed(self, logits: Tensor) -> Tensor:
        """Logits (R, V) that are -inf where a sentence has no such token."""
        if self._shortlist is None:
            return logits
        listed = torch.full_like(logits, -torch.inf)
        for sentence, allowed in enumerate(self._allowed):
            rows = slice(sentence * self._beam_size, (sentence + 1) * self._beam_size)
            listed[rows, allowed] = logits[rows, allowed]
        return listed

    def _tensor(self, values: Integers) -> Tensor:
        return on_device(torch.from_numpy(values), self._device)

    def _padded(self, sources: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Token ids (G, S), padded on the right to whole blocks, and lengths (G,)."""
        lengths = [len(source) for source in sources]
        config = self._transformer.config
        width = min(in_blocks(max(lengths)), config.max_length)
        padded = [[*source, *[config.pad_id] * (width - len(source))] for source in sources]
        return (
            on_device(torch.tensor(padded, dtype=torch.int64), self._device),
            on_device(torch.tensor(lengths, dtype=torch.int64), self._device),
        )
