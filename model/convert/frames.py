"""Frames of an imported model's sequences, found by the tokens that it has.

eng_Latn … __en__ … en_XX    NLLB, M2M100, mBART-50: both sides begin with their language
>>fr<< … <2fr>               Marian, MADLAD, ours: the source begins with that of the target
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tformer.model.errors import ModelError
from tformer.model.vocabulary.languages import bcp47_codes, closest, tag_code
from tformer.model.vocabulary.pieces import Frame, Tokens

_CODES = ((re.compile(r"[a-z]{3}_[A-Z][a-z]{3}"), 100), (re.compile(r"[a-z]{2}_[A-Z]{2}"), 20))
"""Tokens that are codes, of NLLB and of mBART, and how many there are at least."""


@dataclass(frozen=True)
class Languages:
    """Languages of a model, as a person or a file beside it states them."""

    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    def or_of(self, others: Languages) -> Languages:
        """The same, and what others say where this says nothing."""
        return Languages(self.sources or others.sources, self.targets or others.targets)


@dataclass(frozen=True)
class Words:
    """Tokens with a task."""

    start: str
    """First token that the decoder reads."""
    end: str = "</s>"
    unknown: str = "<unk>"
    ends_source: bool = True
    """True if ``end`` ends the source, too, where no tags tell."""


def frame_of(
    path: Path, tokens: Sequence[str], said: Languages, words: Words, *, has_codes: bool = False
) -> Frame:
    """The frame of a model with these source tokens.

    Args:
        path: of the model, for errors.
        tokens: of the source.
        said: its languages; where there are tags, only these of them.
        words: the tokens with a task.
        has_codes: whether tokens that look like codes are such, even if there are few.

    Raises:
        ModelError: when nothing tells a language, or a language that is said has no tag.
    """
    for pattern, least in _CODES:
        codes = [token for token in tokens if pattern.fullmatch(token)]
        if len(codes) >= (2 if has_codes else least):
            return _both_tagged(path, dict(zip(codes, codes, strict=True)), said, words)
    tags = {code: token for token in tokens if (code := tag_code(token))}
    if any(token.startswith("__") for token in tags.values()):
        return _both_tagged(path, tags, said, words)
    if tags:
        return _target_tagged(path, tags, said, words)
    return _untagged(path, said, words)


def _both_tagged(path: Path, tags: Mapping[str, str], said: Languages, words: Words) -> Frame:
    named = _by_language(tags)
    targets = _chosen(path, named, said.targets)
    return _frame(
        words,
        sources=_chosen(path, named, said.sources),
        targets=dict.fromkeys(targets, ()),
        target_starts=targets,
        source_end=(words.end,),
        silent=tuple(tags.values()),
    )


def _target_tagged(path: Path, tags: Mapping[str, str], said: Languages, words: Words) -> Frame:
    named = _by_language(tags)
    both = all(token.startswith("<2") for token in tags.values())  # which the model also reads
    sources = said.sources or (tuple(named) if both else ())
    return _frame(
        words,
        sources=dict.fromkeys(_told(path, sources, "source"), ()),
        targets=_chosen(path, named, said.targets),
        source_end=(words.end,),
        silent=tuple(tags.values()),
    )


def _untagged(path: Path, said: Languages, words: Words) -> Frame:
    return _frame(
        words,
        sources=dict.fromkeys(_told(path, said.sources, "source"), ()),
        targets=dict.fromkeys(_told(path, said.targets, "target"), ()),
        source_end=(words.end,) * words.ends_source,
    )


def _frame(
    words: Words,
    *,
    sources: Mapping[str, Tokens],
    targets: Mapping[str, Tokens],
    source_end: Tokens,
    target_starts: Mapping[str, Tokens] | None = None,
    silent: Tokens = (),
) -> Frame:
    return Frame(
        sources,
        targets,
        target_starts or {},
        source_end,
        words.start,
        words.end,
        words.unknown,
        ("<pad>", "<blank>", "<s>", "</s>", *silent),
    )


def _by_language(tags: Mapping[str, str]) -> dict[str, Tokens]:
    return {language: (tags[code],) for language, code in bcp47_codes(tags).items()}


def _chosen(
    path: Path, tagged: Mapping[str, Tokens], wanted: Sequence[str]
) -> Mapping[str, Tokens]:
    """All of them, or those that a person wants, under the names that he gives them."""
    chosen = {}
    for code in wanted:
        known = closest(code, tuple(tagged))
        if known is None:
            raise ModelError(f"{path}: has no tag for the language {code!r}")
        chosen[code] = tagged[known]
    return chosen or tagged


def _told(path: Path, languages: Sequence[str], side: str) -> Sequence[str]:
    if not languages:
        raise ModelError(f"{path}: nothing tells its {side} language; name it (--{side})")
    return languages
