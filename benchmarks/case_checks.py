"""Checks of the outputs of document cases, by format and by case.

Checks by format come first and hold for every file of it: its own parser takes the output, and
tags, keys, times and directives are those of the input. Checks by case say what `expected.txt`
says; a case without any gets those by format and keeps what `expected.txt` puts in backticks.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
import subprocess
import tempfile
import tomllib
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import yaml
from lxml import etree
from markdown_it import MarkdownIt


@dataclass(frozen=True)
class Case:
    """A case that was run."""

    name: str
    suffix: str
    input: bytes
    output: bytes | None
    status: int
    err: str
    expected: str

    @property
    def kind(self) -> str:
        """The first part of the name: of its format."""
        return self.name.partition("-")[0]

    @property
    def before(self) -> str:
        """The input as text."""
        return text_of(self.input)

    @property
    def after(self) -> str:
        """The output as text."""
        return text_of(self.output or b"")


Problems = Iterator[str]


def problems(case: Case) -> list[str]:
    """Everything that is wrong with the output of a case, a clause each."""
    if case.status == 70:
        return [case.err]
    if case.name in REFUSALS:
        return list(REFUSALS[case.name](case))
    if case.output is None:
        return [f"status {case.status}: {case.err.strip()}"]
    found: list[str] = []
    for check in (FORMATS.get(case.suffix, nothing), BY_CASE.get(case.name, quoted)):
        try:
            found += check(case)
        except Exception as error:  # the output is so far from right that it cannot be read
            found.append(f"cannot be read: {type(error).__name__}: {error}")
    return found


def text_of(data: bytes) -> str:
    """Text in UTF-8 or Latin-1; of an archive, its XML."""
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [n for n in archive.namelist() if re.search(r"(document|content)\.xml$", n)]
            return "".join(archive.read(name).decode() for name in names)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def nothing(case: Case) -> Problems:
    """No check."""
    return iter(())


def kept(case: Case, *literals: str) -> Problems:
    """Literals that are there as often as in the input."""
    for literal in literals:
        if case.before.count(literal) != case.after.count(literal):
            yield f"{literal!r}: {case.before.count(literal)} became {case.after.count(literal)}"


def quoted(case: Case) -> Problems:
    """Texts that the case puts in backticks and the input has."""
    body = case.expected.partition("\n\n")[2]
    literals = {match[1].strip() for match in re.finditer(r"`([^`\n]+)`", body)}
    yield from kept(case, *(literal for literal in literals if literal in case.before))


def keeps(*literals: str) -> Callable[[Case], Problems]:
    """A check that literals stay."""
    return lambda case: kept(case, *literals)


def lines_kept(case: Case, *lines: str) -> Problems:
    """Lines that are there as often as in the input."""
    before = Counter(line.rstrip() for line in case.before.splitlines())
    after = Counter(line.rstrip() for line in case.after.splitlines())
    for line in lines:
        if before[line] != after[line] or not before[line]:
            yield f"the line {line!r}: {before[line]} became {after[line]}"


def keeps_lines(*lines: str) -> Callable[[Case], Problems]:
    """A check that lines stay."""
    return lambda case: lines_kept(case, *lines)


def same(what: str, before: object, after: object) -> Problems:
    """Two things that are equal."""
    if before != after:
        yield f"{what}: {str(before)[:160]} became {str(after)[:160]}"


def all_of(*checks: Callable[[Case], Problems]) -> Callable[[Case], Problems]:
    """Several checks."""

    def check(case: Case) -> Problems:
        for one in checks:
            yield from one(case)

    return check


def matches(pattern: str, count: int = 1) -> Callable[[Case], Problems]:
    """A check that the output has a pattern so many times."""

    def check(case: Case) -> Problems:
        found = len(re.findall(pattern, case.after, re.MULTILINE))
        yield from same(f"{pattern!r}", count, found)

    return check


def without(*texts: str) -> Callable[[Case], Problems]:
    """A check that the output does not have some texts: what should have been translated."""

    def check(case: Case) -> Problems:
        for text in texts:
            if text in case.after:
                yield f"{text!r} is still there"

    return check


# --- formats -------------------------------------------------------------------------------------


def check_json(case: Case) -> Problems:
    """JSON of the same shape, keys, numbers and tags."""

    def shape(value: object) -> object:
        if isinstance(value, list):
            return [shape(item) for item in value]
        if isinstance(value, tuple):
            return (value[0], shape(value[1]))
        return Counter(re.findall(r"</?\w+[^<>]*>", value)) if isinstance(value, str) else value

    try:
        before, after = (
            json.loads(text.removeprefix("\ufeff"), object_pairs_hook=list)
            for text in (case.before, case.after)
        )
    except ValueError as error:
        yield f"not JSON: {error}"
        return
    yield from same("shape", shape(before), shape(after))


def strings(case: Case, after: bool = True) -> dict:
    """The JSON of a case."""
    return json.loads((case.after if after else case.before).removeprefix("\ufeff"))


def check_po(case: Case) -> Problems:
    """msgfmt takes it, also after fuzzy marks are removed."""
    text = re.sub(r"^#,(.*?)\s*fuzzy,?", r"#,\1", case.output.decode("latin-1"), flags=re.MULTILINE)
    text = re.sub(r"^#,\s*$\n?", "", text, flags=re.MULTILINE)
    with tempfile.NamedTemporaryFile(suffix=".po") as file:
        Path(file.name).write_bytes(text.encode("latin-1").removeprefix(b"\xef\xbb\xbf"))
        call = ["msgfmt", "--check-format", "-o", "/dev/null", file.name]
        done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        yield "msgfmt: " + " ".join(done.stderr.replace(file.name, "").split())[:300]


def po_entries(data: bytes) -> list:
    """The entries of PO, by polib."""
    import polib

    return list(polib.pofile(data.decode("latin-1" if b"8859" in data else "utf-8")))


DIRECTIVE = re.compile(
    r"%\((\w+)\)[-+0#]*\d*[a-z]|%%|%\|[^|]*\||%\d+%|%\{\w+\}|%<\w+>[a-z]|%[nL]\d?|%\d(?!\$)"
    r"|%(?:\d+\$)?[-+0#']*\d*(?:\.\d+)?(?:ll|l|z|h)?[diuxsfcj@]|\{[^{}]*\}|\$\w+|\$\{\w+\}|~[ad%]"
)


def directives_kept(case: Case) -> Problems:
    """Every directive of a message is in its translation, and no other."""
    for entry in po_entries(case.output or b""):
        forms = list(entry.msgstr_plural.values()) or [entry.msgstr]
        wanted = Counter(match[0] for match in DIRECTIVE.finditer(entry.msgid))
        for form in forms[:1] if not entry.msgid_plural else []:
            if not form:
                yield f"{entry.msgid!r} was not translated"
            found = Counter(match[0] for match in DIRECTIVE.finditer(form))
            yield from same(f"directives of {entry.msgid!r} in {form!r}", wanted, found)


def check_xml(case: Case) -> Problems:
    """Well-formed, with every source as it was; tags of targets are those of sources."""
    try:
        before, after = etree.fromstring(case.input), etree.fromstring(case.output)
    except etree.XMLSyntaxError as error:
        yield f"not well-formed: {error}"
        return
    sources = [[etree.tostring(e) for e in tree.iter("{*}source")] for tree in (before, after)]
    strip = [[re.sub(rb"</source>.*", b"", s, flags=re.DOTALL) for s in own] for own in sources]
    yield from same("sources", strip[0], strip[1])
    for source in after.iter("{*}source"):
        target = source.getparent().find("{*}target")
        if target is not None and case.name != "xliff12-states":
            yield from same("tags", tags_of(source), tags_of(target))
            yield from spaces(source, target)


def tags_of(element: etree._Element) -> list[str]:
    """The tags in an element, with their ids."""
    inner = [(etree.QName(e).localname, e.get("id") or e.get("startRef")) for e in element.iter()]
    return sorted(map(str, inner[1:]))


def shown(element: etree._Element) -> str:
    """The text of a unit, its empty elements as a sign."""
    text = element.text or ""
    for child in element:
        text += "\x01" + "".join(child.itertext()) + (child.tail or "")
    return text


def spaces(source: etree._Element, target: etree._Element) -> Problems:
    """A space between an element and a word stays; none is added at the ends."""
    before, after = shown(source), shown(target)
    spaced = len(re.findall(r"\x01 ?(?=\w)| (?=\x01)", before))
    if "\x01" in before and spaced and re.search(r"\x01(?=\w)|(?<=[\w:])\x01", after):
        glued = len(re.findall(r"\x01(?=\w)|(?<=[\w:])\x01", before))
        if len(re.findall(r"\x01(?=\w)|(?<=[\w:])\x01", after)) > glued:
            yield f"glued: {after!r} for {before!r}"
    yield from same("outer space", outer(before), outer(after))


def outer(text: str) -> tuple[str, str]:
    """White space at both ends."""
    return text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]


class Tags(HTMLParser):
    """The tags of HTML, each with the attributes that nobody reads."""

    READ = frozenset(
        {"alt", "title", "placeholder", "label", "aria-label", "abbr", "content", "value"}
    )

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        """Note a tag and its attributes."""
        fixed = tuple(a for a in attrs if a[0] not in self.READ | {"lang"})
        self.found.append((tag, fixed, frozenset(name for name, _ in attrs) - {"lang"}))

    def handle_endtag(self, tag: str) -> None:
        """Note the end of an element."""
        self.found.append((f"/{tag}",))


def check_html(case: Case) -> Problems:
    """The same tags."""
    yield from same("tags", Counter(Tags(case.before).found), Counter(Tags(case.after).found))


_FRONT = re.compile(r"\A(---|\+\+\+)\n.*?\n\1\n", re.DOTALL)


def check_markdown(case: Case) -> Problems:
    """The same blocks, for CommonMark with tables."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    before, after = (
        [token.type for token in parser.parse(_FRONT.sub("", t))]
        for t in (case.before.replace("\r\n", "\n"), case.after.replace("\r\n", "\n"))
    )  # fmt: skip
    yield from same("blocks", before, after)


