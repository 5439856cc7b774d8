"""The processor: its cores, and the instructions that int8 kernels are compiled for. No torch here.

A level is a set of instructions. Kernels are written once and compiled for one level, the highest
that the processor has or the lower one that ``TFORMER_CPU_LEVEL`` names; a sentence gets the same
bits at every level.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from tformer.model.errors import UsageError

VARIABLE = "TFORMER_CPU_LEVEL"
"""The environment variable that names a level lower than the processor's."""


@dataclass(frozen=True)
class Level:
    """A set of instructions that kernels are compiled for."""

    name: str
    machine: str
    """The architecture: "x86" or "arm"; "" for any."""
    needs: frozenset[str]
    """Features of the processor, by LLVM's names."""
    target: str | None
    """LLVM's processor that has the level; None compiles for the one at hand."""
    features: str
    """Features added to that processor, or taken from it, as LLVM writes them."""
    lanes: int
    """Numbers of 32 bits in a register."""
    registers: int
    """Number of vector registers."""
    products: str
    """The instructions that multiply bytes: see `network.int8.simd.dot`."""
    tiles: bool = False
    """True if many rows are multiplied by the tile registers of AMX."""
    pairs: bool = False
    """True if several rows are multiplied two by two, by `smmla`."""


_V3 = frozenset({"avx2", "fma", "f16c", "bmi2"})
_V4 = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
_WIDE = "-prefer-256-bit"

LEVELS = (
    Level(
        "amx", "x86", _V4 | {"avx512vnni", "amx-tile", "amx-int8"}, "x86-64-v4",
        f"+avx512vnni,+amx-tile,+amx-int8,{_WIDE}", 16, 32, "vpdpbusd", tiles=True,
    ),
    Level(
        "avx512_vnni", "x86", _V4 | {"avx512vnni"}, "x86-64-v4", f"+avx512vnni,{_WIDE}", 16, 32,
        "vpdpbusd",
    ),
    Level("avx512", "x86", _V4, "x86-64-v4", _WIDE, 16, 32, "vpmaddubsw"),
    Level("avx_vnni", "x86", _V3 | {"avxvnni"}, "x86-64-v3", "+avxvnni", 8, 16, "vpdpbusd"),
    Level("avx2", "x86", _V3, "x86-64-v3", "", 8, 16, "vpmaddubsw"),
    Level(
        "neon_i8mm", "arm", frozenset({"neon", "dotprod", "i8mm"}), "generic", "+dotprod,+i8mm", 4,
        32, "sdot", pairs=True,
    ),
    Level(
        "neon_dotprod", "arm", frozenset({"neon", "dotprod"}), "generic", "+dotprod", 4, 32, "sdot"
    ),
    Level("neon", "arm", frozenset({"neon"}), "generic", "", 4, 32, "smull"),
    Level("plain", "", frozenset(), None, "", 8, 16, "none"),
)  # fmt: skip
"""The fastest first; the last one is what every processor has, without vectors."""


def names() -> list[str]:
    """Levels with vectors that there are for processors of this kind, the fastest first."""
    return [each.name for each in LEVELS if each.target and _is_of(each)]


def compile_for(name: str) -> None:
    """Take a level that the processor may not have, in a process that only compiles.

    Raises:
        UsageError: when there is none of that name for such processors.
    """
    if name != LEVELS[-1].name and name not in names():
        raise UsageError(
            f"there is no level {name!r} to build for; choose from {', '.join(names())}"
        )
    _compiled_for.append(name)
    level.cache_clear()


_compiled_for: list[str] = []


@cache
def level() -> Level:
    """The level that kernels are compiled for.

    Raises:
        UsageError: when ``TFORMER_CPU_LEVEL`` names a level that there is not, or not here.
    """
    if _compiled_for:
        return next(each for each in LEVELS if each.name == _compiled_for[-1])
    present = levels_here()
    wanted = os.environ.get(VARIABLE, "")
    if not wanted:
        return present[0]
    for each in present:
        if each.name == wanted:
            return each
    names = ", ".join(each.name for each in present)
    raise UsageError(f"{VARIABLE}: this processor has no level {wanted!r}; choose from {names}")


def levels_here() -> list[Level]:
    """Return the levels that the processor has, the fastest first."""
    return [each for each in LEVELS if each.needs <= _features() and _is_of(each)]


