"""Settings of `tformer serve`: flags, then variables, then a file; and the health of a server."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from serving import make_model, serving
from typer.main import get_command

from tformer.cli.app import app
from tformer.cli.health import health
from tformer.model.errors import InputError, ServerError, TformerError, UsageError
from tformer.server.access.address import Address
from tformer.server.reach import reachable
from tformer.server.systemd import ServiceManager


def settings(*arguments: str) -> dict[str, Any]:
    serve = get_command(app).commands["serve"]  # type: ignore[attr-defined]
    with serve.make_context("serve", list(arguments)) as context:
        return dict(context.params)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tformer.toml"
    path.write_text('max-wait = 7\nmodel = ["a", "b"]\nqueue_tokens = 500\ninsecure = true\n')
    return path


def test_flags_come_before_variables_and_these_before_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFORMER_SERVE_CONFIG", str(file))
    found = settings()
    assert (found["max_wait"], found["model"], found["queue_tokens"]) == (7, ["a", "b"], 500)
    assert found["insecure"] is True and found["grace"] == 30
    monkeypatch.setenv("TFORMER_SERVE_MODEL", "c x=d")
    monkeypatch.setenv("TFORMER_SERVE_MAX_WAIT", "8")
    monkeypatch.setenv("TFORMER_SERVE_INSECURE", "0")
    found = settings("--max-wait", "9")
    assert (found["max_wait"], found["model"], found["queue_tokens"]) == (9, ["c", "x=d"], 500)
    assert found["insecure"] is False


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("max-wayt = 3", UsageError, "no option --max-wayt"),
        ("[limits]\nx = 1", UsageError, "limits"),
        ("[grace]\nx = 1", UsageError, "no table"),
        ("grace", InputError, "not TOML"),
        ("max-calls = true", UsageError, "max-calls is neither true nor false"),
        ("config = 'x'", UsageError, "--config"),
    ],
)
def test_what_is_wrong_in_the_file_is_said(
    tmp_path: Path, text: str, error: type[TformerError], message: str
) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(error, match=message):
        settings("--config", str(tmp_path / "bad.toml"))


def test_a_misspelt_variable_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TFORMER_SERVE_MAX_WAYT", "1")
    monkeypatch.setenv("TFORMER_SERVE_SERVICE_HOST", "10.0.0.1")  # of Kubernetes
    settings()
    told = capsys.readouterr().err
    assert "TFORMER_SERVE_MAX_WAYT" in told and "HOST" not in told


def test_the_health_of_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(make_model(tmp_path / "en-de")) as running:
        health(running.address)
        assert capsys.readouterr().out == "SERVING\n"
        health(running.address, service="tformer.v1.TranslationService/en-de")
        with pytest.raises(ServerError, match="NOT_FOUND"):
            health(running.address, service="tformer.v1.TranslationService/other")
    with pytest.raises(ServerError, match="UNAVAILABLE"):
        health(running.address, timeout=2)
    for listens, target in (("[::]:5", "[::1]:5"), ("unix:/x", "unix:/x"), ("h:5", "h:5")):
        assert str(reachable(Address.parse(listens))) == target


def test_a_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messages:
        messages.bind(str(tmp_path / "notify"))
        messages.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        manager = ServiceManager()
        assert "NOTIFY_SOCKET" not in os.environ
        manager.ready("serving")
        assert messages.recv(100) == b"READY=1\nSTATUS=serving"
        manager.reloading()
        assert messages.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        manager.stopping()
        assert messages.recv(100).startswith(b"STOPPING=1")
    manager.stopping()  # nobody listens any more