TIME = re.compile(r"^[ \t]*[\d:.,]+ --> .*$", re.MULTILINE)


def check_subtitles(case: Case) -> Problems:
    """The same times, and the same number of blank-line separated cues with text."""
    yield from same("times", TIME.findall(case.before), TIME.findall(case.after))


def check_docx(case: Case) -> Problems:
    """Word's XML is well-formed, and marks, fields and controls are there as often as before."""
    etree.fromstring(case.after.encode())
    count = re.compile(r"<(?!w:(?:r|t|rPr|b|lang|proofErr)[ />])(?!/)([\w:]+)")
    yield from same("tags", Counter(count.findall(case.before)), Counter(count.findall(case.after)))


def runs(case: Case) -> list[str]:
    """The text of the paragraphs of a Word document, with tabs and breaks."""
    texts = []
    for paragraph in re.findall(r"<w:p>.*?</w:p>", case.after, re.DOTALL):
        marked = re.sub(r"<w:tab/>", "\t", re.sub(r"<w:br/>", "\n", paragraph))
        texts.append(html.unescape(re.sub(r"<[^>]+>", "", marked)))
    return texts


def check_odt(case: Case) -> Problems:
    """The same tags in the same number."""
    etree.fromstring(case.after.encode())
    count = re.compile(r"<([\w:-]+)")
    yield from same("tags", Counter(count.findall(case.before)), Counter(count.findall(case.after)))


