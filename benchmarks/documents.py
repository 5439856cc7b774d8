"""Translates a folder of real files with the shipped model and compares their structure.

    python benchmarks/documents.py FOLDER [--model en-de] [-s en -t de] [--json PATH]

Referees are the formats' own tools: for Markdown, Python-Markdown with the extensions of a site
(`pip install pymdown-extensions`) and markdown-it; lxml for XML, msgfmt for PO, python's json and
html.parser. A file counts as kept if its blocks, tags, code, keys and times are those of the
source. Prints a row for each format, the files that differ, and how many segments tformer itself
reported and left as they were.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

from lxml import etree
from markdown import Markdown
from markdown_it import MarkdownIt

from tformer.cli import loading, main
from tformer.documents.registry import format_of

_EXTENSIONS = [
    "admonition", "attr_list", "def_list", "footnotes", "md_in_html", "tables", "abbr",
    "pymdownx.superfences", "pymdownx.details", "pymdownx.tabbed", "pymdownx.arithmatex",
    "pymdownx.tasklist", "pymdownx.mark", "pymdownx.caret", "pymdownx.tilde", "pymdownx.keys",
]  # fmt: skip
_CONFIGS = {"pymdownx.tabbed": {"alternate_style": True}}
_INLINE = set(
    [
        "a",
        "abbr",
        "b",
        "code",
        "del",
        "em",
        "i",
        "img",
        "input",
        "ins",
        "kbd",
        "mark",
        "s",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "u",
    ]
)
_FRONT = re.compile(r"\A(---|\+\+\+)\r?\n.*?\n\1\r?\n", re.DOTALL)


class _Blocks(HTMLParser):
    """The block tags of HTML in order, with their classes and ids, and the code between <pre>."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[object] = []
        self._in_pre = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        """Note a tag."""
        self._in_pre = self._in_pre or tag == "pre"
        if tag not in _INLINE:
            # Python-Markdown makes ids of headings' words.
            fixed = [a for a in attrs if a[0] == "class"]
            self.found.append((tag, fixed))

    def handle_endtag(self, tag: str) -> None:
        """Note the end of an element."""
        self._in_pre = self._in_pre and tag != "pre"
        if tag not in _INLINE:
            self.found.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        """Note code."""
        if self._in_pre:
            self.found.append(data)


def of_markdown(data: bytes) -> object:
    """Blocks, by two parsers, and the inline tags and links without their order."""
    text = _FRONT.sub("", data.decode().replace("\r\n", "\n"))
    html = Markdown(extensions=_EXTENSIONS, extension_configs=_CONFIGS).convert(text)
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = [(t.type, t.content if t.type == "fence" else "") for t in parser.parse(text)]
    inline = Counter(re.findall(r"<(?:a|code|img|kbd|strong|em)\b|href=\"[^\"]*\"", html))
    return _Blocks(html).found, tokens, inline


def of_commonmark(data: bytes) -> object:
    """Blocks, and the inline tags without their order, by a parser of CommonMark alone."""
    tokens = MarkdownIt("commonmark").parse(data.decode())
    blocks = [(t.type, t.content if t.type in ("fence", "code_block") else "") for t in tokens]
    inline = Counter(
        (child.type, str(child.attrs.get("href") or child.attrs.get("src") or ""))
        for token in tokens
        for child in token.children or ()
        if child.type not in ("text", "softbreak", "hardbreak")
    )
    return blocks, inline


def of_html(data: bytes) -> object:
    """The tags, without their order within a sentence."""
    return Counter(re.findall(rb"</?[a-zA-Z][\w:-]*", data))


def of_xml(data: bytes) -> object:
    """The tags but targets, and the sources."""
    tree = etree.fromstring(data)
    sources = [etree.tostring(e, with_tail=False) for e in tree.iter("{*}source")]
    names = Counter(etree.QName(e).localname for e in tree.iter(etree.Element))
    return sources, names["trans-unit"], names["unit"], names["file"]


def of_package(data: bytes) -> object:
    """The parts, and in each the elements but runs and their texts."""
    parts = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            content = archive.read(info)
            is_xml = info.filename.endswith(".xml") and content.strip()
            parts[info.filename] = elements(etree.fromstring(content)) if is_xml else Counter()
    return parts


def elements(tree: etree._Element) -> Counter[str]:
    """The elements, but runs of text with their formats."""
    found = Counter[str]()
    for element in tree.iter(etree.Element):
        name = etree.QName(element).localname
        formats = [e for e in element.iterancestors() if etree.QName(e).localname == "rPr"]
        if name not in ("r", "t", "rPr", "span", "proofErr", "lastRenderedPageBreak", "lang"):
            found[name] += not formats
    return found


def of_subtitles(data: bytes) -> object:
    """Times, and the tags."""
    text = data.decode("utf-8", "replace")
    tags = Counter(re.findall(r"</?[a-zA-Z][^<>]*>", text))
    return re.findall(r"(?m)^.*-->.*$", text), tags


def of_po(data: bytes) -> object:
    """The messages; msgfmt must take it, fuzzy ones too."""
    import polib

    text = data.decode("utf-8", "surrogateescape")
    plain = re.sub(r"(?m)^#,(.*?) ?fuzzy,?(.*)$", r"#,\1\2", text)
    call = ["msgfmt", "--check-format", "--check-domain", "-o", "/dev/null", "-"]
    done = subprocess.run(
        call, input=plain.encode("utf-8", "surrogateescape"), capture_output=True, check=False
    )
    return done.returncode, [(e.msgctxt, e.msgid) for e in polib.pofile(text)]


