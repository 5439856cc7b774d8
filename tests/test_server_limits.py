"""Numbers that a server refuses, wherever they come from; sockets; users without a home."""

from __future__ import annotations

import os
import socket
import threading
import time
from math import inf, nan
from pathlib import Path
from typing import Any

import grpc
import pytest
from serving import make_model, serving

from tformer.daemon import files
from tformer.model.checkpoint.layout import installed_models, models_folder
from tformer.model.errors import OutputError, UsageError
from tformer.model.registry.cache import cache_folder
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.access.sockets import UnixSocket
from tformer.server.lifecycle import ServerOptions
from tformer.server.limits import Limits
from tformer.server.sources import ModelSource, Settings
from tformer.server.storage import Storage

REFUSED: dict[Any, dict[str, list[float]]] = {
    Settings: {
        "max_wait": [inf, nan, 1e300, 0, -1, 1e-9],
        "beam_size": [0, -1, 65, 10**6],
        "threads": [0, -1, 1000, 10**20],
    },
    ServerOptions: {
        "grace": [inf, nan, -1, 1e300],
        "max_message_bytes": [1, 0, -1, 2**31, 3_000_000_000],
        "queue_tokens": [0, 1, -5, 10**20],
        "cache_characters": [-5, 10**20],
    },
    Limits: {
        "max_calls": [0, -1, 10**9],
        "max_connections": [0, -1, 10**9],
        "max_streams": [0, -1, 2**31],
        "max_connection_age": [0, -1, inf, nan, 1e300],
        "connection_grace": [0, -1, inf, nan],
    },
}

CASES = [
    (kind, name, value)
    for kind, names in REFUSED.items()
    for name, values in names.items()
    for value in values
]


@pytest.mark.parametrize(("kind", "name", "value"), CASES)
def test_a_number_out_of_its_range_is_refused(kind: Any, name: str, value: float) -> None:
    models = {"models": ()} if kind is ServerOptions else {}
    with pytest.raises(UsageError, match="between"):
        kind(**models, **{name: value})


def test_documents_have_bounds_too() -> None:
    for storage in (Storage(document_bytes=1), Storage(2**40), Storage(2**20, total_bytes=2**10)):
        with pytest.raises(UsageError, match="between"):
            ServerOptions((), storage=storage)


def test_limits_of_connections_reach_grpc() -> None:
    options = dict(Limits(7, 8, 9, max_connection_age=60, connection_grace=5).channel_options)
    assert options == {
        "grpc.max_concurrent_streams": 9,
        "grpc.max_allowed_incoming_connections": 8,
        "grpc.max_connection_age_ms": 60_000,
        "grpc.max_connection_age_grace_ms": 5000,
        "grpc.server.max_pending_requests": 36,
        "grpc.server.max_pending_requests_hard_limit": 36,
        "grpc.server_max_unrequested_time_in_server": 86_400,
    }


@pytest.mark.slow
def test_calls_that_nobody_looks_at_for_long_are_answered(tmp_path: Path) -> None:
    """A server that is very busy takes its time; gRPC would cancel them after 30 seconds."""
    with (
        serving(make_model(tmp_path / "en-de")) as running,
        grpc.insecure_channel(running.address) as channel,
    ):
        stub = TranslationServiceStub(channel)
        stub.ListModels(pb.ListModelsRequest())

        async def busy() -> None:
            time.sleep(33)

        held = threading.Thread(target=running.do, args=(busy,))
        held.start()
        time.sleep(0.5)
        calls = [stub.ListModels.future(pb.ListModelsRequest(), timeout=90) for _ in range(20)]
        held.join()
        assert {call.code() for call in calls} == {grpc.StatusCode.OK}


def test_only_ones_own_socket_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    mine, other = UnixSocket(path), UnixSocket(path)
    sockets = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    try:
        for place, each in zip((mine, other), sockets, strict=True):
            with place.binding() as interim:
                each.bind(str(interim))
    finally:
        for each in sockets:
            each.close()
    mine.remove()
    assert path.is_socket()
    other.remove()
    assert not path.exists()


def test_a_user_without_a_home_can_do_all_that_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "TFORMER_MODELS"):
        monkeypatch.delenv(name, raising=False)
    assert not models_folder().exists() and installed_models() == []
    assert str(os.getuid()) in files.folder().name
    with pytest.raises(OutputError, match="XDG_CACHE_HOME"):
        cache_folder()


@pytest.mark.parametrize("name", ["", "two\nlines", "a\0"])
def test_a_model_has_a_name_that_can_be_shown(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="printable"):
        ModelSource.parse(f"{name}={tmp_path}")
