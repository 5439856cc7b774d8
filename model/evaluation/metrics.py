"""Corpus BLEU and chrF by sacreBLEU, with the signatures that make figures comparable."""

from collections.abc import Sequence
from dataclasses import dataclass

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from tformer.model.errors import InputError

_CHRF = CHRF()


@dataclass(frozen=True)
class Metric:
    """One figure and what it was measured with."""

    name: str
    """"BLEU" (Papineni et al. 2002) or "chrF" (Popović 2015)."""

    score: float
    """0 to 100, higher is better."""

    signature: str
    """sacreBLEU's signature: version, tokenization, smoothing and so on."""


@dataclass(frozen=True)
class QualityScores:
    """BLEU and chrF of a whole test set."""

    bleu: Metric
    chrf: Metric


def score(translations: Sequence[str], references: Sequence[str]) -> QualityScores:
    """Compare translations with one reference each, both detokenised and cased.

    BLEU uses the 13a tokenization and chrF characters only, as sacreBLEU does by default.

    Raises:
        InputError: the two have different lengths, or are empty.
    """
    if len(translations) != len(references):
        raise InputError(
            f"{len(translations)} translations cannot be scored against "
            f"{len(references)} references: every translation needs one"
        )
    if not references:
        raise InputError("nothing to score: there are no translations")
    return QualityScores(
        bleu=_measure("BLEU", BLEU(), translations, references),
        chrf=_measure("chrF", CHRF(), translations, references),
    )


def sentence_chrf(translation: str, reference: str) -> float:
    """chrF of one translation, 0 to 100."""
    return float(_CHRF.sentence_score(translation, [reference]).score)


def _measure(
    name: str, metric: BLEU | CHRF, translations: Sequence[str], references: Sequence[str]
) -> Metric:
    result = metric.corpus_score(translations, [references])
    return Metric(name, float(result.score), str(metric.get_signature()))
