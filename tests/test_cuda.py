"""What only a GPU can show: that graphs are captured, replayed, and compute what the CPU computes.

TFORMER_TEST_DEVICE=cpu runs what a CPU can run of it, to try the tests themselves.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from test_engine import alone, assert_same, drain, random_request
from test_graphed import EOS, FEW, play
from tiny import tiny_transformer, wide_transformer

from tformer.model.engine.engine import Engine
from tformer.model.hardware import device
from tformer.model.hardware.device import on_host
from tformer.model.network.cuda_graphs import Buckets, Graphed
from tformer.model.network.cuda_graphs import step as graphed_step
from tformer.model.network.cuda_graphs.recorder import CudaRecorder
from tformer.model.network.eager import Eager
from tformer.model.network.transformer import Transformer
from tformer.model.options import DecodingOptions
from tformer.model.search.request import Request

DEVICE = torch.device(os.environ.get("TFORMER_TEST_DEVICE", "cuda"))
ON_GPU = DEVICE.type == "cuda"

pytestmark = pytest.mark.skipif(
    ON_GPU and not torch.cuda.is_available(), reason="no CUDA device here, or a torch without CUDA"
)
gpu_only = pytest.mark.skipif(not ON_GPU, reason="about CUDA itself")

HALVES = (torch.bfloat16, torch.float16)
ONE_SHAPE = Buckets(places=(16,), target=(64,), source=(64,))


def on_gpu(transformer: Transformer) -> Transformer:
    return transformer.to(DEVICE)


def requests_of(seed: int, count: int, beam_size: int = 4, vocab_size: int = 500) -> list[Request]:
    draw = random.Random(seed)
    options = DecodingOptions(beam_size=beam_size, n_best=beam_size, max_length=30)
    return [
        Request(
            (*(draw.randrange(3, vocab_size) for _ in range(draw.randint(1, 60))), EOS), options
        )
        for _ in range(count)
    ]


def answers(network: Graphed, batches: list[list[Request]], beam_size: int = 4) -> list[Any]:
    found = []
    for batch in batches:
        engine = Engine(network, beam_size=beam_size, max_tokens=1 << 16)
        for request in batch:
            engine.submit(request)
        found += [answer.hypotheses for _, answer in sorted(drain(engine).items())]
    return found


@pytest.mark.parametrize("buckets", [FEW, Buckets()], ids=["few", "default"])
@pytest.mark.parametrize("seed", range(6))
def test_answers_are_those_of_the_cpu(seed: int, buckets: Buckets) -> None:
    """In float64, where no rounding decides: any arrivals and cancellations."""
    draw = random.Random(seed)
    transformer = tiny_transformer(seed)
    network = Graphed(on_gpu(tiny_transformer(seed)), buckets=buckets)
    engine = Engine(network, beam_size=4, max_tokens=draw.choice([200, 1000]))
    requests, finished = play(engine, draw, 4, lambda: None)
    assert finished.keys() == requests.keys()
    for number, answer in finished.items():
        assert_same(answer, alone(transformer, requests[number]))


@gpu_only
def test_steps_are_captured() -> None:
    network = Graphed(on_gpu(wide_transformer(torch.float16)))
    answers(network, [requests_of(1, 8)] * 2)
    (workspace,) = network._workspaces
    assert isinstance(workspace.recordings._recorder, CudaRecorder)
    assert len(workspace.recordings) > 1


@pytest.mark.parametrize("dtype", [torch.float32, *HALVES], ids=str)
def test_log_probabilities_are_near_those_of_the_cpu(dtype: torch.dtype) -> None:
    """Over steps that are run, captured and replayed; a half has 8 or 11 bits of precision."""
    if dtype == torch.bfloat16 and ON_GPU and not torch.cuda.is_bf16_supported():
        pytest.skip("this GPU has no bfloat16")
    plain = Eager(wide_transformer(torch.float32)).start(2)
    fast = Graphed(on_gpu(wide_transformer(dtype))).start(2)
    sources = [request.source for request in requests_of(2, 5)]
    tolerance = {torch.float32: 1e-4, torch.float16: 0.03, torch.bfloat16: 0.2}[dtype]
    torch.manual_seed(1)
    with torch.inference_mode():
        plain.admit(sources)
        fast.admit(sources)
        for _ in range(20):
            tokens = torch.randint(3, 500, (10,)).numpy()
            expected, found = plain.step(tokens).all(), fast.step(tokens).all().cpu()
            torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)
            rows = (torch.arange(5)[:, None] * 2 + torch.randint(2, (5, 2))).flatten().numpy()
            plain.select(rows)
            fast.select(rows)


@gpu_only
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_the_efficient_kernel_takes_our_masks(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the fallback torch raises where it cannot."""
    monkeypatch.setattr(graphed_step, "KERNELS", graphed_step.KERNELS[:1])
    found = answers(Graphed(on_gpu(wide_transformer(dtype))), [requests_of(3, 7, 3)], 3)
    assert len(found) == 7


