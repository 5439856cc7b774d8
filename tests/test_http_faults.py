"""Faults of HTTP: slow, large, packed, smuggled and forged requests, TLS, clients that go away."""

from __future__ import annotations

import gzip
import json
import logging
import select
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from asking import HTTP, ask, connect, get, post_json, url_of
from serving import SENTENCES, RunningServer, make_certificates, make_model, serving

from tformer.model.errors import ServerError
from tformer.server.access.tls import TlsFiles
from tformer.server.access.tokens import hash_token
from tformer.server.http import bodies
from tformer.server.http import server as http_server
from tformer.server.http.options import HttpOptions
from tformer.server.limits import Limits
from tformer.server.rpc.messages import MAX_CONTENTS

JSON = {"Content-Type": "application/json"}
GOOD = {"q": "dog", "source": "en", "target": "de"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "en-de")


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[RunningServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_server, "IDLE", 1.0)
        patch.setattr(bodies, "PATIENCE", 0.5)
        with serving(model, http=HTTP) as running:
            yield running


def sent(running: RunningServer, data: bytes, patience: float = 10) -> bytes:
    """Everything that is answered to bytes until the connection ends."""
    address = running.server.http_address
    assert address
    with socket.create_connection((address.host, address.port), timeout=patience) as connection:
        connection.sendall(data)
        answer = b""
        while more := connection.recv(65536):
            answer += more
        return answer


def head(*lines: str) -> bytes:
    return "\r\n".join((*lines, "Host: a", "", "")).encode()


def test_a_head_that_does_not_end_is_not_waited_for(server: RunningServer) -> None:
    started = time.monotonic()
    assert sent(server, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ") == b""
    assert time.monotonic() - started < 5


def test_a_body_that_does_not_come_is_not_waited_for(server: RunningServer) -> None:
    request = head(
        "POST /translate HTTP/1.1", "Content-Type: application/json", "Content-Length: 9"
    )
    answer = sent(server, request + b"{")
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_bodies_are_bounded_before_they_are_read(server: RunningServer) -> None:
    answer = sent(server, head("POST /translate HTTP/1.1", "Content-Length: 100000000"))
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_packed_bodies_are_bounded_too(server: RunningServer) -> None:
    bomb = gzip.compress(json.dumps({**GOOD, "q": "a" * (64 << 20)}).encode(), 9)
    assert len(bomb) < 100_000
    headers = {**JSON, "Content-Encoding": "gzip"}
    assert ask(server, "POST", "/translate", bomb, headers).status == 413
    good = gzip.compress(json.dumps(GOOD).encode())
    assert ask(server, "POST", "/translate", good, headers).status == 200
    assert ask(server, "POST", "/translate", good[:-20], headers).status == 400


@pytest.mark.filterwarnings(  # as a server has it; pytest makes every warning an error again
    "ignore::aiohttp.BadContentDispositionParam"
)
def test_what_is_damaged_fills_no_log(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    assert ask(server, "POST", "/translate", b"\x1f\x8bnot packed", headers).status == 400
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    part = b"Content-Disposition: form-data; name=a; filename*=none''%ff"
    body = b"--b\r\n" + part + b"\r\n\r\nx\r\n--b--\r\n"
    assert ask(server, "POST", "/v2/document", body, form).status == 400
    assert {record.name for record in caplog.records if record.levelno > logging.INFO} == set()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/translate", r'{"contents": ["\ud800 dog"], "targetLanguageCode": "de"}'),
        ("/translate", r'{"q": "a \uDFFF dog", "source": "en", "target": "de"}'),
        ("/v2/translate", r'{"text": ["a \udc00"], "target_lang": "DE", "\ud800": 1}'),
        ("/language/translate/v2", r'{"q": "\ud800", "target": "de", "model": "\ud800"}'),
    ],
)
def test_half_of_a_surrogate_pair_is_a_character_that_is_not_known(
    server: RunningServer, path: str, body: str
) -> None:
    assert ask(server, "POST", path, body.encode(), JSON).status == 200


