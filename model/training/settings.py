"""Settings of a recipe, a dataclass a section; each field says what it means."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tformer.model.errors import TrainingError

_FILE_NAME = re.compile(r"[\w-][\w.-]*")


@dataclass(frozen=True)
class CorpusSettings:
    """Parallel text and how often it is seen."""

    path: str
    """A TSV file of pairs or a translation memory (``.tmx``), or a glob of such files; ``.gz`` and
    ``.xz`` of TSV are read as they are."""
    target_path: str | None = None
    """For paired files: the file with the second language, line by line."""
    weight: float = 1.0
    """Share of the pairs that an epoch sees; 0.25 means a quarter of them, newly drawn."""
    decay_weight: float | None = None
    """The weight while the learning rate of ``trapezoid`` falls, when a model settles: best text
    up, loose text down. None keeps ``weight``."""
    direction: Literal["both", "forward", "backward"] = "both"
    """``forward`` learns from the first column to the second only: for text whose first column was
    made by a machine (Sennrich et al., 2016, "Improving Neural Machine Translation Models with
    Monolingual Data"); ``backward`` the other way round."""
    filter: tuple[str, ...] | None = None
    """Instead of the recipe's ``filter``; an empty list leaves out nothing."""
    augment: bool = True
    """True if ``[augmentation]`` adds changed copies of these pairs."""

    def __post_init__(self) -> None:
        """Refuse weights that no number of copies can have, and unknown filters."""
        _require_at_least(0, "corpus", weight=self.weight, decay_weight=self.decay_weight or 0.0)
        require_filters(self.filter or (), "corpus.filter")


FILTERS = ("language", "length", "numbers", "shifted", "near-duplicates")
"""Names of filters, see `tformer.model.training.filters`: a side in another language, one side far
longer, numbers that disagree, a translation one row off, repeats but for case, digits, spaces and
punctuation."""


def require_filters(names: Sequence[str], key: str) -> None:
    """Refuse names that are no filter's.

    Raises:
        TrainingError: naming the first.
    """
    if unknown := [name for name in names if name not in FILTERS]:
        raise TrainingError(f"{key} must be of {', '.join(FILTERS)}, not {unknown[0]!r}")


@dataclass(frozen=True)
class AugmentationSettings:
    """Shares of pairs of which a changed copy is added, so that what is rare in text is learnt."""

    copies: float = 0.0
    """Web and mail addresses, numbers and codes of a pair alone, which stay as they are."""
    lowercase: float = 0.0
    """The source in small letters, the target as it is."""
    capitals: float = 0.0
    """Both sides in capitals."""
    unpunctuated: float = 0.0
    """Both sides without the mark that ends the sentence."""
    typos: float = 0.0
    """The source with a typing error or two, the target as it is."""

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        for name, share in vars(self).items():
            if not 0 <= share <= 1:
                raise TrainingError(f"augmentation.{name} must be from 0 to 1, not {share}")


@dataclass(frozen=True)
class SynthesisSettings:
    """Settings of `tformer synthesize`: decoding and output."""

    beam_size: int = 1
    """Hypotheses kept at every step; or, with ``sampling``, drawn."""
    length_penalty: float = 0.0
    sampling: bool = False
    """Draw every token instead of searching: more varied text, for back-translation by a good model
    (Edunov et al., 2018, "Understanding Back-Translation at Scale")."""
    temperature: float = 1.0
    top_k: int = 0
    n_best: int = 1
    """Translations of a line that are kept, each as a pair of its own."""
    tag: str = ""
    """Tag at the beginning of every translation, such as ``<bt>``, if it is to be a source
    (Caswell et
    al., 2019, "Tagged Back-Translation"); one of ``vocabulary.symbols``."""
    most_words: int = 60
    """A line of more words is left out."""
    fewest_words: int = 1
    """A line of fewer words is left out."""


@dataclass(frozen=True)
class ValidationSettings:
    """A set of pairs that training never sees and progress is measured on."""

    name: str
    path: str
    target_path: str | None = None
    limit: int = 200
    """Pairs that are translated at each validation, spread evenly over the set."""

    def __post_init__(self) -> None:
        """Refuse names that cannot name a file."""
        if not _FILE_NAME.fullmatch(self.name):
            raise TrainingError(
                f"validation.name must be of letters, digits, '.', '_' and '-', not {self.name!r}"
            )
        _require_at_least(1, "validation", limit=self.limit)


@dataclass(frozen=True)
class VocabularySettings:
    """The joint SentencePiece vocabulary."""

    size: int = 8_000
    sample: int = 1_000_000
    """Sentences, drawn by corpus weight, that it is learnt from."""
    symbols: tuple[str, ...] = ()
    """Text that is one piece wherever it stands, such as ``<bt>``."""

    def __post_init__(self) -> None:
        """Refuse sizes below one."""
        _require_at_least(1, "vocabulary", size=self.size, sample=self.sample)


@dataclass(frozen=True)
class TrainingSettings:
    """Hyper-parameters of training. The defaults are the paper's (section 5)."""

    max_steps: int = 100_000
    tokens_per_batch: int = 25_000
    """Source plus target positions of one micro-batch, padding included."""
    accumulate: int = 1
    """Micro-batches whose gradients make one step, on each device."""
    optimizer: Literal["adam", "muon"] = "adam"
    """``muon`` orthogonalises the updates of matrices (Jordan et al., 2024); the embeddings,
    biases and gains stay with Adam."""
    learning_rate: float | None = None
    """Peak of the schedule; None is the paper's d_model^-0.5 * warmup_steps^-0.5."""
    muon_learning_rate: float = 0.004
    schedule: Literal["inverse-sqrt", "trapezoid"] = "inverse-sqrt"
    """``trapezoid`` stays at the peak and falls linearly to zero over the last ``decay_steps``."""
    warmup_steps: int = 4_000
    decay_steps: int = 0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.98
    adam_epsilon: float = 1e-9
    label_smoothing: float = 0.1
    clip_norm: float = 0.0
    """Largest global norm of the gradient; 0 does not clip (the paper does not)."""
    ema_decay: float = 0.999
    """Decay of the moving average of parameters that is validated and exported; 0 turns it off. It
    stands in for the paper's average of the last checkpoints."""
    start_share: float = 0.0
    """Share of the start model in what is validated and exported, the rest
    being the run's own: half and half often knows the new and has not forgotten the old (Wortsman
    et al., 2022, "Robust fine-tuning of zero-shot models")."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """``bfloat16`` computes in it and keeps parameters and optimizer in float32; ``auto`` does so
    where the processor or the GPU has instructions for it."""
    all_reduce: Literal["float32", "bfloat16"] = "float32"
    """Type in which processes send gradients to each other: ``bfloat16`` halves the traffic between
    nodes; each process's own sums, and the optimizer's, stay in float32."""
    compile: bool = False
    """Run the network through ``torch.compile``."""
    validate_every: int = 1_000
    checkpoint_every: int = 1_000
    log_every: int = 10
    patience: int = 0
    """Validations without a better chrF after which training stops; 0 never does."""
    max_length: int = 128
    """Pieces of either side, with tag and end of sentence, above which `tformer prepare` leaves a
    pair out."""
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse values with which no loop could run."""
        _require_at_least(
            1,
            "training",
            max_steps=self.max_steps,
            tokens_per_batch=self.tokens_per_batch,
            accumulate=self.accumulate,
            validate_every=self.validate_every,
            checkpoint_every=self.checkpoint_every,
            log_every=self.log_every,
        )
        _require_at_least(
            0,
            "training",
            warmup_steps=self.warmup_steps,
            decay_steps=self.decay_steps,
            clip_norm=self.clip_norm,
            patience=self.patience,
            muon_learning_rate=self.muon_learning_rate,
            learning_rate=self.learning_rate or 0.0,
        )
        _require_at_least(3, "training", max_length=self.max_length)
        for name in _SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise TrainingError(f"training.{name} must be in [0, 1), not {getattr(self, name)}")
        if not 0 <= self.seed < 1 << 23:  # with step and process it must fit into 64 bits
            raise TrainingError(f"training.seed must be in [0, 2^23), not {self.seed}")


_SHARES = ("adam_beta1", "adam_beta2", "label_smoothing", "ema_decay", "start_share")


def _require_at_least(bound: int, section: str, **values: float) -> None:
    for name, value in values.items():
        if not bound <= value < math.inf:
            raise TrainingError(f"{section}.{name} must be at least {bound}, not {value}")
