"""Confidence of translations, fitted to sentences with references, and how far it can be relied on.

    samples = collect(translator, pairs, ("en", "de"))
    calibration = fit(samples[::2], ("en", "de"))
    table = reliability(calibration, samples[1::2])

A network's probability of its own translation is no probability that the translation is good: it
falls with every token, and networks are too sure of themselves. What is fitted here is logistic
regression on the mean log-probability of a token and the logarithm of their number (Platt, 1999),
with chrF above a threshold as the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tformer.model.config import Calibration
from tformer.model.errors import InputError
from tformer.model.evaluation.metrics import sentence_chrf
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.text.segmentation import split

Floats = NDArray[np.float64]

THRESHOLD = 50.0
"""chrF from which on a translation counts as good, if nothing else is said."""

FEWEST = 100
"""Sentences that a calibration is fitted to, at least."""

BINS = 5

_RIDGE = 1e-3
_ROUNDS = 50
_PRECISE = 1e-9


@dataclass(frozen=True)
class ScoredSentence:
    """A sentence that was translated and has a reference."""

    log_probs: tuple[float, ...]
    """Log-probability of every target token and of the end."""
    chrf: float
    """chrF against the reference, 0 to 100."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Sentences of similar confidence."""

    lowest: float
    """Lowest confidence."""
    highest: float
    """Highest confidence."""
    sentences: int
    confidence: float
    """Mean confidence, 0 to 1."""
    good: float
    """Share of sentences whose chrF reaches the threshold."""
    chrf: float
    """Mean chrF."""


def collect(
    translator: Translator,
    pairs: Sequence[tuple[str, str]],
    languages: tuple[str, str],
    options: DecodingOptions | None = None,
) -> list[ScoredSentence]:
    """Translate sources and compare the results with their references.

    Args:
        translator: in the arithmetic that is used later.
        pairs: source and reference of each line; lines of several sentences, or of nothing to
            translate, are left out.
        languages: source and target language.
        options: how to decode; None is the defaults.
    """
    single = [(s, r) for s, r in pairs if r.strip() and len(split(s, languages[0])) == 1]
    decoding = DecodingOptions(token_scores=True) if options is None else options
    translations = translator.translate(
        [source for source, _ in single], source=languages[0], target=languages[1], options=decoding
    )
    found = []
    for (_, reference), translation in zip(single, translations, strict=True):
        pieces = translation.hypotheses[0].piece_scores
        if pieces:
            log_probs = tuple(piece.log_prob for piece in pieces)
            found.append(ScoredSentence(log_probs, sentence_chrf(translation.text, reference)))
    return found


def fit(
    samples: Sequence[ScoredSentence], languages: tuple[str, str], threshold: float = THRESHOLD
) -> Calibration:
    """Fit a calibration by logistic regression (iteratively reweighted least squares).

    Raises:
        InputError: there are too few sentences, or all are good, or none is.
    """
    if len(samples) < FEWEST:
        raise InputError(
            f"{len(samples)} sentences are too few to fit the confidence to: give {2 * FEWEST} "
            "lines or more, of which every second is held out"
        )
    good = np.array([sample.chrf >= threshold for sample in samples], float)
    if not 0 < good.mean() < 1:
        which = "every" if good.all() else "no"
        raise InputError(f"{which} translation has a chrF of {threshold:g}: choose --threshold")
    features = np.array([_features(sample.log_probs) for sample in samples])
    offset, per_token, per_log_length = map(float, _regression(features, good))
    return Calibration(*languages, offset, per_token, per_log_length, threshold, len(samples))


def reliability(
    calibration: Calibration, samples: Sequence[ScoredSentence], bins: int = BINS
) -> list[ReliabilityBin]:
    """Compare confidence and outcome, for parts of the samples of about one size, by confidence."""
    confidence = np.array([calibration.probability(sample.log_probs) for sample in samples])
    chrf = np.array([sample.chrf for sample in samples])
    order = confidence.argsort(kind="stable")
    return [
        ReliabilityBin(
            float(confidence[part].min()),
            float(confidence[part].max()),
            len(part),
            float(confidence[part].mean()),
            float((chrf[part] >= calibration.threshold).mean()),
            float(chrf[part].mean()),
        )
        for part in np.array_split(order, bins)
        if len(part)
    ]


def calibration_error(table: Sequence[ReliabilityBin]) -> float:
    """Expected calibration error (Naeini et al., 2015): mean |confidence - share of good|."""
    total = sum(each.sentences for each in table)
    return sum(each.sentences * abs(each.confidence - each.good) for each in table) / total


def discrimination(calibration: Calibration, samples: Sequence[ScoredSentence]) -> float:
    """Area under the ROC curve: probability that a good one has more confidence than another."""
    confidence = np.array([calibration.probability(sample.log_probs) for sample in samples])
    good = np.array([sample.chrf >= calibration.threshold for sample in samples])
    above = confidence[good][:, None] - confidence[~good]
    return float((above > 0).mean() + (above == 0).mean() / 2) if above.size else 0.5


def _features(log_probs: Sequence[float]) -> tuple[float, float, float]:
    return 1.0, sum(log_probs) / len(log_probs), float(np.log(len(log_probs)))


def _regression(features: Floats, outcomes: Floats) -> Floats:
    """Weights (F,) of logistic regression of outcomes (N,) on features (N, F), hardly shrunk."""
    weights = np.zeros(features.shape[1])
    ridge = _RIDGE * np.eye(len(weights))
    for _ in range(_ROUNDS):
        probability = 1 / (1 + np.exp(-features @ weights))
        gradient = features.T @ (outcomes - probability) - ridge @ weights
        spread = probability * (1 - probability)
        step = np.linalg.solve((features * spread[:, None]).T @ features + ridge, gradient)
        weights += step
        if np.abs(step).max() < _PRECISE:
            break
    return weights
