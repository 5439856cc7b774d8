"""Projections whose weights are laid out for :mod:`product`, once."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from tformer.model.hardware import code_store, cpu
from tformer.model.network.float32.entries import EXAMPLES, lay_out, multiply
from tformer.model.network.float32.panel import PANEL

SHARED = 1 << 23
"""Multiplications from which on a product is shared by torch's threads. Of one line's it is none
but in the encoder: few rows take as long as their weights to come from memory, and whoever shares
waits for a thread that may have lost its core."""


@cache
def usable() -> bool:
    """Return whether float32 is multiplied here: by vectors, and by as many threads as torch has.

    Elsewhere torch's own library multiplies, as on macOS, whose torch has another OpenMP.
    """
    return cpu.level().products != "none" and team() != 0


@cache
def team() -> int:
    """Address of the function by which torch's OpenMP begins with work; 0 if it has none."""
    for file in (Path(torch.__file__).parent / "lib").glob("libtorch_cpu.so*"):
        try:
            function = ctypes.CDLL(str(file)).GOMP_parallel  # found in what the library needs
        except (OSError, AttributeError):
            continue
        return ctypes.cast(function, ctypes.c_void_p).value or 0
    return 0


def prepare() -> None:
    """Have all compiled that products need, unless it is."""
    missing = [(kernel, values) for kernel, values in EXAMPLES if not kernel.is_kept(values)]
    if missing:
        with code_store.first_use():
            for kernel, values in missing:
                kernel.code(values)


class Packed:
    """A projection xWᵀ + b in float32, of which no row depends on how many rows there are."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Lay out a weight (outputs, inputs) and a bias (outputs,), which are not held."""
        self.outputs, self.inputs = weight.shape
        count = -(-self.outputs // PANEL)
        self._panels = torch.empty(count, 1 + self.inputs, PANEL)
        self._place = self._panels.data_ptr()
        weight = weight.detach().contiguous()
        biases = 0 if bias is None else bias.data_ptr()
        lay_out(weight.data_ptr(), biases, self.outputs, self.inputs, self._place)
        self._size = self.outputs * self.inputs
        self._call = multiply.for_numbers(len(EXAMPLES[0][1]))

    def __call__(self, states: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs), on the CPU; nothing is differentiated."""
        if not states.is_contiguous():
            states = states.contiguous()
        outputs = states.new_empty((*states.shape[:-1], self.outputs))
        rows = states.numel() // self.inputs
        threads = torch.get_num_threads() if rows * self._size >= SHARED else 1
        self._call([
            states.data_ptr(), rows, self.inputs, self.inputs, self._place, outputs.data_ptr(),
            self.outputs, team(), threads,
        ])  # fmt: skip
        return outputs
