"""Running the same work again without launching its kernels one by one.

    recordings = Recordings(CudaRecorder(device))
    outputs = recordings.run(key, work)

Work is a function without arguments that reads and writes tensors which stay where they are, and
returns tensors. Run for the first time under a key it is only run, which warms up the libraries;
the second time it is recorded, and from then on its kernels are launched all at once, and the
function is not called again. So what it returns lies where it lay before, and holds until any work
of the same recordings is run.

What work may not do, because a CUDA graph cannot (https://docs.pytorch.org/docs/stable/notes/
cuda.html#cuda-graphs, "Constraints"): wait for the device, read or make tensors of the host, choose
a path by a value on the device, or count on anything of Python's that changes between two runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar

import torch

MOST_RECORDINGS = 256
"""Graphs that are kept; the ladders of `network.cuda_graphs.pool` could ask for more."""

Outputs = TypeVar("Outputs")
Outputs_co = TypeVar("Outputs_co", covariant=True)


class Recording(Protocol[Outputs_co]):
    """Work that can be run again."""

    def replay(self) -> Outputs_co:
        """Run it; returns what the work returned, in the same place."""
        ...

    def drop(self) -> None:
        """Give its memory back; nothing of it may still be running."""
        ...


class Recorder(Protocol):
    """Makes recordings."""

    def warm_up(self, work: Callable[[], Outputs]) -> Outputs:
        """Run work that will be recorded."""
        ...

    def record(self, work: Callable[[], Outputs]) -> Recording[Outputs]:
        """Record work without running it.

        Raises:
            RuntimeError: when that cannot be done.
        """
        ...

    def forget(self, recordings: Sequence[Recording[object]]) -> None:
        """Drop all recordings that this recorder has made."""
        ...


class Recordings:
    """Recorded graphs, by key.

    When there are too many, or where the buffers move, all are dropped at once and not the least
    recently used: torch 2.13 gives back the cuBLAS workspaces of a stream with any graph that was
    captured on it, though others still point there (pytorch/pytorch#193402).
    """

    def __init__(self, recorder: Recorder, most: int = MOST_RECORDINGS) -> None:
        """No recordings, and at most so many."""
        self._recorder = recorder
        self._most = most
        self._warm: set[Hashable] = set()
        self._recorded: dict[Hashable, Recording[object]] = {}

    def __len__(self) -> int:
        """Number of recordings."""
        return len(self._recorded)

    def run(self, key: Hashable, work: Callable[[], Outputs]) -> Outputs:
        """Run work, which is the same whenever the key is.

        Raises:
            torch.OutOfMemoryError: when the device has no room.
        """
        recording = self._recorded.get(key)
        if recording is None:
            if key not in self._warm:
                self._warm.add(key)
                return self._recorder.warm_up(work)
            recording = self._record(key, work)
        return recording.replay()  # type: ignore[return-value]  # the key stands for the type

    def clear(self) -> None:
        """Drop all."""
        self._recorder.forget(list(self._recorded.values()))
        self._recorded.clear()
        self._warm.clear()

    def _record(self, key: Hashable, work: Callable[[], Outputs]) -> Recording[Outputs]:
        if len(self._recorded) >= self._most:
            self.clear()
        try:
            recording = self._recorder.record(work)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self.clear()
            self._recorder = EagerRecorder()
            reason = str(error).partition("\n")[0]
            message = f"decoding goes on without CUDA graphs, which is slower: {reason}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
            return EagerRecording(work)
        self._recorded[key] = recording
        return recording


class EagerRecorder:
    """Calls the work itself, on any device."""

    def warm_up(self, work: Callable[[], Outputs]) -> Outputs:
        """Run it."""
        return work()

    def record(self, work: Callable[[], Outputs]) -> Recording[Outputs]:
        """Remember it."""
        return EagerRecording(work)

    def forget(self, recordings: Sequence[Recording[object]]) -> None:
        """Nothing is held."""


class EagerRecording(Generic[Outputs]):
    """The work as it is."""

    def __init__(self, work: Callable[[], Outputs]) -> None:
        self._work = work

    def replay(self) -> Outputs:
        """Run it."""
        return self._work()

    def drop(self) -> None:
        """Nothing is held."""


class CudaRecorder:
    """Records CUDA graphs that share one pool of memory.

    Graphs may share memory when they never run at the same time and none reads what another left
    in the pool (https://docs.pytorch.org/docs/stable/notes/cuda.html#graph-memory-management).
    Both hold: all are replayed on the one stream of their decoding, outputs are read before the
    next replay, and what lasts longer lies outside.
    """

    def __init__(self, device: torch.device) -> None:
        """A recorder with a stream of its own.

        A graph holds the address of the cuBLAS workspace of the stream that it was captured on, so
        recorders whose graphs may run at the same time must not share a stream.
        """
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def warm_up(self, work: Callable[[], Outputs]) -> Outputs:
        """Run work on the stream of the capture, so that its libraries are ready for it.

        The caller's stream waits for it and it for the caller's, which is also what makes it safe
        that the outputs are allocated on one stream and read on another.
        """
        caller = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(caller)
        with torch.cuda.stream(self._stream):
            outputs = work()
        caller.wait_stream(self._stream)
        return outputs

    def record(self, work: Callable[[], Outputs]) -> Recording[Outputs]:
        """Capture work.

        In the mode "thread_local" other threads may go on to allocate on this device meanwhile;
        ``torch.cuda.graph`` itself waits for all that was launched before.
        """
        graph = torch.cuda.CUDAGraph()
        caller = torch.cuda.current_stream(self._device)
        # A capture that fails at its end leaves its stream behind as the current one; the outer
        # contexts put that right.
        with (
            torch.cuda.device(self._device),
            torch.cuda.stream(caller),
            torch.cuda.graph(
                graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
            ),
        ):
            outputs = work()
        return CudaRecording(graph, outputs)

    def forget(self, recordings: Sequence[Recording[object]]) -> None:
        """Drop graphs, once none of them runs any more."""
        torch.cuda.current_stream(self._device).synchronize()
        for recording in recordings:
            recording.drop()
        # The old pool lives on as long as somebody holds an output, and no graph can join it.
        self._pool = torch.cuda.graph_pool_handle()


class CudaRecording(Generic[Outputs]):
    """A CUDA graph and its outputs, which lie in the graphs' pool."""

    def __init__(self, graph: torch.cuda.CUDAGraph, outputs: Outputs) -> None:
        self._graph = graph
        self._outputs = outputs

    def replay(self) -> Outputs:
        """Launch the graph on the current stream."""
        self._graph.replay()
        return self._outputs

    def drop(self) -> None:
        """Destroy the graph."""
        self._graph.reset()


def recorder_for(device: torch.device) -> Recorder:
    """The recorder of a device."""
    return CudaRecorder(device) if device.type == "cuda" else EagerRecorder()
