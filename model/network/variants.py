"""The network that a configuration describes: the paper's, or one that departs from it."""

from __future__ import annotations

from torch import Tensor, nn

from tformer.model.config import TransformerConfig
from tformer.model.errors import ModelError
from tformer.model.network.recurrent import RecurrentNetwork
from tformer.model.network.relative import RelativeTransformer
from tformer.model.network.ssru import RecurrentTransformer
from tformer.model.network.transformer import Transformer


class LearnedPositions(Transformer):
    """A Transformer with learned positions, of the source and of the target."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.source_table = nn.Embedding(config.max_length, config.d_model)
        self.target_table = nn.Embedding(config.max_length, config.d_model)

    @property
    def source_positions(self) -> Tensor:
        """(max_length, d_model)"""
        return self.source_table.weight

    @property
    def target_positions(self) -> Tensor:
        """(max_length, d_model)"""
        return self.target_table.weight


def build(config: TransformerConfig) -> Transformer:
    """A network with new parameters.

    Raises:
        ModelError: when there is none of this kind.
    """
    if config.architecture == "recurrent":
        return RecurrentNetwork(config)
    computed = config.positions not in ("learned", "relative")
    if config.look_back == "ssru" and not computed:
        raise ModelError("a recurrent decoder has computed positions, not learned or relative ones")
    if config.look_back == "ssru":
        return RecurrentTransformer(config)
    if config.positions == "learned":
        return LearnedPositions(config)
    return RelativeTransformer(config) if config.positions == "relative" else Transformer(config)