@gpu_only
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
def test_a_step_waits_for_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch raises at any wait (its documentation: not at all of them) but the one we count."""
    waits = 0

    def counting(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        nonlocal waits
        waits += 1
        torch.cuda.set_sync_debug_mode("default")
        try:
            return on_host(*tensors)
        finally:
            torch.cuda.set_sync_debug_mode("error")

    monkeypatch.setattr(device, "on_host", counting)
    network = Graphed(on_gpu(wide_transformer(torch.float16)))
    batch = [requests_of(4, 12)]
    answers(network, batch)  # capturing waits
    answers(network, batch)
    engine = Engine(network, beam_size=4, max_tokens=1 << 16)
    for request in batch[0]:
        engine.submit(request)
    waits = steps = 0
    torch.cuda.set_sync_debug_mode("error")
    try:
        while engine.busy:
            engine.step()
            steps += 1
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert waits == steps


@gpu_only
@pytest.mark.parametrize("dtype", [torch.float32, *HALVES], ids=str)
def test_with_one_shape_neighbours_do_not_change_a_bit(dtype: torch.dtype) -> None:
    network = Graphed(on_gpu(wide_transformer(dtype)), buckets=ONE_SHAPE)
    requests = requests_of(5, 16)
    shuffled = random.Random(5).sample(requests, len(requests))
    together = dict(zip(map(id, shuffled), answers(network, [shuffled]), strict=True))
    by_one = answers(network, [[request] for request in requests])
    assert by_one == [together[id(request)] for request in requests]


def test_engines_in_threads_do_not_disturb_each_other() -> None:
    """Both capture and replay, on one network that was made in a third thread."""
    network = Graphed(on_gpu(tiny_transformer(1)))
    draw = random.Random(6)
    lots = [[random_request(draw, 4) for _ in range(12)] for _ in range(2)]
    found: dict[int, list[Any]] = {}

    def work(number: int) -> None:
        found[number] = answers(network, [lots[number]] * 4)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, lot in enumerate(lots):
        expected = [alone(tiny_transformer(1), request).hypotheses for request in lot] * 4
        assert [[h.tokens for h in answer] for answer in found[number]] == [
            [h.tokens for h in answer] for answer in expected
        ]


@gpu_only
def test_memory_does_not_grow() -> None:
    network = Graphed(on_gpu(wide_transformer(torch.float16)))
    batch = [requests_of(7, 20)]
    levels = []
    for _ in range(8):
        answers(network, batch)
        torch.cuda.synchronize()
        levels.append((torch.cuda.memory_allocated(), torch.cuda.memory_reserved()))
    assert len(set(levels[3:])) == 1


@pytest.fixture
def little_memory() -> Iterator[None]:
    """As much as is taken and 64 MiB more."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(DEVICE).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + (64 << 20)) / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


@gpu_only
@pytest.mark.usefixtures("little_memory")
def test_a_batch_that_is_too_large_leaves_room_for_a_smaller_one() -> None:
    network = Graphed(on_gpu(wide_transformer(torch.float16)))
    with pytest.raises(torch.OutOfMemoryError):
        network.start(8).admit([[5] * 60] * 4096)
    assert len(answers(network, [requests_of(8, 2)])) == 2
