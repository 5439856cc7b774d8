"""TLS on real servers: mutual authentication, handshakes, renewed certificates."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from serving import RunningServer, make_certificates, make_model, serving, trusting

from tformer.model.errors import InputError
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.access import tls
from tformer.server.access.tls import Certificates, TlsFiles
from tformer.server.http.tls import FollowingContext


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def files(folder: Path, *, mutual: bool = True) -> TlsFiles:
    client_ca = folder / "ca.pem" if mutual else None
    return TlsFiles(folder / "server.pem", folder / "server.key", client_ca)


@pytest.fixture
def server(model: Path, certificates: Path) -> Iterator[RunningServer]:
    with serving(model, tls=files(certificates)) as running:
        yield running


def port_of(server: RunningServer) -> int:
    return int(server.address.rpartition(":")[2])


def begun(server: RunningServer) -> float:
    """Handshakes that were begun."""
    name = "tformer_tls_handshakes_total"
    return server.server._metrics.registry.get_sample_value(name) or 0.0


@contextmanager
def channel(server: RunningServer, folder: Path, name: str | None) -> Iterator[grpc.Channel]:
    with grpc.secure_channel(server.address, trusting(folder, name)) as opened:
        yield opened


def ask(opened: grpc.Channel) -> str:
    """How a call ends."""
    stub = TranslationServiceStub(opened)  # type: ignore[no-untyped-call]
    try:
        stub.ListModels(pb.ListModelsRequest(), timeout=10)
    except grpc.RpcError as error:
        return error.code().name  # type: ignore[attr-defined, no-any-return]
    return "OK"


# --- who may come in -----------------------------------------------------------------------------


def plain_text(server: RunningServer, folder: Path) -> None:
    with grpc.insecure_channel(server.address) as opened:
        assert ask(opened) == "UNAVAILABLE"


def untrusted(server: RunningServer, folder: Path) -> None:
    with channel(server, folder, "stranger") as opened:
        assert ask(opened) == "UNAVAILABLE"


def without_certificate(server: RunningServer, folder: Path) -> None:
    with channel(server, folder, None) as opened:
        assert ask(opened) == "UNAVAILABLE"


def distrusting(server: RunningServer, folder: Path) -> None:
    credentials = grpc.ssl_channel_credentials((folder / "stranger.pem").read_bytes())
    with grpc.secure_channel(server.address, credentials) as opened:
        assert ask(opened) == "UNAVAILABLE"


def test_handshakes_are_counted_and_only_trusted_clients_are_served(
    server: RunningServer, certificates: Path
) -> None:
    for number, refused in enumerate((plain_text, untrusted, without_certificate, distrusting)):
        refused(server, certificates)
        assert begun(server) > number, "gRPC may try again before it gives up"
    before = begun(server)
    with channel(server, certificates, "client") as opened:
        assert [ask(opened), ask(opened)] == ["OK", "OK"]
    assert begun(server) == before + 1


# --- certificates that are renewed ---------------------------------------------------------------


def shown(server: RunningServer, ca: Path) -> bytes:
    """The certificate that a new client is shown."""
    context = ssl.create_default_context(cafile=ca)
    with (
        socket.create_connection(("127.0.0.1", port_of(server)), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as secured,
    ):
        found = secured.getpeercert(binary_form=True)
        assert found
        return found


def test_a_certificate_that_is_renewed_serves_without_a_restart(
    model: Path, certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "LOOK_AGAIN", 0.0)
    other = make_certificates(tmp_path)
    used = shutil.copytree(certificates, tmp_path / "used")
    with serving(model, tls=files(used, mutual=False)) as running:
        first = shown(running, certificates / "ca.pem")
        with grpc.secure_channel(running.address, trusting(certificates)) as opened:
            assert ask(opened) == "OK"
            shutil.copyfile(other / "server.pem", used / "server.pem")
            assert shown(running, certificates / "ca.pem") == first, "its key is not there yet"
            shutil.copyfile(other / "server.key", used / "server.key")
            assert shown(running, other / "ca.pem") != first
            assert ask(opened) == "OK", "who is there stays"


def fetched(used: TlsFiles) -> Callable[[], object]:
    return Certificates(used, lambda: None, look_again=0.0)._fetch


def looked(used: TlsFiles) -> Callable[[], object]:
    return FollowingContext(used, lambda: None, look_again=0.0)._look


@pytest.mark.parametrize("door", [fetched, looked], ids=["gRPC", "HTTP"])
@pytest.mark.parametrize("name", ["server.pem", "server.key", "ca.pem"])
def test_a_pipe_in_the_place_of_a_file_stops_no_handshake(
    certificates: Path,
    tmp_path: Path,
    door: Callable[[TlsFiles], Callable[[], object]],
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    used = shutil.copytree(certificates, tmp_path / "used")
    look = door(files(used))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "pipe").replace(used / name)
    assert look() is None
    (told,) = caplog.records
    assert f"{name}: is a pipe" in told.error  # type: ignore[attr-defined]


@pytest.mark.parametrize("door", [fetched, looked], ids=["gRPC", "HTTP"])
def test_a_device_in_the_place_of_a_file_is_not_read(
    certificates: Path,
    tmp_path: Path,
    door: Callable[[TlsFiles], Callable[[], object]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    used = shutil.copytree(certificates, tmp_path / "used")
    look = door(files(used))
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "link").replace(used / "server.key")
    assert look() is None
    (told,) = caplog.records
    assert "server.key: is a device" in told.error  # type: ignore[attr-defined]


@pytest.mark.parametrize("door", [fetched, looked], ids=["gRPC", "HTTP"])
def test_a_file_is_read_again_though_its_time_was_put_back(
    certificates: Path,
    tmp_path: Path,
    door: Callable[[TlsFiles], Callable[[], object]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    used = shutil.copytree(certificates, tmp_path / "used")
    look = door(files(used))
    before = (used / "server.key").stat()
    (used / "server.key").write_bytes(b"x" * before.st_size)
    os.utime(used / "server.key", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert look() is None
    assert [record.getMessage() for record in caplog.records] == [
        "the certificate was not replaced"
    ]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        pytest.param({"certificate": "client.pem"}, "client.pem: is not .* goes with", id="pair"),
        pytest.param({"key": "garbage"}, "server.pem: is not .* goes with .*garbage", id="key"),
        pytest.param({"client_ca": "garbage"}, "garbage: is not a certificate", id="ca"),
        pytest.param({"certificate": "gone"}, "gone: cannot be read", id="gone"),
    ],
)
def test_files_that_do_not_go_together_are_named(
    certificates: Path, broken: dict[str, str], message: str
) -> None:
    (certificates / "garbage").write_bytes(b"garbage")
    paths = {name: certificates / file for name, file in broken.items()}
    with pytest.raises(InputError, match=message):
        Certificates(replace(files(certificates), **paths), lambda: None)
