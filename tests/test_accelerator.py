"""That there is no GPU is only said where there can be none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tformer.model.hardware import gpu_probe as accelerator
from tformer.model.hardware.gpu_probe import has_traces_of_gpu, is_built_for_gpus, may_have_gpu


def pci_device(root: Path, vendor: str, kind: str) -> None:
    folder = root / "sys/bus/pci/devices" / f"0000:{vendor}:{kind}"
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(f"{vendor}\n")
    (folder / "class").write_text(f"{kind}\n")


@pytest.mark.parametrize(
    "path",
    [
        "dev/nvidiactl",
        "dev/nvidia0",
        "dev/nvhost-gpu",
        "dev/nvmap",
        "dev/nvgpu/igpu0",
        "dev/dxg",
        "dev/kfd",
        "proc/driver/nvidia/version",
    ],
)
def test_what_a_driver_puts_there_is_a_trace(tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).touch()
    assert has_traces_of_gpu(tmp_path)


@pytest.mark.parametrize(
    ("vendor", "kind", "found"),
    [
        ("0x10de", "0x030000", True),
        ("0x10de", "0x030200", True),
        ("0x1002", "0x038000", True),
        ("0x10de", "0x020000", False),
        ("0x8086", "0x030000", False),
    ],
    ids=["graphics", "computing-only", "amd", "network-card", "intel"],
)
def test_a_card_is_a_trace_before_its_driver_is_there(
    tmp_path: Path, vendor: str, kind: str, found: bool
) -> None:
    assert not has_traces_of_gpu(tmp_path)
    pci_device(tmp_path, "0x1af4", "0x010000")
    assert not has_traces_of_gpu(tmp_path)
    pci_device(tmp_path, vendor, kind)
    assert has_traces_of_gpu(tmp_path) == found


def test_other_devices_of_a_common_machine_are_no_trace(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    for name in ("nvme0", "nvme0n1", "nvram", "null", "dri", "vfio", "kvm"):
        (tmp_path / "dev" / name).touch()
    assert not has_traces_of_gpu(tmp_path)


VERSION = """from typing import Optional
__version__ = '2.13.0'
cuda: Optional[str] = {cuda}
git_version = 'cf30153c4c'
hip: Optional[str] = {hip}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (VERSION.format(cuda="None", hip="None"), False),
        (VERSION.format(cuda="'13.0'", hip="None"), True),
        (VERSION.format(cuda="None", hip="'7.1.5'"), True),
        ("cuda = None\nhip = None\n", False),
        ("__version__ = '9.0'\n", True),
        ("cuda: Optional[str] = None\n", True),
        (None, True),
    ],
    ids=["cpu", "cuda", "rocm", "no-types", "says-nothing", "says-half", "no-file"],
)
def test_a_build_for_the_cpu_says_so(tmp_path: Path, text: str | None, expected: bool) -> None:
    if text is not None:
        (tmp_path / "version.py").write_text(text)
    assert is_built_for_gpus(tmp_path) == expected


def test_the_build_that_is_installed_is_read_as_it_says_itself() -> None:
    built = torch.version.cuda is not None or torch.version.hip is not None
    assert is_built_for_gpus(Path(torch.__file__).parent) == built


def test_a_torch_that_is_loaded_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "has_traces_of_gpu", lambda root: False)
    assert may_have_gpu()


@pytest.mark.parametrize(
    ("platform", "traces", "built", "expected"),
    [
        ("linux", False, True, False),
        ("linux", True, True, True),
        ("linux", True, False, False),
        ("win32", False, True, True),
        ("win32", False, False, False),
        ("darwin", False, False, False),
    ],
)
def test_no_gpu_takes_a_proof(
    platform: str, traces: bool, built: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(accelerator, "find_spec", lambda name: torch.__spec__)
    monkeypatch.setattr(accelerator, "has_traces_of_gpu", lambda root: traces)
    monkeypatch.setattr(accelerator, "is_built_for_gpus", lambda folder: built)
    assert may_have_gpu() == expected


def test_what_is_ruled_out_torch_does_not_find() -> None:
    code = (
        "import sys\n"
        "from tformer.model.hardware.gpu_probe import may_have_gpu\n"
        "found = may_have_gpu()\n"
        "assert 'torch' not in sys.modules\n"
        "import torch\n"
        "assert found or not torch.cuda.is_available()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
