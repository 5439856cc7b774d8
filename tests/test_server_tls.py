"""TLS: certificates that are renewed, and handshakes that are counted, on real servers."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import example, given
from hypothesis import strategies as st
from serving import RunningServer, make_certificates, make_model, serving, trusting

from tformer.model.errors import InputError
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server import handshakes
from tformer.server.access import tls
from tformer.server.access.tls import Certificates, TlsFiles
from tformer.server.handshakes import Connections, Handshakes
from tformer.server.observability.metrics import Metrics

NOT_HERE = "grpc_channelz is not installed"
pytest.importorskip("grpc_channelz", reason=NOT_HERE)


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
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handshakes are given up after a second, so that no test waits for ten."""
    monkeypatch.setattr(handshakes, "LONGEST", 1.0)
    monkeypatch.setattr(handshakes, "SELDOM", 0.2)
    monkeypatch.setattr("tformer.server.lifecycle.LONGEST", 1.0)


@pytest.fixture
def server(model: Path, certificates: Path, impatient: None) -> Iterator[RunningServer]:
    with serving(model, tls=files(certificates)) as running:
        yield running


def port_of(server: RunningServer) -> int:
    return int(server.address.rpartition(":")[2])


def counted(server: RunningServer) -> tuple[float, float]:
    """Handshakes that were begun, and those that came to nothing."""
    registry = server.server._metrics.registry
    names = ("tformer_tls_handshakes", "tformer_tls_handshakes_without_connection")
    began, lost = (registry.get_sample_value(f"{name}_total") for name in names)
    assert began is not None and lost is not None
    return began, lost


def settle(server: RunningServer) -> tuple[float, float]:
    """What is counted when nothing is under way any more."""
    watched = server.server._handshakes
    assert watched
    deadline = time.monotonic() + 20
    while watched._pending:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return counted(server)


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


def raw(server: RunningServer, said: bytes) -> None:
    """Say something that is no handshake, and wait until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port_of(server)), timeout=10) as connection:
        connection.sendall(said)
        with suppress(ConnectionError):
            while connection.recv(4096):
                pass


def shaken(server: RunningServer, folder: Path, name: str | None) -> ssl.SSLSocket:
    """A connection after its handshake, over which nothing is said."""
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.set_alpn_protocols(["h2"])
    if name:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    connection = socket.create_connection(("127.0.0.1", port_of(server)), timeout=10)
    return context.wrap_socket(connection, server_hostname="127.0.0.1")


# --- who is counted ------------------------------------------------------------------------------


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


REFUSED: dict[str, Callable[[RunningServer, Path], None]] = {
    "plain text": plain_text,
    "an untrusted certificate": untrusted,
    "no certificate": without_certificate,
    "a client that does not trust the server": distrusting,
    "a browser": lambda server, _: raw(server, b"GET / HTTP/1.1\r\n\r\n"),
    "silence": lambda server, _: raw(server, b""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_handshake_is_counted(
    server: RunningServer, certificates: Path, name: str
) -> None:
    REFUSED[name](server, certificates)
    began, lost = settle(server)
    # A channel of gRPC may try again before it gives up.
    assert began == lost >= 1


def test_good_clients_are_not_counted(server: RunningServer, certificates: Path) -> None:
    with channel(server, certificates, "client") as opened:
        assert [ask(opened), ask(opened)] == ["OK", "OK"]
        assert settle(server) == (1, 0), "one that stays"
    with channel(server, certificates, "client") as opened:
        check = health_pb2_grpc.HealthStub(opened).Check  # type: ignore[no-untyped-call]
        check(health_pb2.HealthCheckRequest(), timeout=10)
    assert settle(server) == (2, 0), "one that asks for health, and leaves at once"
    idle = shaken(server, certificates, "client")
    time.sleep(0.5)
    idle.close()
    assert settle(server) == (3, 0), "one that says nothing, and leaves after a while"


def test_who_asks_and_leaves_at_once_is_not_counted_among_many(
    server: RunningServer, certificates: Path
) -> None:
    for number in range(40):
        if number % 4 == 0:
            untrusted(server, certificates)
        with channel(server, certificates, "client") as opened:
            assert ask(opened) == "OK"
    began, lost = settle(server)
    assert began - lost == 40


def test_connections_are_told_of_once(model: Path, certificates: Path) -> None:
    with serving(model, tls=files(certificates)) as running:
        known = Connections()
        assert known.new() == 0
        kept = [shaken(running, certificates, "client") for _ in range(3)]
        found = 0
        deadline = time.monotonic() + 10
        while found < 3:
            assert time.monotonic() < deadline
            found += known.new()
        assert (found, known.new()) == (3, 0)
        for connection in kept:
            connection.close()


@given(
    st.lists(
        st.tuples(st.floats(0, 8), st.one_of(st.none(), st.floats(0, 9.9))), min_size=1, max_size=20
    ),
    st.sampled_from([0.1, 1.0, 3.0]),
)
@example([(0.5, 0.9)] * 40, 0.1)  # there is always one under way
@example([(0.0, None), *[(0.5, 0.9)] * 40], 0.1)
@example([(5.0, 9.9)] * 5, 0.1)
def test_no_good_handshake_is_counted_and_every_other_is_at_last(
    clients: list[tuple[float, float | None]], step: float
) -> None:
    """Clients begin so long after each other, and come to something after a while or never."""
    clock = FakeClock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(handshakes, "time", clock)
        metrics = Metrics()
        watched = asyncio.run(make_handshakes(metrics))
        connected: list[float] = []
        watched.attach(lambda: clock.take(connected))
        lost = sum(seconds is None for _, seconds in clients)
        for wait, seconds in clients:
            clock.pass_by(wait, step, watched.look)
            watched.begun()
            connected += [] if seconds is None else [clock.now + seconds]
            assert count(metrics) <= lost
        clock.pass_by(25, step, watched.look)
        assert count(metrics) == lost
        assert not watched._pending


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def take(self, connected: list[float]) -> int:
        """How many have connected by now; they are told of once."""
        found = [moment for moment in connected if moment <= self.now]
        for moment in found:
            connected.remove(moment)
        return len(found)

    def pass_by(self, seconds: float, step: float, look: Callable[[], None]) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + step, end)
            look()


async def make_handshakes(metrics: Metrics) -> Handshakes:
    return Handshakes(metrics)


def count(metrics: Metrics) -> float:
    name = "tformer_tls_handshakes_without_connection_total"
    return metrics.registry.get_sample_value(name) or 0.0


def test_nothing_is_kept_once_connections_can_no_longer_be_told_of() -> None:
    watched = asyncio.run(make_handshakes(Metrics()))

    def broken() -> int:
        raise RuntimeError("channelz does not answer")

    watched.attach(broken)
    watched.begun()
    watched.look()
    watched.begun()
    assert not watched._pending


def test_a_server_does_without_what_looks_into_grpc(
    model: Path, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ImportError("no channelz")

    monkeypatch.setattr(handshakes, "Connections", missing)
    with serving(model, tls=files(certificates)) as running:
        untrusted(running, certificates)
        began, lost = counted(running)
        assert began >= 1 and lost == 0
        assert running.server._handshakes and not running.server._handshakes._pending


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
