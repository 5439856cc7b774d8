"""Recordings, and in which order torch.cuda is called; its doubles have its signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from tape import TapeRecorder

from tformer.model.network.cuda_graphs.recorder import (
    CudaRecorder,
    EagerRecorder,
    Recordings,
    recorder_for,
)


def adding(to: torch.Tensor, number: int) -> Callable[[], torch.Tensor]:
    return lambda: to + number


def test_results_stay_in_one_place_and_hold_until_the_next_run() -> None:
    recordings = Recordings(TapeRecorder())
    source = torch.zeros(3)
    work = adding(source, 1)
    recordings.run("a", work)
    first = recordings.run("a", work)
    assert first.tolist() == [1, 1, 1]
    source.fill_(2)
    assert recordings.run("a", work) is first
    assert first.tolist() == [3, 3, 3]
    recordings.run("b", adding(source, 5))
    recordings.run("b", adding(source, 5))
    assert first.isnan().all()


def test_what_python_computed_is_not_computed_again() -> None:
    numbers = iter([1, 10, 100, 1000])
    source = torch.zeros(())
    recordings = Recordings(TapeRecorder())
    results = [recordings.run("a", lambda: source + next(numbers)).item() for _ in range(4)]
    assert results == [1, 10, 10, 10]


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda x: x.sum().item(), id="item"),
        pytest.param(lambda x: x[x > 0], id="mask-as-index"),
        pytest.param(lambda x: x.nonzero(), id="nonzero"),
        pytest.param(lambda x: x + torch.tensor([1.0, 2.0]), id="tensor-of-the-host"),
        pytest.param(lambda x: bool(x.sum() > 0), id="branch"),
        pytest.param(lambda x: torch.equal(x, x), id="equal"),
    ],
)
def test_what_a_graph_cannot_hold_is_refused(work: Callable[[torch.Tensor], object]) -> None:
    source = torch.ones(2)
    with pytest.raises(RuntimeError, match=r"capturing|read on the host"):
        TapeRecorder().record(lambda: work(source))


def test_too_many_recordings_are_dropped_together() -> None:
    recordings = Recordings(TapeRecorder(), most=2)
    source = torch.zeros(1)
    for number in (1, 2, 3):
        for _ in range(2):
            assert recordings.run(number, adding(source, number)).item() == number
    assert len(recordings) == 1
    assert recordings.run(1, adding(source, 1)).item() == 1


def test_out_of_memory_is_no_reason_to_do_without_graphs() -> None:
    recorder = TapeRecorder()
    recorder.record = Mock(side_effect=torch.OutOfMemoryError("full"))  # type: ignore[method-assign]
    recordings = Recordings(recorder)
    recordings.run("a", lambda: None)
    with pytest.raises(torch.OutOfMemoryError):
        recordings.run("a", lambda: None)


class Stream:
    """A stream that notes what is waited for."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log

    def wait_stream(self, other: Stream) -> None:
        self.log.append(f"{self.name} waits for {other.name}")

    def synchronize(self) -> None:
        self.log.append(f"host waits for {self.name}")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is called of torch.cuda, which has no GPU here."""
    log: list[str] = []
    caller = Stream("caller", log)

    class Graph:
        def replay(self) -> None:
            log.append("replay")

        def reset(self) -> None:
            log.append("reset")

    @contextmanager
    def inside(what: str) -> Iterator[None]:
        log.append(f"enter {what}")
        yield
        log.append(f"leave {what}")

    real_graph = signature(torch.cuda.graph)

    def graph(*args: Any, **kwargs: Any) -> Any:
        bound = real_graph.bind(*args, **kwargs).arguments
        assert isinstance(bound["cuda_graph"], Graph)
        assert bound["capture_error_mode"] == "thread_local"
        return inside(f"capture on {bound['stream'].name} in {bound['pool']}")

    pools = iter(["pool 1", "pool 2"])
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream("side", log))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: caller)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: next(pools))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: inside(stream.name))
    monkeypatch.setattr(torch.cuda, "device", lambda device: inside(str(device)))
    monkeypatch.setattr(torch.cuda, "graph", graph)
    return log


def test_a_capture_is_warmed_up_on_its_stream_and_recorded_on_it(log: list[str]) -> None:
    recorder = recorder_for(torch.device("cuda", 1))
    assert isinstance(recorder, CudaRecorder)
    recordings = Recordings(recorder)
    result = torch.zeros(1)

    def work() -> torch.Tensor:
        log.append("work")
        return result

    for _ in range(3):
        assert recordings.run("a", work) is result
    assert log == [
        "side waits for caller",
        "enter side",
        "work",
        "leave side",
        "caller waits for side",
        "enter cuda:1",
        "enter caller",
        "enter capture on side in pool 1",
        "work",
        "leave capture on side in pool 1",
        "leave caller",
        "leave cuda:1",
        "replay",
        "replay",
    ]


def test_graphs_are_dropped_when_none_runs_and_others_get_a_new_pool(log: list[str]) -> None:
    recordings = Recordings(CudaRecorder(torch.device("cuda", 0)))
    for _ in range(2):
        recordings.run("a", lambda: None)
    log.clear()
    recordings.clear()
    assert len(recordings) == 0
    assert log == ["host waits for caller", "reset"]
    for _ in range(2):
        recordings.run("a", lambda: None)
    assert "enter capture on side in pool 2" in log


def test_a_cpu_records_nothing() -> None:
    recorder = recorder_for(torch.device("cpu"))
    assert isinstance(recorder, EagerRecorder)
    numbers = iter(range(9))
    recordings = Recordings(recorder)
    assert [recordings.run("a", lambda: next(numbers)) for _ in range(4)] == [0, 1, 2, 3]
