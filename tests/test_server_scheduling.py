"""The threads around the engines, step by step."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import torch
from serving import SENTENCES
from tiny import tiny_transformer

from tformer.model.engine.scheduler import Batch
from tformer.model.errors import ModelError, UsageError
from tformer.model.network.eager import Eager
from tformer.model.options import DecodingOptions
from tformer.model.passes.draft import Draft
from tformer.model.pipeline.translator import Translator
from tformer.model.vocabulary.sentencepiece import Vocabulary
from tformer.server.scheduling import AsyncScheduler
from tformer.server.status import Overloaded, ShuttingDown

ENDLESS = DecodingOptions(beam_size=2, min_length=100, max_length=100)
SHORT = DecodingOptions(beam_size=2, max_length=4)


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    path: Path = tmp_path_factory.mktemp("vocabulary") / "sentencepiece.model"
    return Vocabulary.train(SENTENCES, path, languages=["en", "de"], size=330)


def make_translator(vocabulary: Vocabulary, max_tokens: int = 8192, threads: int = 1) -> Translator:
    transformer = tiny_transformer(3, vocab_size=len(vocabulary), max_length=128)
    return Translator(Eager(transformer), vocabulary, max_tokens=max_tokens, threads=threads)


def draft(translator: Translator, text: str = "the dog", options: DecodingOptions = SHORT) -> Draft:
    return translator.draft(text, translator.route("en", "de"), options)


class Stepper:
    """Lets the thread take one step at a time, and sees what the batch then is."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self._allowed = threading.Semaphore(0)
        self._taken = threading.Semaphore(0)
        self.free = False

    def watch(self, batch: Batch) -> None:
        self.batches.append(batch)
        self._taken.release()
        if not self.free:
            self._allowed.acquire()

    async def first_step(self) -> Batch:
        await asyncio.to_thread(self._taken.acquire)
        return self.batches[-1]

    async def next_step(self) -> Batch:
        self._allowed.release()
        return await self.first_step()

    def let_go(self) -> None:
        self.free = True
        self._allowed.release()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


@asynccontextmanager
async def working(
    translator: Translator, stepper: Stepper | None = None, max_wait: float = 30.0
) -> AsyncIterator[AsyncScheduler]:
    watch = stepper.watch if stepper else lambda batch: None
    worker = AsyncScheduler(translator, beam_size=2, max_wait=max_wait, watch=watch)
    try:
        yield worker
    finally:
        if stepper:
            stepper.let_go()
        await worker.close(0)


def assert_idle(workers: AsyncScheduler) -> None:
    """Nothing is left behind in any thread."""
    scheduler = workers.scheduler
    assert scheduler.is_idle and not scheduler.queued_tokens
    assert not any(thread.tokens for thread in scheduler.threads)


def test_drafts_are_completed_as_offline_and_timed(vocabulary: Vocabulary) -> None:
    async def test() -> None:
        translator = make_translator(vocabulary)
        drafts = [draft(translator, text) for text in ["", *SENTENCES]]
        async with working(translator) as worker:
            timings = await worker.translate(drafts, "client")
        offline = translator.translate(["", *SENTENCES], source="en", target="de", options=SHORT)
        assert [d.translation(1) for d in drafts] == list(offline)
        assert all(t.submitted <= t.entered <= t.finished for t in timings)
        assert timings[1].compute_seconds > 0

    run(test)


def test_who_asks_for_what_the_network_cannot_do_is_refused_and_no_other(
    vocabulary: Vocabulary,
) -> None:
    async def test() -> None:
        translator = make_translator(vocabulary)
        stepper = Stepper()
        too_wide = DecodingOptions(beam_size=3, max_length=4)
        async with working(translator, stepper) as worker:
            first = asyncio.create_task(worker.translate([draft(translator)], "first"))
            await stepper.first_step()
            good = [draft(translator, text) for text in SENTENCES]
            text = " ".join(SENTENCES)
            bad = [draft(translator, text), draft(translator, text, too_wide)]
            jobs = [
                asyncio.create_task(worker.translate(drafts, "client"))
                for drafts in (good[:3], bad, good[3:])
            ]
            await asyncio.sleep(0.05)  # all of them wait, and enter together
            stepper.let_go()
            found = await asyncio.gather(first, *jobs, return_exceptions=True)
        assert isinstance(found[2], UsageError)
        assert [isinstance(each, list) for each in found] == [True, True, False, True]
        offline = translator.translate(SENTENCES, source="en", target="de", options=SHORT)
        assert [d.translation(1).text for d in good] == [t.text for t in offline]
        assert_idle(worker)

    run(test)


def test_what_is_cancelled_has_left_before_the_next_step(vocabulary: Vocabulary) -> None:
    async def test() -> None:
        translator = make_translator(vocabulary)
        stepper = Stepper()
        async with working(translator, stepper) as worker:
            english = SENTENCES[:3]
            texts = [" ".join(english), "the dog"]
            jobs = [
                asyncio.create_task(
                    worker.translate([draft(translator, text, ENDLESS)], f"client {text}")
                )
                for text in texts
            ]
            await stepper.first_step()
            assert (await stepper.next_step()).sentences == 1 + len(english)
            jobs[0].cancel()
            with pytest.raises(asyncio.CancelledError):
                await jobs[0]
            assert (await stepper.next_step()).sentences == 1
            jobs[1].cancel()
            with pytest.raises(asyncio.CancelledError):
                await jobs[1]
            stepper.let_go()
            await worker.close()
            assert_idle(worker)

    run(test)