def test_a_name_that_no_text_can_have_is_no_defect(server: RunningServer) -> None:
    said = '"messages": [{"role": "user", "content": "Translate to German: a dog"}]'
    for path, body in (
        ("/v1/translate", r'{"\ud800": 1}'),
        ("/v1/translate/stream", r'{"config": {"\udfff": {}}}'),
        ("/translate", r'{"q": "a", "source": "\ud800", "target": "de"}'),
        ("/v1/chat/completions", r'{"model": "en-de/\ud800", ' + said + "}"),
    ):
        assert ask(server, "POST", path, body.encode(), JSON).status == 400, path


def test_google_detects_no_more_texts_than_a_call_takes(server: RunningServer) -> None:
    body = json.dumps({"q": ["a"] * (MAX_CONTENTS + 1)}).encode()
    assert ask(server, "POST", "/language/translate/v2/detect", body, JSON).status == 400


SMUGGLED = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 0", f"Content-Length: {len(SMUGGLED)}"),
        ("Content-Length: +0",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding : chunked",),
        ("X: a\rb",),
        ("X: a\x00b",),
        (" X: folded",),
    ],
)
def test_ambiguous_requests_are_refused(server: RunningServer, lines: tuple[str, ...]) -> None:
    request = head("POST /translate HTTP/1.1", *lines)
    answer = sent(server, request + b"0\r\n\r\n" + SMUGGLED)
    assert answer.startswith((b"HTTP/1.0 4", b"HTTP/1.1 4")), answer[:100]
    assert (
        answer.count(b"HTTP/1.") == 1
        and b"aiohttp" not in answer
        and b"tformer_calls" not in answer
    )


def test_heads_are_bounded(server: RunningServer) -> None:
    for lines in (["X: " + "a" * 100_000], [f"X-{number}: a" for number in range(1000)]):
        assert sent(server, head("GET /healthz HTTP/1.1", *lines)).startswith(b"HTTP/1.0 4")


def test_nothing_that_was_sent_comes_back_as_markup(server: RunningServer) -> None:
    script = "<script>alert(1)</script>"
    for answer in (
        sent(server, head(f"GET /{script} HTTP/1.1", "Accept: text/html", "Connection: close")),
        sent(server, head(f"{script} / HTTP/1.1", "Accept: text/html")),
    ):
        start, _, body = answer.partition(b"\r\n\r\n")
        assert b"text/html" not in start.lower() and script.encode() not in body
    reply = post_json(server, "/translate", {**GOOD, "target": script})
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_headers_cannot_be_forged_by_what_is_sent(server: RunningServer) -> None:
    for path in ("/download_file/x/a%0d%0aSet-Cookie:%20a", "/v1/models/a%0d%0aX-Forged:%201"):
        reply = get(server, path, **{"X-Request-Id": "a%0d%0aX-Forged: 1"})
        assert reply.status == 404
        assert "Set-Cookie" not in reply.headers and "X-Forged" not in reply.headers


def test_a_client_that_goes_away_leaves_the_engine(server: RunningServer) -> None:
    order = {
        "contents": SENTENCES * 60,
        "targetLanguageCode": "de",
        "options": {"minLength": 120, "maxLength": 120},
    }
    connection = connect(server)
    connection.request("POST", "/v1/translate", json.dumps(order), JSON)
    wait_until(lambda: server.server._calls._active == 1)
    connection.close()
    wait_until(lambda: server.server._calls._active == 0)
    assert server.server.admission.tokens == 0
    page = get(server, "/metrics").body.decode()
    assert 'tformer_calls_total{code="CANCELLED",method="http.Own.TranslateText"} 1.0' in page


