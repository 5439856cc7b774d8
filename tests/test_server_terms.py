"""Glossaries, prefixes and required terms through a server: as offline, reported as offline."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from fake_translator import Tformer
from serving import RunningServer, make_model, serving

from tformer.cli.exits import ExitStatus
from tformer.model.checkpoint.layout import find_model
from tformer.model.errors import InputError, ServerError, UsageError
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.translator import Translator
from tformer.model.terms.glossary import Entry, Glossary
from tformer.model.translation import Translation
from tformer.protos.v1 import admin_pb2
from tformer.protos.v1 import translation_pb2 as pb
from tformer.protos.v1.admin_pb2_grpc import AdminServiceStub
from tformer.protos.v1.translation_pb2_grpc import TranslationServiceStub
from tformer.server.client import AsyncClient, Client, NamedGlossary
from tformer.server.glossaries.catalog import KEPT, Glossaries
from tformer.server.glossaries.limits import MOST_ENTRIES
from tformer.server.glossaries.wire import config_of, entries_of
from tformer.server.sources import GlossarySource, Settings

TEXTS = [
    "A dog runs on the beach.",
    "",
    "Where is the railway station?  The house is near the beach.",
    "...",
    "The old house is near the river.",
]

COMPANY = "en,de\nbeach,Meeresufer\nhouse,Bauwerk\nhouse,Bauwerks\n"
LOST = Entry("railway station", "Bahn " * 200, "en", "de")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terms")
    (folder / "company.csv").write_text(COMPANY)
    (folder / "more.tsv").write_text("dog\tKöter\n")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    sources = (
        GlossarySource.parse(f"company={folder}/company.csv"),
        GlossarySource.parse(f"company={folder}/more.tsv"),
        GlossarySource.parse(f"animals={folder}/more.tsv"),
    )
    with serving(
        find_model("en-de"), glossaries=sources, cache_characters=100_000, dtype="int8"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def local() -> Translator:
    return Translator.load("en-de", device="cpu", dtype="int8", threads=1)


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client(server.address) as client:
        yield client


@pytest.fixture
def stub(server: RunningServer) -> Iterator[Any]:
    with grpc.insecure_channel(server.address) as channel:
        yield TranslationServiceStub(channel)


def test_required_terms_work_beside_other_calls_on_several_engines() -> None:
    """A text of two sentences shares one requirement, whichever engines translate them."""
    sentence = "A dog runs on the beach."
    texts = [f"{sentence} The house number {number} is old." for number in range(4)]
    asked = DecodingOptions(required_terms=("Meer",))
    two_engines = Settings(device="cpu", dtype="int8", threads=2)
    with serving(find_model("en-de"), settings=two_engines) as running:

        async def call(options: DecodingOptions | None = None) -> list[str]:
            async with AsyncClient(running.address) as client:
                translated = [
                    translation.text
                    async for translation in client.translate(
                        texts if options else [sentence], target="de", options=options
                    )
                ]
            return translated

        async def all_at_once() -> list[list[str]]:
            others = [call() for _ in range(20)]
            return await asyncio.gather(call(asked), *others, call(asked))

        first, *others, last = asyncio.run(all_at_once())
    assert first == last and all("Meer" in text for text in first)
    assert others == [others[0]] * 20


def entries(*pairs: tuple[str, str]) -> list[Entry]:
    return [Entry(source, target, "en", "de") for source, target in pairs]


COMPANY_ENTRIES = [
    *entries(("beach", "Meeresufer"), ("house", "Bauwerk"), ("house", "Bauwerks")),
    Entry("dog", "Köter"),
]


def told(translations: list[Translation]) -> list[tuple[object, ...]]:
    return [(t.text, t.terms, list(map(str, t.warnings))) for t in translations]


@pytest.mark.parametrize(
    ("glossary", "offline", "options"),
    [
        pytest.param(
            NamedGlossary("company"),
            COMPANY_ENTRIES,
            DecodingOptions(target_prefix="Da"),
            id="named",
        ),
        pytest.param(
            NamedGlossary("animals", entries(("river", "Strom"))),
            [Entry("dog", "Köter"), *entries(("river", "Strom"))],
            DecodingOptions(required_terms=("Strom", "hier")),
            id="named, and terms besides",
        ),
        pytest.param(
            Glossary([LOST, *COMPANY_ENTRIES]),
            [LOST, *COMPANY_ENTRIES],
            DecodingOptions(n_best=2),
            id="brought",
        ),
    ],
)
def test_a_server_answers_as_a_translator_does(
    client: Client,
    local: Translator,
    glossary: Glossary,
    offline: list[Entry],
    options: DecodingOptions,
) -> None:
    how: dict[str, Any] = {"source": "en", "target": "de", "options": options}
    there = list(client.translate(TEXTS, glossary=glossary, **how))
    here = list(local.translate(TEXTS, glossary=Glossary(offline), **how))
    assert told(there) == told(here)
    assert any(translation.terms for translation in there)
    assert told(list(client.translate(TEXTS, glossary=glossary, **how))) == told(here), "cached"


def test_the_asynchronous_client_does_so_too(server: RunningServer, local: Translator) -> None:
    async def translated() -> list[Translation]:
        async with AsyncClient(server.address) as client:
            stream = client.translate(
                TEXTS, source="en", target="de", glossary=NamedGlossary("company")
            )
            return [translation async for translation in stream]

    here = local.translate(TEXTS, source="en", target="de", glossary=Glossary(COMPANY_ENTRIES))
    assert told(asyncio.run(translated())) == told(list(here))


def request(*contents: str, **fields: Any) -> pb.TranslateTextRequest:
    languages = {"source_language_code": "en", "target_language_code": "de"}
    return pb.TranslateTextRequest(contents=contents, **languages, **fields)


def test_each_text_has_its_own_prefix_and_a_bad_one_harms_no_other(stub: Any) -> None:
    prefixes = ["Am Strand", "", "x" * 400]
    answer = stub.TranslateText(request(*[TEXTS[0]] * 3, target_prefixes=prefixes))
    first, second, third = answer.translations
    assert first.translated_text.startswith("Am Strand ")
    assert second.translated_text == "Ein Hund rennt am Strand."
    assert third.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert "raise max_length" in third.error.message


def test_the_cache_tells_prefixes_terms_and_glossaries_apart(stub: Any) -> None:
    def text(**fields: Any) -> str:
        return stub.TranslateText(request(TEXTS[0], **fields)).translations[0].translated_text

    def config(target: str) -> pb.GlossaryConfig:
        return pb.GlossaryConfig(entries=[{"source_term": "beach", "target_term": target}])

    ways: list[dict[str, Any]] = [
        {},
        {"target_prefixes": ["Am"]},
        {"options": pb.DecodingOptions(required_terms=["Meer"])},
        {"glossary_config": config("Meeresufer")},
        {"glossary_config": config("Ufer")},
        {"glossary_config": pb.GlossaryConfig(glossary="animals")},
    ]
    texts = [text(**way) for way in ways]
    assert len(set(texts)) == len(ways), texts
    assert [text(**way) for way in ways] == texts


def test_a_page_tells_of_the_terms_of_all_of_its_parts(stub: Any) -> None:
    page = "<p>A <b>dog</b> runs on the beach.</p><p>The house is old.</p>"
    config = pb.GlossaryConfig(glossary="company")
    answer = stub.TranslateText(request(page, mime_type="text/html", glossary_config=config))
    (translation,) = answer.translations
    uses = {(use.source_term, use.honoured) for use in translation.glossary_terms}
    assert {source for source, _ in uses} == {"dog", "beach", "house"}
    assert "Meeresufer" in translation.translated_text


def test_a_term_that_is_lost_has_a_warning_of_its_kind(stub: Any) -> None:
    entry = {"source_term": LOST.source, "target_term": LOST.target}
    config = pb.GlossaryConfig(entries=[entry])
    (answer,) = stub.TranslateText(request(TEXTS[2], glossary_config=config)).translations
    assert [use.honoured for use in answer.glossary_terms] == [False]
    assert [each.code for each in answer.warning_details] == [pb.WARNING_CODE_TERM]
    assert list(answer.warnings) == [answer.warning_details[0].message]


def test_glossaries_are_listed_and_described(stub: Any, client: Client) -> None:
    animals, company = client.glossaries()
    assert (animals.name, company.name) == ("animals", "company")
    assert company.entry_count == 4
    pairs = [(p.source_language_code, p.target_language_code) for p in company.language_pairs]
    assert pairs == [("", ""), ("en", "de")]
    assert stub.GetGlossary(pb.GetGlossaryRequest(name="company")) == company
    with pytest.raises(grpc.RpcError, match="no glossary 'x'; there are animals, company"):
        stub.GetGlossary(pb.GetGlossaryRequest(name="x"))


@pytest.mark.parametrize(
    ("glossary", "message"),
    [
        pytest.param(NamedGlossary("none"), "no glossary 'none'", id="unknown"),
        pytest.param(
            Glossary(Entry(f"a{i}", "b") for i in range(MOST_ENTRIES + 1)),
            "10,001 terms is too large to go with a request",
            id="large",
        ),
    ],
)
def test_what_a_server_cannot_use_is_one_clear_error(
    client: Client, glossary: Glossary, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        next(client.translate(TEXTS, target="de", glossary=glossary))


def test_an_older_server_is_not_taken_for_one_that_honours_terms(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = client._channel.unary_unary("/tformer.v1.TranslationService/Missing")
    monkeypatch.setattr(client._stub, "ListGlossaries", lambda _, **how: missing(b"", **how))
    with pytest.raises(ServerError, match="of a version that does not know how"):
        next(client.translate(TEXTS, target="de", glossary=NamedGlossary("company")))


# --- reading and reading again -------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "company", "=x.csv", "a b=x.csv", "a.csv=x.csv", "a/b=x.csv"])
def test_a_glossary_needs_a_name_that_is_no_file(text: str) -> None:
    with pytest.raises(UsageError, match="glossary"):
        GlossarySource.parse(text)


def test_terms_go_with_a_request_and_come_back() -> None:
    own = [LOST, Entry("a", "b")]
    assert entries_of(config_of(Glossary(own))) == own
    for broken in ({"source_term": "a"}, {"target_term": "a"}, {"source_term": " "}):
        with pytest.raises(UsageError, match=r"entries\[0\] has no "):
            entries_of(pb.GlossaryConfig(entries=[broken]))


def test_terms_that_come_again_are_kept_for_a_while() -> None:
    glossaries = Glossaries()

    def chosen(number: int) -> object:
        return glossaries.chosen(config_of(Glossary([Entry("a", str(number))])))

    first = chosen(0)
    assert chosen(0) is first
    for number in range(1, KEPT):
        chosen(number)
    assert chosen(0) is first, "it was asked for last"
    for number in range(1, KEPT + 2):
        chosen(number)
    assert chosen(0) is not first


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "terms.csv"
    file.write_text("dog,Hund\n")
    glossaries = Glossaries([GlossarySource("terms", file)])
    asyncio.run(glossaries.load())
    file.unlink()
    os.mkfifo(file)
    (found,) = asyncio.run(glossaries.reload())
    assert "is a pipe" in str(found.error)
    assert [glossary.name for glossary in glossaries] == ["terms"]


def test_a_file_that_cannot_be_read_keeps_a_server_from_starting(tmp_path: Path) -> None:
    model = make_model(tmp_path / "en-de")
    (tmp_path / "bad.csv").write_text("dog,\n")
    source = GlossarySource("bad", tmp_path / "bad.csv")
    message = r"bad.csv:1: the target of a term is missing"
    with pytest.raises(InputError, match=message), serving(model, glossaries=(source,)):
        pass


def test_a_reload_reads_files_again_and_keeps_what_it_has_if_they_are_bad(tmp_path: Path) -> None:
    model, file = make_model(tmp_path / "en-de"), tmp_path / "terms.csv"
    file.write_text("dog,Hund\n")
    with (
        serving(
            model, glossaries=(GlossarySource("terms", file),), open_admin=True, dtype="int8"
        ) as running,
        grpc.insecure_channel(running.address) as channel,
        Client(running.address) as client,
    ):
        stub = AdminServiceStub(channel)  # type: ignore[no-untyped-call]

        def reload() -> admin_pb2.ReloadedGlossary:
            (found,) = stub.ReloadModels(admin_pb2.ReloadModelsRequest()).glossaries
            return found

        first = reload()
        assert (first.name, first.replaced, first.HasField("error")) == ("terms", False, False)
        file.write_text("dog,Hund\ncat,Katze\n")
        second = reload()
        assert second.replaced and second.fingerprint != first.fingerprint
        file.write_text("dog,\n")
        third = reload()
        assert not third.replaced and third.fingerprint == second.fingerprint
        assert "terms.csv:1" in third.error.message
        assert client.glossaries()[0].entry_count == 2
        file.write_text("dog,Köter\n")
        assert running.do(running.server.reload) == ["terms"], "SIGHUP does the same"


# --- the command line ----------------------------------------------------------------------------


def test_the_command_line_is_as_without_a_server(
    tformer: Tformer, server: RunningServer, folder: Path
) -> None:
    lines = "\n".join(TEXTS).encode()
    (folder / "lost.csv").write_text(f"{LOST.source},{LOST.target}\n")
    common = ["translate", "-s", "en", "-t", "de", "--json"]
    files = ["--glossary", folder / "company.csv", "--glossary", folder / "more.tsv"]
    lost = ["--glossary", folder / "lost.csv"]
    here = tformer(*common, "--dtype", "int8", *files, *lost, stdin=lines)
    remote = [*common, "--server", server.address]
    there = tformer(*remote, *files, *lost, stdin=lines)
    named = tformer(*remote, "--glossary", "company", *lost, stdin=lines)
    assert here.status == there.status == named.status == 0
    assert here.err == there.err == named.err
    assert "was not honoured" in here.err

    def facts(out: str) -> list[tuple[object, ...]]:
        keys = ("target", "terms", "warnings", "warning_kinds")
        return [tuple(json.loads(line)[key] for key in keys) for line in out.splitlines()]

    assert facts(here.out) == facts(there.out) == facts(named.out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--glossary", "nothing"], "the server has no glossary 'nothing'", id="none"),
        pytest.param(["--glossary", "a", "--glossary", "b"], "takes one glossary", id="two"),
        pytest.param(["--glossary", "large.csv"], "is too large to go with a request", id="large"),
        pytest.param(["--target-prefix", "x" * 400], "target prefix and required", id="prefix"),
    ],
)
def test_what_cannot_be_asked_of_a_server_is_one_line(
    tformer: Tformer,
    server: RunningServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("large.csv").write_text("".join(f"a{i},b\n" for i in range(MOST_ENTRIES + 1)))
    call = ["translate", "-s", "en", "-t", "de", "--server", server.address, "-o", "out.txt"]
    result = tformer(*call, *arguments, stdin=b"A dog.\n")
    assert result.status == ExitStatus.USAGE
    assert message in result.err and result.err.count("\n") == 1
    assert not Path("out.txt").exists()


def test_a_glossary_without_terms_for_a_direction_is_told_of(
    tformer: Tformer, server: RunningServer, folder: Path
) -> None:
    common = ["translate", "--server", server.address, "-s", "de", "-t", "en"]
    brought = tformer(*common, "--glossary", folder / "company.csv", stdin=b"...\n")
    assert brought.err == "warning: the glossary has nothing from de to en\n"
    named = tformer(*common, "--glossary", "company", stdin=b"...\n")
    assert named.err == "", "some of its terms serve every direction"
