"""Files that are replaced whole, and locks."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from serving import make_model

from tformer.model.checkpoint.layout import installed_models, models_folder
from tformer.model.files import lock, replacing, replacing_directory, sha256_of

WITHOUT_POSIX = """
import sys
sys.modules.update(dict.fromkeys(("fcntl", "resource", "uvloop", "pwd", "grp", "termios")))
from tformer.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as stream:
        stream.write(b"old")
    path.chmod(0o640)
    with pytest.raises(ValueError, match="enough"), replacing(path) as stream:
        stream.write(b"half of the")
        raise ValueError("enough")
    assert path.read_bytes() == b"old"
    with replacing(path, aside=tmp_path / "aside") as stream:
        stream.write(b"new")
        assert path.read_bytes() == b"old"
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o640)
    assert os.listdir(tmp_path) == ["file"]


def test_a_directory_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder"
    with replacing_directory(path) as folder:
        (folder / "a").write_text("old")
    with pytest.raises(ValueError, match="enough"), replacing_directory(path) as folder:
        (folder / "b").write_text("new")
        raise ValueError("enough")
    assert os.listdir(path) == ["a"]
    with replacing_directory(path) as folder:
        (folder / "b").write_text("new")
    assert (os.listdir(path), os.listdir(path.parent)) == (["b"], ["folder"])


def test_only_one_has_the_lock_and_closing_gives_it_back(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as first:
        lock(first, wait=False)
        with (tmp_path / "lock").open("w") as second, pytest.raises(BlockingIOError):
            lock(second, wait=False)
    with (tmp_path / "lock").open("w") as third:
        lock(third, wait=True)


def test_a_digest_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert sha256_of(tmp_path / "empty").startswith("e3b0c44298fc1c149afbf4c8996fb924")


def test_a_file_is_translated_where_modules_of_posix_are_missing(tmp_path: Path) -> None:
    model = make_model(tmp_path / "en-de")
    (tmp_path / "in.txt").write_text("A dog.\n")
    arguments = [
        "translate",
        "-m",
        model,
        "--dtype",
        "float32",
        "-t",
        "de",
        "in.txt",
        "-o",
        "out.txt",
    ]
    command = [sys.executable, "-c", WITHOUT_POSIX, *map(str, arguments)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.txt").read_bytes().count(b"\n") == 1


def test_a_user_without_a_home_has_no_installed_models(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TFORMER_MODELS", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert not models_folder().exists()
    assert installed_models() == []
