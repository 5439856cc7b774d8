"""Messages to types and back. No torch here: the client uses it too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tformer.model.errors import UsageError
from tformer.model.options import DecodingOptions, LengthNormalisation
from tformer.model.translation import (
    FinishReason,
    Hypothesis,
    Link,
    Notice,
    PieceScore,
    RecalledPair,
    Span,
    TermUse,
    Translation,
    WarningKind,
    kind_of,
)
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.utf8 import sendable

if TYPE_CHECKING:
    from tformer.model.engine.jobs import Timing
    from tformer.server.glossaries.served import ServedGlossary

PLAIN_TEXT = "text/plain"
HTML = "text/html"

Configuration = pb.TranslateTextRequest | pb.StreamConfig | pb.DocumentConfig
"""Messages that say how to translate."""

NAMES = ("source_language_code", "target_language_code", "model", "mime_type", "name", "format")
"""Fields of such messages that name something; not every one has all."""

LONGEST_NAME = 4096
"""Characters of such a name, at most; the name of the daemon's model is a path."""

MAX_CONTENTS = 10_000
"""Texts of one unary call, at most; a stream takes any number."""

CHARACTERS_PER_TOKEN = 3
"""A guess, on the side of too many tokens, for text that has not been cut into tokens yet."""

BYTES_PER_TOKEN = 40
"""Bytes of a message for which it takes the room of a token, whatever they are: more than a token
of any text has, so that only what is no text counts."""

LONGEST_ID = 1000
"""Characters of the id of an item, at most."""

LONG = 1000
"""Bytes of options that are not remembered: they have many terms, and no caller has them again."""

REQUIRED_TERMS = "required_terms"

OPTIONS = tuple(
    field.name for field in pb.DecodingOptions.DESCRIPTOR.fields if field.name != REQUIRED_TERMS
)
"""Options of the contract that have one value; those of the library have the same names."""

_NORMALISATIONS: dict[LengthNormalisation, pb.LengthNormalisation] = {
    "paper": pb.LENGTH_NORMALISATION_PAPER,
    "average": pb.LENGTH_NORMALISATION_AVERAGE,
}
_NORMALISATIONS_BACK = {number: name for name, number in _NORMALISATIONS.items()}

_REASONS = {
    FinishReason.END_OF_SENTENCE: pb.FINISH_REASON_END_OF_SENTENCE,
    FinishReason.LENGTH: pb.FINISH_REASON_LENGTH,
    FinishReason.COPIED: pb.FINISH_REASON_COPIED,
}
_REASONS_BACK = {number: reason for reason, number in _REASONS.items()}

_WARNINGS = {
    WarningKind.CUT: pb.WARNING_CODE_CUT,
    WarningKind.LIMIT: pb.WARNING_CODE_LIMIT,
    WarningKind.GUARD: pb.WARNING_CODE_GUARD,
    WarningKind.MARKUP: pb.WARNING_CODE_MARKUP,
    WarningKind.TERM: pb.WARNING_CODE_TERM,
    WarningKind.LITERAL: pb.WARNING_CODE_LITERAL,
    WarningKind.LANGUAGE: pb.WARNING_CODE_LANGUAGE,
    WarningKind.OTHER: pb.WARNING_CODE_UNSPECIFIED,
}
_WARNINGS_BACK = {number: kind for kind, number in _WARNINGS.items()}


class Content(NamedTuple):
    """One of the texts of a call."""

    text: str
    prefix: str = ""
    """Prefix of its translation."""

    @property
    def estimate(self) -> int:
        """About how many tokens it will have, with its prefix."""
        return 2 + (len(self.text) + len(self.prefix)) // CHARACTERS_PER_TOKEN

    @classmethod
    def all_of(cls, message: pb.TranslateTextRequest) -> list[Content]:
        """Contents of a message.

        Raises:
            UsageError: there are not as many prefixes as texts.
        """
        texts, prefixes = message.contents, message.target_prefixes
        if len(texts) > MAX_CONTENTS:
            raise UsageError(
                f"contents must be at most {MAX_CONTENTS:,}, not {len(texts):,}: "
                "StreamTranslateText takes any number"
            )
        if not prefixes:
            return [cls(text) for text in texts]
        if len(prefixes) != len(texts):
            raise UsageError(
                f"target_prefixes must be none or as many as contents ({len(texts)}), "
                f"not {len(prefixes)}"
            )
        return [cls(*both) for both in zip(texts, prefixes, strict=True)]


