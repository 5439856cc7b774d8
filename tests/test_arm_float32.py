"""Functions of float32 at the levels of Arm, compiled for it, run by an emulator with the bits of
this processor as the measure.

Needs a compiler and an emulator: ``apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross
qemu-user-static``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tformer.model.hardware import cpu
from tformer.model.hardware.native_call import ENTRY
from tformer.model.network.float32 import entries, job
from tformer.model.network.float32.panel import PANEL

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64-static"
COPIER, READER = "aarch64-linux-gnu-objcopy", "aarch64-linux-gnu-objdump"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(cpu.level().products == "none", reason="there is no level with vectors"),
]

LEVELS = [level.name for level in cpu.LEVELS if level.machine == "arm"]
KERNELS = {kernel.name: kernel for kernel, _ in entries.EXAMPLES}

OBJECTS = """
import sys
from pathlib import Path
import llvmlite.binding as llvm
from tformer.model.hardware import cpu
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
llvm.get_process_triple = llvm.get_default_triple = lambda: "aarch64-unknown-linux-gnu"
cpu._machine = lambda: "arm"
cpu.compile_for(sys.argv[1])
from tformer.model.hardware import numba_compiler
from tformer.model.network.float32.entries import EXAMPLES
for kernel, values in EXAMPLES:
    code = numba_compiler.object_code(kernel.inner.compiled, values)
    Path(sys.argv[2], kernel.name + ".o").write_bytes(code.code)
"""

MAIN = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
typedef int32_t function(int64_t *, int64_t *, char *);
function multiply, lay_out, attend;
void GOMP_parallel(void (*)(void *), void *, unsigned, unsigned);
static char *some(int64_t bytes) {
    char *place = aligned_alloc(64, bytes / 64 * 64 + 64);
    if (fread(place, 1, bytes, stdin) != (size_t)bytes) exit(2);
    return place;
}
int main(void) {
    int64_t *sizes = (int64_t *)some(24);
    char *image = some(sizes[0]);
    int64_t *addresses = (int64_t *)some(16 * sizes[1]), *calls = (int64_t *)some(16 * sizes[2]);
    for (int64_t n = 0; n < sizes[1]; n++) {
        int64_t *number = (int64_t *)(image + addresses[2 * n]);
        *number += addresses[2 * n + 1] ? (int64_t)GOMP_parallel : (int64_t)image;
    }
    for (int64_t n = 0; n < sizes[2]; n++) {
        function *functions[] = {NAMES};
        int64_t own[2] = {0, 0};
        if (functions[calls[2 * n]](own, own + 1, image + calls[2 * n + 1])) return 3;
    }
    return fwrite(image, 1, sizes[0], stdout) != (size_t)sizes[0];
}
"""
"""Reads an image of the memory, where addresses are in it, and calls; writes the image."""


class Address(int):
    """Where something is in an image, for numbers that are addresses."""


BEGIN = Address(-1)
"""That of the function by which a team begins with work."""

MARGIN = np.full(32, 7, np.float32)
"""What lies on both sides of everything, and must stay."""


