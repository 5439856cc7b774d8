"""Builds a datastore from sentence pairs, with the network that decodes.

    built = build_datastore(translator, units, Path("memory"), "en", "de")

Every pair is read at once, as in training (teacher forcing): what the output projection reads of a
target token is its key. Pairs of several sentences are cut where both sides have as many.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tformer.model.datastore.fitting import LeftOutTokens, fit
from tformer.model.datastore.layout import Datastore, DatastoreDescription
from tformer.model.datastore.mixing import MixtureWeights, nearest, squared_distances
from tformer.model.datastore.states import QuantisedStates
from tformer.model.datastore.writing import DatastoreWriter, StoredPair
from tformer.model.errors import InputError
from tformer.model.pipeline.translator import Translator
from tformer.model.search.request import Pair
from tformer.model.terms.translation_memory import Unit
from tformer.model.text.normalization import same_language
from tformer.model.text.segmentation import split

LOT = 256
"""Pairs that are read and written at a time."""

NUM_LEFT_OUT = 200
"""Pairs by which the parameters are found."""

NEIGHBOURS = 16

NEW_TEMPERATURE = 20.0
"""T for representations of 256 numbers, before it is fitted."""


@dataclass(frozen=True)
class _EncodedPair:
    """A pair in tokens."""

    source: tuple[int, ...]
    target: tuple[int, ...]
    """Without the end."""
    texts: tuple[str, str]


def build_datastore(
    translator: Translator,
    units: Sequence[Unit],
    directory: Path,
    source: str,
    target: str,
    *,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> Datastore:
    """Build a datastore, or go on with one that was begun with the same model and pairs.

    Args:
        translator: whose network reads the pairs.
        units: sentence pairs; those of other languages, and too long ones, are left out.
        directory: to write to.
        source: language of the sources.
        target: language of the translations.
        watch: told after every lot how many pairs are done, and of how many.

    Raises:
        InputError: no pair is of any use.
        OutputError: it cannot be written.
        UsageError: the network does not tell its representations.
    """
    pairs = list(_encoded(translator, units, source, target))
    if not pairs:
        raise InputError(f"no sentence pair from {source} to {target} that the model can read")
    writer = DatastoreWriter(directory, _fingerprint(translator.fingerprint, pairs))
    if writer.finished:
        return Datastore(directory)
    for start in range(writer.progress.pairs, len(pairs), LOT):
        lot = pairs[start : start + LOT]
        writer.append(list(_stored(translator, lot)))
        watch(start + len(lot), len(pairs))
    told = _description(translator, pairs, source, target, writer.index())
    weights = _fitted(translator, Datastore(directory, told), pairs)
    replace(told, weights=weights).write(directory)
    writer.close()
    return Datastore(directory)


def _description(
    translator: Translator,
    pairs: Sequence[_EncodedPair],
    source: str,
    target: str,
    first_token: int,
) -> DatastoreDescription:
    """Description of a datastore whose parameters are not found yet."""
    return DatastoreDescription(
        model=translator.fingerprint,
        source_language=source,
        target_language=target,
        num_pairs=len(pairs),
        num_entries=sum(len(pair.target) + 1 for pair in pairs),
        width=translator.network.config.d_model,
        first_token=first_token,
        weights=_unfitted(translator.network.config.d_model),
    )


def _encoded(
    translator: Translator, units: Sequence[Unit], source: str, target: str
) -> Iterator[_EncodedPair]:
    vocabulary, longest = translator.vocabulary, translator.longest_source
    most = translator.network.config.max_length - 2
    for unit in units:
        if not _is_for(unit, source, target):
            continue
        for texts in _sentence_pairs(unit, source, target):
            tokens = tuple(vocabulary.encode(texts[0], target, source))
            said = (*vocabulary.target_start(target), *vocabulary.encode_target(texts[1])[:-1])
            if len(tokens) <= longest + 2 and 1 <= len(said) <= min(most, 3 * longest):
                yield _EncodedPair(tokens, said, texts)


def _is_for(unit: Unit, source: str, target: str) -> bool:
    own = (unit.source_language, source), (unit.target_language, target)
    return all(has is None or same_language(has, wanted) for has, wanted in own)


def _sentence_pairs(unit: Unit, source: str, target: str) -> list[tuple[str, str]]:
    sources, targets = (
        [piece.text for piece in split(text, language) if piece.text.strip()]
        for text, language in ((unit.source, source), (unit.target, target))
    )
    if len(sources) == len(targets):
        return list(zip(sources, targets, strict=True))
    return [(unit.source, unit.target)]


def _fingerprint(model: str, pairs: Sequence[_EncodedPair]) -> str:
    found = hashlib.sha256(model.encode())
    for pair in pairs:
        found.update(np.array([*pair.source, -1, *pair.target, -2], np.int64).tobytes())
    return found.hexdigest()


def _stored(translator: Translator, pairs: Sequence[_EncodedPair]) -> Iterator[StoredPair]:
    eos_id = translator.network.config.eos_id
    every = translator.aligner.scorer.states([Pair(p.source, p.target) for p in pairs])
    for pair, states in zip(pairs, every, strict=True):
        yield StoredPair(pair.source, (*pair.target, eos_id), states, pair.texts)


# --- parameters ----------------------------------------------------------------------------------


def _unfitted(width: int) -> MixtureWeights:
    return MixtureWeights(NEW_TEMPERATURE * width / 256, bias=0.0, neighbours=NEIGHBOURS)


def _fitted(
    translator: Translator, datastore: Datastore, pairs: Sequence[_EncodedPair]
) -> MixtureWeights:
    numbers = np.random.default_rng(0).permutation(len(pairs))[:NUM_LEFT_OUT].tolist()
    chosen = [Pair(pairs[number].source, pairs[number].target) for number in numbers]
    log_probs = translator.aligner.scorer.log_probs(chosen)
    found = [
        one
        for number, scores in zip(numbers, log_probs, strict=True)
        for one in _left_out(datastore, number, pairs[number], scores)
    ]
    if not found:
        return datastore.description.weights
    left_out = LeftOutTokens(*(np.stack(column) for column in zip(*found, strict=True)))
    return fit(left_out, datastore.description.width, NEIGHBOURS)


_Token = tuple[np.float64, NDArray[np.float64], NDArray[np.int64], np.int64]


def _left_out(
    datastore: Datastore, number: int, pair: _EncodedPair, log_probs: NDArray[np.float32]
) -> Iterator[_Token]:
    """Log p, distances and tokens of the nearest entries of other pairs, and the token, of each."""
    subset = datastore.subset(pair.source, without=number)
    if subset is None or len(subset.tokens) < NEIGHBOURS:
        return
    own = slice(int(datastore.starts[number]), int(datastore.starts[number + 1]))
    states = QuantisedStates(datastore.keys[own], datastore.scales[own]).real
    tokens = datastore.tokens[own].astype(np.int64)
    for state, token, log_prob in zip(states, tokens, log_probs, strict=True):
        found = nearest(squared_distances(state, subset.keys, subset.scales), subset.weights)
        near = subset.tokens[found.entries].astype(np.int64)
        yield np.float64(log_prob), found.distances, near, token