def estimate(texts: Iterable[str]) -> int:
    """About how many tokens texts will have."""
    return sum(2 + len(text) // CHARACTERS_PER_TOKEN for text in texts)


def excess(num_bytes: int, tokens: int) -> int:
    """Room in tokens that a message takes beyond that of its texts."""
    return max(0, num_bytes // BYTES_PER_TOKEN - tokens)


def estimate_terms(config: pb.GlossaryConfig) -> int:
    """About how many tokens the terms have that a caller brings along."""
    texts = (text for entry in config.entries for text in (entry.source_term, entry.target_term))
    return estimate(texts)


@dataclass(frozen=True)
class CallOptions:
    """Options of a call; "" is what the caller left open."""

    source: str
    target: str
    model: str
    options: DecodingOptions
    html: bool = False
    weight: int = 0
    """About how many tokens the required terms have, which is work for every text."""
    glossary: ServedGlossary | None = None

    @classmethod
    def of(cls, message: pb.TranslateTextRequest | pb.StreamConfig) -> CallOptions:
        """Options of a message.

        Raises:
            UsageError: it asks for the impossible.
        """
        if message.mime_type not in ("", PLAIN_TEXT, HTML):
            raise UsageError(f"mime_type must be {PLAIN_TEXT} or {HTML}, not {message.mime_type!r}")
        order = replace(cls._of(message), html=message.mime_type == HTML)
        if order.html:
            _check_whole(order.options, HTML)
        return order

    @classmethod
    def of_document(cls, message: pb.DocumentConfig) -> CallOptions:
        """Options for all texts of a document.

        Raises:
            UsageError: it asks for the impossible.
        """
        order = cls._of(message)
        _check_whole(order.options, "a document")
        return order

    @classmethod
    def _of(cls, message: Configuration) -> CallOptions:
        for name in NAMES:
            if (length := len(getattr(message, name, ""))) > LONGEST_NAME:
                raise UsageError(f"{name} has {length} characters, more than {LONGEST_NAME}")
        options = options_from(message.options)
        return cls(
            source=message.source_language_code,
            target=message.target_language_code,
            model=message.model,
            options=options,
            weight=estimate(options.required_terms),
        )

    def options_for(self, content: Content) -> DecodingOptions:
        """Decoding options of one of the texts.

        Raises:
            UsageError: it is HTML, and its translation is to begin in a way.
        """
        if not content.prefix:
            return self.options
        if self.html:
            raise UsageError(f"{HTML} takes no target prefix")
        return replace(self.options, target_prefix=content.prefix)


def _check_whole(options: DecodingOptions, what: str) -> None:
    """Refuse what only a text of one piece has."""
    if options.n_best > 1 or options.alignments or options.token_scores:
        raise UsageError(f"{what} has one translation, without alignments and scores of tokens")
    if options.required_terms:
        raise UsageError(f"{what} takes no required terms")


def options_from(message: pb.DecodingOptions) -> DecodingOptions:
    """The options that are set, and defaults for the others.

    Raises:
        UsageError: one is out of its range.
    """
    if message.ByteSize() > LONG:
        return _options(message)
    return _usual_options(message.SerializeToString(deterministic=True))


# Checking options takes as long as all else of a small call, and most calls have the same.
@lru_cache(maxsize=256)
def _usual_options(serialised: bytes) -> DecodingOptions:
    return _options(pb.DecodingOptions.FromString(serialised))


def _options(message: pb.DecodingOptions) -> DecodingOptions:
    values = {name: getattr(message, name) for name in OPTIONS if message.HasField(name)}
    if number := values.pop("length_normalisation", pb.LENGTH_NORMALISATION_UNSPECIFIED):
        if number not in _NORMALISATIONS_BACK:
            raise UsageError(f"length_normalisation must be paper or average, not {number}")
        values["length_normalisation"] = _NORMALISATIONS_BACK[number]
    return DecodingOptions(**values, required_terms=tuple(message.required_terms))


def options_message(options: DecodingOptions) -> pb.DecodingOptions:
    """The options as a message: all of them, so that a server with other defaults obeys too.

    Raises:
        UsageError: a number is too large to be sent.
    """
    values = {name: getattr(options, name) for name in OPTIONS}
    values["length_normalisation"] = _NORMALISATIONS[options.length_normalisation]
    message = pb.DecodingOptions(required_terms=map(sendable, options.required_terms))
    for name, value in values.items():
        if value is not None:
            try:
                setattr(message, name, value)
            except ValueError as error:
                raise UsageError(f"{name} is too large for a server: {value}") from error
    return message


def translation_message(
    translation: Translation, order: CallOptions, timing: Timing
) -> pb.Translation:
    """A translation as it is sent."""
    wanted = order.options
    told = wanted.n_best > 1 or wanted.alignments or wanted.token_scores
    hypotheses = translation.hypotheses if told else ()
    return pb.Translation(
        translated_text=translation.text,
        detected_language_code="" if order.source else translation.source_language,
        target_language_code=translation.target_language,
        score=translation.hypotheses[0].score,
        hypotheses=map(_hypothesis_message, hypotheses),
        finish_reason=_REASONS[translation.finish_reason],
        warnings=translation.warnings,
        warning_details=map(warning_message, translation.warnings),
        glossary_terms=[
            pb.TermUse(source_term=use.source, target_term=use.target, honoured=use.honoured)
            for use in translation.terms
        ],
        confidence=translation.confidence,
        recalled_pairs=[
            pb.RecalledPair(source=pair.source, target=pair.target, tokens=pair.tokens)
            for pair in translation.recalled
        ],
        usage=pb.Usage(
            source_tokens=translation.source_tokens,
            target_tokens=translation.target_tokens,
            queue_seconds=timing.queue_seconds,
            compute_seconds=timing.compute_seconds,
        ),
    )


def translation_from(message: pb.Translation, source: str, options: DecodingOptions) -> Translation:
    """A translation as it was sent; ``source`` is the language that was asked for, or ""."""
    hypotheses = [_hypothesis_from(hypothesis, options) for hypothesis in message.hypotheses]
    return Translation(
        text=message.translated_text,
        source_language=message.detected_language_code or source,
        target_language=message.target_language_code,
        hypotheses=tuple(hypotheses) or (Hypothesis(message.translated_text, message.score),),
        warnings=tuple(map(warning_from, message.warnings, message.warning_details))
        or tuple(message.warnings),
        finish_reason=_REASONS_BACK[message.finish_reason],
        source_tokens=message.usage.source_tokens,
        target_tokens=message.usage.target_tokens,
        terms=tuple(
            TermUse(use.source_term, use.target_term, use.honoured)
            for use in message.glossary_terms
        ),
        confidence=message.confidence if message.HasField("confidence") else None,
        recalled=tuple(
            RecalledPair(pair.source, pair.target, pair.tokens) for pair in message.recalled_pairs
        ),
    )


def warning_message(warning: str) -> pb.TranslationWarning:
    """A warning as it is sent to programs."""
    return pb.TranslationWarning(
        code=_WARNINGS.get(kind_of(warning), pb.WARNING_CODE_UNSPECIFIED), message=warning
    )


def warning_from(text: str, details: pb.TranslationWarning) -> Notice:
    """A warning as it was sent."""
    return Notice(_WARNINGS_BACK.get(details.code, WarningKind.OTHER), text)


def _hypothesis_message(hypothesis: Hypothesis) -> pb.Hypothesis:
    return pb.Hypothesis(
        text=hypothesis.text,
        score=hypothesis.score,
        alignment=[
            pb.Link(source=_span_message(link.source), target=_span_message(link.target))
            for link in hypothesis.alignment or ()
        ],
        piece_scores=[
            pb.PieceScore(span=_span_message(span), log_prob=log_prob)
            for span, log_prob in hypothesis.piece_scores or ()
        ],
    )


def _hypothesis_from(message: pb.Hypothesis, options: DecodingOptions) -> Hypothesis:
    scores = (PieceScore(_span_from(piece.span), piece.log_prob) for piece in message.piece_scores)
    return Hypothesis(
        text=message.text,
        score=message.score,
        alignment=links_from(message) if options.alignments else None,
        piece_scores=tuple(scores) if options.token_scores else None,
    )


def links_from(message: pb.Hypothesis) -> tuple[Link, ...]:
    """Word alignment of a message."""
    return tuple(
        Link(_span_from(link.source), _span_from(link.target)) for link in message.alignment
    )


def _span_message(span: Span) -> pb.Span:
    return pb.Span(start=span[0], end=span[1])


def _span_from(message: pb.Span) -> Span:
    return message.start, message.end


def total(usages: Iterable[pb.Usage]) -> pb.Usage:
    """Tokens together, times of the slowest."""
    found = pb.Usage()
    for usage in usages:
        found.source_tokens += usage.source_tokens
        found.target_tokens += usage.target_tokens
        found.queue_seconds = max(found.queue_seconds, usage.queue_seconds)
        found.compute_seconds = max(found.compute_seconds, usage.compute_seconds)
    return found
