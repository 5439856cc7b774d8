"""The levels of processors: which is chosen, and that a sentence gets the same bits at each."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import llvmlite.binding as llvm
import pytest
import torch
from llvmlite import ir

from tformer.model.errors import UsageError
from tformer.model.hardware import cpu, precision
from tformer.model.network.int8.simd.dot import QUAD, dot_of, weights_of
from tformer.model.network.int8.simd.emitter import Emitter

AVX2 = {"avx2", "fma", "f16c", "bmi2"}
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


def chosen(
    monkeypatch: pytest.MonkeyPatch, machine: str, features: Collection[str], forced: str = ""
) -> str:
    """The level of a processor with some features."""
    monkeypatch.setattr(cpu, "_machine", lambda: machine)
    monkeypatch.setattr(cpu, "_features", lambda: frozenset(features))
    monkeypatch.setenv(cpu.VARIABLE, forced)
    return cpu.level.__wrapped__().name


@pytest.mark.parametrize(
    ("machine", "features", "name"),
    [
        ("x86", AVX512 | {"avx512vnni", "amx-tile", "amx-int8"}, "amx"),
        ("x86", AVX512 | {"avx512vnni", "amx-int8"}, "avx512_vnni"),
        ("x86", AVX512 | {"avx512vnni", "avxvnni"}, "avx512_vnni"),
        ("x86", AVX512, "avx512"),
        ("x86", AVX2 | {"avxvnni"}, "avx_vnni"),
        ("x86", AVX2, "avx2"),
        ("x86", {"avx512f", "avx2"}, "plain"),
        ("arm", {"neon", "dotprod", "i8mm"}, "neon_i8mm"),
        ("arm", {"neon", "dotprod"}, "neon_dotprod"),
        ("arm", {"neon"}, "neon"),
        ("riscv64", AVX512 | {"neon"}, "plain"),
    ],
)
def test_a_processor_has_the_highest_level_whose_features_it_has(
    monkeypatch: pytest.MonkeyPatch, machine: str, features: set[str], name: str
) -> None:
    assert chosen(monkeypatch, machine, features) == name


@pytest.mark.parametrize(
    ("words", "features"),
    [
        ((0, 0), set()),
        ((1 << 1, 0), {"neon"}),
        ((1 << 1 | 1 << 20, 0), {"neon", "dotprod"}),
        ((1 << 1 | 1 << 20, 1 << 13 | 1 << 14), {"neon", "dotprod", "i8mm", "bf16"}),
        ((1 << 13, 1 << 1 | 1 << 20), set()),
    ],
)
def test_linux_is_asked_for_what_an_arm_processor_has(
    monkeypatch: pytest.MonkeyPatch, words: tuple[int, int], features: set[str]
) -> None:
    """LLVM itself finds no byte products there; the numbers are those of asm/hwcap.h."""

    def getauxval(entry: int) -> int:
        return {16: words[0], 26: words[1]}[entry]

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(getauxval=getauxval))
    monkeypatch.setattr(cpu, "_machine", lambda: "arm")
    monkeypatch.setattr(cpu.platform, "system", lambda: "Linux")
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: {"neon": False, "lse": True})
    assert cpu._features.__wrapped__() == features | {"lse"}
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    assert cpu._features.__wrapped__() == {"lse"}


@pytest.mark.parametrize(("status", "has"), [(0, 1), (0, 0), (-1, 1)])
def test_macos_is_asked_for_products_of_byte_matrices(
    monkeypatch: pytest.MonkeyPatch, status: int, has: int
) -> None:
    """The name is that of Apple's list of features; a system that does not know it fails."""

    def sysctlbyname(name: bytes, value: Any, size: Any, new: None, new_size: int) -> int:
        assert (name, size._obj.value, new, new_size) == (b"hw.optional.arm.FEAT_I8MM", 4, None, 0)
        value._obj.value = has
        return status

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(sysctlbyname=sysctlbyname))
    monkeypatch.setattr(cpu, "_machine", lambda: "arm")
    monkeypatch.setattr(cpu.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: {})
    expected = {"neon", "dotprod"} | ({"i8mm"} if (status, has) == (0, 1) else set())
    assert cpu._features.__wrapped__() == expected


@pytest.mark.parametrize(("system", "answer"), [("Linux", 0), ("Linux", -1), ("Darwin", 0)])
def test_tiles_are_used_where_the_system_gives_them(
    monkeypatch: pytest.MonkeyPatch, system: str, answer: int
) -> None:
    """The numbers are those of asm/prctl.h and of the processor's manual."""
    asked: list[tuple[int, ...]] = []

    def syscall(*numbers: int) -> int:
        asked.append(numbers)
        return answer

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(syscall=syscall))
    monkeypatch.setattr(cpu, "_machine", lambda: "x86")
    monkeypatch.setattr(cpu.platform, "system", lambda: system)
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: {"amx-tile": True, "fma": True})
    given = system == "Linux" and answer == 0
    assert cpu._features.__wrapped__() == {"fma"} | ({"amx-tile"} if given else set())
    assert asked == ([(158, 0x1023, 18)] if system == "Linux" else [])


