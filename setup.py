"""Build tformer with the code of its int8 kernels, compiled for the processor at hand.

Everything else is in pyproject.toml. What is compiled is data of the package: a wheel of it is one
for every platform still, and on another processor than its levels are for, the code is compiled at
first use. TFORMER_BUILD_LEVELS names the levels to compile for, with commas between them: "all"
for every level of such processors, "none" for none, "native" (the default) for the one at hand. If
compiling fails, a warning says so, and the package is built without.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

MODULE = "tformer.model.network.int8.precompile"

VARIABLE = "TFORMER_BUILD_LEVELS"

SECONDS = 900
"""Time after which compiling is given up."""


class BuildWithCode(build_py):
    """Copies the modules, and compiles beside them."""

    def run(self) -> None:
        """Build; where the sources themselves are installed, code is compiled at first use."""
        super().run()
        if not self.editable_mode:
            self._compile(Path(self.build_lib).resolve())

    def _compile(self, package: Path) -> None:
        folder = package / "tformer" / "model" / "hardware" / "compiled"
        shutil.rmtree(folder, ignore_errors=True)  # that of other sources
        wanted = os.environ.get(VARIABLE, "native")
        if wanted == "none":
            return
        try:
            compile_for(wanted, folder, package)
        except (OSError, subprocess.SubprocessError) as error:
            output = getattr(error, "stderr", None) or str(error)
            last = (output.strip().splitlines() or [""])[-1]
            self.warn(f"int8 kernels will be compiled at first use: {last}")


def compile_for(levels: str, folder: Path, package: Path) -> None:
    """Run the compiler on the modules that were copied.

    Raises:
        OSError, SubprocessError: when it cannot, or fails.
    """
    with tempfile.TemporaryDirectory() as place:
        own = {"PYTHONPATH": str(package), "NUMBA_CACHE_DIR": place, "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run(
            [sys.executable, "-m", MODULE, str(folder), levels],
            env=os.environ | own, cwd=place, check=True, capture_output=True, text=True,
            timeout=SECONDS,
        )  # fmt: skip


setup(cmdclass={"build_py": BuildWithCode})
