"""Detection of file formats, and their readers."""

import json
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from tformer.documents.document import Document
from tformer.documents.io.encoding import in_utf_8, looks_binary
from tformer.model.errors import InputError, UsageError
from tformer.model.text.languages import KNOWN_CODES

FORMATS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "text": ("text", "open_text"),
        "markdown": ("markdown", "open_markdown"),
        "html": ("html", "open_html"),
        "srt": ("subtitles", "open_subrip"),
        "vtt": ("subtitles", "open_webvtt"),
        "po": ("gettext", "open_po"),
        "json": ("strings", "open_json"),
        "arb": ("strings", "open_arb"),
        "properties": ("strings", "open_properties"),
        "xliff": ("xliff", "open_xliff"),
        "tmx": ("tmx", "open_tmx"),
        "tsv": ("bitext", "open_tsv"),
        "docx": ("word", "open_docx"),
        "odt": ("opendocument", "open_odt"),
        "csv": ("csv_tables", "open_csv"),
        "yaml": ("yaml_tables", "open_yaml"),
        "android": ("resources", "open_android"),
        "resx": ("resources", "open_resx"),
        "strings": ("apple_strings", "open_strings"),
        "xlsx": ("spreadsheet", "open_xlsx"),
        "pptx": ("slides", "open_pptx"),
        "epub": ("epub", "open_epub"),
        "xcstrings": ("string_catalogs", "open_xcstrings"),
        "rst": ("restructured", "open_rst"),
        "asciidoc": ("asciidoc", "open_asciidoc"),
        "qt": ("qt_linguist", "open_qt_linguist"),
        "ods": ("open_sheets", "open_ods"),
        "ass": ("substation", "open_ass"),
        "sbv": ("subtitles", "open_sbv"),
        "stringsdict": ("plural_lists", "open_stringsdict"),
    }
)
"""The formats by name. Each is read by a function of a module in this folder, which is loaded when
it is needed, from bytes and the name of the file, for messages."""

PACKAGES = frozenset({"docx", "odt", "ods", "xlsx", "pptx", "epub"})
"""Formats that are archives, not text."""

NAMING_ENCODINGS = PACKAGES | {"html", "po", "xliff", "tmx", "android", "resx", "qt", "stringsdict"}
"""Formats of which a file names its encoding itself."""

MULTILINGUAL = frozenset({"tmx", "xcstrings"})
"""Formats of which a file may hold several target languages."""

SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        ".txt": "text",
        ".text": "text",
        ".md": "markdown",
        ".markdown": "markdown",
        ".mkd": "markdown",
        ".html": "html",
        ".htm": "html",
        ".xhtml": "html",
        ".srt": "srt",
        ".vtt": "vtt",
        ".po": "po",
        ".pot": "po",
        ".json": "json",
        ".arb": "arb",
        ".properties": "properties",
        ".xliff": "xliff",
        ".xlf": "xliff",
        ".tmx": "tmx",
        ".tsv": "tsv",
        ".docx": "docx",
        ".docm": "docx",
        ".dotx": "docx",
        ".odt": "odt",
        ".ott": "odt",
        ".odp": "odt",
        ".otp": "odt",
        ".odg": "odt",
        ".ods": "ods",
        ".ots": "ods",
        ".csv": "csv",
        ".yml": "yaml",
        ".yaml": "yaml",
        ".xml": "android",
        ".resx": "resx",
        ".strings": "strings",
        ".xlsx": "xlsx",
        ".xlsm": "xlsx",
        ".pptx": "pptx",
        ".pptm": "pptx",
        ".potx": "pptx",
        ".ppsx": "pptx",
        ".epub": "epub",
        ".xcstrings": "xcstrings",
        ".rst": "rst",
        ".adoc": "asciidoc",
        ".asciidoc": "asciidoc",
        ".ts": "qt",
        ".ass": "ass",
        ".ssa": "ass",
        ".sbv": "sbv",
        ".stringsdict": "stringsdict",
    }
)
"""The format of a file by the end of its name."""

LARGEST = 1 << 28
"""Bytes of a document that is read, at most: it is held in memory as a whole."""


