"""Real servers on loopback, with tiny random models, for tests of everything that talks to one."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TypeVar

import grpc
import pytest
import torch
from tiny import tiny_transformer

from tformer.model.checkpoint.layout import ModelFacts
from tformer.model.network.torch_checkpoint import save_model
from tformer.model.vocabulary.sentencepiece import Vocabulary
from tformer.server.access.address import Address
from tformer.server.lifecycle import Server, ServerOptions
from tformer.server.sources import ModelSource, Settings

Result = TypeVar("Result")

SENTENCES = [
    "A dog runs on the beach.",
    "Where is the railway station?",
    "The house is old, but the garden is beautiful.",
    "Ein Hund läuft am Strand.",
    "Wo ist der Bahnhof?",
    "Das Haus ist alt, aber der Garten ist schön.",
]


@cache
def _trained(languages: tuple[str, ...]) -> Vocabulary:
    """A vocabulary of these languages, trained once."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    return Vocabulary.train(SENTENCES, Path(folder) / "spm", languages=languages, size=330)


def make_model(path: Path, *, seed: int = 3, languages: tuple[str, ...] = ("en", "de")) -> Path:
    """Write the directory of a tiny random model."""
    vocabulary = _trained(languages)
    transformer = tiny_transformer(
        seed, vocab_size=len(vocabulary), max_length=128, dtype=torch.float32
    )
    facts = ModelFacts(name=path.name, languages=languages)
    save_model(path, transformer.state_dict(), transformer.config, vocabulary, facts)
    return path


class RunningServer:
    """A server whose event loop runs in a thread."""

    def __init__(self, options: ServerOptions) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test server")
        self._thread.start()
        try:
            self.server = self.do(lambda: Server.start(options))
        except BaseException:
            self._end()
            raise
        self.stopped = False

    @property
    def address(self) -> str:
        return str(self.server.address)

    def do(self, call: Callable[[], Awaitable[Result]], timeout: float = 180) -> Result:
        """Await something in the loop of the server."""

        async def awaited() -> Result:
            return await call()

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(timeout)

    def stop(self, grace: float = 0.0) -> None:
        if not self.stopped:
            self.stopped = True
            self.do(lambda: self.server.drain(grace))
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


@contextmanager
def serving(
    *models: Path,
    dtype: str = "float32",
    beam_size: int = 4,
    max_wait: float = 30.0,
    **options: object,
) -> Iterator[RunningServer]:
    """A server with these models, at a port that the system chooses.

    In int8 a sentence takes a tenth of the time: right where what is translated is compared, and
    wrong where a call must still be running when something happens to it.
    """
    settings = Settings(
        device="cpu", dtype=dtype, threads=1, beam_size=beam_size, max_wait=max_wait
    )
    sources = tuple(ModelSource(path.name, path) for path in models)
    chosen = ServerOptions(sources, listen=Address("127.0.0.1", 0), settings=settings)
    running = RunningServer(replace(chosen, **options))  # type: ignore[arg-type]
    try:
        yield running
    finally:
        running.stop()


def make_certificates(folder: Path) -> Path:
    """ca, server, client (signed by ca) and stranger (signed by itself), each .pem and .key."""
    if not shutil.which("openssl"):
        pytest.skip("needs the program openssl to make certificates")

    def make(name: str, *how: str) -> None:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
             "-out", f"{name}.pem", *how],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip

    make("ca")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:false")
    make("server", *signed, "-addext", "subjectAltName=IP:127.0.0.1")
    make("client", *signed)
    make("stranger")
    return folder


def make_expired(folder: Path, name: str) -> None:
    """Put one that ended yesterday, signed by ca, in the place of a certificate."""
    for command in (
        ["req", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr"],
        ["x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
         "-CAcreateserial", "-days", "-1", "-out", f"{name}.pem"],
    ):  # fmt: skip
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)


def trusting(certificates: Path, name: str | None = None) -> grpc.ChannelCredentials:
    """Credentials of a client that trusts the server, and shows a certificate or none."""

    def read(file: str) -> bytes:
        return (certificates / file).read_bytes()

    if name is None:
        return grpc.ssl_channel_credentials(read("ca.pem"))
    return grpc.ssl_channel_credentials(read("ca.pem"), read(f"{name}.key"), read(f"{name}.pem"))
