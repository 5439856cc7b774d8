"""What the engine asks of a network, and the plain answer to it.

    decoding = network.start(beam_size=4)
    decoding.admit([source, ...])           # encode sentences and put them behind those here
    scores = decoding.step(tokens)          # one token of every hypothesis in, the next one's out
    decoding.select(rows, sentences)        # follow the beam, drop who has left

A :class:`Network` is weights that can decode; a :class:`Decoding` is one batch under way. The
engine drives it and knows neither the device nor the arithmetic. :class:`Eager` is the network as
it was written down, on any device and in any dtype; faster ones are held to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from tformer.model.cache import DecoderCache, in_blocks
from tformer.model.candidates import Integers
from tformer.model.config import TransformerConfig
from tformer.model.device import on_device
from tformer.model.request import Request
from tformer.model.scores import LogProbs, Scores
from tformer.model.transformer import Transformer


class Decoding(Protocol):
    """G sentences with K hypotheses each, of which row r = g * K + k is hypothesis k of g."""

    def admit(self, sources: Sequence[Sequence[int]]) -> None:
        """Encode sentences, and put them behind those that are here.

        Args:
            sources: token ids of each, at least one and at most ``config.max_length``.
        """
        ...

    def step(self, tokens: Integers) -> Scores:
        """Append the newest token of every hypothesis, and score those that may follow.

        Args:
            tokens: (R,), on the host.

        Returns:
            Scores of R rows, which hold until the next call of any method.
        """
        ...

    def select(self, rows: Integers, sentences: Sequence[int] | None = None) -> None:
        """Let row r continue what was row ``rows[r]``.

        Args:
            rows: (R',), on the host; a row stays within its sentence.
            sentences: the former index of each of the G' sentences that remain, R' = G' * K. None
                when none leaves.
        """
        ...


@runtime_checkable
class AttentiveDecoding(Decoding, Protocol):
    """A decoding that can tell what it attends to."""

    def step_with_attention(self, tokens: Integers) -> tuple[Scores, Tensor]:
        """Like :meth:`Decoding.step`, whose very scores it gives.

        Returns:
            The scores; and the attention (R, S) of the position to the source, in the last decoder
            layer, averaged over its heads, 0 beyond the end of a source; float32 or wider.
        """
        ...


@runtime_checkable
class ResumingDecoding(Decoding, Protocol):
    """A decoding in which sentences can begin anywhere, and are encoded once."""

    def resume(self, requests: Sequence[Request]) -> Sequence[Sequence[float]]:
        """Admit sentences whose prefixes have been said, where they may be read at once.

        What a request has as its ``memory`` is not encoded again.

        Args:
            requests: as for :meth:`Decoding.admit`.

        Returns:
            Of each request the log-probability of every token of its prefix, by the network alone;
            the next :meth:`Decoding.step` takes the last of these tokens. Nothing where a prefix is
            still to be said, see `Request.begins_alike`.
        """
        ...

    def memory(self, sentence: int) -> Any:
        """What a request for the same source may have as its ``memory``."""
        ...


class Network(Protocol):
    """Weights that can decode."""

    @property
    def config(self) -> TransformerConfig:
        """The shape."""
        ...

    @property
    def device(self) -> torch.device:
        """Where it computes, and where ``Decoding.step`` leaves its scores."""
        ...

    @property
    def dtype(self) -> str:
        """The arithmetic, for users: float32, bfloat16, int8, ..."""
        ...

    @property
    def out_of_memory(self) -> type[Exception]:
        """What is raised when the memory for a batch does not suffice."""
        ...

    def computing(self) -> AbstractContextManager[None]:
        """Within this, it computes; entered once a step."""
        ...

    def give_back_memory(self) -> None:
        """Let others have what batches do not need any more."""
        ...

    def start(self, beam_size: int) -> Decoding:
        """An empty batch of ``beam_size`` hypotheses a sentence."""
        ...


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
        """Where the weights are."""
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

    def start(self, beam_size: int) -> EagerDecoding:
        """An empty batch."""
        return EagerDecoding(self.transformer, self.device, beam_size)


class EagerDecoding:
    """A batch over a :class:`~tformer.model.cache.DecoderCache`."""

    def __init__(self, transformer: Transformer, device: torch.device, beam_size: int) -> None:
        """An empty batch."""
        self._transformer = transformer
        self._device = device
        self._beam_size = beam_size
        self._cache: DecoderCache | None = None

    def admit(self, sources: Sequence[Sequence[int]]) -> None:
        """Encode sentences together; see :meth:`Decoding.admit`."""
        source, lengths = self._padded(sources)
        memory = self._transformer.encode(source, lengths)
        cache = self._transformer.start_cache(memory, self._beam_size)
        if self._cache is None:
            self._cache = cache
        else:
            self._cache.extend(cache)

    def step(self, tokens: Integers) -> LogProbs:
        """One token further; see :meth:`Decoding.step`."""
        assert self._cache is not None
        return LogProbs(self._transformer.decode(self._tensor(tokens), self._cache))

    def step_with_attention(self, tokens: Integers) -> tuple[LogProbs, Tensor]:
        """One token further; see :meth:`AttentiveDecoding.step_with_attention`."""
        assert self._cache is not None
        weights: list[Tensor] = []
        scores = LogProbs(self._transformer.decode(self._tensor(tokens), self._cache, weights))
        attention = weights[-1].mean(1).flatten(0, 1)  # (G, H, K, S) to (R, S)
        return scores, attention.to(torch.promote_types(attention.dtype, torch.float32))

    def select(self, rows: Integers, sentences: Sequence[int] | None = None) -> None:
        """Follow the beam; see :meth:`Decoding.select`."""
        assert self._cache is not None
        if sentences is None:
            self._cache.select(self._tensor(rows))
        elif sentences:
            kept = np.array(sentences, np.int64)
            self._cache.select(self._tensor(rows), self._tensor(kept))
        else:
            self._cache = None

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