def test_connections_are_bounded(model: Path) -> None:
    with serving(model, http=HTTP, limits=Limits(max_connections=2)) as running:
        held = [connect(running) for _ in range(2)]
        for connection in held:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        with pytest.raises(OSError):
            get(running, "/healthz")
        held.pop().close()
        wait_until(lambda: succeeds(lambda: get(running, "/healthz")))
        held.pop().close()


def test_tls_serves_renewed_files(model: Path, tmp_path: Path) -> None:
    folder = make_certificates(tmp_path)
    files = TlsFiles(folder / "server.pem", folder / "server.key")
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    with serving(model, http=HTTP, tls=files) as running:
        url = url_of(running, "/healthz").replace("http:", "https:")
        with urllib.request.urlopen(url, context=context) as reply:
            assert reply.status == 200
        with pytest.raises(OSError):
            get(running, "/healthz")
        before = serial(running)
        renewed = tmp_path / "renewed"
        renewed.mkdir()
        make_certificates(renewed)
        for name in ("server.key", "server.pem"):
            (renewed / name).replace(folder / name)
        wait_until(lambda: serial(running) != before)


def serial(running: RunningServer) -> bytes:
    address = running.server.http_address
    assert address
    return ssl.get_server_certificate((address.host, address.port)).encode()


def succeeds(call: Callable[[], Any]) -> bool:
    try:
        call()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_address_that_is_taken_is_said(model: Path, server: RunningServer) -> None:
    taken = server.server.http_address
    assert taken
    with pytest.raises(ServerError, match="for HTTP"), serving(model, http=HttpOptions(taken)):
        pass


MULTIPART = "multipart/form-data; boundary=-"
FILE_HEAD = b'---\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'


@pytest.mark.parametrize(
    ("path", "kind", "start"),
    [
        ("/translate", "application/json", b'{"q": "'),
        ("/translate", "application/x-www-form-urlencoded", b"q="),
        ("/translate_file", MULTIPART, FILE_HEAD),
        ("/v2/document", MULTIPART, FILE_HEAD),
        ("/v1/translate/document", "application/json", b'{"content": "'),
        ("/tformer.v1.TranslationService/TranslateText", "application/grpc-web", b"\0\x06\0\0\0"),
    ],
)
def test_uploads_that_do_not_say_their_length_are_bounded(
    server: RunningServer, path: str, kind: str, start: bytes
) -> None:
    lines = (f"POST {path} HTTP/1.1", f"Content-Type: {kind}", "Transfer-Encoding: chunked")
    address = server.server.http_address
    assert address
    num_sent, piece = 0, b"10000\r\n" + b"a" * (1 << 16) + b"\r\n"
    with socket.create_connection((address.host, address.port), timeout=20) as connection:
        connection.sendall(head(*lines) + b"%x\r\n%b\r\n" % (len(start), start))
        with suppress(OSError):  # it does not listen any longer
            while num_sent < 100_000_000 and not select.select([connection], [], [], 0)[0]:
                connection.sendall(piece)
                num_sent += len(piece)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ") or b"grpc-status: 8" in answer.lower(), answer[:300]
    assert num_sent < 50_000_000


def test_calls_are_bounded(model: Path) -> None:
    order = {"contents": SENTENCES * 9, "options": {"minLength": 120, "maxLength": 120}}
    with serving(model, http=HTTP, limits=Limits(max_calls=1)) as running:
        held = connect(running)
        held.request(
            "POST", "/v1/translate", json.dumps({**order, "targetLanguageCode": "de"}), JSON
        )
        wait_until(lambda: running.server._calls._active == 1)
        refused = post_json(running, "/translate", GOOD)
        assert refused.status == 429 and int(refused.headers["Retry-After"]) > 0
        held.close()
        wait_until(lambda: post_json(running, "/translate", GOOD).status == 200)


