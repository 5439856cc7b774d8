"""Documents over the wire: as the command line makes them, within the limits of the server."""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import grpc
import pytest
from serving import RunningServer, serving

from tformer.cli.translation.documents import DocumentJob
from tformer.cli.translation.stats import Tally
from tformer.documents.registry import open_document
from tformer.model.checkpoint.layout import find_model
from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.vocabulary.language_choice import LanguageChoice
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.access.address import Address
from tformer.server.access.tokens import hash_token
from tformer.server.access.usage import TokenUsage
from tformer.server.client import AsyncClient, Client, TranslatedFile
from tformer.server.sources import Settings
from tformer.server.storage import Storage

DATA = Path(__file__).parent / "data" / "documents"
DECODING = {"beam_size": 1, "max_length": 6, "guard": False, "literals": False}
OPTIONS = pb.DecodingOptions(**DECODING)  # type: ignore[arg-type]
PAGE = b"# A dog\n\nA dog *runs* on the [beach](a.html).\n\n- one\n- two\n"

FILES = [
    DATA / name
    for name in (
        "markdown/readme.md",
        "docx/runs.docx",
        "html/page.html",
        "vtt/talk.vtt",
        "json/i18n.json",
        "po/app.po",
        "text/letter.txt",
    )
]


INT8 = Settings(device="cpu", dtype="int8", threads=2)
"""As in production: two engines."""


@pytest.fixture(scope="module")
def model() -> Path:
    return find_model("en-de")


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[RunningServer]:
    with serving(model, settings=INT8, storage=Storage(1 << 20, 1 << 22)) as running:
        yield running


@pytest.fixture(scope="module")
def stub(server: RunningServer) -> Iterator[TranslationServiceStub]:
    with grpc.insecure_channel(server.address) as channel:
        yield TranslationServiceStub(channel)  # type: ignore[no-untyped-call]


def config(name: str = "page.md", **fields: object) -> pb.DocumentConfig:
    chosen: dict[str, object] = {
        "source_language_code": "en",
        "target_language_code": "de",
        "options": OPTIONS,
        "name": name,
        **fields,
    }
    return pb.DocumentConfig(**chosen)  # type: ignore[arg-type]


def request(data: bytes, name: str = "page.md", **fields: object) -> pb.TranslateDocumentRequest:
    return pb.TranslateDocumentRequest(config=config(name, **fields), content=data)


def chunks(data: bytes, size: int, **fields: object) -> Iterator[pb.StreamTranslateDocumentRequest]:
    yield pb.StreamTranslateDocumentRequest(config=config(**fields))  # type: ignore[arg-type]
    for start in range(0, len(data), size):
        yield pb.StreamTranslateDocumentRequest(chunk=data[start : start + size])


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as refused:
        call()
    return refused.value.code(), refused.value.details()


def test_documents_are_those_of_the_command_line(model: Path, stub: TranslationServiceStub) -> None:
    offline = Translator.load(model, device="cpu", dtype="int8")
    choice = LanguageChoice.among(("en", "de"), ("en", "de"), "en", "de")
    options = DecodingOptions(**DECODING)  # type: ignore[arg-type]
    for path in FILES:
        job = DocumentJob(path.name, open_document(path))
        expected = job.translate(offline, choice, options, Tally(), lambda: None)
        found = stub.TranslateDocument(request(path.read_bytes(), path.name), timeout=60)
        assert found.content == expected, path
        assert found.document.segments == len(job.segments)
        assert found.document.name == f"{path.stem}.de{path.suffix}"


def test_what_a_reader_leaves_is_told(stub: TranslationServiceStub) -> None:
    data = b"WEBVTT\n\n00:xx --> soon\nBad.\n\n00:01.000 --> 00:02.000\nGood.\n"
    found = stub.TranslateDocument(request(data, "a.vtt"), timeout=60)
    assert any("the times" in warning.message for warning in found.document.warnings)
    assert b"Bad." in found.content


def test_a_stream_takes_chunks_and_tells_of_progress(stub: TranslationServiceStub) -> None:
    data = b"".join(b"Line %d of the house.\n\n" % number for number in range(600))
    whole = stub.TranslateDocument(request(data), timeout=60)
    found = list(stub.StreamTranslateDocument(chunks(data, 100), timeout=60))
    progress = [each.progress for each in found if each.HasField("progress")]
    assert [each.segments_done for each in progress] == [256, 512, 600]
    assert {each.segments for each in progress} == {600}
    (about,) = [each.document for each in found if each.HasField("document")]
    content = b"".join(each.chunk for each in found)
    assert content == whole.content and about.content_bytes == len(content)
    kinds = [each.WhichOneof("payload") for each in found]
    assert kinds == sorted(kinds, key=["progress", "document", "chunk"].index)