def has_fast_int8() -> bool:
    """Return whether int8 is the fastest arithmetic of the processor: every level with vectors.

    Measured by ``tformer bench`` with AVX-512 VNNI; of other levels it is assumed.
    """
    return level().products != "none"


def has_bfloat16() -> bool:
    """Return whether the processor multiplies bfloat16 without going through float32."""
    return not _features().isdisjoint({"avx512bf16", "amx-bf16", "bf16"})


def is_intel() -> bool:
    """Return whether Intel made the processor, of which its library of products takes notice."""
    told = platform.processor()
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        told += file.read(4096)
    return "GenuineIntel" in told


def has_avx512() -> bool:
    """Return whether the processor has the vectors of AVX-512, whatever the level."""
    return _features() >= _V4


def _is_of(level: Level) -> bool:
    return level.machine in ("", _machine())


def _machine() -> str:
    name = platform.machine().lower()
    if name in ("x86_64", "amd64"):
        return "x86"
    return "arm" if name in ("aarch64", "arm64") else name


@cache
def _features() -> frozenset[str]:
    """Features that LLVM finds, and on Arm those that it does not look for.

    On Linux LLVM takes no notice of byte products, which the kernel tells of; Apple's processors
    all have what is named for them here.
    """
    import llvmlite.binding as llvm

    found = {name for name, has in llvm.get_host_cpu_features().items() if has}
    if "amx-tile" in found and not _may_use_tiles():
        found.remove("amx-tile")
    if _machine() == "arm" and platform.system() == "Linux":
        found |= _told_by_linux()
    if _machine() == "arm" and platform.system() == "Darwin":
        found |= {"neon", "dotprod"} | ({"i8mm"} if _macos_has_i8mm() else set())
    return frozenset(found)


def _macos_has_i8mm() -> bool:
    """Ask macOS for products of byte matrices, which Apple's processors have since the M2."""
    import ctypes

    ask = getattr(ctypes.CDLL(None), "sysctlbyname", None)
    if ask is None:
        return False
    has, size = ctypes.c_int32(0), ctypes.c_size_t(4)
    failed = ask(b"hw.optional.arm.FEAT_I8MM", ctypes.byref(has), ctypes.byref(size), None, 0)
    return not failed and has.value == 1


def _may_use_tiles() -> bool:
    """Ask Linux for the tile registers, which it gives to a process that asks (since 5.16)."""
    import ctypes

    if platform.system() != "Linux":
        return False
    return ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA) == 0


_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA = 158, 0x1023, 18
"""The system call; what is asked for (``ARCH_REQ_XCOMP_PERM``), and for which state."""

_HWCAP, _HWCAP2 = 16, 26
"""Entries of the auxiliary vector that Linux hands to a process, by ``getauxval``'s numbers."""

_ARM_BITS = {
    "neon": (_HWCAP, 1),
    "dotprod": (_HWCAP, 20),
    "i8mm": (_HWCAP2, 13),
    "bf16": (_HWCAP2, 14),
}
"""Entry and bit of a feature of a 64-bit Arm processor, by LLVM's name."""


def _told_by_linux() -> set[str]:
    """Features of an Arm processor of which the kernel says that programs may use them."""
    import ctypes

    ask = getattr(ctypes.CDLL(None), "getauxval", None)
    if ask is None:
        return set()
    ask.argtypes, ask.restype = [ctypes.c_ulong], ctypes.c_ulong
    return {name for name, (entry, bit) in _ARM_BITS.items() if ask(entry) >> bit & 1}


@cache
def _core_of_thread() -> Callable[[], int] | None:
    """The system's function that tells the core of the calling thread, where there is one."""
    try:
        return ctypes.CDLL(None).sched_getcpu  # of the C library, on Linux
    except (AttributeError, OSError, TypeError):
        return None


def current_core() -> int:
    """Core that the calling thread runs on; -1 if the system does not tell."""
    function = _core_of_thread()
    return function() if function else -1


def leave_core(core: int) -> None:
    """Move the calling thread to another core if it is on this one.

    A thread that is woken often begins on the core of the one that wakes it, and would stay there
    for some milliseconds.
    """
    if core < 0 or current_core() != core:
        return
    with suppress(OSError):  # the cores that are allowed have changed meanwhile
        allowed = os.sched_getaffinity(0)
        if others := allowed - {core}:
            os.sched_setaffinity(0, others)
            os.sched_setaffinity(0, allowed)


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