class Image:
    """Memory with arguments of calls, which this processor and another one fill alike."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.addresses: list[tuple[int, int]] = []
        self.calls: list[tuple[str, int, int]] = []

    def put(self, array: np.ndarray) -> Address:
        """Floats lie at odd places, whole numbers at even ones."""
        self.content += bytes(-len(self.content) % 8 + (4 if array.dtype == np.float32 else 0))
        place = Address(len(self.content) + MARGIN.nbytes)
        self.content += MARGIN.tobytes() + array.tobytes() + MARGIN.tobytes()
        return place

    def put_numbers(self, *numbers: int) -> Address:
        values = [0 if number is BEGIN else int(number) for number in numbers]
        place = self.put(np.array(values, np.int64))
        self.addresses += [
            (place + 8 * n, int(number is BEGIN))
            for n, number in enumerate(numbers)
            if isinstance(number, Address)
        ]
        return place

    def call(self, name: str, *numbers: int) -> None:
        self.calls.append((name, self.put_numbers(*numbers), len(numbers)))

    def computed_here(self) -> bytes:
        image = np.frombuffer(bytes(self.content), np.uint8).copy()
        for place, is_begin in self.addresses:
            image[place : place + 8].view(np.int64)[0] += 0 if is_begin else image.ctypes.data
        for name, place, count in self.calls:
            numbers = image[place : place + 8 * count].view(np.int64).tolist()
            KERNELS[name].for_numbers(count)(numbers)
        return image.tobytes()

    def computed_by(self, program: Path) -> bytes:
        order = list(KERNELS)
        calls = [(order.index(name), place) for name, place, _ in self.calls]
        sizes = len(self.content), len(self.addresses), len(calls)
        parts = (np.array(each, np.int64).tobytes() for each in (sizes, self.addresses, calls))
        first, *others = parts
        given = b"".join((first, self.content, *others))
        return subprocess.run(
            [EMULATOR, "-cpu", "max", program], input=given, stdout=subprocess.PIPE, check=True
        ).stdout


@pytest.fixture(scope="module", params=LEVELS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For Arm; calls functions of a level."""
    if not all(map(shutil.which, (COMPILER, COPIER, EMULATOR))):
        pytest.skip(f"needs {COMPILER} and {EMULATOR}")
    folder = tmp_path_factory.mktemp(request.param)
    subprocess.run([sys.executable, "-c", OBJECTS, request.param, folder], check=True)
    objects = [folder / f"{name}.o" for name in KERNELS]
    for each in objects:
        subprocess.run([COPIER, f"--redefine-sym={ENTRY}={each.stem}", each], check=True)
    (folder / "main.c").write_text(MAIN)
    names = f"-DNAMES={','.join(KERNELS)}"
    command = [COMPILER, "-O1", "-static", "-fopenmp", names, folder / "main.c", *objects]
    subprocess.run([*command, "-o", folder / "program", "-lm"], check=True)
    return folder / "program"


def floats(image: bytes, place: int, *shape: int) -> np.ndarray:
    """What is there, whose margins must be whole."""
    width, size = len(MARGIN), int(np.prod(shape))
    found = np.frombuffer(image, np.float32, size + 2 * width, place - MARGIN.nbytes)
    assert np.array_equal(found[:width], MARGIN) and np.array_equal(found[-width:], MARGIN)
    return found[width:-width].reshape(shape)


def drawn(*shape: int) -> np.ndarray:
    draw = np.random.default_rng(sum(shape))
    return draw.standard_normal(shape, np.float32)


