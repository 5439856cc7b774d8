"""Have the code of int8 networks compiled before it is called, on two cores if there are.

    python -m tformer.model.network.int8.precompile FOLDER [LEVELS]

puts all of it into a folder, for the level of the processor at hand ("native"), for those that are
named with commas between them, or for "all" of such processors; building the package does so. What
a first translation needs and has not been built is compiled by :func:`prepare`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tformer.model.hardware import code_store, cpu

_FIRST, _EVERY = "--help-with-first", "--help-with-every"
"""Tasks of another process."""


_COMMAND = (sys.executable, "-m", "tformer.model.network.int8.precompile")


def prepare() -> None:
    """Have all compiled that a first translation needs, unless it is."""
    from tformer.model.network.int8.examples import first

    if all(kernel.is_kept(arguments) for kernel, arguments in first()):
        return
    with code_store.first_use():
        missing = [(kernel, values) for kernel, values in first() if not kernel.is_kept(values)]
        with _helped(_FIRST if len(missing) > 1 else None):
            for kernel, arguments in missing:
                kernel.code(arguments)


def build(folder: Path) -> None:
    """Put the code for all options into a folder, for whoever gets the package.

    Raises:
        OSError: when it cannot be written there.
    """
    from tformer.model.network.int8.examples import every

    with _helped(_EVERY):
        for kernel, arguments in every():
            code_store.build(folder, *kernel.code(arguments))


def _help(task: str) -> None:
    """Do the same from the other end, until there is nothing to do any more."""
    from tformer.model.network.int8.examples import every, first

    for kernel, arguments in reversed(first() if task == _FIRST else every()):
        if kernel.is_kept(arguments):
            break
        kernel.code(arguments)


@contextmanager
def _helped(task: str | None) -> Iterator[None]:
    """Meanwhile another process compiles from the other end, if there is a core for it.

    What one of them has compiled the other one finds. Should the other fail, nothing is missing.
    """
    folder, other = code_store.code_folder(), None
    if task and cpu.num_cores() > 1 and folder is not None and sys.executable:
        command = [*_COMMAND, task]
        with suppress(OSError):
            other = subprocess.Popen(
                [*command, cpu.level().name], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, env=os.environ | {code_store.PLACE: str(folder.parent)},
            )  # fmt: skip
    try:
        yield
    finally:
        if other is not None:
            other.wait()


def _main(task: str, levels: str = "native") -> None:
    if task in (_FIRST, _EVERY):
        cpu.compile_for(levels)
        _help(task)
        return
    names = cpu.names() if levels == "all" else levels.split(",")
    # Each in a process of its own, for which everything is defined; one that fails costs no other.
    failed = [each for each in names[1:] if subprocess.run([*_COMMAND, task, each]).returncode]
    if names[0] != "native":
        cpu.compile_for(names[0])
    build(Path(task))
    if failed:
        sys.exit(f"not compiled: {', '.join(failed)}")


if __name__ == "__main__":
    _main(*sys.argv[1:])
