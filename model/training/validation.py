"""Progress in the terms of the field: BLEU and chrF of translations of held-out text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import torch
from torch import Tensor

from tformer.model.config import TransformerConfig
from tformer.model.engine.engine import Engine
from tformer.model.evaluation.metrics import score
from tformer.model.network.eager import Eager
from tformer.model.network.transformer import Transformer
from tformer.model.network.variants import build
from tformer.model.options import DecodingOptions
from tformer.model.search.request import Request
from tformer.model.training.corpora import Pair
from tformer.model.training.store import TokenStore
from tformer.model.vocabulary.sentencepiece import Vocabulary

GREEDY = DecodingOptions(beam_size=1, length_penalty=0.0)


class Validator:
    """Translates the store's validation sets greedily, both ways, and scores them."""

    def __init__(self, store: TokenStore, config: TransformerConfig, device: torch.device) -> None:
        self.languages = store.languages
        self.vocabulary = store.vocabulary
        self.sets = store.validation_sets()
        self.network = build(config).to(device).eval()

    def __call__(self, parameters: Mapping[str, Tensor]) -> dict[str, float]:
        """BLEU and chrF by set and direction, and ``mean``, the mean of all chrF.

        Args:
            parameters: of the network, by name, float32.
        """
        self.network.load_state_dict(dict(parameters))
        scores: dict[str, float] = {}
        for name, pairs in self.sets.items():
            for direction in (0, 1):
                label = f"{name}.{self.languages[direction]}-{self.languages[1 - direction]}"
                figures = self._score(pairs, direction)
                scores |= {f"{label}.BLEU": figures[0], f"{label}.chrF": figures[1]}
        scores["mean"] = fmean(value for name, value in scores.items() if name.endswith("chrF"))
        return scores

    def _score(self, pairs: Sequence[Pair], direction: int) -> tuple[float, float]:
        sources = [pair[direction] for pair in pairs]
        references = [pair[1 - direction] for pair in pairs]
        target_language = self.languages[1 - direction]
        translations = translate(self.network, self.vocabulary, sources, target_language)
        scores = score(translations, references)
        return scores.bleu.score, scores.chrf.score


def translate(
    network: Transformer, vocabulary: Vocabulary, sentences: Sequence[str], target_language: str
) -> list[str]:
    """Greedy translations of single sentences, in order; a sentence over the window is cut."""
    engine = Engine(Eager(network), beam_size=1)
    longest = network.config.max_length
    sources = [vocabulary.encode(sentence, target_language)[:longest] for sentence in sentences]
    order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
    numbers = {engine.submit(Request(sources[index], GREEDY)): index for index in order}
    translations = [""] * len(sources)
    while engine.busy:
        for finished in engine.step():
            tokens = finished.hypotheses[0].tokens
            translations[numbers[finished.number]] = vocabulary.decode(tokens)
    return translations
