"""The service in the terms that all APIs share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from aiohttp import web

from tformer.model.errors import UsageError
from tformer.model.text.segmentation import Detection
from tformer.model.vocabulary.language_choice import match_language
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.http.bodies import Parameters, read_parameters
from tformer.server.http.calls import HttpCalls
from tformer.server.models import Models
from tformer.server.rpc.calls import Call
from tformer.server.rpc.messages import HTML, MAX_CONTENTS, PLAIN_TEXT
from tformer.server.rpc.service import TranslationService
from tformer.server.status import TextFailed

TELLING = 4000
"""Characters of a text that tell its language."""


MARK = ' translate="no"'
"""Attribute of HTML for what stays as it is."""


@dataclass(frozen=True)
class TextJob:
    """Texts to translate and how, as the APIs of others say it."""

    texts: Sequence[str]
    target: str
    source: str = ""
    """"" detects the language of each text."""
    html: bool = False
    ignored_tags: tuple[str, ...] = ()
    """Elements of HTML whose text stays as it is."""
    num_hypotheses: int = 1
    """More than the widest beam are as many as that."""
    glossary: pb.GlossaryConfig | None = None


@dataclass(frozen=True)
class TranslatedText:
    """A translation of one text."""

    text: str
    source: str
    confidence: float
    """Probability of the detected language, 0 to 1; 1 where the caller named it."""
    alternatives: tuple[str, ...] = ()
    """Other hypotheses, none twice."""
    usage: pb.Usage | None = None
    """None if it was in the target language and stayed as it was."""
    model: str = ""


@dataclass(frozen=True)
class Backend:
    """Everything that answers requests."""

    service: TranslationService
    models: Models
    calls: HttpCalls
    max_bytes: int
    """Bytes of a body, at most."""
    needs_key: bool
    """True if callers need a token."""

    async def parameters(self, request: web.BaseRequest) -> Parameters:
        """The parameters of a request; see `read_parameters`."""
        return await read_parameters(request, self.max_bytes)

    async def upload(self, request: web.BaseRequest) -> Parameters:
        """The parameters of a request that brings a document."""
        most = self.service.documents.storage.document_bytes + self.max_bytes
        return await read_parameters(request, most)

    async def translate(self, job: TextJob, call: Call) -> list[TranslatedText]:
        """Translate texts; one that is in the target language already stays as it is.

        Raises:
            TformerError: there are too many, or one of them cannot be translated.
        """
        if len(job.texts) > MAX_CONTENTS:
            raise UsageError(
                f"{len(job.texts):,} texts are too many: send {MAX_CONTENTS:,} or fewer"
            )
        found = await self._detected(job)
        stays = [self._is_target(job, detection) for detection in found]
        texts = [text for text, left in zip(job.texts, stays, strict=True) if not left]
        response = pb.TranslateTextResponse()
        if texts:
            message = self._message(replace(job, texts=texts))
            response = await self.service.translate_text(message, call)
        translations = iter(response.translations)
        return [
            TranslatedText(text, _code(detection, job.source), _confidence(detection, job.source))
            if left
            else _result(next(translations), job, detection, response.model)
            for text, detection, left in zip(job.texts, found, stays, strict=True)
        ]

    async def detect(self, text: str, call: Call) -> Detection:
        """Detect the language of a text; the first one, with probability 0, of one without letters.

        Raises:
            TformerError: it cannot be looked at now.
        """
        request = pb.DetectLanguageRequest(content=text)
        response = await self.service.detect_language(request, call)
        if not response.languages:
            return Detection(next(iter(self.directions)), 0.0)
        (found,) = response.languages
        return Detection(found.language_code, found.confidence)

    @property
    def directions(self) -> dict[str, list[str]]:
        """Target languages of every source language, sorted."""
        found: dict[str, set[str]] = {}
        for model in self.models:
            for source in model.translator.source_languages:
                targets = set(model.translator.target_languages) - {source}
                found.setdefault(source, set()).update(targets)
        return {source: sorted(found[source]) for source in sorted(found)}

    @property
    def targets(self) -> list[str]:
        """Languages that some model translates to, sorted."""
        return sorted({code for codes in self.directions.values() for code in codes})

    @property
    def widest_beam(self) -> int:
        """Most hypotheses of a text."""
        return max(model.max_beam_size for model in self.models)

    def source_named(self, code: str) -> str | None:
        """The source language that a code means, or None."""
        return match_language(code, tuple(self.directions))

    def target_named(self, code: str) -> str | None:
        """The target language that a code means, or None."""
        return match_language(code, tuple(self.targets))

    async def _detected(self, job: TextJob) -> Sequence[Detection | None]:
        if job.source:
            return [None] * len(job.texts)
        return await self.service.detections([text[:TELLING] for text in job.texts])

    def _is_target(self, job: TextJob, detection: Detection | None) -> bool:
        source = job.source or (detection.language if detection else "")
        return bool(source) and self.target_named(source) == self.target_named(job.target)

    def _message(self, job: TextJob) -> pb.TranslateTextRequest:
        message = pb.TranslateTextRequest(
            contents=[_with_marks(text, job.ignored_tags) for text in job.texts],
            source_language_code=job.source,
            target_language_code=job.target,
            mime_type=HTML if job.html else PLAIN_TEXT,
            glossary_config=job.glossary,
        )
        if job.num_hypotheses > 1 and not job.html:
            message.options.n_best = min(job.num_hypotheses, self.widest_beam)
        return message


def _result(
    translation: pb.Translation, job: TextJob, detection: Detection | None, model: str
) -> TranslatedText:
    if translation.HasField("error"):
        raise TextFailed(translation.error)
    others = dict.fromkeys(hypothesis.text for hypothesis in translation.hypotheses)
    others.pop(translation.translated_text, None)
    source = job.source or translation.detected_language_code
    confidence = _confidence(detection, job.source)
    if not job.source and detection and detection.language != source:
        confidence = 0.0
    text = translation.translated_text
    if job.ignored_tags:
        text = text.replace(MARK, "")
    return TranslatedText(text, source, confidence, tuple(others), translation.usage, model)


def _with_marks(text: str, tags: tuple[str, ...]) -> str:
    """HTML whose elements of some names are marked as not to be translated."""
    if not tags:
        return text
    names = "|".join(map(re.escape, tags))
    return re.sub(rf"<(?:{names})(?=[\s/>])", rf"\g<0>{MARK}", text, flags=re.IGNORECASE)


def _code(detection: Detection | None, source: str) -> str:
    return source or (detection.language if detection else "")


def _confidence(detection: Detection | None, source: str) -> float:
    if source:
        return 1.0
    return detection.confidence if detection else 0.0


@lru_cache
def language_name(code: str) -> str:
    """English name of a language; its code where no names are installed."""
    import langcodes

    try:
        return langcodes.Language.get(code).display_name()
    except ImportError:
        return code
