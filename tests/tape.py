"""CUDA graphs, emulated on the CPU with all that makes them treacherous.

A :class:`TapeRecorder` notes every operation of the work with the very tensors that it reads and
writes, and a replay runs the operations again on those tensors, not the Python code: what Python
computed when the work was recorded stays as it was, results land where they landed then, and before
each replay everything that any work of the recorder has left in memory of its own is overwritten,
as it may be in a pool that graphs share. Operations that a capture cannot hold are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tformer.model.network.cuda_graphs.recorder import Recording

# Reading a value on the host, results whose size is a value, and tensors made of Python's numbers.
FORBIDDEN = (
    "aten::_local_scalar_dense",
    "aten::item",
    "aten::nonzero",
    "aten::masked_select",
    "aten::unique",
    "aten::lift_fresh",
    "aten::lift",
    "aten::equal",
    "aten::is_nonzero",
)


class Call:
    """One operation, its arguments, and where its result lies."""

    def __init__(self, function: Any, args: Any, kwargs: Any) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.changes = function._schema.is_mutable
        inputs = tensors((args, kwargs))
        # Nothing runs while a graph is captured, least of all what changes a tensor.
        self.result = args[0] if self.changes else function(*args, **kwargs)
        self.outputs = tensors(self.result)
        storages = {leaf.untyped_storage().data_ptr() for leaf in inputs}
        self.is_view = any(
            output.untyped_storage().data_ptr() in storages for output in self.outputs
        )

    def run(self) -> None:
        if self.is_view and not self.changes:
            return
        result = self.function(*self.args, **self.kwargs)
        if not self.changes:
            for output, value in zip(self.outputs, tensors(result), strict=True):
                output.copy_(value)

    def poison(self) -> None:
        if not self.changes and not self.is_view:
            for output in self.outputs:
                poison(output)


def tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def poison(tensor: torch.Tensor) -> None:
    """What nobody should read: not a number, or an index that nothing has."""
    if tensor.is_floating_point():
        tensor.fill_(float("nan"))
    elif tensor.dtype != torch.bool:
        tensor.fill_(torch.iinfo(tensor.dtype).max)


class Tape(TorchDispatchMode):
    """Notes the calls that are made inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function._schema.name
        if name in FORBIDDEN:
            raise RuntimeError(f"operation not permitted when stream is capturing: {name}")
        if name.startswith("aten::index"):
            by_mask = any(index.dtype == torch.bool for index in tensors(args[1]))
            if by_mask and name in ("aten::index", "aten::index_put_", "aten::index_put"):
                raise RuntimeError(f"a mask as index is read on the host: {name}")
        call = Call(function, args, kwargs or {})
        self.calls.append(call)
        return call.result


class TapeRecorder:
    """A recorder of tapes."""

    def __init__(self, device: torch.device | None = None) -> None:
        self.tapes: list[Tape] = []
        self.replays = 0

    def warm_up(self, work: Callable[[], Any]) -> Any:
        self.poison()
        return work()

    def record(self, work: Callable[[], Any]) -> Recording[Any]:
        with Tape() as tape:
            outputs = work()
        self.tapes.append(tape)
        return TapeRecording(self, tape, outputs)

    def forget(self, recordings: Sequence[Recording[object]]) -> None:
        self.poison()
        self.tapes.clear()

    def poison(self) -> None:
        for tape in self.tapes:
            for call in tape.calls:
                call.poison()


class TapeRecording:
    """A tape and its outputs."""

    def __init__(self, recorder: TapeRecorder, tape: Tape, outputs: Any) -> None:
        self._recorder, self._tape, self._outputs = recorder, tape, outputs

    def replay(self) -> Any:
        self._recorder.poison()
        self._recorder.replays += 1
        for call in self._tape.calls:
            call.run()
        return self._outputs

    def drop(self) -> None:
        self._tape.calls.clear()