def test_a_client_with_much_to_do_does_not_hold_up_one_with_little(
    vocabulary: Vocabulary,
) -> None:
    async def test() -> None:
        translator = make_translator(vocabulary, max_tokens=1)  # one sentence at a time
        done: list[str] = []

        async def ask(worker: AsyncScheduler, client: str) -> None:
            await worker.translate([draft(translator)], client)
            done.append(client)

        async with working(translator) as worker, asyncio.TaskGroup() as tasks:
            for _ in range(30):
                tasks.create_task(ask(worker, "much"))
            await asyncio.sleep(0)
            tasks.create_task(ask(worker, "little"))
        assert len(done) == 31
        assert done.index("little") < 5

    run(test)


def test_what_waits_too_long_is_refused_and_what_has_begun_is_not(vocabulary: Vocabulary) -> None:
    async def test() -> None:
        translator = make_translator(vocabulary, max_tokens=1)
        stepper = Stepper()
        async with working(translator, stepper, max_wait=0.1) as worker:
            first = asyncio.create_task(worker.translate([draft(translator)], "a"))
            await stepper.first_step()
            refused = asyncio.create_task(worker.translate([draft(translator)], "a"))
            also_queued = asyncio.create_task(worker.translate([draft(translator)], "b"))
            patient = asyncio.create_task(worker.translate([draft(translator)], "c", patient=True))
            await asyncio.sleep(0.2)
            stepper.let_go()
            with pytest.raises(Overloaded, match=r"0\.1 seconds"):
                await refused
            with pytest.raises(Overloaded):
                await also_queued
            assert await first and await patient

    run(test)


def test_a_step_that_fails_is_an_error_for_those_in_it_only(
    vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        translator = make_translator(vocabulary)
        async with working(translator) as worker:
            with monkeypatch.context() as patch:
                patch.setattr(
                    translator.network.transformer,
                    "project",
                    lambda *_: torch.full((2, 330), torch.nan),
                )
                with pytest.raises(ModelError):
                    await worker.translate([draft(translator)], "a")
            assert await worker.translate([draft(translator)], "a")

    run(test)
    assert "a step has failed" in caplog.text


def test_closing_finishes_what_was_accepted_and_refuses_the_rest(vocabulary: Vocabulary) -> None:
    async def test() -> None:
        translator = make_translator(vocabulary)
        stepper = Stepper()
        async with working(translator, stepper) as worker:
            accepted = asyncio.create_task(worker.translate([draft(translator)], "a"))
            await stepper.first_step()
            closing = asyncio.create_task(worker.close())
            await asyncio.sleep(0.05)
            refused = asyncio.create_task(worker.translate([draft(translator)], "b"))
            await asyncio.sleep(0.05)
            stepper.let_go()
            assert await accepted
            with pytest.raises(ShuttingDown):
                await refused
            await closing

    run(test)


def test_closing_without_patience_answers_everybody_with_an_error(vocabulary: Vocabulary) -> None:
    async def test() -> None:
        translator = make_translator(vocabulary, max_tokens=1)
        async with working(translator) as worker:
            jobs = [
                asyncio.create_task(worker.translate([draft(translator, options=ENDLESS)], "a"))
                for _ in range(3)
            ]
            await asyncio.sleep(0)
            await worker.close(0)
            for job in jobs:
                with pytest.raises(ShuttingDown):
                    await job

    run(test)


# --- several engines -----------------------------------------------------------------------------


def test_engines_share_what_there_is_to_do(vocabulary: Vocabulary) -> None:
    async def test() -> None:
        translator = make_translator(vocabulary, threads=3)
        texts = ["", " ".join(SENTENCES), *SENTENCES]
        drafts = [draft(translator, text) for text in texts]
        batches: list[Batch] = []
        workers = AsyncScheduler(translator, beam_size=2, max_wait=30, watch=batches.append)
        timings = await workers.translate(drafts, "client")
        assert all(t.submitted <= t.entered <= t.finished for t in timings)
        assert_idle(workers)
        await workers.close(0)
        offline = make_translator(vocabulary).translate(
            texts, source="en", target="de", options=SHORT
        )
        assert [d.translation(1) for d in drafts] == list(offline)
        assert sum(batch.target_tokens for batch in batches) == sum(
            d.translation(1).target_tokens for d in drafts
        )

    run(test)


def test_a_call_that_fails_or_is_cancelled_leaves_no_engine_with_a_part(
    vocabulary: Vocabulary,
) -> None:
    async def test() -> None:
        translator = make_translator(vocabulary, threads=2)
        workers = AsyncScheduler(translator, beam_size=2, max_wait=30)
        too_wide = DecodingOptions(beam_size=3, max_length=4)
        parts = [draft(translator, text, ENDLESS) for text in SENTENCES]
        with pytest.raises(UsageError):
            await workers.translate([*parts, draft(translator, options=too_wide)], "a")
        job = asyncio.create_task(
            workers.translate([draft(translator, text, ENDLESS) for text in SENTENCES], "a")
        )
        await asyncio.sleep(0.05)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert await workers.translate([draft(translator), draft(translator)], "a")
        await workers.close()
        assert_idle(workers)

    run(test)