FORMATS: dict[str, Callable[[Case], Problems]] = {
    ".json": check_json,
    ".arb": check_json,
    ".po": check_po,
    ".xlf": check_xml,
    ".xliff": check_xml,
    ".tmx": check_xml,
    ".html": check_html,
    ".md": check_markdown,
    ".srt": check_subtitles,
    ".vtt": check_subtitles,
    ".docx": check_docx,
    ".odt": check_odt,
}


# --- cases ---------------------------------------------------------------------------------------


def refused(case: Case, status: int = 3) -> Problems:
    """One sentence on stderr, no output."""
    if case.status != status or case.output is not None:
        yield f"status {case.status}, not refused"


def refused_or_warned(case: Case) -> Problems:
    """Refused, or a warning."""
    if case.output is not None and "warning" not in case.err:
        yield "neither refused nor warned of"


def refused_with_place(case: Case) -> Problems:
    """Refused, with a line and a column."""
    yield from refused(case)
    if not re.search(r":\d+: .*(column|comment)", case.err):
        yield f"the place is not said: {case.err!r}"


def csv_or_refused(case: Case) -> Problems:
    """CSV with the same rows and columns."""
    if case.output is not None:
        before, after = (
            [len(r) for r in csv.reader(io.StringIO(t))] for t in (case.before, case.after)
        )
        yield from same("cells", before, after)
        yield from same("quotation marks", case.before.count('"'), case.after.count('"'))


