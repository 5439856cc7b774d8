"""Documents that are ZIP archives: what is in them is read with care and written back part by part.

Nothing is ever unpacked to disk. An archive that claims or turns out to hold too much, that is
encrypted, or whose parts have names that would lead out of it is refused. Parts that are not
translated keep their bytes, and all parts their order, times and way of compression.
"""

import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from tformer.documents.document import DocumentLanguages, TextDocument, changes
from tformer.documents.io.encoding import Encoded
from tformer.documents.left_parts import LeftText
from tformer.documents.segments import Segment
from tformer.model.errors import InputError

LARGEST = 1 << 28
"""Bytes that all parts of an archive may have together, unpacked."""

MOST_PARTS = 10_000

HIGHEST_RATIO = 200
"""Highest compression ratio of a part of more than a megabyte: text reaches 20."""


@dataclass(frozen=True)
class PackageDocument:
    """An archive of which some parts are translated."""

    parts: Mapping[str, TextDocument]
    """Parts that are translated, by name, in the order of reading."""
    contents: Sequence[tuple[zipfile.ZipInfo, bytes]]
    """All parts, in the order of the archive."""
    comment: bytes = b""
    labels: Mapping[str, Callable[[bytes, str], bytes]] = field(default_factory=dict)
    """Functions that write the language into a part, by its name."""
    page: str | None = None
    """The language that the document names."""
    unread: Sequence[LeftText] = ()
    """Texts in parts that are not understood."""

    @property
    def named_contents(self) -> Sequence[tuple[str, bytes]]:
        """Parts and their names."""
        return [(info.filename, data) for info, data in self.contents]

    @property
    def segments(self) -> Sequence[Segment]:
        """See `tformer.documents.document.Document`; an id begins with the name of its part."""
        return [
            replace(segment, id=f"{name}#{segment.id}")
            for name, part in self.parts.items()
            for segment in part.segments
        ]

    @property
    def languages(self) -> DocumentLanguages:
        """See `tformer.documents.document.Document`."""
        return DocumentLanguages(page=self.page)

    @property
    def left_texts(self) -> Sequence[LeftText]:
        """See `tformer.documents.document.Document`."""
        own = (
            replace(left, warning=f"{left.warning.removesuffix(')')} of {name})")
            for name, part in self.parts.items()
            for left in part.left_texts
        )
        return [*own, *self.unread]

    def damages(self, translations: Mapping[str, str]) -> dict[str, str]:
        """See `tformer.documents.document.Document`."""
        changed = changes(self.segments, translations)
        return {
            f"{name}#{id}": reason
            for name, part in self.parts.items()
            for id, reason in part.damages(_own(name, changed)).items()
        }

    def with_translations(
        self, translations: Mapping[str, str], language: str | None = None
    ) -> bytes:
        """See `tformer.documents.document.Document`."""
        changed = changes(self.segments, translations)
        written = {}
        for name, part in self.parts.items():
            written[name] = part.with_translations(_own(name, changed), language)
        if language and changed:
            for name, label in self.labels.items():
                data = next((d for info, d in self.contents if info.filename == name), None)
                if data is not None:
                    written[name] = label(written.get(name, data), language)
        return _archive(
            [(info, written.get(info.filename, data)) for info, data in self.contents], self.comment
        )


def _own(part: str, translations: Mapping[str, str]) -> dict[str, str]:
    """The translations of a part, by its own ids."""
    prefix = f"{part}#"
    return {
        id.removeprefix(prefix): text for id, text in translations.items() if id.startswith(prefix)
    }


def open_package(
    data: bytes,
    name: str,
    kind: str,
    wanted: Callable[[Mapping[str, bytes]], Sequence[str]],
    read: Callable[[bytes, str], TextDocument],
    labels: Mapping[str, Callable[[bytes, str], bytes]] | None = None,
) -> PackageDocument:
    """Read an archive.

    Args:
        data: the file.
        name: what to call it in a message.
        kind: what it should be, for the same.
        wanted: chooses, of the parts, those to translate; none if it is another kind.
        read: reads such a part.
        labels: what writes the language into a part, by its name.

    Raises:
        InputError: it is no such archive, or not one to be trusted.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            contents = _contents(archive, name)
            comment = archive.comment
    except _DAMAGES as error:
        raise InputError(f"{name}: not {kind}: the archive is damaged: {error}") from error
    by_name = {info.filename: content for info, content in contents}
    chosen = wanted(by_name)
    if not chosen:
        raise InputError(f"{name}: not {kind}: the archive does not hold its text")
    parts = {part: read(by_name[part], f"{name}({part})") for part in chosen}
    return PackageDocument(parts, contents, comment, labels or {})


_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,  # of bz2
    EOFError,
    NotImplementedError,
    ValueError,
)
"""Errors of the ways of compression that archives use."""


def texts_of(
    data: bytes, name: str, kind: str, wanted: re.Pattern[str]
) -> Iterator[tuple[str, str]]:
    """The parts of an archive whose names match, as text, to be looked at.

    Raises:
        InputError: it is no such archive, or not one to be trusted.
    """
    document = open_package(data, name, kind, lambda names: list(names)[:1], _nothing)
    for info, content in document.contents:
        if wanted.fullmatch(info.filename):
            yield info.filename, content.decode("utf-8-sig", "replace")


def _nothing(data: bytes, name: str) -> TextDocument:
    return TextDocument(Encoded(""), lambda _: ())


def _contents(archive: zipfile.ZipFile, name: str) -> list[tuple[zipfile.ZipInfo, bytes]]:
    infos = archive.infolist()
    if len(infos) > MOST_PARTS:
        raise InputError(f"{name}: the archive has {len(infos)} parts; {MOST_PARTS} are read")
    if len({info.filename for info in infos}) < len(infos):
        raise InputError(f"{name}: the archive has two parts of one name")
    room = LARGEST
    contents = []
    for info in infos:
        _check(info, name)
        room -= info.file_size
        if room < 0:
            raise InputError(f"{name}: the archive unpacks to more than {LARGEST >> 20} MiB")
        # What is read is checked against the size that the archive claims, which fits.
        contents.append((info, archive.read(info)))
    return contents


def _check(info: zipfile.ZipInfo, name: str) -> None:
    path = PurePosixPath(info.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in info.orig_filename:
        raise InputError(f"{name}: the part {info.filename!r} would lie outside the archive")
    if info.flag_bits & 1:
        raise InputError(f"{name}: the archive is encrypted; save it without a password")
    if info.file_size > 1 << 20 and info.file_size > HIGHEST_RATIO * max(1, info.compress_size):
        raise InputError(
            f"{name}: the part {info.filename!r} unpacks to {info.file_size >> 20} MiB from "
            f"{info.compress_size} bytes, as no document does"
        )


def _archive(contents: Iterable[tuple[zipfile.ZipInfo, bytes]], comment: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = comment
        for info, data in contents:
            archive.writestr(_like(info), data)
    return buffer.getvalue()


def _like(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """Header of a part that is written: sizes and offsets are found anew."""
    new = zipfile.ZipInfo(info.filename, info.date_time)
    new.compress_type = info.compress_type
    new.comment = info.comment
    new.create_system = info.create_system
    new.external_attr = info.external_attr
    return new
