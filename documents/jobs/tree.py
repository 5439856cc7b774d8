"""Selection of the files of folders and patterns, and the output path of each.

What is found in a folder stays in it: links to folders are not followed, links to files only where
they lead to a file of the same folder. Names that begin with a dot are passed over.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tformer.documents.registry import format_at, may_be_settings
from tformer.model.errors import InputError, UsageError

_MAGIC = frozenset("*?[")


@dataclass(frozen=True)
class JobFile:
    """A file to be translated, or copied."""

    source: Path
    output: Path
    format: str | None
    """None for what is of no known format."""
    size: int = 0
    """Bytes, for a progress bar."""


@dataclass(frozen=True)
class LeftOut:
    """File that is skipped."""

    path: Path
    reason: str


@dataclass
class Plan:
    """All that is to be done."""

    items: list[JobFile] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    unreadable: list[InputError] = field(default_factory=list)


@dataclass(frozen=True)
class _FoundFile:
    """A file, and its place below what the user named."""

    path: Path
    place: Path
    named: bool
    """True if the user named it, not the folder that it is in."""


_Finding = _FoundFile | LeftOut | InputError


def is_pattern(path: Path) -> bool:
    """Return whether a path is one that a shell would have expanded."""
    return not os.path.lexists(path) and bool(_MAGIC & set(str(path)))


def plan_tree(
    inputs: Sequence[Path], output: Path, *, format: str | None = None, others: bool = False
) -> Plan:
    """Mirror files, and what is in folders, in the folder ``output``.

    Args:
        inputs: files, folders and patterns such as docs/**/*.md. What is in a folder, or below the
            part of a pattern that has no magic, keeps its place; a file has none.
        output: a folder, which need not be there. If it is inside an input it is passed over.
        format: what the files are, whatever their names say; not for folders.
        others: whether files of no known format are items too, to be copied.

    Raises:
        InputError: an input does not exist.
        UsageError: a file would be overwritten by its own translation or that of another.
    """

    def item(found: _FoundFile) -> JobFile | LeftOut:
        name = format or format_at(found.path)
        if name and not found.named and format is None and may_be_settings(found.path):
            if others:
                return _item(found.path, output / found.place, None)
            return LeftOut(found.path, "may hold settings, not texts: name it to translate it")
        if name is None and not others:
            if not found.named:
                return LeftOut(found.path, "is of no known format")
            name = "text"
        return _item(found.path, output / found.place, name)

    plan = _planned(_find(inputs, format, Path(os.path.realpath(output))), item)
    _refuse_collisions(plan.items)
    return plan


def plan_in_place(
    inputs: Sequence[Path], takes: Callable[[str], bool], *, format: str | None = None
) -> Plan:
    """Translate files, and what is in folders, where they are.

    Files of other formats are passed over.

    Args:
        inputs: as in `plan_tree`.
        takes: whether files of a format hold translations beside their sources.
        format: what the files are, whatever their names say; not for folders.

    Raises:
        InputError: an input does not exist.
        UsageError: a file that was named is of another format.
    """

    def item(found: _FoundFile) -> JobFile | None:
        name = format or format_at(found.path)
        if name is not None and takes(name):
            return _item(found.path, Path(os.path.realpath(found.path)), name)
        if found.named:
            raise UsageError(
                f"{found.path}: has no room for translations beside the source, so nothing can be "
                "translated in place: name another file with --output"
            )
        return None

    plan = _planned(_find(inputs, format, None), item)
    plan.items = list({item.output: item for item in plan.items}.values())
    return plan


def escapes(output: Path, folder: Path) -> bool:
    """Return whether links lead from an output's place in a folder out of that folder."""
    return not Path(os.path.realpath(output)).is_relative_to(os.path.realpath(folder))


def _planned(
    findings: Iterable[_Finding], item: Callable[[_FoundFile], JobFile | LeftOut | None]
) -> Plan:
    plan = Plan()
    for finding in findings:
        match item(finding) if isinstance(finding, _FoundFile) else finding:
            case JobFile() as wanted:
                plan.items.append(wanted)
            case LeftOut() as unwanted:
                plan.left_out.append(unwanted)
            case InputError() as error:
                plan.unreadable.append(error)
    return plan


def _item(source: Path, output: Path, format: str | None) -> JobFile:
    try:
        size = source.stat().st_size
    except OSError:  # gone already; whoever reads it will say so
        size = 0
    return JobFile(source, output, format, size)


def _refuse_collisions(items: Iterable[JobFile]) -> None:
    by_output: dict[Path, Path] = {}
    sources = {Path(os.path.realpath(item.source)): item.source for item in items}
    for item in items:
        place = Path(os.path.realpath(item.output))
        if place in sources:
            raise UsageError(f"{sources[place]}: would be overwritten by the output; name another")
        if place in by_output:
            raise UsageError(
                f"{by_output[place]} and {item.source} would both become {item.output}: translate "
                "them one after the other, into different folders"
            )
        by_output[place] = item.source


# --- looking -------------------------------------------------------------------------------------


def _find(inputs: Sequence[Path], format: str | None, inside: Path | None) -> Iterator[_Finding]:
    for path in inputs:
        if is_pattern(path):
            yield from _matches(path, inside)
        elif os.path.isdir(path):
            if format is not None:
                raise UsageError(
                    f"{path}: --format is for files, which a pattern can name: '{path}/**/*.x'"
                )
            yield from _walk(path, inside)
        elif not os.path.exists(path):
            raise InputError(f"{path}: no such file")
        else:
            yield _FoundFile(path, Path(path.name), named=True)


def _matches(pattern: Path, inside: Path | None) -> Iterator[_Finding]:
    """The files that a pattern names, in the order of their names."""
    first = next(i for i, part in enumerate(pattern.parts) if _MAGIC & set(part))
    base, rest = Path(*pattern.parts[:first]), Path(*pattern.parts[first:])
    try:
        found = [path for path in sorted(base.glob(str(rest))) if _is_plain(path, base)]
    except (ValueError, OSError) as error:
        raise UsageError(f"{pattern}: not a pattern: {error}") from error
    if not found:
        raise InputError(f"{pattern}: no file matches")
    for path in found:
        if inside is None or not Path(os.path.realpath(path)).is_relative_to(inside):
            yield _looked_at(path, base, named=True)


def _is_plain(path: Path, base: Path) -> bool:
    """Return whether a match is a file that is not hidden; ".." hides where it leads to."""
    hidden = any(part.startswith(".") for part in path.relative_to(base).parts)
    return not hidden and not os.path.isdir(path)


def _walk(root: Path, inside: Path | None) -> Iterator[_Finding]:
    """Everything below a folder, in the order of the names."""
    waiting = [root]
    while waiting:
        path = waiting.pop()
        if path != root and not _is_folder(path):
            yield _looked_at(path, root, named=False)
        elif inside is not None and path != root and Path(os.path.realpath(path)) == inside:
            yield LeftOut(path, "is the output")
        else:
            try:
                names = sorted(os.listdir(path), reverse=True)
            except OSError as error:
                yield InputError(f"{path}: cannot be read: {error.strerror or error}")
                continue
            waiting += [path / name for name in names if not name.startswith(".")]


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _looked_at(path: Path, root: Path, *, named: bool) -> _Finding:
    """A file of a folder, if it is one and in it."""
    if os.path.islink(path) and not os.path.exists(path):
        return LeftOut(path, "is a link to nothing")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return InputError(f"{path}: cannot be read: {error.strerror or error}")
    if stat.S_ISDIR(mode):
        return LeftOut(path, "is a link to a folder")
    if not stat.S_ISREG(mode):
        return LeftOut(path, "is no file")
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        return LeftOut(path, "is a link out of the folder")
    return _FoundFile(path, path.relative_to(root), named)