def latin1_or_told(case: Case) -> Problems:
    """Written in its encoding, or a message that tells how to go on."""
    if case.output is None:
        if not re.search(r"iconv|--encoding|convert|msgconv", case.err):
            yield f"no way to go on: {case.err!r}"
    elif b"8859" in case.output:
        case.output.decode("latin-1")


REFUSALS: dict[str, Callable[[Case], Problems]] = {
    "binary-as-lines": refused,
    "csv-as-lines": csv_or_refused,
    "json-comments": refused_with_place,
    "xliff12-source-language": refused_or_warned,
    "po-folder-of-languages": refused_or_warned,
    "po-latin1": latin1_or_told,
    "srt-cp1252": latin1_or_told,
}


def lang_or_warned(pattern: str) -> Callable[[Case], Problems]:
    """A check that the language is said in the output, or warned of."""

    def check(case: Case) -> Problems:
        if not re.search(pattern, case.after) and "lang" not in case.err:
            yield f"{pattern!r} is not in the output"

    return check


def between_spans(case: Case) -> Problems:
    """The two spans divide the text in three."""
    pieces = re.sub(r"</?p>", "", case.after.strip()).split('<span class="tab"></span>')
    if len(pieces) != 3 or not all(re.search(r"\w", piece) for piece in pieces):
        yield f"pieces: {pieces}"


def rendered_text(case: Case) -> Problems:
    """Markdown that makes no element of what was text."""
    found = Tags(MarkdownIt("commonmark", {"html": True}).render(case.after)).found
    yield from same("elements", {"p", "/p"}, {tag[0] for tag in found})


def footnotes(case: Case) -> Problems:
    """Definitions of footnotes begin lines."""
    for name in "abc":
        yield from matches(rf"^\[\^{name}\]: ")(case)


def front_matter(case: Case) -> Problems:
    """YAML of the same types."""
    before, after = (yaml.safe_load(t.split("---")[1]) for t in (case.before, case.after))
    yield from same("types", *[{k: type(v) for k, v in d.items()} for d in (before, after)])


def toml(case: Case) -> Problems:
    """TOML with the same keys and values but the title."""
    before, after = (tomllib.loads(t.split("+++")[1]) for t in (case.before, case.after))
    for table in (before, after):
        table.pop("title", None)
    yield from same("front matter", before, after)


def columns(case: Case) -> Problems:
    """The same columns in each row."""
    before, after = (
        [len(re.findall(r"(?<!\\)\|", line)) for line in t.splitlines()]
        for t in (case.before, case.after)
    )
    yield from same("columns", before, after)


def apostrophes(case: Case) -> Problems:
    """Check that apostrophes are doubled where {0} is, and nowhere else."""
    for line in case.after.splitlines():
        value = line.partition("=")[2]
        if "{" in value and re.search(r"(?<!')'(?!')", value):
            yield f"an apostrophe alone: {line!r}"
        if "{" not in value and "''" in value:
            yield f"a double apostrophe: {line!r}"


def untouched(*values: str) -> Callable[[Case], Problems]:
    """A check on PO: messages that are left empty or copied."""

    def check(case: Case) -> Problems:
        for entry in po_entries(case.output or b""):
            if entry.msgid in values and entry.msgstr not in ("", entry.msgid):
                yield f"{entry.msgid!r} became {entry.msgstr!r}"

    return check


def po_line_breaks(case: Case) -> Problems:
    """As many line breaks in each translation, at the same ends."""
    for entry in po_entries(case.output or b""):
        yield from same("line breaks", entry.msgid.count("\n"), entry.msgstr.count("\n"))
        yield from same("outer", outer(entry.msgid), outer(entry.msgstr))


def po_keywords(case: Case) -> Problems:
    """The keyword list keeps its semicolons."""
    for entry in po_entries(case.output or b""):
        if entry.msgid.endswith(";") and entry.msgstr:
            yield from same("semicolons", entry.msgid.count(";"), entry.msgstr.count(";"))


def unchanged(case: Case) -> Problems:
    """The file, byte for byte."""
    if case.output != case.input:
        yield "the file has changed"


def one_plural_form(case: Case) -> Problems:
    """The only form is made of the plural."""
    for entry in po_entries(case.output or b""):
        for form in entry.msgstr_plural.values():
            if "%d" not in form:
                yield f"{form!r} has no %d"


def cues(case: Case) -> list[str]:
    """The texts of SubRip cues."""
    text = case.after.replace("\r\n", "\n")
    return [p.strip("\n") for p in re.split(r"(?m)^(?:\d+\n)?[\d:.,]+ --> .*\n?", text)[1:]]


