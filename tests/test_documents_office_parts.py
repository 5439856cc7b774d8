"""What Office packages hold beside paragraphs: it is translated, or told of."""

import io
import zipfile
from collections.abc import Sequence

import pytest
from lxml import etree

from tformer.documents.registry import open_document
from tformer.documents.translation import translate_segments
from tformer.model.errors import InputError

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
SHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
C = 'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" xmlns:a="a"'
NAMES = 'xmlns:text="t" xmlns:office="o" xmlns:form="f" xmlns:style="s" xmlns:p="p"'


def shout(texts: Sequence[str]) -> list[str]:
    return [text.upper() for text in texts]


def package(parts: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def shouted(parts: dict[str, str], format: str) -> tuple[dict[str, str], list[str]]:
    """Parts with every segment in capitals, and the texts that are told of."""
    document = open_document(package(parts), format)
    translations = {r.segment.id: r.text for r in translate_segments(document.segments, shout)}
    assert document.damages(translations) == {}
    written = document.with_translations(translations, "de")
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    for name, text in texts.items():
        if name.endswith((".xml", ".opf", ".ncx")):
            etree.fromstring(text.encode())
    return texts, [left.text for left in document.left_texts]


def types(parts: dict[str, str]) -> dict[str, str]:
    """The list of the types of parts."""
    overrides = "".join(
        f'<Override PartName="/{name}" ContentType="application/vnd.{kind}+xml"/>'
        for name, kind in parts.items()
    )
    return {"[Content_Types].xml": f"<Types>{overrides}</Types>"}


TAB = "<w:r><w:tab/></w:r>"


def mark(kind: str) -> str:
    return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'


def field(instructions: str, result: str) -> str:
    code = f"<w:r><w:instrText>{instructions}</w:instrText></w:r>"
    shown = f"<w:r><w:t>{result}</w:t></w:r>"
    return f"{mark('begin')}{code}{mark('separate')}{shown}{mark('end')}"


def word(paragraphs: str, **others: str) -> dict[str, str]:
    """A document with paragraphs, and other parts."""
    body = f"<w:document {W} {C}><w:body>{paragraphs}</w:body></w:document>"
    return {"word/document.xml": body, **others}


@pytest.mark.parametrize(
    ("instructions", "result", "expected", "told"),
    [
        ('HYPERLINK "http://x.org/door"', "the door", "THE DOOR", []),
        ('HYPERLINK "x" \\o "a red tip"', "the door", "THE DOOR", ["a red tip"]),
        (" ref _Ref12 \\h ", "see the door", "SEE THE DOOR", []),
        ("FORMTEXT", "your name", "YOUR NAME", []),
        ('DATE \\@ "d MMMM"', "3 march", "3 march", []),
        ("MERGEFIELD First", "«First»", "«First»", []),
        ("ADDIN CSL_CITATION {}", "(smith, 2020)", "(smith, 2020)", []),
        ('IF 1 = 1 "yes" "no"', "yes", "YES", ['IF 1 = 1 "yes" "no"']),
        ("NEWKIND 7", "some words", "some words", ["some words"]),
        ('XE "door"', "", "", ['XE "door"']),
        ("PAGEREF _Toc1", "12", "12", []),
    ],
)
def test_results_of_fields(instructions: str, result: str, expected: str, told: list[str]) -> None:
    before = "<w:r><w:t xml:space='preserve'>before </w:t></w:r>"
    written, left = shouted(word(f"<w:p>{before}{field(instructions, result)}</w:p>"), "docx")
    body = written["word/document.xml"]
    assert "BEFORE" in body and f">{expected}<" in body
    assert f"<w:instrText>{instructions}</w:instrText>" in body
    kinds = [body.index(f'"{kind}"') for kind in ("begin", "separate", "end")]
    assert kinds == sorted(kinds)
    assert left == told


@pytest.mark.parametrize(
    ("kind", "expected"), [("REF a", ">A DOOR<"), ("PAGE", ">a door<"), ("NEWKIND", ">a door<")]
)
def test_a_field_and_words_in_one_run(kind: str, expected: str) -> None:
    """A few programs write marks, instructions, result and words around them into one run."""
    begin, separate, end = (mark(kind)[5:-6] for kind in ("begin", "separate", "end"))
    field = f"{begin}<w:instrText>{kind}</w:instrText>{separate}<w:t>a door</w:t>{end}"
    run = f"<w:r><w:t>see </w:t>{field}<w:t> now</w:t></w:r>"
    written, left = shouted(word(f"<w:p>{run}</w:p>"), "docx")
    body = written["word/document.xml"]
    assert ">SEE " in body and "NOW<" in body and expected in body
    assert left == ["a door"] * (kind == "NEWKIND")


def test_fields_that_hold_others() -> None:
    inner = field("PAGEREF _Toc2", "12")
    outer = field("HYPERLINK \\l _Toc2", f"the door</w:t></w:r>{TAB}{inner}<w:r><w:t>")
    written, left = shouted(word(f"<w:p>{outer}</w:p>"), "docx")
    assert "THE DOOR" in written["word/document.xml"] and inner in written["word/document.xml"]
    assert left == []


@pytest.mark.parametrize(
    "element",
    [
        '<w:tbl><w:tblPr><w:tblCaption w:val="{}"/></w:tblPr></w:tbl>',
        '<w:p><w:hyperlink w:tooltip="{}" w:anchor="a"/></w:p>',
        '<w:sdt><w:sdtPr><w:listItem w:displayText="{}" w:value="one door"/></w:sdtPr></w:sdt>',
        '<w:p><w:ffData><w:helpText w:type="text" w:val="{}"/></w:ffData></w:p>',
        '<w:p><w:ddList><w:listEntry w:val="{}"/></w:ddList></w:p>',
        '<w:p><w:pict><v:shape xmlns:v="v" alt="{}"/></w:pict></w:p>',
        '<w:p><w:pict><v:shape xmlns:v="v"><v:textpath string="{}"/></v:shape></w:pict></w:p>',
    ],
)
def test_attributes_that_are_read(element: str) -> None:
    said = element.format("two &quot;doors&quot; open")
    written, _ = shouted(word(f"<w:p><w:r><w:t>one</w:t></w:r></w:p>{said}"), "docx")
    assert element.format("TWO &quot;DOORS&quot; OPEN") in written["word/document.xml"]


def test_names_of_automatic_help_stay() -> None:
    said = '<w:p><w:helpText w:type="autoText" w:val="my text"/></w:p>'
    written, _ = shouted(word(f"<w:p><w:r><w:t>one</w:t></w:r></w:p>{said}"), "docx")
    assert said in written["word/document.xml"]


def test_numbers_of_lists_have_words() -> None:
    kinds = {"word/document.xml": "x.wordprocessingml.document.main"}
    kinds["word/numbering.xml"] = "x.wordprocessingml.numbering"
    level = '<w:lvl><w:lvlText w:val="{} %1:"/></w:lvl><w:lvl><w:lvlText w:val="(%2)"/></w:lvl>'
    numbering = f"<w:numbering {W}>{level.format('chapter')}</w:numbering>"
    parts = word("<w:p><w:r><w:t>one</w:t></w:r></w:p>", **{"word/numbering.xml": numbering})
    written, _ = shouted(types(kinds) | parts, "docx")
    assert level.format("CHAPTER") in written["word/numbering.xml"]


def test_labels_of_charts() -> None:
    kinds = {"word/document.xml": "x.wordprocessingml.document.main"}
    kinds["word/charts/chart1.xml"] = "openxmlformats-officedocument.drawingml.chart"
    cache = "<c:cat><c:strRef><c:f>Sheet1!$A$2</c:f><c:strCache><c:pt><c:v>{}</c:v></c:pt>"
    cache += "</c:strCache></c:strRef></c:cat><c:val><c:numCache><c:v>7</c:v></c:numCache></c:val>"
    chart = f"<c:chartSpace {C}>{cache.format('two doors')}</c:chartSpace>"
    parts = word("<w:p><w:r><w:t>one</w:t></w:r></w:p>", **{"word/charts/chart1.xml": chart})
    written, _ = shouted(types(kinds) | parts, "docx")
    assert cache.format("TWO DOORS") in written["word/charts/chart1.xml"]


def test_properties_and_data_that_the_text_shows() -> None:
    binding = '<w:sdtPr><w:dataBinding w:xpath="/n:Cover[1]/n:Abstract[1]"/></w:sdtPr>'
    content = "<w:sdtContent><w:p><w:r><w:t>a door</w:t></w:r></w:p></w:sdtContent>"
    core = '<x:coreProperties xmlns:x="x"><title>my door</title><creator>my name</creator>'
    item = "<Cover><Abstract>a door</Abstract><Fax>a fax</Fax></Cover>"
    parts = word(f"<w:sdt>{binding}{content}</w:sdt>")
    parts |= {"docProps/core.xml": core + "</x:coreProperties>", "customXml/item1.xml": item}
    kinds = {"word/document.xml": "x.wordprocessingml.document.main"}
    kinds["docProps/core.xml"] = "openxmlformats-package.core-properties"
    written, _ = shouted(types(kinds) | parts, "docx")
    assert "<title>MY DOOR</title><creator>my name</creator>" in written["docProps/core.xml"]
    assert "<Abstract>A DOOR</Abstract><Fax>a fax</Fax>" in written["customXml/item1.xml"]


def test_files_within_documents_are_told_of() -> None:
    parts = word("<w:p><w:r><w:t>one</w:t></w:r></w:p>")
    link = '<Relationships><Relationship Target="../embeddings/b.xlsx"/></Relationships>'
    parts |= {"word/afchunk.html": "<p>words</p>", "word/embeddings/b.xlsx": ""}
    _, left = shouted(parts | {"word/charts/_rels/chart1.xml.rels": link}, "docx")
    assert left == ["word/afchunk.html"]


def test_readings_and_words_in_formulas_are_told_of() -> None:
    run = "<w:r><w:t>{}</w:t></w:r>"
    ruby = f"<w:ruby><w:rt>{run.format('up')}</w:rt><w:rubyBase>{run.format('low')}</w:rubyBase>"
    math = "<m:oMath xmlns:m='m'><m:r><m:rPr><m:nor/></m:rPr><m:t>if so</m:t></m:r></m:oMath>"
    paragraph = f"<w:p>{run.format('one')}<w:r>{ruby}</w:ruby></w:r>{math}</w:p>"
    _, left = shouted(word(paragraph), "docx")
    assert left == ["uplow", "if so"]


def workbook(cells: str, rest: str = "", **others: str) -> dict[str, str]:
    """A workbook with cells, and what stands behind them."""
    sheet = f"<worksheet {SHEET}><sheetData><row>{cells}</row></sheetData>{rest}</worksheet>"
    book = f'<workbook {SHEET}><calcPr calcId="1"/></workbook>'
    return {"xl/worksheets/sheet1.xml": sheet, "xl/workbook.xml": book, **others}


def cell(text: str) -> str:
    return f'<c t="inlineStr"><is><t>{text}</t></is></c>'


def test_cells_that_formulas_compare_stay() -> None:
    formulas = '<c><f>IF(A1="open door",1,0)</f></c>'
    rest = '<autoFilter><filterColumn><filters><filter val="a shut door"/></filters></filterColumn>'
    rest += '</autoFilter><conditionalFormatting><cfRule type="containsText" text="late"/>'
    rest += '</conditionalFormatting><dataValidations><dataValidation type="list"><formula1>'
    rest += '"yes, not yet"</formula1></dataValidation></dataValidations>'
    kept = ["open door", "a shut door", "late", "not yet"]
    cells = "".join(map(cell, [*kept, "another door"]))
    written, left = shouted(workbook(cells + formulas, rest), "xlsx")
    sheet = written["xl/worksheets/sheet1.xml"]
    assert all(cell(text) in sheet for text in [*kept, "ANOTHER DOOR"])
    assert formulas in sheet and rest in sheet
    assert sorted(left) == sorted([*kept, "open door", "yes, not yet"])
    assert 'fullCalcOnLoad="1"' in written["xl/workbook.xml"]


def strings(*texts: str) -> str:
    return f"<sst {SHEET}>" + "".join(f"<si><t>{text}</t></si>" for text in texts) + "</sst>"


@pytest.mark.parametrize(
    ("formula", "stays", "changes"),
    [
        ('COUNTIF(A:A,"yes")', "Yes", "yes and no"),
        ('COUNTIF(A:A,"&lt;&gt;done")', "Done", "well done"),
        ('COUNTIF(A:A,"*door*")', "Front door", "window"),
        ('ISNUMBER(SEARCH("late",A1))', "too late now", "in time"),
        ('IF(LEFT(A1,5)="Front",1,2)', "Front side", "the back"),
        ("SUM(INDIRECT(A1))", "Fruit", "fruit and more"),
        ('A1&amp;"*"', "* a note", "a note"),
    ],
)
def test_cells_that_formulas_find_stay(formula: str, stays: str, changes: str) -> None:
    """Excel compares in any case, with wildcards, and parts of texts."""
    names = '<definedName name="Fruit">A1:A9</definedName>'
    sheet = f"<worksheet {SHEET}><c><f>{formula}</f></c></worksheet>"
    parts = {"xl/worksheets/sheet1.xml": sheet, "xl/sharedStrings.xml": strings(stays, changes)}
    parts["xl/workbook.xml"] = f"<workbook {SHEET}><definedNames>{names}</definedNames></workbook>"
    written, told = shouted(parts, "xlsx")
    assert f"<t>{changes.upper()}</t>" in written["xl/sharedStrings.xml"]
    is_kept = not stays.startswith("*")
    assert (f"<t>{stays}</t>" in written["xl/sharedStrings.xml"]) == is_kept
    assert (stays in told) == is_kept


def test_cells_without_shared_strings_and_with_codes() -> None:
    cells = '<c t="str"><v>a red door</v></c><c t="str"><f>A1</f><v>a red door</v></c>'
    parts = {"xl/worksheets/sheet1.xml": f"<worksheet {SHEET}>{cells}</worksheet>"}
    parts["xl/sharedStrings.xml"] = strings("one_x000D_\ntwo", "unit\nprice")
    table = f'<table {SHEET}><tableColumn name="Unit_x000a_price"/></table>'
    written, told = shouted({**parts, "xl/tables/table1.xml": table}, "xlsx")
    assert "ONE_x000D_\nTWO" in written["xl/sharedStrings.xml"]
    assert "unit\nprice" in written["xl/sharedStrings.xml"] and told == ["unit price"]
    sheet = written["xl/worksheets/sheet1.xml"]
    assert sheet.count("A RED DOOR") == 1 and "<f>A1</f><v>a red door</v>" in sheet


def test_cells_that_pivot_tables_name_stay() -> None:
    cached = '<cacheField name="Region"><sharedItems><s v="north shore"/></sharedItems>'
    cached = f"<pivotCacheDefinition {SHEET}>{cached}</cacheField></pivotCacheDefinition>"
    pivot = f'<pivotTableDefinition {SHEET} rowHeaderCaption="row labels">'
    pivot += '<dataField name="sum of sales"/></pivotTableDefinition>'
    table = f'<table {SHEET}><tableColumn name="x" totalsRowLabel="all of it"/></table>'
    others = {"xl/a.xml": cached, "xl/b.xml": pivot, "xl/tables/a.xml": table}
    kept = ["north shore", "row labels", "sum of sales", "all of it"]
    cells = "".join(map(cell, [*kept, "a red door"]))
    written, left = shouted(workbook(cells, **others), "xlsx")
    sheet = written["xl/worksheets/sheet1.xml"]
    assert all(cell(text) in sheet for text in [*kept, "A RED DOOR"]) and left == kept


def test_words_in_formats_of_numbers_are_told_of() -> None:
    formats = '<numFmt formatCode="0 &quot;days&quot;"/><numFmt formatCode="0.0 &quot;m&quot;"/>'
    styles = f"<styleSheet {SHEET}>{formats}</styleSheet>"
    written, left = shouted(workbook(cell("a door"), **{"xl/styles.xml": styles}), "xlsx")
    assert left == ['0 "days"'] and written["xl/styles.xml"] == styles


@pytest.mark.parametrize("code", ["_x000B_", "_x000D_"])
def test_codes_of_characters_divide_and_stay(code: str) -> None:
    slide = "<p:sld xmlns:p='p' xmlns:a='a'><a:p><a:r><a:t>one{}two</a:t></a:r></a:p></p:sld>"
    about = "<coreProperties><description>one{}two</description></coreProperties>"
    kinds = {"ppt/slides/slide1.xml": "x.presentationml.slide"}
    kinds["docProps/core.xml"] = "x.package.core-properties"
    parts = {"ppt/slides/slide1.xml": slide, "docProps/core.xml": about}
    written, _ = shouted(
        types(kinds) | {name: text.format(code) for name, text in parts.items()}, "pptx"
    )
    assert "ONE" in written["ppt/slides/slide1.xml"] and "TWO" in written["ppt/slides/slide1.xml"]
    assert code in written["ppt/slides/slide1.xml"]
    assert f"ONE{code}TWO" in written["docProps/core.xml"]


def test_formats_in_a_cell_are_around_words() -> None:
    """A sentence in several formats is one, and its line breaks are those of the cell."""
    bold = "<r><rPr><b/></rPr><t>{}</t></r>"
    plain = '<r><t xml:space="preserve">{}</t></r>'
    items = [bold.format("red") + plain.format(" doors\nopen"), bold.format("all")]
    shared = f"<sst {SHEET}>" + "".join(f"<si>{item}</si>" for item in items) + "</sst>"
    parts = {"xl/sharedStrings.xml": shared, "xl/worksheets/a.xml": f"<worksheet {SHEET}/>"}
    segments = open_document(package(parts), "xlsx").segments
    assert [s.text for s in segments] == ["<1>red</1> doors<2/>open", "<1>all</1>"]
    written = shouted(parts, "xlsx")[0]["xl/sharedStrings.xml"]
    root = etree.fromstring(written.encode())
    assert ["".join(item.itertext()) for item in root] == ["RED DOORS\nOPEN", "ALL"]
    assert [len(list(item.iter("{*}b"))) for item in root] == [1, 1]


def test_the_author_of_a_comment_stays() -> None:
    author = "<authors><author>Ann Red</author></authors>"
    text = "<text><r><t>Ann Red:</t></r><r><t>\na red door</t></r></text>"
    parts = {"xl/comments1.xml": f"<comments {SHEET}>{author}{text}</comments>"}
    written, _ = shouted({**parts, "xl/worksheets/a.xml": f"<worksheet {SHEET}/>"}, "xlsx")
    assert written["xl/comments1.xml"].count("Ann Red") == 2
    assert "A RED DOOR" in written["xl/comments1.xml"]


def test_a_type_may_be_that_of_a_suffix() -> None:
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    default = f'<Types><Default Extension="xml" ContentType="{kind}"/></Types>'
    parts = word("<w:p><w:r><w:t>one</w:t></w:r></w:p>")
    written, _ = shouted({"[Content_Types].xml": default, **parts}, "docx")
    assert "ONE" in written["word/document.xml"]


def test_headers_and_prompts_of_sheets() -> None:
    header = '<headerFooter><oddHeader>&amp;C&amp;"Arial,Bold"{}&amp;R&amp;P</oddHeader>'
    prompt = '<dataValidations><dataValidation promptTitle="{}" prompt="{}" error="{}"/>'
    rest = prompt.format("a door", "open &quot;it&quot;", "x" * 200 + " is too long")
    rest += f"</dataValidations>{header.format('two doors')}</headerFooter>"
    written, _ = shouted(workbook(cell("one"), rest), "xlsx")
    sheet = written["xl/worksheets/sheet1.xml"]
    assert header.format("TWO DOORS") in sheet
    assert prompt.format("A DOOR", "OPEN &quot;IT&quot;", "X" * 200 + " IS TOO LONG") in sheet


def test_prompts_longer_than_excel_reads_are_left_out() -> None:
    rest = '<dataValidations><dataValidation promptTitle="a door"/></dataValidations>'
    document = open_document(package(workbook(cell("one"), rest)), "xlsx")
    (segment,) = (s for s in document.segments if s.text == "a door")
    assert list(document.damages({segment.id: "eine Tür, " * 4})) == [segment.id]


def test_drawings_and_threads_of_workbooks() -> None:
    kinds = {"xl/worksheets/sheet1.xml": "x.spreadsheetml.worksheet"}
    kinds["xl/drawings/drawing1.xml"] = "openxmlformats-officedocument.drawing"
    kinds["xl/threadedComments/t.xml"] = "ms-excel.threadedcomments"
    drawing = "<w:wsDr xmlns:w='w' xmlns:a='a'><a:p><a:r><a:t>{}</a:t></a:r></a:p></w:wsDr>"
    thread = f"<ThreadedComments {SHEET}><threadedComment><text>a door</text></threadedComment>"
    parts = workbook(cell("one"))
    parts["xl/drawings/drawing1.xml"] = drawing.format("a door")
    parts["xl/threadedComments/t.xml"] = f"{thread}</ThreadedComments>"
    written, _ = shouted(types(kinds) | parts, "xlsx")
    assert "<a:t>A DOOR</a:t>" in written["xl/drawings/drawing1.xml"]
    assert "<text>A DOOR</text>" in written["xl/threadedComments/t.xml"]


def test_layouts_say_what_stands_on_every_slide() -> None:
    kinds = {"ppt/slides/slide1.xml": "x.presentationml.slide"}
    kinds["ppt/slideLayouts/slideLayout1.xml"] = "x.presentationml.slideLayout"
    kinds["ppt/comments/comment1.xml"] = "x.presentationml.comments"
    text = "<a:p><a:r><a:t>{}</a:t></a:r></a:p>"
    slide = f"<p:sld xmlns:p='p' xmlns:a='a'>{text.format('one')}</p:sld>"
    prompt = f"<p:sp><p:nvPr><p:ph/></p:nvPr>{text.format('click here')}</p:sp>"
    layout = f"<p:sldLayout xmlns:p='p' xmlns:a='a'>{prompt}<p:sp>{text.format('a motto')}</p:sp>"
    parts = {"ppt/slides/slide1.xml": slide}
    parts["ppt/slideLayouts/slideLayout1.xml"] = f"{layout}</p:sldLayout>"
    comment = "<p:cmLst xmlns:p='p'><p:cm><p:text>{}</p:text></p:cm></p:cmLst>"
    parts["ppt/comments/comment1.xml"] = comment.format("a note")
    written, _ = shouted(types(kinds) | parts, "pptx")
    assert prompt in written["ppt/slideLayouts/slideLayout1.xml"]
    assert "A MOTTO" in written["ppt/slideLayouts/slideLayout1.xml"]
    assert comment.format("A NOTE") in written["ppt/comments/comment1.xml"]


@pytest.mark.parametrize(
    "template",
    [
        "<text:p>see <text:bookmark-ref>{}</text:bookmark-ref></text:p>",
        "<text:p>write <text:text-input>{}</text:text-input></text:p>",
        "<text:p>of <text:title>{}</text:title></text:p>",
        '<text:p>an entry<text:alphabetical-index-mark text:string-value="{}"/></text:p>',
        '<form:button form:name="my name" form:label="{}"/>',
        '<text:list-level-style-number style:num-prefix="{}" style:num-format="1"/>',
        "<text:index-title-template>{}</text:index-title-template>",
        "<p:footer-decl>{}</p:footer-decl>",
    ],
)
def test_words_of_opendocument(template: str) -> None:
    content = f"<office:d {NAMES}><text:p>one</text:p>{template.format('a door')}</office:d>"
    written, left = shouted({"content.xml": content}, "odt")
    assert "A DOOR" in written["content.xml"] and "my door" not in written["content.xml"]
    assert left == []


def test_charts_and_properties_of_opendocument() -> None:
    text = f"<office:d {NAMES}><text:p>one door</text:p></office:d>"
    about = "<o xmlns:dc='d'><dc:title>a title</dc:title><dc:creator>my name</dc:creator></o>"
    parts = {"content.xml": text, "Object 1/content.xml": text, "meta.xml": about}
    written, _ = shouted(parts, "odt")
    assert "ONE DOOR" in written["Object 1/content.xml"]
    assert "A TITLE" in written["meta.xml"] and "my name" in written["meta.xml"]


def test_results_of_fields_of_opendocument_are_told_of() -> None:
    field = "<text:expression>a sum</text:expression>"
    content = f"<office:d {NAMES}><text:p>one door {field}</text:p></office:d>"
    written, left = shouted({"content.xml": content}, "odt")
    assert field in written["content.xml"]
    assert left == ["a sum"]


def book(**others: str) -> dict[str, str]:
    """A book with a chapter that its list names."""
    item = '<item href="my%20chapter.xml" media-type="application/xhtml+xml"/>'
    listed = f"<package><manifest>{item}</manifest>"
    listed += '<guide><reference title="a beginning" href="c"/></guide></package>'
    chapter = "<html><body><p>one door</p></body></html>"
    parts = {"META-INF/container.xml": "<c/>", "OEBPS/a.opf": listed}
    return {**parts, "OEBPS/my chapter.xml": chapter, **others}


def test_chapters_are_those_that_a_book_lists() -> None:
    name = "<docAuthor><text>my name</text></docAuthor>"
    ncx = f"<ncx><docTitle><text>my book</text></docTitle>{name}</ncx>"
    drawn = "<svg><text>words</text></svg>"
    written, left = shouted(book(**{"OEBPS/t.ncx": ncx, "OEBPS/p.svg": drawn}), "epub")
    assert "ONE DOOR" in written["OEBPS/my chapter.xml"]
    assert 'title="A BEGINNING"' in written["OEBPS/a.opf"]
    assert "MY BOOK" in written["OEBPS/t.ncx"] and name in written["OEBPS/t.ncx"]
    assert left == ["words"]


def test_encrypted_books_are_refused() -> None:
    listed = '<e><CipherReference URI="OEBPS/a.ttf"/></e>'
    assert open_document(package(book(**{"META-INF/encryption.xml": listed})), "epub").segments
    listed = listed.replace("a.ttf", "1.xhtml")
    with pytest.raises(InputError, match="encrypted"):
        open_document(package(book(**{"META-INF/encryption.xml": listed})), "epub")
