"""Files over HTTP, by DeepL's client, the API of LibreTranslate and JSON, and hostile ones."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import deepl
import pytest
from asking import HTTP, get, post_files, post_json, url_of
from serving import RunningServer, make_model, serving

from tformer.server.http.kept_files import KeptFiles, safe_name
from tformer.server.storage import Storage

PAGE = b"# House\n\nThe house is **old**.\n\n```\ncode\n```\n"
FIELDS = {"source": "en", "target": "de"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    model = make_model(tmp_path_factory.mktemp("models") / "en-de")
    with serving(
        model, http=HTTP, storage=Storage(document_bytes=1 << 20), dtype="int8"
    ) as running:
        yield running


def test_deepls_client_translates_a_document(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_bytes(PAGE)
    with closing(deepl.DeepLClient("any", server_url=url_of(server))) as client:
        status = client.translate_document_from_filepath(
            tmp_path / "page.md", tmp_path / "page.de.md", source_lang="EN", target_lang="DE"
        )
        assert status.done
        assert b"```\ncode\n```" in (tmp_path / "page.de.md").read_bytes()
        with pytest.raises(deepl.DocumentTranslationException, match=r"a\.docx"):
            client.translate_document(
                b"\x00\x01", io.BytesIO(), target_lang="DE", filename="a.docx"
            )
        handle = client.translate_document_upload(b"house", target_lang="DE", filename="a.txt")
        handle = deepl.DocumentHandle(handle.document_id, "0" * 64)
        with pytest.raises(deepl.DeepLException, match="id and key"):
            client.translate_document_get_status(handle)


@pytest.mark.parametrize("name", ["page.md", "../../etc/page.md", "C:\\x\\page.md"])
def test_a_file_is_translated_and_fetched(server: RunningServer, name: str) -> None:
    reply = post_files(server, "/translate_file", FIELDS, {"file": (name, PAGE)})
    assert reply.status == 200, reply.body
    url = reply.json["translatedFileUrl"]
    assert url.startswith(url_of(server, "/download_file/")) and ".." not in url
    fetched = get(server, url.removeprefix(url_of(server)))
    assert fetched.status == 200 and b"```\ncode\n```" in fetched.body
    assert fetched.headers["Content-Disposition"].startswith('attachment; filename="')
    assert "\n" not in fetched.headers["Content-Disposition"]


def test_files_that_cannot_be_translated_are_refused(server: RunningServer) -> None:
    def status(data: bytes, name: str = "a.txt", **fields: str) -> int:
        files = {"file": (name, data)}
        return post_files(server, "/translate_file", {**FIELDS, **fields}, files).status

    assert status(b"") == 400
    assert status(b"house", target="zz") == 400
    assert status(b"\x00\x01\x02", "a.docx") == 400
    assert status(b"a" * (1 << 20 | 1)) == 400
    assert status(b"a" * (6 << 20)) == 413
    assert post_files(server, "/translate_file", FIELDS, {}).status == 400
    for path in ("/download_file/none/a.md", "/download_file/..%2f..%2fetc/passwd"):
        assert get(server, path).status == 404


def test_an_archive_that_unpacks_to_too_much_is_refused(server: RunningServer) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b"<a>" + b"0" * (64 << 20))
    reply = post_files(server, "/translate_file", FIELDS, {"file": ("a.docx", packed.getvalue())})
    assert reply.status == 400 and "unpacked" in reply.json["error"]


def test_json_takes_documents_too(server: RunningServer) -> None:
    order = {
        "config": {"targetLanguageCode": "de", "name": "page.md"},
        "content": base64.b64encode(PAGE).decode(),
    }
    reply = post_json(server, "/v1/translate/document", order)
    assert b"```\ncode\n```" in base64.b64decode(reply.json["content"])
    assert reply.json["document"]["name"] == "page.de.md"


def test_files_are_kept_within_bounds() -> None:
    files = KeptFiles(most_bytes=10, seconds=60)
    first, second = files.keep("a", b"12345"), files.keep("b", b"123456")
    assert files.find(first) is None and files.find(second)
    assert files.take(second) and files.find(second) is None
    brief = KeptFiles(seconds=-1)
    assert brief.find(brief.keep("a", b"1")) is None


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../x", "x"),
        ("..", "file"),
        ("", "file"),
        ('a"b;c', "a_b_c"),
        ("ä.md", "ä.md"),
        ("/", "file"),
    ],
)
def test_names_become_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe
