"""Interface of a network to the engine. Needs no torch.

    decoding = network.start(beam_size=4)
    decoding.admit([source, ...])           # encode sentences and put them behind those here
    scores = decoding.step(tokens)          # one token of every hypothesis in, the next one's out
    decoding.select(rows, sentences)        # follow the beam, drop who has left

A :class:`Network` is weights that can decode; a :class:`Decoding` is one batch under way. The
engine drives it and knows neither the device nor the arithmetic. `network.eager` is the
network as it was written down, on any device and in any dtype; faster ones are held to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tformer.model.config import TransformerConfig
from tformer.model.datastore.layout import Subset
from tformer.model.search.candidates import Integers
from tformer.model.search.hypotheses import State
from tformer.model.search.request import Request

if TYPE_CHECKING:
    from torch import Tensor

    from tformer.model.search.scores import Scores


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

        What a request has as its ``encoder_states`` is not encoded again.

        Args:
            requests: as for :meth:`Decoding.admit`.

        Returns:
            Of each request the log-probability of every token of its prefix, by the network alone;
            the next :meth:`Decoding.step` takes the last of these tokens. Nothing where a prefix is
            still to be said, see `Request.begins_alike`.
        """
        ...

    def encoder_states(self, sentence: int) -> Any:
        """Encoder states that a request for the same source may bring as its ``encoder_states``."""
        ...


@runtime_checkable
class RecallingDecoding(Decoding, Protocol):
    """A decoding that mixes the distribution of a datastore's nearest entries into its scores."""

    def recall(self, subsets: Sequence[Subset | None]) -> None:
        """Take the entries of the sentences that were admitted last, one for each of them."""
        ...


@runtime_checkable
class SearchingDecoding(Decoding, Protocol):
    """A decoding that can take several steps without being told the outcome of each."""

    def search(self, state: State, width: int, most: int) -> tuple[int, bool, bool]:
        """Take steps, with `candidates.choose` and `hypotheses.go_on` after each.

        It ends with the first that leaves a sentence done; :meth:`Decoding.select` is called for
        the last step alone.

        Args:
            state: of all sentences, which it changes.
            width: best tokens of every hypothesis that are needed to choose.
            most: steps to take at most, at least one.

        Returns:
            As `hypotheses.go_on`, of the last step.
        """
        ...


@runtime_checkable
class SharingDecoding(Decoding, Protocol):
    """A decoding that idle cores can take work from."""

    def share_work(self, workers: int) -> None:
        """Have so many threads, at most, compute a part from now on; 0 sends them away.

        Any thread may send them away. They go by themselves if there has been no work for some
        milliseconds.
        """
        ...


class Network(Protocol):
    """Weights that can decode."""

    @property
    def config(self) -> TransformerConfig:
        """The shape."""
        ...

    @property
    def device(self) -> object:
        """Device to compute on, where ``Decoding.step`` leaves its scores; ``str`` names it."""
        ...

    @property
    def dtype(self) -> str:
        """The arithmetic, for users: float32, bfloat16, int8, ..."""
        ...

    @property
    def out_of_memory(self) -> type[Exception]:
        """Exception for a batch that does not fit into memory."""
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
