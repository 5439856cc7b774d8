"""Way of a text through the code: the lists in CONTRIBUTING.md against the stacks of real calls."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import grpc
import pytest
from serving import make_model, serving

from tformer.cli import entry
from tformer.model.engine.engine import Engine
from tformer.model.engine.scheduler import Scheduler
from tformer.model.network.int8.precompile import prepare
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "CONTRIBUTING.md"
STEP = re.compile(r"^\d+\. `(?P<file>[\w/]+\.py)`: `(?P<function>\w+)`", re.M)
SCHEDULER, ENGINE = "model/engine/scheduler.py", "model/engine/engine.py"
MOST = 8
"""Files from the arguments or the call to a step of the engine."""

Way = list[tuple[str, str]]


def listed(heading: str) -> Way:
    """File and function of each step of a list in CONTRIBUTING.md."""
    section = PAGE.read_text().split(f"\n**{heading}**", 1)[1].split("\n**", 1)[0].split("\n## ")[0]
    return [(step["file"], step["function"]) for step in STEP.finditer(section)]


def frames_of(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    """Files of the project on the stack of a frame, outermost first, with their functions."""
    for each, _ in reversed(list(traceback.walk_stack(frame))):
        path = Path(each.f_code.co_filename)
        if path.is_relative_to(ROOT) and path.parts[len(ROOT.parts)] in ("cli", "model", "server"):
            yield path.relative_to(ROOT).as_posix(), each.f_code.co_name


def by_file(frames: Iterator[tuple[str, str]]) -> dict[str, set[str]]:
    """Functions by file, in the order in which the files are entered."""
    files: dict[str, set[str]] = {}
    for file, function in frames:
        files.setdefault(file, set()).add(function)
    return files


class Recorder:
    """Stacks of the first submission to the scheduler and of the first step of an engine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._seen: dict[str, dict[str, set[str]]] = {}
        for owner, name in ((Scheduler, "submit"), (Engine, "step")):
            monkeypatch.setattr(owner, name, self._noting(name, getattr(owner, name)))

    def _noting(self, name: str, original: Callable[..., object]) -> Callable[..., object]:
        def noted(*args: object, **kwargs: object) -> object:
            self._seen.setdefault(name, by_file(frames_of(sys._getframe(1))))
            return original(*args, **kwargs)

        return noted

    @property
    def stacks(self) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        return self._seen["submit"], self._seen["step"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prepare()  # compiling decodes a sentence, too
    return make_model(tmp_path_factory.mktemp("hops") / "tiny")


def check(heading: str, submission: dict[str, set[str]], step: dict[str, set[str]]) -> None:
    """Compare a list of CONTRIBUTING.md with the stacks of a call, which meet in the scheduler."""
    way = listed(heading)
    ends = {SCHEDULER: {"submit"}, ENGINE: {"step"}}
    assert [file for file, _ in way] == list(dict.fromkeys([*submission, SCHEDULER, *step, ENGINE]))
    assert len(way) <= MOST
    for file, function in way:
        called = [frames.get(file, set()) for frames in (submission, step, ends)]
        assert function in set().union(*called), file


def test_command_line(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    text = tmp_path / "file.txt"
    text.write_text("A dog runs.\n")
    call = ["translate", "-m", str(model), "-s", "en", "-t", "de", "--device", "cpu", str(text)]
    monkeypatch.setattr(sys, "argv", ["tformer", *call])
    recorder = Recorder(monkeypatch)
    with pytest.raises(SystemExit) as end:
        entry.main()
    assert end.value.code == 0
    assert capfd.readouterr().out.count("\n") == 1
    check("`tformer translate file.txt`", *recorder.stacks)


def test_remote_procedure_call(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = pb.TranslateTextRequest(
        contents=["A dog runs."], source_language_code="en", target_language_code="de"
    )
    with serving(model, dtype="int8") as server:
        recorder = Recorder(monkeypatch)
        with grpc.insecure_channel(server.address) as channel:
            TranslationServiceStub(channel).TranslateText(request)
    check("`TranslateText`", *recorder.stacks)