DOORS = [
    ("/translate", lambda text: {**GOOD, "q": text}),
    ("/v2/translate", lambda text: {"text": [text], "target_lang": "DE"}),
    ("/language/translate/v2", lambda text: {"q": text, "target": "de", "source": "en"}),
    ("/v1/translate", lambda text: {"contents": [text], "targetLanguageCode": "de"}),
]


def test_a_text_larger_than_the_queue_is_refused_for_good(model: Path) -> None:
    with serving(model, http=HTTP, queue_tokens=800) as running:
        for path, order in DOORS:
            refused = post_json(running, path, order("x " * 5000))
            assert refused.status in (400, 413) and "Retry-After" not in refused.headers, path
            assert post_json(running, path, order("dog")).status == 200


def test_an_overfilled_queue_says_when_to_come_again(model: Path) -> None:
    body = {"contents": SENTENCES * 9, "targetLanguageCode": "de"}
    with (
        serving(model, http=HTTP, queue_tokens=800) as running,
        ThreadPoolExecutor(24) as threads,
    ):
        calls = [threads.submit(post_json, running, "/v1/translate", body) for _ in range(24)]
        replies = [call.result() for call in calls]
        assert {reply.status for reply in replies} == {200, 429}
        refused = [reply for reply in replies if reply.status == 429]
        assert all(int(reply.headers["Retry-After"]) > 0 for reply in refused)
        wait_until(lambda: post_json(running, "/v1/translate", body).status == 200)


def test_wrong_tokens_one_after_the_other_are_slowed(model: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(f'[tokens.a]\nsha256 = "{hash_token("secret")}"')
    with serving(model, http=HTTP, tokens=tokens) as running:
        started = time.monotonic()
        guesses = [post_json(running, "/translate", {**GOOD, "api_key": "guess"}) for _ in range(9)]
        assert {reply.status for reply in guesses} <= {401, 403, 429}
        assert time.monotonic() - started > 0.05 + 0.1 + 0.2 + 0.4
        assert post_json(running, "/translate", {**GOOD, "api_key": "secret"}).status == 200


def test_a_reader_that_does_not_read_holds_nobody_up(server: RunningServer) -> None:
    items = [{"id": str(number), "content": f"dog {number}\0"} for number in range(300)]
    order = {"config": {"targetLanguageCode": "de", "options": {"maxLength": 4}}, "items": items}
    slow = connect(server)
    slow.request("POST", "/v1/translate/stream", json.dumps(order), JSON)
    assert post_json(server, "/translate", GOOD).status == 200
    reply = slow.getresponse()
    assert reply.read().count(b"data: ") == 300
    slow.close()


def test_large_json_holds_up_nobody(server: RunningServer) -> None:
    # A second and more for Python to read; others are answered meanwhile.
    body = b'{"glossaryConfig": {"entries": [' + b"{}," * 300_000 + b"{}]}}"
    with ThreadPoolExecutor(1) as threads:
        refused = threads.submit(ask, server, "POST", "/v1/translate", body, JSON)
        waits = []
        while not refused.done():
            started = time.monotonic()
            assert get(server, "/healthz").status == 200
            waits.append(time.monotonic() - started)
    assert refused.result().status == 400
    assert max(waits) < 0.5 and len(waits) > 5


def test_glossaries_and_lines_have_an_end(server: RunningServer) -> None:
    pair = {"source_lang": "en", "target_lang": "de", "entries_format": "tsv", "name": "x"}
    many = "a\tb\n" * 10_001
    assert post_json(server, "/v2/glossaries", {**pair, "entries": many}).status == 400
    large = {**pair, "entries": "".join(f"{n}\t{'b' * 350}\n" for n in range(9000))}
    codes = [post_json(server, "/v2/glossaries", large).status for _ in range(3)]
    assert codes == [201, 201, 400], "8 MiB for all of them"
    prompt = {"messages": [{"role": "user", "content": "\n" * 10_001}], "model": "en-de/de"}
    assert post_json(server, "/v1/chat/completions", prompt).status == 400
