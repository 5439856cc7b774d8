"""Models that are fetched from a server of our own: whole, verified, from nowhere else."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zipfile import ZipFile

import pytest
from fake_translator import Tformer
from tiny_marian import save_marian

from tformer.cli.exits import ExitStatus
from tformer.model.checkpoint.layout import SHIPPED, find_model, installed_models
from tformer.model.convert.marian import import_marian
from tformer.model.errors import ModelError, OutputError, UsageError
from tformer.model.registry.download import RemoteFile, download
from tformer.model.registry.here import for_languages, models
from tformer.model.registry.index import find_entry, read_index
from tformer.model.registry.installed import get, install, pack, remove, verify
from tformer.model.text.segmentation import detect
from tformer.model.vocabulary.languages import bcp47_codes, closest

DATA = bytes(range(256)) * 4000


class Server(ThreadingHTTPServer):
    """Files by path; what was asked for is written down."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.broken: dict[str, int] = {}
        self.moved: dict[str, str] = {}
        self.held: dict[str, threading.Event] = {}
        self.ranges: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path in self.server.moved:
            self.send_response(302)
            self.send_header("Location", self.server.moved[self.path])
            self.end_headers()
            return
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(data) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if self.path in self.server.held:  # half of it, and silence
            self.wfile.write(data[: len(data) // 2])
            self.server.held[self.path].wait(60)
            return
        self.wfile.write(data[start : self.server.broken.pop(self.path, len(data))])


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFORMER_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_download_goes_on_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.files["/a"], server.broken["/a"] = DATA, 300_000
    remote = RemoteFile(f"{server.url}/a", len(DATA), sha256(DATA))
    target = tmp_path / "cache" / "a"
    with pytest.raises(ModelError, match="call again"):
        download(remote, target)
    assert not target.exists()
    there = target.with_name("a.part").stat().st_size
    assert 0 < there <= 300_000
    download(remote, target)
    assert target.read_bytes() == DATA
    assert server.ranges == [None, f"bytes={there}-"]


@pytest.mark.parametrize(
    ("size", "digest", "message"),
    [
        (len(DATA), "0" * 64, "checksum"),
        (1000, sha256(DATA), "longer than"),
        (len(DATA) + 1, sha256(DATA), "broke off"),
    ],
)
def test_what_is_not_what_it_must_be_is_refused(
    server: Server, tmp_path: Path, size: int, digest: str, message: str
) -> None:
    server.files["/a"] = DATA
    with pytest.raises(ModelError, match=message):
        download(RemoteFile(f"{server.url}/a", size, digest), tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_redirects_are_followed_on_the_same_host_alone(server: Server, tmp_path: Path) -> None:
    server.files["/a"] = DATA
    server.moved |= {"/b": "/a", "/c": f"http://localhost:{server.server_port}/a"}
    download(RemoteFile(f"{server.url}/b"), tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == DATA
    with pytest.raises(ModelError, match="another host"):
        download(RemoteFile(f"{server.url}/c"), tmp_path / "c")
    with pytest.raises(ModelError, match="404"):
        download(RemoteFile(f"{server.url}/none"), tmp_path / "d")
    with pytest.raises(ModelError, match="neither http"):
        download(RemoteFile("file:///etc/passwd"), tmp_path / "e")


def indexed(server: Server, folder: Path = SHIPPED / "en-de", target: str = "de") -> str:
    """An index with one model, by default the one that ships, under another name."""
    files = []
    for file in sorted(folder.iterdir()):
        data = file.read_bytes()
        if file.name == "config.json":
            table = json.loads(data) | {"source_languages": ["en"], "target_languages": [target]}
            data = json.dumps(table).encode()
        server.files[f"/m/{file.name}"] = data
        files.append(
            {"path": file.name, "url": f"m/{file.name}", "size": len(data), "sha256": sha256(data)}
        )
    model = {"name": "mine", "source": ["en"], "target": [target], "licence": "X", "files": files}
    server.files["/index.json"] = json.dumps({"format": 1, "models": [model]}).encode()
    return f"{server.url}/index.json"


def test_a_model_of_an_index_is_installed_verified_packed_and_removed(
    server: Server, tmp_path: Path
) -> None:
    entries = read_index(indexed(server))
    entry = find_entry("en-de", entries)
    assert entry is find_entry("mine", entries)
    with pytest.raises(ModelError, match="no such model in the index"):
        find_entry("en-fr", entries)
    path = get(entry, tmp_path / "cache")
    assert find_model("mine") == path and installed_models() == ["mine"]
    (mine,) = [model for model in models() if model.name == "mine"]
    assert (mine.sources, mine.targets, mine.licence) == (("en",), ("de",), "X")
    assert [model.name for model in for_languages("de", "en")] == ["en-de"]
    assert [model.name for model in for_languages("eng", "deu")] == ["en-de", "mine"]
    assert verify("mine") == []

    pack(path, tmp_path / "mine.tfm")
    with pytest.raises(OutputError, match="exists"):
        pack(path, tmp_path / "mine.tfm")
    remove("mine")
    assert installed_models() == []
    install(tmp_path / "mine.tfm", "again", origin="a stick")
    assert verify("again") == []
    file = find_model("again") / "config.json"
    file.write_bytes(file.read_bytes() + b" ")
    assert verify("again") == ["config.json has changed"]


def test_a_download_is_killed_resumed_corrupted_and_moved_and_then_translates(
    server: Server, tmp_path: Path, tformer: Tformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_marian(tmp_path / "marian")
    import_marian(
        tmp_path / "marian", tmp_path / "en-pt", source_languages=["en"], target_languages=["pt"]
    )
    index, cache = indexed(server, tmp_path / "en-pt", "pt"), tmp_path / "cache"
    monkeypatch.setenv("TFORMER_INDEX", index)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    weights = "/m/model.safetensors"
    whole, release = server.files[weights], threading.Event()
    server.held[weights] = release
    command = [sys.executable, "-m", "tformer.cli", "models", "get", "en-pt"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        part: list[Path] = []
        while not (part and part[0].stat().st_size == len(whole) // 2):
            assert process.poll() is None
            time.sleep(0.02)
            part = list(cache.rglob("model.safetensors.part"))
        process.kill()
    release.set()
    del server.held[weights]
    assert installed_models() == []

    server.files[weights] = whole[:-8] + bytes(8)
    damaged = tformer("models", "get", "en-pt")
    assert damaged.status == ExitStatus.MODEL and damaged.err.count("error: ") == 1
    assert "checksum is wrong" in damaged.err and f"bytes={len(whole) // 2}-" in server.ranges
    server.files["/elsewhere"] = whole
    server.moved[weights] = f"http://localhost:{server.server_port}/elsewhere"
    assert "another host" in tformer("models", "get", "en-pt").err
    assert installed_models() == []
    server.moved[weights] = "/elsewhere"
    assert tformer("models", "get", "en-pt").status == ExitStatus.SUCCESS
    assert "\tX\tinstalled" in tformer("models", "list").out

    result = tformer("translate", "-t", "pt", "-", stdin=b"a dog\n\na cat\n")
    assert (result.status, result.out.count("\n")) == (ExitStatus.SUCCESS, 3)
    assert result.err == "note: translating with the model mine\n"


def test_packed_models_do_not_leave_their_folder(tmp_path: Path, folder: Path) -> None:
    packed = tmp_path / "bad.tfm"
    for name in ("../config.json", "/config.json", "a/b", ".hidden"):
        with ZipFile(packed, "w") as archive:
            archive.writestr("sha256.json", json.dumps({name: sha256(b"{}")}))
            archive.writestr(name, "{}")
        with pytest.raises(ModelError, match="not a packed model"):
            install(packed, "bad", origin="")
    packed.write_bytes(DATA)
    with pytest.raises(ModelError, match="not a packed model"):
        install(packed, "bad", origin="")
    assert not (tmp_path / "config.json").exists() and not list(folder.iterdir())


@pytest.mark.parametrize(
    "table",
    [
        {"format": 2, "models": []},
        {"format": 1, "models": [{"name": "../a", "source": [], "target": [], "files": []}]},
        {"format": 1, "models": [{}]},
        {"format": 1},
        7,
    ],
)
def test_an_index_that_is_none_is_refused(tmp_path: Path, table: object) -> None:
    file = tmp_path / "index.json"
    file.write_text(json.dumps(table))
    with pytest.raises(ModelError):
        read_index(str(file))


def test_the_language_of_a_text_is_found_among_many() -> None:
    known = ["en", "fr", "zh-Hans", "zh-Hant", "pt-BR", "ar"]
    many = (*known, *(f"q{letter}a" for letter in "abcdefghijklmnop"))
    assert detect("Bonjour tout le monde, comment allez-vous ?", many).language == "fr"
    assert detect("今天天气很好,我们走吧", known).language == "zh-Hans"
    with pytest.raises(UsageError, match="not known to the detector"):
        detect("abc", ["en", "qaa"])


def test_languages_go_by_many_codes() -> None:
    named = bcp47_codes(["eng_Latn", "zho_Hans", "zho_Hant", "arb_Arab", "pes_Arab", "prs_Arab"])
    assert list(named) == ["en", "zh-Hans", "zh-Hant", "ar", "pes-Arab", "fa-AF"]
    assert list(bcp47_codes(["de_DE", "en_XX", "zh_CN"])) == ["de", "en", "zh"]
    for wanted, found in (("zh-TW", "zh-Hant"), ("zho_Hans", "zh-Hans"), ("fr", None)):
        assert closest(wanted, tuple(named)) == found
    assert closest("deu_Latn", ("en", "de")) == "de"
    assert closest("pt-BR", ("pt",)) == "pt" and closest("pt", ("pt-BR",)) == "pt-BR"