def open_document(
    file: Path | bytes,
    format: str | None = None,
    *,
    name: str | None = None,
    target: str | None = None,
    encoding: str | None = None,
) -> Document:
    """Read a document.

    Args:
        file: a path, or the content of a file.
        format: one of `FORMATS`; None to tell by the name and the content.
        name: what to call the file in messages, where it is no path.
        target: the language to translate into, for formats that may hold several; None for the
            one that it holds.
        encoding: of a file that does not name its own; UTF-8 is written. None for UTF-8, or what a
            byte order mark says.

    Raises:
        UsageError: there is no such format, or it names its encoding itself.
        InputError: the file cannot be read or is malformed, with the place where it is.
    """
    if format is not None and format not in FORMATS:
        raise UsageError(f"no format is called {format!r}; there are {', '.join(FORMATS)}")
    name = name or (str(file) if isinstance(file, Path) else "document")
    data = read_bytes(file) if isinstance(file, Path) else file
    format = format or format_of(Path(name), data)
    if encoding is not None:
        if format in NAMING_ENCODINGS:
            raise UsageError(f"{name}: a {format} file names its encoding: leave --encoding out")
        data = in_utf_8(data, encoding, name)
    module, function = FORMATS[format]
    opened = getattr(import_module(f"tformer.documents.formats.{module}"), function)
    document: Document
    document = opened(data, name, target) if format in MULTILINGUAL else opened(data, name)
    return document


def format_of(path: Path, data: bytes = b"") -> str:
    """Tell the format of a file by its suffix, or else by how it begins; text in doubt."""
    suffix = path.suffix.lower()
    return SUFFIXES.get(suffix) or _by_content(data[:1024].removeprefix(b"\xef\xbb\xbf"))


def format_at(path: Path) -> str | None:
    """Tell the format of a file by its suffix, and of .ts by how it begins: most are programs or
    films. None for a file of no known format."""
    named = SUFFIXES.get(path.suffix.lower())
    return None if named == "qt" and not _is_qt(_beginning(path)) else named


def _is_qt(head: bytes) -> bool:
    return bool(
        re.match(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!DOCTYPE )?TS\b", head, re.DOTALL)
    )


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(1024).removeprefix(b"\xef\xbb\xbf")
    except OSError:
        return b""


def detect_format(name: str, data: bytes) -> str | None:
    """The format of a file that somebody sent, by its name and content.

    Args:
        name: of the file; only its ending counts.
        data: the whole file.

    Returns:
        One of `FORMATS`; None for what is of none of them, and not lines of text either.
    """
    suffix = Path(name).suffix.lower()
    named = SUFFIXES.get(suffix)
    if named == "qt" and not _is_qt(data[:1024].removeprefix(b"\xef\xbb\xbf")):
        named = None
    if named and (named in PACKAGES or not data.startswith(b"PK\x03\x04")):
        return named
    if data.startswith(_OTHERS) or (suffix in _NO_LINES and named is None):
        return None
    found = _by_content(data[:1024].removeprefix(b"\xef\xbb\xbf"))
    if found != "text":
        return found
    if looks_binary(data[:4096]):
        return None
    return "json" if _is_json(data) else "text"


def _is_json(data: bytes) -> bool:
    """Return whether a file is an object or a list of JSON."""
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
        return False
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _by_content(head: bytes) -> str:
    start = head.lstrip().lower()
    if head.startswith(b"PK\x03\x04"):
        kinds = {
            b"opendocument.text": "odt",
            b"opendocument.presentation": "odt",
            b"opendocument.graphics": "odt",
            b"opendocument.spreadsheet": "ods",
            b"application/epub+zip": "epub",
            b"xl/": "xlsx",
            b"ppt/": "pptx",
        }
        return next((name for sign, name in kinds.items() if sign in head), "docx")
    if head.startswith(b"WEBVTT"):
        return "vtt"
    if start.startswith((b"<!doctype html", b"<html")):
        return "html"
    if start.startswith((b"<?xml", b"<xliff")) and b"<xliff" in head:
        return "xliff"
    if start.startswith((b"<?xml", b"<!doctype tmx", b"<tmx")) and b"<tmx" in head:
        return "tmx"
    if _is_qt(head):
        return "qt"
    if b"-->" in head and head.lstrip()[:1].isdigit():
        return "srt"
    if start.startswith((b"msgid ", b"#")) and b'\nmsgstr "' in head:
        return "po"
    return "text"


_OTHERS = (
    b"%PDF",
    b"{\\rtf",
    b"\x89PNG",
    b"GIF8",
    b"\xff\xd8\xff",
    b"\xd0\xcf\x11\xe0",
    b"\x1f\x8b",
)
"""Beginnings of files of other formats: PDF, RTF, pictures, old Office documents, gzip."""