def italic_over_cues(case: Case) -> Problems:
    """The tag opens in the first cue and closes in the second."""
    first, second = cues(case)
    if "<i>" not in first or "</i>" not in second:
        yield f"{first!r} {second!r}"


def spreadsheet(case: Case) -> Problems:
    """As many rows, and cells of several lines stay."""
    before, after = (
        list(csv.reader(io.StringIO(t), delimiter="\t")) for t in (case.before, case.after)
    )
    yield from same("rows", [len(r) for r in before], [len(r) for r in after])
    yield from same("first column", [r[0] for r in before], [r[0] for r in after])


def youtube(case: Case) -> Problems:
    """Word times rise within a cue, <c> pairs are closed."""
    for cue in cues(case):
        times = re.findall(r"<(\d\d:[\d:.]+)>", cue)
        yield from same("times in order", sorted(set(times)), times)
        yield from same("<c>", cue.count("<c>"), cue.count("</c>"))
    if re.search(r"<c> (?:old|the|garden)</c>", case.after):
        yield "words were not translated as a sentence"


def vtt_json(case: Case) -> Problems:
    """The JSON cue is still JSON with the same keys."""
    yield from kept(case, "thumbs/sheet1.jpg#xywh=0,0,160,90")
    try:
        found = json.loads(" ".join(cues(case)[1].split()))
    except ValueError as error:
        yield f"not JSON: {error}"
        return
    yield from same("keys", {"title", "id", "href"}, set(found))


def icu(case: Case) -> Problems:
    """Keywords, arguments and braces are intact."""
    for target in etree.fromstring(case.output).iter("{*}target"):
        text = shown(target)
        source = shown(target.getparent().find("{*}source"))
        head = re.compile(
            r"\{\s*\w+\s*,\s*(?:plural|select)\s*,|(?:=\d+|\w+)\s*\{(?!\s*\w+\s*,)|\}"
        )
        yield from same("ICU", head.findall(source), head.findall(text))


def states(case: Case) -> Problems:
    """Check that new segments are translated and done ones stay."""
    tree = etree.fromstring(case.output)
    for unit in tree.iter("{*}trans-unit"):
        text = unit.findtext("{*}target")
        if unit.get("id") in "01" and text == "Hund":
            yield f"unit {unit.get('id')} was not translated"
        if unit.get("id") in "345" and text != "Hund":
            yield f"unit {unit.get('id')} was translated"


def words_kept(*words: str) -> Callable[[Case], Problems]:
    """A check that words stay in targets."""

    def check(case: Case) -> Problems:
        for word in words:
            yield from same(word, 2 * case.before.count(word), case.after.count(word))

    return check


def inflection(case: Case) -> Problems:
    """Directives of Apple stay in targets."""
    words = ("%lld", "%@", "%1$@", "%2$lld", "%#@dogs@", "%arg", "(inflect: true)", "^[")
    yield from words_kept(*words)(case)


def docx_texts(*pieces: str) -> Callable[[Case], Problems]:
    """A check that texts of a Word document stay whole."""

    def check(case: Case) -> Problems:
        text = "\n".join(runs(case))
        for piece in pieces:
            if piece not in text:
                yield f"{piece!r} is not in {text[:200]!r}"

    return check


def leaders(case: Case) -> Problems:
    """Tabs stay between the columns."""
    yield from same("columns", [2, 3, 1], [len(text.split("\t")) for text in runs(case)])
    yield from docx_texts("\t________", "1.\t", "\t12.50", "☐")(case)


def soup(case: Case) -> Problems:
    """Tab and break stay, the subscript is a 2."""
    yield from matches(r'<w:vertAlign w:val="subscript"/></w:rPr><w:t[^>]*>2<')(case)
    text = runs(case)[0]
    if not re.search(r"\S\t\S", text) or not re.search(r"\S\n\S", text):
        yield f"tab or break: {text!r}"


def fields(case: Case) -> Problems:
    """Begin, separate and end in order."""
    depth = 0
    for kind in re.findall(r'fldCharType="(\w+)"', case.after):
        depth += {"begin": 1, "end": -1, "separate": 0}[kind]
        if depth < 0:
            yield "a field ends before it begins"
    yield from same("depth", 0, depth)
    yield from without("The house", "The garden")(case)


