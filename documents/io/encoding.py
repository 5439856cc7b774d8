"""Bytes to text and back without losing one: byte order marks, declared encodings, UTF-8."""

import codecs
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from tformer.model.errors import InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def looks_binary(head: bytes) -> bool:
    """Tell if much of the beginning of a file is neither UTF-8 nor printable text."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    text = head.decode(errors="replace")
    if text.count("\0") > max(
        1, 0.05 * len(text)
    ):  # of any length: UTF-16 without a mark, a program
        return True
    strange = sum(c == "\ufffd" or (c < " " and c not in "\t\n\r\f\x1b") for c in text)
    return len(text) >= 64 and strange > 0.3 * len(text)


@dataclass(frozen=True)
class Encoded:
    """The text of a file and how it was written."""

    text: str
    """All of it, line endings as they are, without the byte order mark."""
    encoding: str = "utf-8"
    mark: bytes = b""
    """The byte order mark, if there is one."""

    def can_encode(self, text: str) -> bool:
        """Return whether a text can be written in this encoding."""
        return all(_has(self.encoding, character) for character in simplified(text, self.encoding))

    def encode(self, text: str, escape: Callable[[str], str] | None = None) -> bytes:
        """Write other text as this one was written.

        Args:
            text: what to write.
            escape: how the format spells a character that the encoding lacks.

        Raises:
            InputError: the encoding lacks a character and the format cannot spell it.
        """
        try:
            return self.mark + text.encode(self.encoding)
        except UnicodeEncodeError as error:
            if escape is None:
                missing = text[error.start]
                raise InputError(
                    f"the encoding {self.encoding} of the file has no {missing!r} (U+"
                    f"{ord(missing):04X}), which the translation needs; convert the file to UTF-8"
                ) from error
        return self.mark + "".join(
            character if _has(self.encoding, character) else escape(character) for character in text
        ).encode(self.encoding)


def decode(
    data: bytes, name: str, declared: Callable[[bytes], str | None] | None = None
) -> Encoded:
    """Read bytes: what a byte order mark says, else what the file declares, else UTF-8.

    Args:
        data: the file.
        name: what to call it in a message.
        declared: finds the encoding that a file of this format names in its beginning.

    Raises:
        InputError: the bytes are not what they should be, with the line.
    """
    mark, encoding = next(
        ((mark, encoding) for mark, encoding in _MARKS if data.startswith(mark)), (b"", None)
    )
    if encoding is None:
        encoding = _known(declared(data[:4096]) if declared else None, name)
    body = data[len(mark) :]
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{name}:{line}: byte 0x{body[error.start]:02x} is not {encoding.upper()}; "
            f"convert the file to UTF-8{_hint(body, encoding, name)}"
        ) from error
    if text.encode(encoding) != body:
        raise InputError(
            f"{name}: text in {encoding} would not come back the same; convert the file to UTF-8"
        )
    return Encoded(text, encoding, mark)


def in_utf_8(data: bytes, encoding: str, name: str) -> bytes:
    """A file that was named to be in another encoding, in UTF-8.

    Raises:
        InputError: it is not in that encoding.
    """
    try:
        return data.decode(encoding).removeprefix("\ufeff").encode("utf-8", "surrogatepass")
    except UnicodeError as error:
        raise InputError(f"{name}: is not {encoding}: {error}") from error


_SIMPLE = {
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"',
    "\u2013": "-", "\u2014": "-", "\u2026": "...", "\u202f": " ", "\u00a0": " ", "\u20ac": "EUR",
}  # fmt: skip


def simplified(text: str, encoding: str) -> str:
    """A text with typewriter's quotation marks and dashes, where an encoding lacks others."""
    if encoding.startswith("utf"):
        return text
    for character, simple in _SIMPLE.items():
        if character in text and not _has(encoding, character):
            text = text.replace(character, simple)
    return text


def _hint(body: bytes, encoding: str, name: str) -> str:
    """A command that converts a file that is probably in the encoding of old Windows."""
    if encoding != "utf-8" or b"\0" in body:
        return ""
    return (
        ", or name its encoding with --encoding cp1252, or for example: "
        f"iconv -f WINDOWS-1252 -t UTF-8 {shlex.quote(name)}"
    )


def _known(encoding: str | None, name: str) -> str:
    if encoding is None:
        return "utf-8"
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise InputError(f"{name}: declares the encoding {encoding!r}, which is unknown") from error


def _has(encoding: str, character: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
