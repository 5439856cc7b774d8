"""Glossaries and translation memories in files: what is read, what is refused and where."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tformer.documents.terminology.glossaries import read_glossary
from tformer.documents.terminology.memories import read_memory
from tformer.model.errors import InputError
from tformer.model.terms.glossary import Entry
from tformer.model.terms.translation_memory import Unit

DATA = Path(__file__).parent / "data"

MARTIF = """<?xml version="1.0"?>
<!DOCTYPE martif SYSTEM "TBXBasiccoreStructV02.dtd">
<martif type="TBX-Basic" xml:lang="en"><text><body>
<termEntry id="c1">
  <descrip type="definition">It turns
    when steam passes.</descrip>
  <langSet xml:lang="en"><tig><term>steam turbine</term></tig>
    <ntig><termGrp><term>vapour turbine</term>
      <termNote type="administrativeStatus">deprecatedTerm-admn-sts</termNote></termGrp></ntig>
  </langSet>
  <langSet xml:lang="de"><tig><term>Dampfturbinen</term></tig>
    <tig><term>Dampf<hi>turbine</hi></term>
      <termNote type="administrativeStatus">preferredTerm-admn-sts</termNote></tig></langSet>
</termEntry>
<termEntry><langSet xml:lang="en"><tig><term>alone</term></tig></langSet></termEntry>
</body></text></martif>
"""

TBX3 = """<tbx type="TBX-Basic" style="dct" xml:lang="en" xmlns="urn:iso:std:iso:30042:ed-2"
  xmlns:basic="http://www.tbxinfo.net/ns/basic"><text><body>
<conceptEntry id="c1"><basic:definition>x</basic:definition>
  <langSec xml:lang="en"><termSec><term>pump</term></termSec></langSec>
  <langSec xml:lang="de"><termSec><term>Pumpe</term></termSec>
    <termSec><term>Pumpwerk</term>
      <basic:administrativeStatus>supersededTerm-admn-sts</basic:administrativeStatus></termSec>
  </langSec></conceptEntry></body></text></tbx>
"""


def write(folder: Path, name: str, data: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize(
    ("name", "data", "entries"),
    [
        pytest.param(
            "a.csv", "a b,x\n\nc,y,why\n", [("a b", "x", ""), ("c", "y", "why")], id="csv"
        ),
        pytest.param("a.csv", '"a; ""b""",x\r\n', [('a; "b"', "x", "")], id="quotes"),
        pytest.param("a.csv", 'a;"x\ny"\n', [("a", "x\ny", "")], id="semicolons"),
        pytest.param("a.CSV", b"\xef\xbb\xbfa,x", [("a", "x", "")], id="byte order mark"),
        pytest.param("a.csv", "a,x".encode("utf-16"), [("a", "x", "")], id="UTF-16"),
        pytest.param("a.csv", "target,id,Source\nx,1,a\n", [("a", "x", "a")], id="named columns"),
        pytest.param(
            "a.csv", "Source,Target,id,Notes\na,x,1,n\n", [("a", "x", "n")], id="named notes"
        ),
        pytest.param("a.tsv", 'a "b\tx\n', [('a "b', "x", "")], id="tsv has no quotes"),
        pytest.param("a.csv", "", [], id="empty"),
        pytest.param("a.csv", ",,\n \n", [], id="blank"),
    ],
)
def test_tables_of_terms(
    tmp_path: Path, name: str, data: str | bytes, entries: list[tuple[str, str, str]]
) -> None:
    expected = [Entry(source, target, None, None, note) for source, target, note in entries]
    assert read_glossary(write(tmp_path, name, data)) == expected


@pytest.mark.parametrize("header", ["en,de-AT", "en , de-AT,notes"])
def test_a_header_of_languages(tmp_path: Path, header: str) -> None:
    path = write(tmp_path, "a.csv", f"{header}\nbag,Sackerl\n")
    assert read_glossary(path) == [Entry("bag", "Sackerl", "en", "de-AT")]


def test_words_are_no_header(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "tea,Tee\n")
    assert read_glossary(path) == [Entry("tea", "Tee")]


def test_tbx_of_2008_pairs_terms_both_ways(tmp_path: Path) -> None:
    entries = read_glossary(write(tmp_path, "a.tbx", MARTIF))
    note = "It turns when steam passes."
    german = ["Dampfturbine", "Dampfturbinen"]
    assert {(e.source, e.target) for e in entries if e.source_language == "en"} == {
        (source, target) for source in ("steam turbine", "vapour turbine") for target in german
    }
    assert [e for e in entries if e.source_language == "de"] == [
        Entry(source, "steam turbine", "de", "en", note) for source in german
    ]
    assert entries[0] == Entry("Dampfturbine", "steam turbine", "de", "en", note)


def test_tbx_of_2019(tmp_path: Path) -> None:
    entries = read_glossary(write(tmp_path, "a.tbx", TBX3))
    assert {(e.source, e.target, e.source_language) for e in entries} == {
        ("pump", "Pumpe", "en"), ("Pumpe", "pump", "de"), ("Pumpwerk", "pump", "de"),
    }  # fmt: skip