def test_a_lower_level_can_be_forced_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, "x86", AVX512, "avx2") == "avx2"
    for other in ("avx512_vnni", "neon", "sse"):
        with pytest.raises(
            UsageError, match=f"no level '{other}'; choose from avx512, avx2, plain"
        ):
            chosen(monkeypatch, "x86", AVX512, other)


@pytest.mark.parametrize(("features", "auto"), [({"avx512bf16"}, "bfloat16"), (set(), "float32")])
def test_training_is_in_bfloat16_where_that_is_quick(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, features: set, auto: str
) -> None:
    monkeypatch.setattr(cpu, "_features", lambda: frozenset(features))
    device = torch.device("cpu")
    assert precision.choose_precision("auto", device) == auto
    assert precision.choose_precision("float32", device) == "float32"
    assert precision.choose_precision("bfloat16", device) == "bfloat16"
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ([] if features else [precision.SLOW])


TRIPLES = {"x86": "x86_64-unknown-linux-gnu", "arm": "aarch64-unknown-linux-gnu"}
COMPILED = [each for each in cpu.LEVELS if each.products != "none"]


@pytest.mark.parametrize("level", COMPILED, ids=[level.name for level in COMPILED])
def test_a_level_multiplies_by_its_own_instructions(level: cpu.Level) -> None:
    """Compiled for it, wherever the test runs; the register's width is that of the level."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    multiply = dot_of(level)
    sums = ir.VectorType(ir.IntType(32), level.lanes)
    four = ir.IntType(8 * QUAD)
    module = ir.Module()
    weights = weights_of(level.lanes, multiply)
    kind = ir.FunctionType(sums, [sums, weights, *[four] * multiply.width])
    function = ir.Function(module, kind, "multiply")
    builder = ir.IRBuilder(function.append_basic_block())
    emit = Emitter(None, builder, SimpleNamespace(args=()), ())
    total, vector, *fours = function.args
    builder.ret(multiply.add(emit, total, fours, vector))
    target = llvm.Target.from_triple(TRIPLES[level.machine])
    machine = target.create_target_machine(cpu=level.target, features=level.features, opt=3)
    assembly = machine.emit_assembly(llvm.parse_assembly(str(module)))
    register = {16: "%zmm", 8: "%ymm", 4: "v"}[level.lanes]
    lines = [line for line in assembly.splitlines() if level.products in line]
    assert len(lines) == 1 and register in lines[0]


SENTENCES = (
    "The Commission has not yet decided whether to extend the programme beyond 2027.",
    "A dog runs on the beach.",
    "Yes.",
    "“We are,” she said, “closer to an agreement than at any time in the past three years.”",
)

TRANSLATE = """
import sys
from tformer.model import DecodingOptions, Translator
from tformer.model.hardware.cpu import level
print(level().name)
translator = Translator.load("en-de", device="cpu", dtype="int8", threads=1)
for beam_size in (1, 4):
    options = DecodingOptions(beam_size=beam_size, n_best=beam_size)
    for found in translator.translate(sys.argv[1:], source="en", target="de", options=options):
        for hypothesis in found.hypotheses:
            print(hypothesis.text, hypothesis.score.hex())
"""


def translated(level: str) -> list[str]:
    """Texts and the bits of their scores."""
    return subprocess.run(
        [sys.executable, "-c", TRANSLATE, *SENTENCES],
        env=os.environ | {cpu.VARIABLE: level},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.splitlines()


@pytest.mark.slow
def test_a_sentence_gets_the_same_bits_at_every_level() -> None:
    levels = [each.name for each in cpu.levels_here()]
    if len(levels) < 2:
        pytest.skip("this processor has one level")
    name, *first = translated(levels[0])
    assert name == levels[0] and len(first) == 5 * len(SENTENCES)
    for level in levels[1:]:
        assert translated(level) == [level, *first]


@pytest.mark.slow
@pytest.mark.parametrize("level", [each.name for each in cpu.LEVELS if each.products != "none"])
def test_products_and_datastores_are_right_at_every_level(level: str) -> None:
    """Activations are stored in another way where signs are apart."""
    here = next(each for each in cpu.LEVELS if each.name == level)
    if here not in cpu.levels_here():
        pytest.skip("this processor has no such level")
    files = ["test_int8_bounds.py", "test_int8_sparse.py", "test_datastore.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    found = subprocess.run(
        command,
        env=os.environ | {cpu.VARIABLE: level},
        cwd=os.path.dirname(__file__),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert found.returncode == 0, found.stdout[-2000:]