def moved(case: Case) -> Problems:
    """Deletions keep their text."""
    yield from kept(case, "<w:delText>big </w:delText>", "w:author=")


BY_CASE: dict[str, Callable[[Case], Problems]] = {
    "arb-locale": all_of(lang_or_warned(r'"@@locale": "de"'), keeps("What a dog does")),
    "docx-default-namespace": all_of(without("The dog sleeps.")),
    "docx-jinja": docx_texts(
        "{{ customer.name }}", "{%p if dog %}", "{%p endif %}", "{%tr for x in doors %}",
        "{{ total|round(2) }}", "{{r rich }}", "«Name»",
    ),
    "docx-leaders": leaders,
    "docx-run-soup": soup,
    "docx-sdt": without("Write the name here."),
    "docx-symbols-math": all_of(
        keeps("<m:t>a=b</m:t>", 'w:char="F04A"'), without("cat plays", "The house is old")
    ),
    "docx-toc-fields": fields,
    "docx-tracked": moved,
    "html-address-br": keeps("<br>", "<br/><br/>"),
    "html-attributes-quotes": all_of(
        keeps('href="x.html?a=1&b=2"', 'data-title="Do not touch"', "src=d.png"),
        without("The dog's house"),
    ),
    "html-buttons": all_of(
        keeps('value="Anna"', 'value="red"', 'value="green"'),
        without("Your name", "Send the letter", "Go back", "Red door", "Write your name"),
    ),
    "html-conditional-comments": all_of(
        keeps("<!--[if mso]><p>This is for one program only.</p><![endif]-->", "<![if !IE]>",
              'var a = "The dog < sleeps";', '{"name": "The house"}', 'content: "The dog"'),
        without("<p>The dog sleeps.</p>", "Please turn it on."),
    ),
    "html-icon": all_of(keeps('<i class="fa fa-home"></i> ', '<span class="badge"></span>',
                              "<b></b>")),
    "html-erb": keeps("<%= count %>", "<% if open %>", "<% end %>", "<%- name %>"),
    "html-gutenberg": all_of(quoted, keeps('<!-- wp:paragraph {"align":"center"} -->',
                             "<!-- /wp:image -->"), without("A green garden", "In the garden")),
    "html-lang-attribute": lang_or_warned('lang="de"'),
    "html-line-breaks": matches(r"^\t<p>\n\t\t\w.*\n"),
    "html-spacers": between_spans,
    "html-templates": keeps(
        "<?php echo $name; ?>", "{% if user %}", "{{ user.name|title }}", "{% endif %}",
        "{% for x in list %}", "{{ x }}", 'th:text="#{house}"', "<%= count %>", 'v-if="n > 1"',
        "${n}", "{% url 'home' %}", 'title="{{ title }}"',
    ),
    "json-chrome-extension": all_of(
        keeps("$USER$", "$COUNT$", "$1 ", "$$5"), keeps('"content": "$1"', '"$2"')
    ),
    "json-entity-text": keeps("&lt;script&gt;", "&amp;", "&quot;", "&#8211;", "&gt;"),
    "json-i18next": keeps("{{count}}", '$t(dog, {\\"count\\": {{n}} })', "{{- raw}}",
                          "{{value, number(minimumFractionDigits: 2)}}"),
    "json-identifiers": all_of(keeps(
        '"en-US"', '"#FF8800"', '"https://example.org/a?b=c"', '"2024-01-02T03:04:05Z"',
        '"application/json"', '"com.example.house.Door"', '"0 5 * * MON"', '"arrow-left"',
        '"MAX_DOORS"', '"v1.2.3-beta.1"',
    ), without("The door is open.")),
    "json-vue-i18n": keeps(" | ", "@:house.name", "@.lower:house.name", "{'@'}", "{count}"),
    "md-admonition-docusaurus": all_of(keeps_lines(":::tip", ":::"), matches(r"^:::note\[.+\]$"),
                                       matches(r"^:::danger \S"), without("Close the window")),
    "md-alert-github": all_of(keeps_lines("> [!NOTE]", "> [!WARNING]"),
                              matches(r"^> \[!tip\]- \S"), without("The shop is closed")),
    "md-crlf": matches(r"(?<!\r)\n", 0),
    "md-definition-list": all_of(matches(r"^:   \S", 2), matches(r"^\S+\n:   ", 2)),
    "md-escaped-markup": rendered_text,
    "md-escapes": nothing,
    "md-footnotes-joined": footnotes,
    "md-frontmatter-colon": front_matter,
    "md-heading-id": all_of(matches(r" \{#my-house\}$"), matches(r" \{ #garden \.wide \}$"),
                            matches(r" \{#old-trees\}$")),
    "md-html-table-after-text": keeps_lines("<table>"),
    "md-liquid": keeps_lines(
        '{% if user.name == "Anna" %}', "{% else %}", "{% endif %}", "{% highlight python %}",
        "{% endhighlight %}", 'print("good morning to you")', "{{{ raw_html }}}",
    ),
    "md-math": all_of(
        keeps("$E = m c^2$", "$a_i + b_i$", r"\(x \le y\)", r"\sum_{i=1}^{n} a_i",
              r"\int_0^1 f(x) \, dx = \text{area of the field}"),
        keeps_lines("$$", r"\[", r"\]"),
    ),
    "md-mdx": all_of(keeps_lines(
        "import Tabs from '@theme/Tabs';", "import Box from '../components/Box';",
        'export const colour = "red";', '<Tabs groupId="system">', "</Tabs>",
    ), keeps("{props.value}", "</Box>", '<Box value="linux"'), without("The dog is in")),
    "md-mkdocs-tabs-snippets": all_of(
        matches(r'^=== "', 2), keeps_lines('--8<-- "includes/house.md"', "::: mylib.house",
        "    options:", "      show_root_heading: true"), matches(r"^\*\[HTML\]: \S"),
        keeps("{ .md-button .md-button--primary }", '{ width="300" align=left }'),
        without("Open a window."),
    ),
    "md-obsidian": keeps("[[Old House]]", "[[Garden|", "![[plan.png]]", "==", "%%", "#to-do",
                         "^block-id"),
    "md-reference-links": keeps("][house]", "[house]: ", "[garden]: /garden", "[plan]: plan.png"),
    "md-table": columns,
    "md-task-list": all_of(*(matches(rf"^- \[{mark}\] \S") for mark in " xX")),
    "md-toc-and-comments": keeps("[TOC]", "[[_TOC_]]", "<!-- prettier-ignore-start -->",
                                 "<!-- say more here -->", "[comment]: # (This is not shown)",
                                 '[//]: # "also not shown"'),
    "md-toml-front-matter": toml,
    "po-format-kinds": directives_kept,
    "po-percent": directives_kept,
    "po-unit-letters": directives_kept,
    "po-lines": po_line_breaks,
    "po-html": words_kept("&amp;", "&rarr;"),
    "po-obsolete-previous": unchanged,
    "po-plural-forms": one_plural_form,
    "po-special-messages": all_of(untouched(
        "translator-credits", "org.example.House", "document-open-symbolic", "%Y-%m-%d %H:%M",
        "en_US"), po_keywords),
    "properties-apostrophes": apostrophes,
    "properties-apostrophes-2": apostrophes,
    "properties-latin1": nothing,
    "srt-ass-tags": keeps("{\\an8}", "{\\i1}", "{\\i0}", "\\N", "\\h", "{\\pos(192,240)}",
                          "{y:i}", "<font color"),
    "srt-blank-line-in-cue": without("The first line", "the second line"),
    "srt-italic-over-cues": italic_over_cues,
    "srt-no-index": without("Where is the dog?"),
    "srt-numbers-as-text": all_of(matches(r"^1984$", 1), matches(r"^3\n00:00:05,000")),
    "srt-speakers": all_of(matches(r"^>> ", 2), matches(r"^- ", 2), keeps("♪")),
    "tsv-excel": spreadsheet,
    "tsv-header": all_of(keeps_lines("en\tde\tnotes"), spreadsheet),
    "vtt-blocks": keeps("This is a remark --> not a cue", "::cue(b) { color: red; }", "id:top",
                        "X-TIMESTAMP-MAP", "\nintro\n", "&amp;", "&lt;"),
    "vtt-metadata": vtt_json,
    "vtt-youtube": youtube,
    "xliff12-icu-plain": icu,
    "xliff12-icu-with-x": icu,
    "xliff12-protected": words_kept("Green Door"),
    "xliff12-states": states,
    "xliff12-target-language": matches('target-language="de"'),
    "xliff12-xcode": inflection,
    "xliff20-mrk-no": words_kept("Green Door", "Red House"),
    "xliff20-trglang": matches('trgLang="de"'),
}  # fmt: skip
