"""gettext PO: every message is a segment, each plural form of a message too.

Existing translations are kept: they are segments of the state TRANSLATED, or REVIEW where they are
fuzzy. What is translated anew is marked fuzzy. Obsolete messages (#~) and the header are no
segments. Comments, references, wrapping and order stay as they are.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tformer.documents.building import Builder
from tformer.documents.document import DocumentLanguages, Edit, Slot, TextDocument, checked
from tformer.documents.inline.interface import Accelerator, is_identifier
from tformer.documents.io.encoding import decode
from tformer.documents.limits import TextLimit, limit_of
from tformer.documents.protection import DOUBLING
from tformer.documents.segments import SegmentState, render
from tformer.model.errors import InputError

WIDTH = 77
"""Line width of gettext's own tools."""

_CHARSET = re.compile(rb"Content-Type:[^\"\n]*charset=([A-Za-z0-9_.:-]+)")
_NPLURALS = re.compile(r"nplurals\s*=\s*(\d+)")
_LINE = re.compile(r"([^\n]*?)(\r?\n|\Z)")
_KEYWORD = re.compile(r"\s*(msgctxt|msgid_plural|msgid|msgstr(?:\[(\d+)\])?)\s*(\".*)")
_STRING = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*')
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
_CHARACTER = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_SPELLING = str.maketrans({v: f"\\{k}" for k, v in _CHARACTER.items()} | {'"': '\\"', "\\": "\\\\"})


@dataclass
class _String:
    """A keyword with its string, which may take several lines."""

    keyword: str
    start: int
    """Offset of the first quotation mark."""
    end: int
    """Behind the last quotation mark."""
    value: str = ""
    lines: int = 0


@dataclass
class _Message:
    """A message."""

    line: int
    ending: str = "\n"
    start: int | None = None
    """Offset of the line with the first keyword, or of a comment on the previous message."""
    flags: tuple[int, str] | None = None
    """Offset of the first flags comment, and its text."""
    is_fuzzy: bool = False
    grammar: str = ""
    """The flag that says which format strings the message has."""
    limit: TextLimit | None = None
    """Length that the translation may have, as Weblate's flags say it."""
    strings: list[_String] = field(default_factory=list)

    def value(self, keyword: str) -> str | None:
        return next((s.value for s in self.strings if s.keyword == keyword), None)


def open_po(data: bytes, name: str) -> TextDocument:
    """Read PO; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: a line is not PO, with its number.
    """
    source = decode(data, name, _declared)
    return checked(
        TextDocument(
            source, lambda text: _all_slots(text, name), declares=_declares, labels=_labels
        )
    )


_LANGUAGE = re.compile(r'(?m)^"Language:[ ]*([A-Za-z0-9_@.-]*)[ ]*\\n"')
_HEADER = re.compile(r'(?:\A|(?<=\n))msgid ""\s*\nmsgstr ""')


def _language(text: str) -> re.Match[str] | None:
    """Range of the language in the header."""
    header = _HEADER.search(text)
    return _LANGUAGE.search(text, header.end()) if header else None


def _declares(text: str) -> DocumentLanguages:
    match = _language(text)
    return DocumentLanguages(None, match[1] or None) if match else DocumentLanguages()


def _labels(text: str, language: str) -> Iterator[Edit]:
    match = _language(text)
    if match and not match[1]:
        yield Edit(
            match.start(1),
            match.end(1),
            language if text[match.start(1) - 1] == " " else f" {language}",
        )


def _declared(head: bytes) -> str | None:
    match = _CHARSET.search(head)
    return None if not match or match[1] == b"CHARSET" else match[1].decode("ascii")


def _number_of_forms(entries: list[_Message]) -> int:
    header = next((entry.value("msgstr") for entry in entries if entry.value("msgid") == ""), None)
    match = _NPLURALS.search(header or "")
    return int(match[1]) if match else 2


# --- reading -------------------------------------------------------------------------------------