def of_json(data: bytes) -> object:
    """The shape."""

    def shape(value: object) -> object:
        if isinstance(value, dict):
            return {key: shape(item) for key, item in value.items()}
        return [shape(item) for item in value] if isinstance(value, list) else type(value).__name__

    return shape(json.loads(data.decode("utf-8-sig")))


REFEREES: dict[str, Callable[[bytes], object]] = {
    "markdown": of_markdown, "html": of_html, "xliff": of_xml, "docx": of_package,
    "odt": of_package, "srt": of_subtitles, "vtt": of_subtitles, "po": of_po, "json": of_json,
    "pptx": of_package, "xlsx": of_package, "epub": lambda data: len(data) > 0,
}  # fmt: skip


def of_libreoffice(files: list[Path], work: Path) -> dict[str, tuple[int, int]]:
    """Lines and filled lines of each file as LibreOffice opens it and converts it to text."""
    work.mkdir(exist_ok=True)
    call = ["soffice", "--headless", "--convert-to", "txt:Text", "--outdir", str(work)]
    for start in range(0, len(files), 50):
        own = [str(file) for file in files[start : start + 50]]
        subprocess.run([*call, *own], capture_output=True, check=False)
    found = {}
    for file in files:
        made = work / f"{file.stem}.txt"
        lines = made.read_text("utf-8-sig").splitlines() if made.exists() else []
        found[file.name] = (len(lines), sum(bool(line.strip()) for line in lines))
    return found


def compare_in_libreoffice(pairs: list[tuple[Path, Path]], work: Path) -> None:
    """Print how many texts of Word and OpenDocument have the same paragraphs as their sources."""
    before = of_libreoffice([source for source, _ in pairs], work / "before")
    after = of_libreoffice([output for _, output in pairs], work / "after")
    opened = [name for name, lines in before.items() if lines != (0, 0)]
    for name in opened:
        if before[name] != after[name]:
            print(f"{name}: LibreOffice: {before[name]} lines became {after[name]}")
    same = sum(before[name] == after[name] for name in opened)
    print(f"\nLibreOffice: {len(opened)} texts opened, {same} with the same paragraphs")


def translate(path: Path, output: Path, options: list[str]) -> tuple[int, list[dict]]:
    """The status of a call, and the lines of JSON that it prints."""
    out, err = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
    arguments = ["translate", str(path), "-o", str(output), "--json", *options]
    with redirect_stdout(out), redirect_stderr(err):
        status = main.run(arguments)
    return int(status), [{"err": err.getvalue()}]


def run() -> int:
    """Translate, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="en-de")
    parser.add_argument("-s", dest="source", default="en")
    parser.add_argument("-t", dest="target", default="de")
    parser.add_argument("--beam-size", default="1")
    parser.add_argument("--limit", type=int, default=10_000, help="files, at most")
    parser.add_argument("--json", type=Path, dest="as_json")
    parser.add_argument("--libreoffice", action="store_true", help="open documents with soffice")
    parser.add_argument("--commonmark", action="store_true", help="no extensions of a site")
    arguments = parser.parse_args()
    if arguments.commonmark:
        REFEREES["markdown"] = of_commonmark
    loading.load_translator = functools.lru_cache(loading.load_translator)
    options = ["-m", arguments.model, "-s", arguments.source, "-t", arguments.target,
               "--beam-size", arguments.beam_size]  # fmt: skip
    rows, pairs = [], []
    files = sorted(path for path in arguments.folder.rglob("*") if path.is_file())
    with TemporaryDirectory() as work:
        for path in [p for p in files if format_of(p) in REFEREES][: arguments.limit]:
            output = Path(work) / path.name
            rows.append(examine(path, output, options))
            if output.exists() and path.suffix in (".docx", ".odt"):
                pairs.append((path, output))
            if rows[-1]["outcome"] != "kept":
                print(f"{path.relative_to(arguments.folder)}: {rows[-1]['outcome']}", flush=True)
        if arguments.libreoffice:
            compare_in_libreoffice(pairs, Path(work))
    report(rows)
    if arguments.as_json:
        arguments.as_json.write_text(json.dumps(rows, indent=1, ensure_ascii=False))
    return 0


def examine(path: Path, output: Path, options: list[str]) -> dict:
    """Result for a file."""
    format = format_of(path)
    row = {"file": str(path), "format": format, "outcome": "kept", "left": 0, "warnings": 0}
    status, said = translate(path, output, options)
    err = said[0]["err"]
    row["left"] = err.count("left as it was")
    row["warnings"] = err.count("warning:")
    if status or not output.exists():
        return {**row, "outcome": f"refused: {err.strip()[-200:]}"}
    before, after = (REFEREES[format](data) for data in (path.read_bytes(), output.read_bytes()))
    if before != after:
        row["outcome"] = f"changed: {first_difference(before, after)}"
    return row


def first_difference(before: object, after: object) -> str:
    """First difference of two structures."""
    if isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
        for one, other in zip(before, after, strict=False):
            if one != other:
                return first_difference(one, other)
        return f"{len(before)} became {len(after)}"
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        return ", ".join(
            f"{key}: {first_difference(before.get(key), after.get(key))}" for key in keys[:3]
        )
    return f"{str(before)[:100]} became {str(after)[:100]}"


def report(rows: list[dict]) -> None:
    """Print a table."""
    print("\n| format | files | structure kept | refused | segments left and reported |")
    print("|---|---:|---:|---:|---:|")
    for format in sorted({row["format"] for row in rows}):
        own = [row for row in rows if row["format"] == format]
        kept = sum(row["outcome"] == "kept" for row in own)
        refused = sum(row["outcome"].startswith("refused") for row in own)
        left = sum(row["left"] for row in own)
        print(f"| {format} | {len(own)} | {kept} | {refused} | {left} |")


if __name__ == "__main__":
    sys.exit(run())
