"""Glossaries and translation memories as programs write them."""

from pathlib import Path

import pytest

from tformer.documents.registry import open_document
from tformer.documents.terminology.glossaries import read_glossary
from tformer.documents.terminology.memories import read_memory

TABLES = {
    "a name with a region": "English (United States);German (Germany)\ndoor;Tür\n",
    "a name with a region behind a line": "English_United_States,German\ndoor,Tür\n",
    "terms with codes": "Term_en,Term_de\ndoor,Tür\n",
    "terms with codes in brackets": (
        "Term [en],Description [en],Part of Speech [en],Term [de],Description [de]\n"
        "door,it opens,noun,Tür,sie geht auf\n"
    ),
    "codes before": "en term,de term\ndoor,Tür\n",
    "a concept": "concept_id,term_en,term_de\n7,door,Tür\n",
    "what each entry is": (
        "Entry_ID,Entry_Subject,English,Term_Info,German,Term_Info\n1,house,door,,Tür,\n"
    ),
    "what a term is": (
        "term;description;translatable;forbidden;tags;en;en_description;de;de_description\n"
        "door;x;yes;no;;door;;Tür;\n"
    ),
    "languages of each row": "door,Tür,en,de\n",
    "bars": "en|de\ndoor|Tür\n",
    "a mark of UTF-16": "English\tGerman\r\ndoor\tTür\r\n",
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_that_name_languages(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(TABLES[kind].encode("utf-16" if "UTF-16" in kind else "utf-8"))
    (entry,) = read_glossary(path)
    found = (entry.source, entry.target, entry.source_language, entry.target_language)
    assert found == ("door", "Tür", "en", "de")


@pytest.mark.parametrize(
    "header", ["Quellbegriff;Zielbegriff", "Source_Term;Target_Term", "Ausgangssprache;Zielsprache"]
)
def test_tables_that_name_sides(header: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\ndoor;Tür\n", "utf-8")
    assert [(e.source, e.target) for e in read_glossary(path)] == [("door", "Tür")]


@pytest.mark.parametrize("first", ["it;sie", "text;Text", "Dutch door;Klöntür", "word;Wort"])
def test_a_first_row_of_terms_is_no_header(first: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{first}\ndoor;Tür\n", "utf-8")
    assert len(read_glossary(path)) == 2


def test_quotes_of_spreadsheets_in_tsv(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('en\tde\n"the ""big"" door"\t"die große Tür"\n5" door\tTür\n', "utf-8")
    pairs = [(entry.source, entry.target) for entry in read_glossary(path)]
    assert pairs == [('the "big" door', "die große Tür"), ('5" door', "Tür")]


def tbx(status: str) -> str:
    name = "<termGroup><term>{}</term>{}</termGroup>"
    german = name.format("Pforte", status) + name.format("Tür", "")
    return (
        f'<TBX><body><entry><langGroup xml:lang="en">{name.format("door", "")}</langGroup>'
        f'<langGroup lang="de">{german}</langGroup></entry></body></TBX>'
    )


@pytest.mark.parametrize(
    "status",
    [
        "<termStatus>obsolete</termStatus>",
        '<termNote type="administrativeStatus">forbidden</termNote>',
        '<termNote type="administrativeStatus">deprecatedTerm-admn-sts</termNote>',
        '<admin type="Usage Status">Prohibited</admin>',
        "<x><termNote type='normativeAuthorization'>supersededTerm</termNote></x>",
    ],
)
def test_terms_that_should_not_be_used(status: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tbx"
    path.write_text(tbx(status), "utf-8")
    targets = [entry.target for entry in read_glossary(path) if entry.source == "door"]
    assert targets == ["Tür"]


@pytest.mark.parametrize(
    ("seg", "text"),
    [
        ("one<ph>{0}</ph>door", "one door"),
        ("one <x/> door", "one  door"),
        ("un<bpt i='1'>b</bpt>lock<ept i='1'>b</ept>ed", "unlocked"),
        ("\n  one\n  door\n", "one door"),
        ("one <hi>big</hi> <g id='1'>door</g>", "one big door"),
    ],
)
def test_text_in_native_code(seg: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tmx"
    variants = f'<tuv xml:lang="en"><seg>{seg}</seg></tuv><tuv xml:lang="de"><seg>Tür</seg></tuv>'
    path.write_text(f'<tmx version="1.4"><body><tu>{variants}</tu></body></tmx>', "utf-8")
    assert read_memory(path)[0].source == text


@pytest.mark.parametrize(
    ("format", "text"),
    [("csv", "German (Germany);English\n;open\nzu;\n"), ("tsv", "German\tEnglish\nzu\t\n")],
)
def test_documents_name_languages_as_glossaries_do(format: str, text: str) -> None:
    document = open_document(text.encode(), format)
    assert (document.languages.source, document.languages.target) == ("de", "en")
    assert [segment.text for segment in document.segments] == ["zu"]