def _entries(text: str, name: str) -> Iterator[_Message]:
    """Cut a file into its messages; a message ends where another begins or at a blank line."""
    entry = _Message(1)
    for number, match in enumerate(_LINE.finditer(text), start=1):
        line, ending = match[1], match[2]
        stripped = line.strip()
        if entry.strings and (not stripped or stripped[0] == "#"):
            yield _checked(entry, name)
            entry = _Message(number)
        if ending:
            entry.ending = ending
        if stripped[:1] == "#":
            _read_comment(entry, line, match.start())
        elif keyword := _KEYWORD.fullmatch(line):
            if entry.strings and keyword[1] in ("msgctxt", "msgid") and _is_complete(entry):
                yield _checked(entry, name)
                entry = _Message(number, entry.ending)
            if entry.start is None:
                entry.start = match.start()
            entry.strings.append(_String(keyword[1], 0, 0))
            _read_string(entry, keyword[3], match.start() + keyword.start(3), name, number)
        elif stripped[:1] == '"' and entry.strings:
            _read_string(entry, line, match.start(), name, number)
        elif stripped:
            raise InputError(
                f"{name}:{number}: not PO: {stripped[:40]!r} is no comment, keyword or string"
            )
        if not ending:
            break
    if entry.strings:
        yield _checked(entry, name)


def _read_comment(entry: _Message, line: str, start: int) -> None:
    text = line.lstrip()
    if text.startswith("#,"):
        at = start + line.index("#,") + 2
        entry.flags = entry.flags or (at, text[2:])
        flags = re.split(r"[\s,]+", text)
        entry.is_fuzzy = entry.is_fuzzy or "fuzzy" in flags
        said = (flag for flag in flags if flag.endswith("-format") and not flag.startswith("no-"))
        entry.grammar = next(said, entry.grammar)
        longest = (flag.partition(":")[2] for flag in flags if flag.startswith("max-length:"))
        entry.limit = limit_of(next(longest, None), None) or entry.limit
    elif text.startswith("#|") and entry.start is None:
        entry.start = start


def _read_string(entry: _Message, text: str, start: int, name: str, number: int) -> None:
    match = _STRING.fullmatch(text)
    if not match:
        raise InputError(f"{name}:{number}: not PO: a string that is not closed, or text behind it")
    string = entry.strings[-1]
    string.value += _unescape(match[1])
    string.lines += 1
    if string.lines == 1:
        string.start = start + text.index('"')
    string.end = start + text.rindex('"') + 1


def _unescape(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 8))
        if match[2]:
            return chr(int(match[2], 16))
        return _CHARACTER.get(match[3], match[3])

    return _ESCAPE.sub(character, text)


def _is_complete(entry: _Message) -> bool:
    return any(string.keyword.startswith("msgstr") for string in entry.strings)


def _checked(entry: _Message, name: str) -> _Message:
    keywords = [string.keyword for string in entry.strings]
    for needed in ("msgid", "msgstr"):
        if not any(keyword.startswith(needed) for keyword in keywords):
            raise InputError(f"{name}:{entry.line}: not PO: a message without {needed}")
    if twice := next((keyword for keyword in keywords if keywords.count(keyword) > 1), None):
        raise InputError(f"{name}:{entry.line}: not PO: a message with two {twice}")
    return entry


# --- segments ------------------------------------------------------------------------------------


def _all_slots(text: str, name: str) -> Iterator[Slot]:
    entries = list(_entries(text, name))
    forms = _number_of_forms(entries)
    for entry in entries:
        yield from _slots(entry, forms)


def _slots(entry: _Message, forms: int) -> Iterator[Slot]:
    source = entry.value("msgid")
    if not source:
        return
    for string in entry.strings:
        if not string.keyword.startswith("msgstr"):
            continue
        text = source
        plural = entry.value("msgid_plural")
        if plural is not None and not (string.keyword == "msgstr[0]" and forms > 1):
            text = plural
        yield _slot(entry, string, text)


