"""Who may come in."""

import os
import threading
import time
from pathlib import Path

import pytest

from tformer.model.errors import InputError, UsageError
from tformer.server.access import tokens as access
from tformer.server.access.address import Address
from tformer.server.access.tokens import Authenticator, Quota, hash_token, new_token, read_tokens
from tformer.server.status import NoToken, Overloaded


def write(file: Path, text: str) -> Path:
    """Write a file whose time of change is another than before."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    file.write_text(text)
    os.utime(file, ns=(before + 10**9, before + 10**9))
    return file


def table(name: str, token: str, more: str = "") -> str:
    return f'[tokens.{name}]\nsha256 = "{hash_token(token)}"\n{more}\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "tokens.toml", table("alice", "secret-a") + table("bob", "secret-b"))


def test_without_a_file_everybody_may_come_in() -> None:
    assert Authenticator(None).admit("") is None


@pytest.mark.parametrize("header", ["Bearer secret-b", "bearer  secret-b "])
def test_a_token_tells_who_it_is(file: Path, header: str) -> None:
    caller = Authenticator(file).admit(header)
    assert caller is not None and caller.name == "bob"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer secret", "Bearer secret-a2", "Basic secret-a", "secret-a"],
)
def test_all_others_are_refused(file: Path, header: str) -> None:
    with pytest.raises(NoToken):
        Authenticator(file).admit(header)


def test_a_header_that_is_no_text_lets_nobody_in(file: Path) -> None:
    with pytest.raises(NoToken, match="unknown"):
        Authenticator(file).admit("Bearer " + b"\xff\xfe".decode("utf-8", "surrogateescape"))


def test_tokens_are_rotated_without_a_restart(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(access, "READ_AGAIN", 0.0)
    gate = Authenticator(file)
    write(file, table("carol", "secret-c"))
    assert gate.admit("Bearer secret-c")
    with pytest.raises(NoToken):
        gate.admit("Bearer secret-a")

    write(file, "not [ TOML")
    assert gate.admit("Bearer secret-c"), "a broken file leaves the old tokens"
    assert "not read again" in caplog.text


def test_calls_do_not_wait_for_a_long_file_that_has_changed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "READ_AGAIN", 0.0)
    gate = Authenticator(file)
    many = "\n".join(table(f"user{number}", f"secret-{number}") for number in range(5000))
    begun, go_on = threading.Event(), threading.Event()
    read = access.read_tokens

    def slow(path: Path) -> list[access.Caller]:
        begun.set()
        assert go_on.wait(60)
        return read(path)

    monkeypatch.setattr(access, "read_tokens", slow)
    write(file, f"{many}\n{table('carol', 'secret-c')}")
    for _ in range(3):
        assert gate.admit("Bearer secret-a"), "known until the file has been read"
    assert begun.wait(60)
    go_on.set()
    assert gate._reading
    gate._reading.join(60)
    assert gate.admit("Bearer secret-c") and gate.admit("Bearer secret-4999")
    with pytest.raises(NoToken):
        gate.admit("Bearer secret-a")


def test_a_changed_file_refills_no_quota(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "READ_AGAIN", 0.0)
    write(file, table("alice", "secret-a", "calls_per_minute = 1"))
    gate = Authenticator(file)
    caller = gate.admit("Bearer secret-a")
    assert caller and caller.calls
    caller.calls.take(1, "calls")
    write(file, table("alice", "secret-a", "calls_per_minute = 1\ntokens_per_minute = 5"))
    again = gate.admit("Bearer secret-a")
    assert again and again.calls and again.tokens
    with pytest.raises(Overloaded):
        again.calls.take(1, "calls")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("tokens = 3", "tokens alone", id="no table"),
        pytest.param("token = 3", "tokens alone", id="another table"),
        pytest.param("[tokens]\nalice = 'x'", "tokens.alice", id="no table for a token"),
        pytest.param("[tokens.alice]", "sha256", id="no hash"),
        pytest.param("[tokens.alice]\nsha256 = 'secret'", "64", id="not a hash"),
        pytest.param(table("alice", "x", "root = true"), "nothing else", id="unknown key"),
        pytest.param(table("alice", "x", "calls_per_minute = 0"), "above 0", id="no calls"),
        pytest.param(table("alice", "x", "tokens_per_minute = nan"), "above 0", id="NaN"),
        pytest.param(table("alice", "x", "calls_per_day = inf"), "at most", id="infinite"),
        pytest.param(table("alice", "x", "calls_per_day = 1e300"), "at most", id="too much"),
        pytest.param(table("alice", "x", "admin = 1"), "true or false", id="a number for a truth"),
        pytest.param("[tokens", "not TOML", id="not TOML"),
    ],
)
def test_a_file_that_is_wrong_says_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_tokens(write(tmp_path / "tokens.toml", text))


def test_a_server_does_not_start_without_tokens(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no tokens"):
        Authenticator(write(tmp_path / "tokens.toml", ""))


def test_a_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none"):
        Authenticator(tmp_path / "none.toml")


def test_tokens_are_long_and_never_the_same() -> None:
    assert len(new_token()) >= 32
    assert new_token() != new_token()


def test_a_quota_refills_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    quota = Quota(60)
    quota.take(60, "calls")
    with pytest.raises(Overloaded) as refused:
        quota.take(2, "calls")
    assert refused.value.retry_after == pytest.approx(2.0)
    now += 2.0
    quota.take(2, "calls")
    now += 1000.0
    quota.take(100, "calls")  # more than fits: on credit, when it is full
    now += 1.0
    with pytest.raises(Overloaded):
        quota.take(1, "calls")


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("127.0.0.1:80", True),
        ("localhost:80", True),
        ("[::1]:80", True),
        ("unix:/run/t.sock", True),
        ("0.0.0.0:80", False),
        ("[::]:80", False),
        ("192.168.1.2:80", False),
        ("example.org:80", False),
    ],
)
def test_an_address_is_read_and_knows_whether_it_is_local(text: str, local: bool) -> None:
    address = Address.parse(text)
    assert str(address) == text
    assert address.is_local == local


@pytest.mark.parametrize("text", ["", "host", ":80", "host:", "host:http", "host:65536", "unix:"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Address.parse(text)
