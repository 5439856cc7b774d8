"""Steps of the search for one sentence: a network that writes down what it is asked.

What the engine asked of it, step by step, tells which candidates there were and what became of
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tformer.model.config import TransformerConfig
from tformer.model.datastore.layout import Subset
from tformer.model.network.eager import Eager
from tformer.model.network.interface import Decoding, RecallingDecoding
from tformer.model.network.transformer import Transformer
from tformer.model.options import DecodingOptions
from tformer.model.search.candidates import Integers
from tformer.model.search.scores import Scores


class Fate(StrEnum):
    """Fate of a candidate."""

    KEPT = "kept"
    """It is a hypothesis of the next step."""
    FINISHED = "finished"
    """It ended the sentence among the best, and was banked."""
    PRUNED = "pruned"
    """Others were better."""


@dataclass(frozen=True)
class InspectedCandidate:
    """A hypothesis of a step and one piece more."""

    parent: int
    """The hypothesis that it continues: its place in the beam."""
    piece: str
    log_prob: float
    """Log-probability of the piece."""
    total: float
    """log P of the whole: that of the hypothesis and of the piece together."""
    fate: Fate
    place: int | None = None
    """Its own place in the beam, if it was kept."""


@dataclass(frozen=True)
class Step:
    """One step of the search."""

    candidates: tuple[InspectedCandidate, ...]
    """The 2K best continuations, the best first."""


@dataclass
class Record:
    """Calls of a network in the search for one sentence, a list entry a step."""

    tokens: list[list[int]] = field(default_factory=list)
    """(K,): the newest token of every hypothesis."""
    best: list[tuple[list[list[float]], list[list[int]]]] = field(default_factory=list)
    """(K, 2K + 1) twice: the most probable continuations, log-probabilities and tokens."""
    ends: list[list[float]] = field(default_factory=list)
    """(K,): the log-probability of the end after every hypothesis."""
    rows: list[list[int]] = field(default_factory=list)
    """(K,): which hypothesis each place continues from this step on."""


class RecordingNetwork(Eager):
    """A plain network that writes down what a search for one sentence asks of it."""

    def __init__(self, transformer: Transformer) -> None:
        """A network that nobody else decodes with."""
        super().__init__(transformer)
        self.record = Record()

    def start(self, beam_size: int) -> RecordingDecoding:  # type: ignore[override]
        """An empty batch, of which the last one is on record."""
        self.record = Record()
        decoding = super().start(beam_size)
        return RecordingDecoding(decoding, self.record, beam_size, self.config.eos_id)


class RecordingDecoding:
    """A batch that writes down what goes through it; see `network.interface.Decoding`."""

    def __init__(self, decoding: Decoding, record: Record, beam_size: int, eos_id: int) -> None:
        """Write down what is asked of ``decoding``."""
        self._decoding = decoding
        self._eos_id = eos_id
        self._record = record
        self._width = 2 * beam_size + 1

    def admit(self, sources: Sequence[Sequence[int]]) -> None:
        """Encode."""
        self._decoding.admit(sources)

    def step(self, tokens: Integers) -> Scores:
        """Take a step, and write down what may follow."""
        scores = self._decoding.step(tokens)
        log_probs, best = scores.best(min(self._width, scores.vocab_size))
        self._record.tokens.append(tokens.tolist())
        self._record.best.append((log_probs.tolist(), best.tolist()))
        self._record.ends.append(scores.of(self._eos_id).tolist())
        return scores

    def recall(self, subsets: Sequence[Subset | None]) -> None:
        """Compare with entries of a datastore."""
        if isinstance(self._decoding, RecallingDecoding):
            self._decoding.recall(subsets)

    def select(self, rows: Integers, sentences: Sequence[int] | None = None) -> None:
        """Follow the beam, and write down which way it goes."""
        self._record.rows.append(rows.tolist())
        self._decoding.select(rows, sentences)


def steps_of(
    record: Record,
    options: DecodingOptions,
    config: TransformerConfig,
    names: Sequence[str],
    source_length: int,
) -> list[Step]:
    """The candidates of every step and what became of them."""
    limit = min(options.target_limit(source_length), config.max_length - 1)
    eos_id, beam_size = config.eos_id, options.beam_size
    totals: list[float | None] = [0.0] + [None] * (beam_size - 1)
    steps = []
    for number in range(len(record.best)):
        if number < limit:
            may_end = number >= options.min_length
            considered = _continuations(record, number, totals, None if may_end else eos_id)
        else:
            considered = _endings(record, number, totals, eos_id)
        considered = considered[: 2 * beam_size]
        survivors = _survivors(record, number, considered, eos_id, beam_size)
        candidates = (
            _candidate(rank, each, survivors, names, eos_id, beam_size)
            for rank, each in enumerate(considered)
        )
        steps.append(Step(tuple(candidates)))
        by_choice = {(each.parent, each.token): each.total for each in considered}
        totals = [by_choice.get(survivors.get(place, (-1, -1))) for place in range(beam_size)]
    return steps


@dataclass(frozen=True)
class _Considered:
    parent: int
    token: int
    log_prob: float
    total: float


def _continuations(
    record: Record, number: int, totals: Sequence[float | None], forbidden: int | None
) -> list[_Considered]:
    """Continuations of the live hypotheses at a step, the best first."""
    log_probs, tokens = record.best[number]
    found = [
        _Considered(parent, token, log_prob, total + log_prob)
        for parent, total in enumerate(totals)
        if total is not None
        for log_prob, token in zip(log_probs[parent], tokens[parent], strict=True)
        if token != forbidden
    ]
    return sorted(found, key=lambda each: -each.total)


def _endings(
    record: Record, number: int, totals: Sequence[float | None], eos_id: int
) -> list[_Considered]:
    """At the limit of length nothing can follow but the end."""
    found = [
        _Considered(parent, eos_id, log_prob, total + log_prob)
        for parent, (total, log_prob) in enumerate(zip(totals, record.ends[number], strict=True))
        if total is not None
    ]
    return sorted(found, key=lambda each: -each.total)


def _survivors(
    record: Record, number: int, considered: Sequence[_Considered], eos_id: int, beam_size: int
) -> dict[int, tuple[int, int]]:
    """Parent and piece that each beam slot has after a step."""
    choices = {(each.parent, each.token) for each in considered if each.token != eos_id}
    if number + 1 < len(record.tokens):
        arrived = zip(record.rows[number], record.tokens[number + 1], strict=True)
        return {place: choice for place, choice in enumerate(arrived) if choice in choices}
    # The search stopped here; these would have gone on.
    going_on = [(each.parent, each.token) for each in considered if each.token != eos_id]
    return dict(enumerate(going_on[:beam_size]))


def _candidate(
    rank: int,
    each: _Considered,
    survivors: dict[int, tuple[int, int]],
    names: Sequence[str],
    eos_id: int,
    beam_size: int,
) -> InspectedCandidate:
    places = [place for place, choice in survivors.items() if choice == (each.parent, each.token)]
    fate = Fate.KEPT if places else Fate.PRUNED
    if each.token == eos_id and rank < beam_size:
        fate = Fate.FINISHED
    return InspectedCandidate(
        parent=each.parent,
        piece=names[each.token],
        log_prob=each.log_prob,
        total=each.total,
        fate=fate,
        place=places[0] if places else None,
    )