def _slot(entry: _Message, string: _String, source: str) -> Slot:
    is_list = bool(_LIST.fullmatch(source))
    doubles = entry.grammar == "java-format" or bool(_MESSAGE.search(source) and "''" in source)
    builder = Builder(
        breaks=True,
        doubled=doubles,
        grammar=entry.grammar,
        separator=_ITEM if is_list else None,
    )
    escape = _two_quotes if doubles else _doubled if entry.grammar in DOUBLING else str
    context = entry.value("msgctxt")
    accelerator = Accelerator.of(source) if "format" not in entry.grammar else None
    if _is_name(source, context or ""):
        builder.alone(source)
    else:
        builder.text(accelerator.without if accelerator else source)
    id = source if context is None else f"{context}\x04{source}"
    if string.keyword != "msgstr":
        id += string.keyword.removeprefix("msgstr")
    state = _state(entry, string)
    segment = builder.build(id, target=string.value, state=state, context=context or "")
    segment = replace(segment, limit=entry.limit)

    def edits(text: str) -> Iterator[Edit]:
        rendered = render(segment, text, escape)
        if accelerator:
            rendered = accelerator.put_into(rendered)
        value = _with_same_breaks(source, rendered)
        yield Edit(string.start, string.end, _quoted(value, entry.ending))
        if not entry.is_fuzzy:
            yield _fuzzy(entry)

    return Slot(segment, edits)


_LIST = re.compile(r"(?:[^;\n]+;){2,}")
_ITEM = re.compile(r";")
_NAMES = {"translator-credits", "translator_credits", "default:LTR", "default:RTL"}


_MESSAGE = re.compile(r"\{\d+[,}]")
"""Pattern of an argument of Java's MessageFormat, in which apostrophes are doubled."""


def _two_quotes(text: str) -> str:
    return text.replace("'", "''")


def _doubled(text: str) -> str:
    """Text of a format string, in which a percent sign must not begin a directive."""
    return text.replace("%", "%%")


def _is_name(source: str, context: str) -> bool:
    """Return whether a message is a name that programs know, not words."""
    is_one = is_identifier(source) and ("-" not in source or source.count("-") > 1)
    return source in _NAMES or is_one or ("icon" in context.lower() and " " not in source)


def _state(entry: _Message, string: _String) -> SegmentState:
    if not string.value:
        return SegmentState.NEW
    return SegmentState.REVIEW if entry.is_fuzzy else SegmentState.TRANSLATED


def _fuzzy(entry: _Message) -> Edit:
    if entry.flags:
        at, _ = entry.flags
        return Edit(at, at, " fuzzy,")
    assert entry.start is not None
    return Edit(entry.start, entry.start, f"#, fuzzy{entry.ending}")


def _with_same_breaks(source: str, text: str) -> str:
    """gettext refuses a translation unless both or neither begin, and end, with a line break."""
    start = source[: len(source) - len(source.lstrip("\r\n"))]
    end = source[len(source.rstrip("\r\n")) :]
    return start + text.strip("\r\n") + end


def _quoted(text: str, ending: str) -> str:
    whole = _escape(text)
    if len(whole) + len('msgstr ""') <= WIDTH and "\n" not in text.rstrip("\n"):
        return f'"{whole}"'
    pieces = [piece for line in text.splitlines(keepends=True) for piece in _wrapped(line)]
    return ending.join(['""', *(f'"{piece}"' for piece in pieces)])


def _escape(text: str) -> str:
    return text.translate(_SPELLING)


def _wrapped(line: str) -> Iterator[str]:
    """Break a line behind its spaces, escaped."""
    piece = ""
    for word in re.findall(r"[^ ]* *", line):
        escaped = _escape(word)
        if piece and len(piece) + len(escaped) > WIDTH:
            yield piece
            piece = ""
        piece += escaped
    if piece:
        yield piece