ENTITY = '<!DOCTYPE x [<!ENTITY a "b">]>'
TU = "<tmx><header srclang='en'/><body>\n\n<tu>{}</tu></body></tmx>"
CONCEPT = "<tbx><text><body>\n<conceptEntry>{}</conceptEntry></body></text></tbx>"
MANY_TERMS = "<langSec xml:lang='en'>" + "<termSec><term>a</term></termSec>" * 201 + "</langSec>"
MANY_VARIANTS = "".join(f"<tuv xml:lang='x{n}'><seg>a</seg></tuv>" for n in range(101))
DEEP = "<tuv xml:lang='en'><seg>" + "<hi>" * 500 + "</hi>" * 500 + "</seg></tuv>"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        pytest.param("a.csv", "a,x\nb\n", ":2: the target of a term is missing", id="one column"),
        pytest.param(
            "a.csv", "a,x\n\n ,y\n", ":3: the source of a term is missing", id="no source"
        ),
        pytest.param("a.tsv", "a\tx\nb\t\n", ":2: the target of a term is missing", id="no target"),
        pytest.param("a.csv", 'a,x\n"b,y\nc,z\n', ":2: not CSV: unexpected end", id="open quote"),
        pytest.param("a.csv", 'a,"x" y\n', ":1: not CSV: ',' expected after", id="after a quote"),
        pytest.param("a.csv", f"a,x\na,{'x' * 200_000}", ":2: not CSV: field larger", id="huge"),
        pytest.param("a.csv", "a,x\nb,y\0\n", ":2: has a NUL", id="NUL"),
        pytest.param("a.tsv", b"a\tx\nb\xff\ty\n", ":2: byte 0xff is not UTF-8", id="bytes"),
        pytest.param("a.txt", "a,x", ": a glossary ends in .csv, .tsv or .tbx", id="suffix"),
        pytest.param("a.tbx", "<tbx>\n<text></tbx>", ":2: not well-formed XML", id="xml"),
        pytest.param("a.tbx", "<html/>", ": begins with <html>, not with <TBX>", id="html"),
        pytest.param("a.tbx", "", ":1: not well-formed XML: no element", id="empty tbx"),
        pytest.param("a.tbx", f"{ENTITY}<tbx/>", ":1: declares the entity 'a'", id="entity"),
        pytest.param("a.tbx", CONCEPT.format("<langSec/>"), ":2: not TBX: a langSec", id="langSec"),
        pytest.param("a.tbx", CONCEPT.format(MANY_TERMS), ":2: one concept has", id="many terms"),
    ],
)
def test_a_malformed_glossary_is_one_sentence(
    tmp_path: Path, name: str, data: str | bytes, message: str
) -> None:
    path = write(tmp_path, name, data)
    with pytest.raises(InputError) as caught:
        read_glossary(path)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        pytest.param("a.tmx", TU.format("<tuv><seg/></tuv>"), ":3: not TMX: a tuv wi", id="lang"),
        pytest.param("a.tmx", TU.format("<tuv lang='en'/>"), ":3: not TMX: a tuv with", id="seg"),
        pytest.param("a.tmx", TU.format("<tuv>"), ":3: not well-formed XML: mism", id="xml"),
        pytest.param("a.tmx", TU.format(MANY_VARIANTS), ":3: one unit has over 100", id="many"),
        pytest.param("a.tmx", TU.format(DEEP), ":3: a <hi> is nested too deep", id="deep"),
        pytest.param("a.tmx", f"{ENTITY}<tmx/>", ":1: declares the entity", id="entity"),
        pytest.param("a.tmx", "<tbx/>", ": begins with <tbx>, not with <tmx>", id="root"),
        pytest.param("a.tsv", "a,x\nb\n", ": no line has a source, a tab and a tr", id="no tab"),
        pytest.param("a.po", "", ": a translation memory ends in .tmx or .tsv", id="suffix"),
    ],
)
def test_a_malformed_memory_is_one_sentence(
    tmp_path: Path, name: str, data: str, message: str
) -> None:
    path = write(tmp_path, name, data)
    with pytest.raises(InputError) as caught:
        read_memory(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for read, name in ((read_glossary, "gone.csv"), (read_memory, "gone.tmx")):
        with pytest.raises(InputError, match=f"{name}: cannot be read: No such file"):
            read(tmp_path / name)


def test_a_memory_of_tsv_leaves_out_what_is_not_translated(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", "en\tde\na\tx\tnote\nb\t\nc\n")
    assert read_memory(path) == [Unit("a", "x", "en", "de", str(path))]


def test_a_memory_of_tmx_serves_both_ways_without_native_code() -> None:
    path = DATA / "documents" / "tmx" / "inline.tmx"
    english = "Read the manual of  first."
    assert read_memory(path) == [
        Unit(english, "Lies erst das Handbuch.", "en", "de", str(path)),
        Unit("Lies erst das Handbuch.", english, "de", "en", str(path)),
    ]


@pytest.mark.parametrize(
    "path", sorted((DATA / "documents" / "tmx").iterdir()), ids=lambda p: p.name
)
def test_every_tmx_that_is_a_document_is_a_memory(path: Path) -> None:
    assert all(unit.source and unit.target for unit in read_memory(path))


@given(
    read=st.sampled_from([(read_glossary, ".csv"), (read_glossary, ".tbx"), (read_memory, ".tmx")]),
    data=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8")),
)
def test_noise_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, read, data) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.getbasetemp() / f"noise{read[1]}"
    path.write_bytes(data)
    try:
        read[0](path)
    except InputError as error:
        assert "\n" not in str(error).removeprefix(str(path))