def room(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


def held(image: Image, program: Path, outputs: dict[Address, np.ndarray], bound: float) -> bytes:
    """The image as the other processor leaves it, with the same bits in all outputs as here.

    Args:
        image: what is computed.
        program: computes it on the other processor.
        outputs: in float64 by NumPy, by place.
        bound: a number differs from NumPy's by that much at most.
    """
    found, expected = image.computed_by(program), image.computed_here()
    for place, exact in outputs.items():
        values = floats(found, place, *exact.shape)
        assert np.array_equal(
            values.view(np.int32), floats(expected, place, *exact.shape).view(np.int32)
        )
        assert np.abs(values - exact).max() < bound
    return found


def put_product(
    image: Image, rows: int, depth: int, width: int, has_bias: bool, threads: int
) -> tuple[Address, np.ndarray]:
    """Where the outputs will be, and what they are."""
    wide, weight, biases = drawn(rows, depth + 3), drawn(width, depth), drawn(width)
    states = image.put(wide)
    panels = image.put(room(-(-width // PANEL), depth + 1, PANEL))
    outputs = image.put(room(rows, width))
    bias = image.put(biases) if has_bias else 0
    image.call("lay_out", image.put(weight), bias, width, depth, panels)
    image.call("multiply", states, rows, depth + 3, depth, panels, outputs, width, BEGIN, threads)
    exact = wide[:, :depth].astype(np.float64) @ weight.T.astype(np.float64)
    return outputs, exact + biases if has_bias else exact


ROWS = [*range(1, 14), 97, 200]
"""All ways to divide rows into those that are multiplied together, and more than a part has."""


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize(
    ("depth", "width"), [(1, 1), (3, 5), (64, 64), (70, 129), (129, 300), (513, 63)]
)
def test_products_have_the_bits_of_this_processor(
    program: Path, depth: int, width: int, has_bias: bool
) -> None:
    image = Image()
    outputs = dict(put_product(image, rows, depth, width, has_bias, 1) for rows in ROWS)
    held(image, program, outputs, 2e-5 * depth**0.5)


def test_a_product_that_a_team_shares_has_the_bits_of_one_thread(program: Path) -> None:
    alone, shared = Image(), Image()
    outputs, teams = (
        dict(put_product(each, 300, 70, 200, True, threads) for _ in range(3))
        for each, threads in ((alone, 1), (shared, 3))
    )
    found = held(alone, program, outputs, 2e-4)
    together = shared.computed_by(program)
    for place in teams:
        assert np.array_equal(floats(together, place, 300, 200), floats(found, place, 300, 200))


def test_large_loops_of_products_keep_their_sums_in_registers(program: Path) -> None:
    command = [READER, "-d", "--no-show-raw-insn", program.with_name("multiply.o")]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    code = re.findall(r"^ +([0-9a-f]+):\t(.+)$", told, re.MULTILINE)
    places = {address: n for n, (address, _) in enumerate(code)}
    large = 0
    for end, (_, instruction) in enumerate(code):
        back = re.match(r"b\.\w+\t([0-9a-f]+)", instruction)
        begin = places.get(back[1], end) if back else end
        loop = [each for _, each in code[begin:end]] if end - begin < 250 else []
        if sum(each.startswith("fmla") for each in loop) >= 32:
            large += 1
            assert not [each for each in loop if re.search(r"\tq.*\[sp", each)]
    assert large >= 4, "for six rows, four, two and one"


def put_attention(
    image: Image, sizes: tuple[int, int, int, int, int], mask: str, threads: int
) -> tuple[Address, Address, np.ndarray]:
    """The job, where the outputs will be, and what they are."""
    groups, heads, rows, count, width = sizes
    queries, keys, values = (drawn(groups, heads, n, width) for n in (rows, count, count + 1))
    values, added = values[:, :, :count], np.zeros((groups, heads, 1, count), np.float32)
    if "biases" in mask:
        added += drawn(1, heads, 1, count)
    if "padding" in mask:
        added[0, :, :, (count + 1) // 2 :] = -np.inf
    outputs = image.put(room(groups, rows, heads * width))
    numbers: list[int] = [0, groups, heads, rows, count, width]
    for each in (queries, keys, np.ascontiguousarray(values)):
        numbers += (image.put(each), each[0].size, each[0, 0].size, width)
    numbers += (outputs, rows * heads * width, width, heads * width)
    numbers += (image.put(added), heads * count, count, count) if mask else (0, 0, 0, 0)
    place = image.put_numbers(*numbers)
    image.call("attend", place, BEGIN, threads)
    scores = queries.astype(np.float64) @ keys.swapaxes(2, 3) / width**0.5 + added
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = weights / weights.sum(-1, keepdims=True) @ values.astype(np.float64)
    return place, outputs, mixed.swapaxes(1, 2).reshape(groups, rows, heads * width)


ATTENTIONS = [(1, 4, 1, 16, 64), (2, 1, 5, 7, 16), (3, 2, 4, 33, 48), (2, 3, 9, 1, 80)]
"""Groups, heads, queries, keys, and the width of a head."""


@pytest.mark.parametrize("mask", ["", "padding", "biases", "biases, padding"])
def test_attention_has_the_bits_of_this_processor(program: Path, mask: str) -> None:
    image = Image()
    jobs = [put_attention(image, sizes, mask, 1) for sizes in ATTENTIONS]
    held(image, program, {place: exact for _, place, exact in jobs}, 1e-5)


def test_attention_that_a_team_shares_has_the_bits_of_one_thread(program: Path) -> None:
    sizes, alone, shared = (3, 8, 9, 37, 32), Image(), Image()
    _, outputs, exact = put_attention(alone, sizes, "padding", 1)
    found = floats(held(alone, program, {outputs: exact}, 1e-5), outputs, *exact.shape)
    place, outputs, _ = put_attention(shared, sizes, "padding", 3)
    together = shared.computed_by(program)
    assert np.array_equal(floats(together, outputs, *exact.shape), found)
    (taken,) = np.frombuffer(together, np.int64, 1, place + 8 * job.TAKEN)
    assert taken == 3 * 8 + 3, "each of three has found that nothing is left"
