"""YAML as Rails, Hugo and others keep their texts in: strings, not keys, by PyYAML's own positions.

A file whose only first key is a language, as in Rails, gets the other language there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from textwrap import wrap

import yaml

from tformer.documents.building import Builder
from tformer.documents.document import DocumentLanguages, Edit, Slot, TextDocument, checked
from tformer.documents.formats.strings import is_technical
from tformer.documents.io.encoding import decode
from tformer.documents.left_parts import LeftPart
from tformer.documents.segments import Segment, render
from tformer.model.errors import InputError

_STRING = "tag:yaml.org,2002:str"
_LANGUAGE = re.compile(r"[a-z]{2,3}([-_][A-Za-z]{2,4})?")
_PLAIN = re.compile(r"[^\W\d_](?:(?!: | #|:\Z)[^\n])*")


def open_yaml(data: bytes, name: str) -> TextDocument:
    """Read YAML; see `tformer.documents.registry.open_document`.

    Raises:
        InputError: it is not YAML, with the line.
    """
    return checked(
        TextDocument(
            decode(data, name),
            lambda text: _slots(text, name),
            declares=lambda text: DocumentLanguages(_root(_documents(text, name))),
            labels=lambda text, language: _labels(text, name, language),
        )
    )


_SYMBOL = re.compile(r"(?<=[\[, ]):(?=\w+[ ]*[,\]])")
"""Pattern of the colon of a symbol in a list of Ruby's, whose parser reads more than PyYAML."""


def _documents(text: str, name: str) -> list[yaml.Node]:
    text = _SYMBOL.sub("_", text)
    try:
        return [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{name}:{line}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{name}: not YAML: {' '.join(str(error).split())[:100]}") from error


def _root(documents: list[yaml.Node]) -> str | None:
    """The language that is the only first key."""
    key = _root_key(documents)
    return str(key.value) if key else None


def _root_key(documents: list[yaml.Node]) -> yaml.ScalarNode | None:
    node = documents[0] if len(documents) == 1 else None
    if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
        return None
    key, value = node.value[0]
    is_code = isinstance(key, yaml.ScalarNode) and _LANGUAGE.fullmatch(key.value)
    return key if is_code and isinstance(value, yaml.MappingNode) else None


def _labels(text: str, name: str, language: str) -> Iterator[Edit]:
    if key := _root_key(_documents(text, name)):
        start = key.start_mark.index + (key.style is not None)
        yield Edit(start, start + len(key.value), language)


def _slots(text: str, name: str) -> Iterator[Slot | LeftPart]:
    documents = _documents(text, name)
    has_root = _root_key(documents) is not None
    seen: set[int] = set()
    for node in documents:
        for path, scalar in _scalars(node, [], seen):
            # The language of the first key differs from file to file.
            yield from _slot(text, "/".join(path[has_root:]), scalar)


def texts_of(
    text: str, name: str, is_read: Callable[[Sequence[str]], bool]
) -> Iterator[Slot | LeftPart]:
    """The strings of YAML at the paths that are read.

    Raises:
        InputError: it is not YAML.
    """
    seen: set[int] = set()
    for node in _documents(text, name):
        for path, scalar in _scalars(node, [], seen):
            if is_read(path):
                yield from _slot(text, "/".join(path), scalar)


def _scalars(
    node: yaml.Node, path: list[str], seen: set[int]
) -> Iterator[tuple[list[str], yaml.ScalarNode]]:
    """The strings that are values; what an alias repeats only once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        if node.tag == _STRING:
            yield path, node
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _scalars(item, [*path, str(number)], seen)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, [*path, str(key.value)], seen)


_PROPERTIES = re.compile(r"(?:[&!]\S+[ \t]+)+")
"""Pattern of the anchor and the tag before a value."""


def _slot(text: str, path: str, node: yaml.ScalarNode) -> Iterator[Slot | LeftPart]:
    start, end = node.start_mark.index, node.end_mark.index
    if named := _PROPERTIES.match(text, start, end):
        start = named.end()
    raw = text[start:end]
    more_indented = node.style == ">" and re.search(r"\n[ \t]", node.value)
    is_symbol = node.style is None and re.fullmatch(r":\w+", raw)
    if is_symbol or is_technical(path.rpartition("/")[2], node.value):
        return
    if more_indented:
        yield LeftPart(start, end, "lines of this folded text are indented further")
        return
    builder = Builder(breaks=True)
    builder.text(node.value.strip("\n") if node.style in ("|", ">") else node.value)
    segment = builder.build(path, context=path)

    def edits(translation: str) -> list[Edit]:
        written = _written(segment, translation, raw, node.style)
        return [Edit(start, end, written)]

    if segment.has_words:
        yield Slot(segment, edits)


def _written(segment: Segment, translation: str, raw: str, style: str | None) -> str:
    text = render(segment, translation, str)
    if style in ("|", ">"):
        return _as_block(text, raw, style)
    if style == "'":
        return "'" + text.replace("'", "''").replace("\n", "\n\n") + "'"
    if style == '"' or not _is_plain(text):
        return json.dumps(text, ensure_ascii=False)
    return text


def _is_plain(text: str) -> bool:
    """Return whether a text needs no quotation marks to be that text."""
    if not _PLAIN.fullmatch(text) or text != text.strip():
        return False
    try:
        return bool(yaml.safe_load(text) == text)
    except yaml.YAMLError:
        return False


def _wrapped(line: str, width: int) -> list[str]:
    return wrap(line, width, break_long_words=False, break_on_hyphens=False) or [line]


def _as_block(text: str, like: str, style: str) -> str:
    """A text in the indented lines of a block."""
    ending = "\r\n" if "\r\n" in like else "\n"
    head, *body = like.splitlines()
    filled = [line for line in body if line.strip()]
    indent = filled[0][: len(filled[0]) - len(filled[0].lstrip())] if filled else "  "
    behind = re.search(r"(\r?\n[ \t]*)*\Z", like)
    lines = text.split("\n")
    if style == ">":
        width = max(max(map(len, filled), default=0) - len(indent), 20)
        filled_again = (_wrapped(line, width) for line in lines)
        lines = [piece for pieces in filled_again for piece in ("", *pieces)][1:]
    return ending.join([head, *(f"{indent}{line}" if line else "" for line in lines)]) + (
        behind[0] if behind else ""
    )
