"""Engines that wait for the next call: lent to one user at a time, ended when nobody needs them."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny import tiny_transformer

from tformer.model.engine.scheduler import EngineThread
from tformer.model.hardware import cpu
from tformer.model.network.eager import Eager
from tformer.model.options import DecodingOptions
from tformer.model.pipeline import translator as translators
from tformer.model.pipeline.translator import Translator
from tformer.model.vocabulary.sentencepiece import Vocabulary

TEXTS = ["A dog runs on the beach.", "Where is the station?", "The house is old."] * 4
SHORT = DecodingOptions(beam_size=2, max_length=8)
WIDE = DecodingOptions(beam_size=3, max_length=8)


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    path: Path = tmp_path_factory.mktemp("vocabulary") / "sentencepiece.model"
    return Vocabulary.train(TEXTS, path, languages=["en", "de"], size=300)


@pytest.fixture
def make(
    vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Translator]]:
    """Translators whose engines are kept for a moment."""
    monkeypatch.setattr(translators, "IDLE_SECONDS", 0.2)
    others.clear()
    others.update(engines())

    def translator() -> Translator:
        network = Eager(tiny_transformer(3, vocab_size=len(vocabulary), max_length=128))
        return Translator(network, vocabulary, window=4, threads=2)

    yield translator
    until(lambda: not engines())


others: set[threading.Thread] = set()
"""Engines that earlier tests have left, such as those of a server that is about to end."""


def engines() -> set[threading.Thread]:
    found = {thread for thread in threading.enumerate() if isinstance(thread, EngineThread)}
    return found - others


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def begun(translator: Translator, options: DecodingOptions = SHORT) -> Iterator[str]:
    for translation in translator.translate(TEXTS, source="en", target="de", options=options):
        yield translation.text


def test_the_next_call_has_the_engines_of_the_last(make: Callable[[], Translator]) -> None:
    translator = make()
    expected = list(begun(translator))
    kept = engines()
    assert len(kept) == 2
    for _ in range(3):
        assert list(begun(translator)) == expected
        assert engines() == kept


def test_engines_end_when_nobody_needs_them_and_the_translator_with_them(
    make: Callable[[], Translator],
) -> None:
    translator = make()
    expected = list(begun(translator))
    until(lambda: not engines())
    assert list(begun(translator)) == expected, "others are started"
    gone = weakref.ref(translator)
    del translator
    until(lambda: not engines())
    gc.collect()
    assert gone() is None


def test_engines_wait_for_a_user_who_takes_his_time(make: Callable[[], Translator]) -> None:
    translator = make()
    expected = list(begun(translator))
    slow = begun(translator)
    found = [next(slow)]
    kept = engines()
    time.sleep(3 * translators.IDLE_SECONDS)
    assert engines() == kept
    assert found + list(slow) == expected


def test_users_at_the_same_time_have_engines_of_their_own(make: Callable[[], Translator]) -> None:
    translator = make()
    expected = {options: list(begun(translator, options)) for options in (SHORT, WIDE)}
    users = [begun(translator, options) for options in (SHORT, WIDE, SHORT)]
    found = [next(user) for user in users]
    assert len(engines()) == 6
    for user, first, options in zip(users, found, (SHORT, WIDE, SHORT), strict=True):
        assert [first, *user] == expected[options]
    assert len(engines()) == 2, "those that were used last are kept"


def test_engines_for_another_beam_end_before_others_begin(
    make: Callable[[], Translator], monkeypatch: pytest.MonkeyPatch
) -> None:
    translator = make()
    list(begun(translator))
    there: list[set[threading.Thread]] = []
    schedule = translator.schedule
    pool = translator._schedulers
    monkeypatch.setattr(
        pool, "_start", lambda size: there.append(engines()) or schedule(size, idle_seconds=0.2)
    )
    assert len(list(begun(translator, WIDE))) == len(TEXTS)
    assert there == [set()]


def test_what_an_abandoned_call_has_left_is_not_met_by_the_next(
    make: Callable[[], Translator],
) -> None:
    translator = make()
    expected = list(begun(translator))
    for number in range(1, 4):
        user = begun(translator)
        assert [next(user) for _ in range(number)] == expected[:number]
        user.close()  # type: ignore[attr-defined]
        assert not engines()
    assert list(begun(translator)) == expected


def test_a_call_that_has_failed_leaves_no_engines(make: Callable[[], Translator]) -> None:
    translator = make()

    def texts() -> Iterator[str]:
        yield TEXTS[0]
        raise OSError("the file has gone")

    with pytest.raises(OSError, match="gone"):
        list(translator.translate(texts(), source="en", target="de", options=SHORT))
    assert not engines()


def _translate_in_a_child(translator: Translator, answers: multiprocessing.SimpleQueue) -> None:
    answers.put(list(begun(translator)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_that_was_forked_has_engines_of_its_own(make: Callable[[], Translator]) -> None:
    translator = make()
    expected = list(begun(translator))
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_translate_in_a_child, args=(translator, answers))
    child.start()
    child.join(30)
    assert child.exitcode == 0 and answers.get() == expected
    assert list(begun(translator)) == expected


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_of_a_released_scheduler_end_together(
    make: Callable[[], Translator], threads: int
) -> None:
    translator = make()
    translator.threads = threads
    scheduler = translator.schedule(2, idle_seconds=0.05)
    time.sleep(0.2)
    assert scheduler.reclaim(), "it was not released"
    scheduler.release()
    until(lambda: not engines())
    assert not scheduler.reclaim()
    with pytest.raises(RuntimeError, match="closed"):
        scheduler.submit()


# -- the core of a worker ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "other", "allowed", "moves"),
    [
        (3, 3, {1, 3, 4}, [{1, 4}, {1, 3, 4}]),
        (1, 3, {1, 3}, []),
        (3, 3, {3}, []),
        (-1, -1, {0, 1}, []),
    ],
)
def test_a_thread_leaves_the_core_of_another(
    own: int, other: int, allowed: set[int], moves: list[set[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[set[int]] = []
    monkeypatch.setattr(cpu, "current_core", lambda: own)
    monkeypatch.setattr(cpu.os, "sched_getaffinity", lambda _: allowed, raising=False)
    monkeypatch.setattr(
        cpu.os, "sched_setaffinity", lambda _, cores: made.append(cores), raising=False
    )
    cpu.leave_core(other)
    assert made == moves


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")
def test_the_current_core_is_one_that_is_allowed() -> None:
    found = {cpu.current_core() for _ in range(100)}
    assert found <= os.sched_getaffinity(0)
    before = os.sched_getaffinity(0)
    cpu.leave_core(cpu.current_core())
    assert os.sched_getaffinity(0) == before


def test_a_system_that_does_not_tell_the_core_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cpu, "_core_of_thread", lambda: None)
    assert cpu.current_core() == -1
    cpu.leave_core(cpu.current_core())
