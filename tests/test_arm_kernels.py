"""Products at the levels of Arm, compiled for it, run by an emulator and held to whole numbers.

Needs a compiler and an emulator: ``apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross
qemu-user-static``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tformer.model.hardware import cpu

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64-static"

LEVELS = [level.name for level in cpu.LEVELS if level.machine == "arm"]

OBJECT = """
import sys
from types import SimpleNamespace
import llvmlite.binding as llvm
from llvmlite import ir
from tformer.model.hardware import cpu
cpu._machine = lambda: "arm"
cpu.compile_for(sys.argv[1])
from tformer.model.network.int8.simd import gemm
from tformer.model.network.int8.simd.dot import DOT
from tformer.model.network.int8.simd.emitter import BYTE, FLOAT, LONG, WORD, Emitter
from tformer.model.network.int8.simd.tiles import BLOCK, PANEL, ROWS

class Direct(Emitter):
    def at(self, argument, item):
        return self.builder.bitcast(self.arguments[argument], item.as_pointer())

arrays = {0: BYTE, 3: FLOAT, 5: BYTE, 7: WORD, 9: FLOAT, 11: FLOAT, 13: FLOAT}
kinds = [arrays[n].as_pointer() if n in arrays else LONG for n in range(16)]
module = ir.Module()
for rows in (1, ROWS):
    kind = ir.FunctionType(ir.VoidType(), kinds)
    function = ir.Function(module, kind, f"tile_{rows}")
    builder = ir.IRBuilder(function.append_basic_block())
    emit = Direct(None, builder, SimpleNamespace(args=()), function.args)
    gemm.put_tile(emit, rows)
    builder.ret_void()
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
target = llvm.Target.from_triple("aarch64-unknown-linux-gnu")
level = cpu.level()
machine = target.create_target_machine(
    cpu=level.target, features=level.features, opt=3, reloc="pic"
)
code = llvm.parse_assembly(str(module))
open(sys.argv[2], "wb").write(machine.emit_object(code))
print(BLOCK, PANEL, ROWS, DOT.width, DOT.offset, machine.emit_assembly(code))
"""

MAIN = r"""
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
typedef void tile(int8_t *, int64_t, int64_t, float *, int64_t, int8_t *, int64_t, int32_t *,
                  int64_t, float *, int64_t, float *, int64_t, float *, int64_t, int64_t);
tile tile_1, TILE_OF_ROWS;
static uint32_t state = 1;
static int draw(void) { state = state * 1664525u + 1013904223u; return (state >> 16) % 255 - 127; }
static int8_t weight_at(int8_t *weights, int depth, int output, int k) {
    int first = (output / BLOCK) * BLOCK * depth;
    return weights[first + k / 4 * BLOCK * 4 + output % BLOCK * 4 + k % 4];
}
int main(void) {
    int wrong = 0, checked = 0;
    for (int depth = PANEL; depth <= 4 * PANEL; depth += PANEL) {
        int8_t *rows = malloc(ROWS * depth), *weights = malloc(PANEL * depth);
        float factors[ROWS], scales[PANEL], biases[PANEL], out[ROWS * PANEL];
        int32_t start[PANEL] = {0};
        for (int extreme = 0; extreme < 2; extreme++) {
            for (int i = 0; i < ROWS * depth; i++) rows[i] = extreme ? -127 : draw();
            for (int i = 0; i < PANEL * depth; i++) weights[i] = extreme ? 127 : draw();
            for (int i = 0; i < ROWS; i++) factors[i] = draw() / 91.0f;
            for (int i = 0; i < PANEL; i++) scales[i] = draw() / 17.0f;
            for (int i = 0; i < PANEL; i++) biases[i] = draw() / 3.0f;
            for (int height = 1; height <= ROWS; height += ROWS - 1) {
                int width = height == 1 ? PANEL : BLOCK;
                (height == 1 ? tile_1 : TILE_OF_ROWS)(rows, 0, depth, factors, 0, weights, 0, start,
                    0, scales, 0, biases, 0, out, 0, PANEL);
                for (int n = 0; n < height; n++) for (int output = 0; output < width; output++) {
                    int32_t sum = 0;
                    for (int k = 0; k < depth; k++)
                        sum += rows[n * depth + k] * weight_at(weights, depth, output, k);
                    float scaled = (float)sum * scales[output];
                    float expected = fmaf(scaled, factors[n], biases[output]);
                    wrong += expected != out[n * PANEL + output];
                    checked++;
                }
            }
        }
    }
    printf("%d of %d\n", wrong, checked);
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_products_of_an_emulated_processor_are_those_of_whole_numbers(
    level: str, tmp_path: Path
) -> None:
    if not shutil.which(COMPILER) or not shutil.which(EMULATOR):
        pytest.skip(f"needs {COMPILER} and {EMULATOR}")
    told = subprocess.run(
        [sys.executable, "-c", OBJECT, level, str(tmp_path / "tiles.o")],
        stdout=subprocess.PIPE, text=True, check=True,
    ).stdout  # fmt: skip
    block, panel, rows, width, offset, assembly = told.split(None, 5)
    assert (width, offset) == ("1", "0"), "rows are stored as they are"
    instruction = {"neon_i8mm": "smmla", "neon_dotprod": "sdot", "neon": "smull"}[level]
    assert instruction in assembly
    (tmp_path / "main.c").write_text(MAIN)
    sizes = [f"-D{name}={size}" for name, size in [("BLOCK", block), ("PANEL", panel)]]
    sizes += [f"-DROWS={rows}", f"-DTILE_OF_ROWS=tile_{rows}"]
    program = tmp_path / "program"
    compiled = [COMPILER, "-O1", "-static", "-ffp-contract=off", *sizes]
    files = [tmp_path / "main.c", tmp_path / "tiles.o"]
    subprocess.run([*compiled, *files, "-o", program, "-lm"], check=True)
    found = subprocess.run(
        [EMULATOR, "-cpu", "max", program], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    wrong, checked = found.split(" of ")
    assert wrong == "0" and int(checked) > 500, found