_NO_LINES = frozenset(
    [
        ".7z",
        ".avif",
        ".bin",
        ".bmp",
        ".c",
        ".class",
        ".cpp",
        ".css",
        ".dll",
        ".doc",
        ".eps",
        ".exe",
        ".ftl",
        ".gif",
        ".go",
        ".ico",
        ".ini",
        ".java",
        ".jar",
        ".jpeg",
        ".jpg",
        ".js",
        ".jsx",
        ".key",
        ".mp3",
        ".mp4",
        ".numbers",
        ".pages",
        ".pdf",
        ".php",
        ".png",
        ".ppt",
        ".ps",
        ".psd",
        ".py",
        ".rb",
        ".rs",
        ".rtf",
        ".sass",
        ".scss",
        ".sh",
        ".so",
        ".sql",
        ".svg",
        ".tar",
        ".tex",
        ".tif",
        ".tiff",
        ".toml",
        ".ts",
        ".tsx",
        ".wasm",
        ".wav",
        ".webp",
        ".xls",
        ".zip",
    ]
)
"""Ends of the names of files that are not lines of text, though some of them are text."""


_TEXTS = re.compile(
    r"(?:^|/)(?:locales?|i18n|l10n|lang|languages|translations|values(?:-\w+)*)/"
    r"|(?:^|[/._-])(?:[a-z]{2}(?:[-_][A-Z]{2})?)\.ya?ml$|(?:^|/)strings\.xml$"
)


_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys([".doc", ".rtf", ".wpd", ".pages"], "save it as .docx or .odt"),
        **dict.fromkeys([".xls", ".xlsb", ".numbers"], "save it as .xlsx or .ods"),
        **dict.fromkeys([".ppt", ".pps", ".key"], "save it as .pptx or .odp"),
        **dict.fromkeys([".fodt", ".fods", ".fodp"], "save it without the f, as .odt, .ods, .odp"),
        **dict.fromkeys([".mobi", ".azw", ".azw3", ".fb2", ".lit"], "a book is read as .epub"),
        **dict.fromkeys([".ttml", ".dfxp", ".itt", ".sub", ".smi", ".stl"], "save it as .vtt"),
        ".pdf": "translate the document that it was made of",
        ".mo": "translate the .po that it was made of",
        ".qm": "translate the .ts that it was made of",
    }
)
"""Hints for files of formats that are not read, by the ends of their names."""


def advice_for(path: Path) -> str:
    """Advice for a file of no known format."""
    suffix = path.suffix.lower()
    other = f"--format text translates its lines{', code and names too' * (suffix in _NO_LINES)}"
    return _ADVICE.get(suffix, other)


def may_be_settings(path: Path) -> bool:
    """Return whether a file is of a format that settings are written in too, and does not look
    like texts.

    Such a file is translated if it is named, not because it is in a folder.
    """
    format = SUFFIXES.get(path.suffix.lower())
    return format in ("yaml", "android") and not _TEXTS.search(path.as_posix())


_LINES = re.compile(
    r"\.(?:\d+|log|lines?|snt|src|source|tgt|trg|target|ref|hyp|tok|raw|in|out|mono|"
    r"[a-z]{2}(?:[-_][a-z]{2})?)",
    re.IGNORECASE,
)
"""Ends of the names of files that hold a text a line: a number, a side of a corpus, a language."""


def is_no_text(path: Path) -> bool:
    """Return whether a file of no known format is none of lines: by its name, or by what is in
    it."""
    if path.suffix.lower() == ".gz":
        named = path.with_suffix("").suffix.lower()
        return bool(named) and SUFFIXES.get(named, "") != "text" and not _is_of_lines(named)
    suffix = path.suffix.lower()
    if format_at(path):
        return False
    if suffix and not _is_of_lines(suffix):
        return True
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return looks_binary(stream.read(4096))
    except OSError:
        return False


def _is_of_lines(suffix: str) -> bool:
    """Return whether the end of a name is one of lines; that of a language is known."""
    if not _LINES.fullmatch(suffix) or suffix in _NO_LINES:
        return False
    return suffix[1:3] in KNOWN_CODES if re.fullmatch(r"\.[a-z]{2}(?:[-_].*)?", suffix) else True


def read_bytes(path: Path) -> bytes:
    """A file that is held in memory.

    Raises:
        InputError: it cannot be read, or is too large.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path}: is larger than {LARGEST >> 20} MiB; split it")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