@pytest.mark.parametrize(
    ("name", "data", "format"),
    [
        ("", b"WEBVTT\n\n00:01.000 --> 00:02.000\nA dog.\n", "vtt"),
        ("strings", b'{"title": "A dog"}', "json"),
        ("../../etc/a.md", b"# A dog", "markdown"),
        ("a.txt", b"A dog.\n", "text"),
    ],
)
def test_the_format_is_told_by_name_and_content(
    stub: TranslationServiceStub, name: str, data: bytes, format: str
) -> None:
    found = stub.TranslateDocument(request(data, name), timeout=60).document
    assert found.format == format
    assert "/" not in found.name


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * (8 << 20))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "fields", "message"),
    [
        ("a.pdf", b"%PDF-1.7 ...", {}, "no format"),
        ("a", bytes(range(256)) * 9, {}, "no format"),
        ("a.docx", b"PK\x03\x04 no archive", {}, "not a Word document"),
        ("a.docx", bomb(), {}, "unpacked"),
        ("a.md", b"x" * (1 << 20) + b"y", {}, "may have 1,048,576 bytes"),
        ("a.json", b'{"a": ', {}, "JSON"),
        ("a.xyz", b"text", {"format": "xyz"}, "no format is called 'xyz'"),
        ("a.po", b'msgid ""\nmsgstr ""\n"Language: fr\\n"\n\nmsgid "A dog"\nmsgstr ""\n', {}, "fr"),
        ("a.md", PAGE, {"options": pb.DecodingOptions(n_best=2)}, "one translation"),
        ("a" * 5000, PAGE, {}, "name has 5000 characters"),
        ("a.md", PAGE, {"existing_translations": 9}, "existing_translations"),
    ],
)  # fmt: skip
def test_what_cannot_be_translated_is_refused_with_the_reason(
    stub: TranslationServiceStub,
    server: RunningServer,
    name: str,
    data: bytes,
    fields: dict[str, object],
    message: str,
) -> None:
    code, details = refusal(lambda: stub.TranslateDocument(request(data, name, **fields)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message in details
    assert server.server.service.documents.storage.used == 0


def test_a_stream_larger_than_a_document_may_be_is_refused_before_its_end(
    stub: TranslationServiceStub,
) -> None:
    sent = 0

    def endless() -> Iterator[pb.StreamTranslateDocumentRequest]:
        nonlocal sent
        yield pb.StreamTranslateDocumentRequest(config=config())
        while sent < 1 << 30:
            sent += 1 << 16
            yield pb.StreamTranslateDocumentRequest(chunk=bytes(1 << 16))

    code, _ = refusal(lambda: list(stub.StreamTranslateDocument(endless(), timeout=30)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert sent < 1 << 27


def test_a_cancelled_document_leaves_nothing_behind(
    stub: TranslationServiceStub, server: RunningServer
) -> None:
    data = b"".join(b"Line %d of the old house.\n\n" % number for number in range(1500))
    call = stub.StreamTranslateDocument(chunks(data, 1 << 16))
    assert next(call).progress.segments == 1500
    call.cancel()
    deadline = time.monotonic() + 20
    service = server.server.service
    while service.documents.storage.used or server.server.admission.tokens:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_document_has_the_share_and_the_quota_of_its_client(model: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        f'[tokens.a]\nsha256 = "{hash_token("A")}"\ntokens_per_minute = 100\n'
        f'[tokens.b]\nsha256 = "{hash_token("B")}"\n'
    )
    big = b"".join(b"Line %d of the old house.\n\n" % number for number in range(500))
    with (
        serving(model, settings=INT8, tokens=tokens, queue_tokens=8192) as running,
        grpc.insecure_channel(running.address) as channel,
    ):
        stub = TranslationServiceStub(channel)  # type: ignore[no-untyped-call]
        a, b = ((("authorization", f"Bearer {name}"),) for name in "AB")
        stub.TranslateDocument(request(PAGE * 5), metadata=a, timeout=60)
        code, details = refusal(lambda: stub.TranslateDocument(request(PAGE), metadata=a))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED and "100 tokens" in details
        # More than the queue takes; another client finds room meanwhile.
        both = [stub.TranslateDocument.future(request(big), metadata=b) for _ in range(2)]
        text = pb.TranslateTextRequest(
            contents=["A dog."], target_language_code="de", options=OPTIONS
        )
        (tmp_path / "tokens.toml").write_text(
            tokens.read_text() + f'[tokens.c]\nsha256 = "{hash_token("C")}"\n'
        )
        time.sleep(1.1)
        c = (("authorization", "Bearer C"),)
        assert stub.TranslateText(text, metadata=c, timeout=20).translations
        for each in both:
            assert each.result(timeout=120).document.segments == 500


def test_documents_and_names_are_not_logged(
    stub: TranslationServiceStub, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        stub.TranslateDocument(request(b"Zebra giraffe.\n", "secret-name.txt"), timeout=60)
    text = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert "TranslateDocument" in text
    assert "Zebra" not in text and "secret-name" not in text


def test_room_for_documents_is_shared() -> None:
    storage = Storage(60, 100)
    with storage.open("a") as first, storage.open("b") as second:
        first.grow(10)
        first.grow(50)
        assert storage.used == 50
        second.grow(40)
        with storage.open("a") as third, pytest.raises(Exception, match="no room"):
            third.grow(10)
    assert storage.used == 0


def test_clients_translate_documents(server: RunningServer, stub: TranslationServiceStub) -> None:
    data = b"".join(b"Line %d of the house.\n\n" % number for number in range(300))
    expected = stub.TranslateDocument(request(data), timeout=60)
    options = DecodingOptions(**DECODING)  # type: ignore[arg-type]
    told: list[tuple[int, int]] = []

    async def asynchronous() -> TranslatedFile:
        async with AsyncClient(server.address) as client:
            return await client.translate_document(
                data, "page.md", source="en", target="de", options=options
            )

    with Client(server.address) as client:
        found = client.translate_document(
            data, "page.md", source="en", target="de", options=options,
            progress=lambda done, segments: told.append((done, segments)),
        )  # fmt: skip
        with pytest.raises(UsageError, match="no format"):
            client.translate_document(b"%PDF-1.7", "a.pdf", target="de")
    assert found.data == expected.content
    assert (found.name, found.format, found.segments) == ("page.de.md", "markdown", 300)
    assert told == [(256, 300), (300, 300)]
    assert asyncio.run(asynchronous()) == found


def test_use_is_counted_by_token_and_bounded_by_day(model: Path, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        f'[tokens.a]\nsha256 = "{hash_token("A")}"\ntokens_per_day = 20\ncalls_per_day = 5\n'
    )
    with (
        serving(model, settings=INT8, tokens=tokens, metrics=Address("127.0.0.1", 0)) as running,
        grpc.insecure_channel(running.address) as channel,
    ):
        stub = TranslationServiceStub(channel)  # type: ignore[no-untyped-call]
        a = (("authorization", "Bearer A"),)
        stub.TranslateDocument(request(PAGE * 4), metadata=a, timeout=60)
        code, details = refusal(lambda: stub.TranslateDocument(request(PAGE), metadata=a))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED and "20 tokens a day" in details
        usage = stub.GetUsage(pb.GetUsageRequest(), metadata=a)
        assert (usage.name, usage.calls_today, usage.calls_per_day) == ("a", 3, 5)
        assert usage.tokens == usage.tokens_today > 20 == usage.tokens_per_day
        assert 0 < usage.seconds_left <= 86_400
        page = urlopen(f"http://127.0.0.1:{running.server.metrics_port}/metrics").read().decode()
        assert f'tformer_token_tokens_total{{token="a"}} {float(usage.tokens)}' in page
        stub.GetUsage(pb.GetUsageRequest(), metadata=a)
        stub.GetUsage(pb.GetUsageRequest(), metadata=a)
        code, details = refusal(lambda: stub.GetUsage(pb.GetUsageRequest(), metadata=a))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED and "5 calls a day" in details


def test_a_day_begins_at_midnight_and_never_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 86_400.0 * 20_000 - 60
    monkeypatch.setattr("tformer.server.access.usage.time.time", lambda: now)
    usage = TokenUsage()
    usage.count_tokens(5)
    assert usage.seconds_left == 60
    now += 61
    usage.turn()
    usage.count_tokens(7)
    assert (usage.tokens_today, usage.tokens) == (7, 12)
    now -= 3600
    usage.turn()
    assert usage.tokens_today == 7, "a clock that is put back begins no day again"
    now += 86_400 * 400
    usage.turn()
    now -= 86_400 * 400
    assert usage.seconds_left <= 86_400, "a clock that was wrong for a while"
    usage.count_tokens(9)
    usage.begun -= 86_400
    usage.turn()
    assert usage.tokens_today == 0
