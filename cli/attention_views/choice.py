"""Selection of the attention pattern to show: kind, layer and head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tformer.model.errors import UsageError
from tformer.model.pipeline.inspection import Inspection


@dataclass(frozen=True)
class HeadChoice:
    """A layer and a head of one kind of attention."""

    kind: str
    layer: int
    head: int | None
    """None is the mean of all."""
    reads: bool
    """True if a row of the decoder is named by the piece that is read there; else by the one that
    is predicted."""

    @classmethod
    def of(
        cls, inspection: Inspection, kind: str, layer: int | None, head: int | None
    ) -> HeadChoice:
        """Select what was asked for; by default the heads that align, or a mean.

        Raises:
            UsageError: the network has no such layer or head.
        """
        layers, num_heads = inspection.attention[kind].shape[:2]
        if not layers:
            raise UsageError(f"the {kind} of this network is recurrent and has no attention")
        for name, number, count in (("layer", layer, layers), ("head", head, num_heads)):
            if number is not None and not 0 <= number < count:
                raise UsageError(f"{name} must be between 0 and {count - 1}, not {number}")
        aligning = inspection.heads
        if kind != "cross" or layer not in (None, aligning.layer):
            return cls(kind, layer or 0, head, reads=False)
        if head is None and len(aligning.heads) == 1:
            head = aligning.heads[0]
        reads = aligning.reads and head in aligning.heads
        return cls(kind, aligning.layer, head, reads)

    def weights(self, inspection: Inspection) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(queries, keys), rows that sum to one."""
        layer = inspection.attention[self.kind][self.layer]
        return layer.mean(0) if self.head is None else layer[self.head]

    def rows(self, inspection: Inspection) -> tuple[str, ...]:
        """The name of each row."""
        if self.kind == "encoder":
            return inspection.source_pieces
        return inspection.read_pieces if self.reads else inspection.target_pieces

    def columns(self, inspection: Inspection) -> tuple[str, ...]:
        """The name of each column."""
        return inspection.read_pieces if self.kind == "decoder" else inspection.source_pieces

    @property
    def title(self) -> str:
        """Title of the view."""
        kinds = {
            "cross": "decoder to encoder",
            "encoder": "encoder to itself",
            "decoder": "decoder to itself",
        }
        head = "mean of heads" if self.head is None else f"head {self.head}"
        rows = (
            "" if self.kind == "encoder" else f", by piece {'read' if self.reads else 'predicted'}"
        )
        return f"{kinds[self.kind]}, layer {self.layer}, {head}{rows}"
