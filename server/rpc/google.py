"""Google Cloud Translation, version 3, over gRPC: what its published clients ask for.

Its messages are described here, as far as they are used; what a client sends besides is ignored.
The descriptors are in a pool of their own, so that Google's package may be loaded beside them.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from tformer.model.errors import UsageError
from tformer.protos.v1 import translation_pb2 as pb
from tformer.server.models import Models
from tformer.server.rpc.calls import Call
from tformer.server.rpc.messages import HTML
from tformer.server.rpc.service import TranslationService
from tformer.server.status import TextFailed

PACKAGE = "google.cloud.translation.v3"

MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "TranslateTextGlossaryConfig": {"glossary": (1, "string"), "ignore_case": (2, "bool")},
    "TranslateTextRequest": {
        "contents": (1, "string*"),
        "mime_type": (3, "string"),
        "source_language_code": (4, "string"),
        "target_language_code": (5, "string"),
        "model": (6, "string"),
        "glossary_config": (7, "TranslateTextGlossaryConfig"),
        "parent": (8, "string"),
    },
    "Translation": {
        "translated_text": (1, "string"),
        "model": (2, "string"),
        "glossary_config": (3, "TranslateTextGlossaryConfig"),
        "detected_language_code": (4, "string"),
    },
    "TranslateTextResponse": {
        "translations": (1, "Translation*"),
        "glossary_translations": (3, "Translation*"),
    },
    "DetectLanguageRequest": {
        "content": (1, "string"),
        "mime_type": (3, "string"),
        "model": (4, "string"),
        "parent": (5, "string"),
    },
    "DetectedLanguage": {"language_code": (1, "string"), "confidence": (2, "float")},
    "DetectLanguageResponse": {"languages": (1, "DetectedLanguage*")},
    "GetSupportedLanguagesRequest": {
        "display_language_code": (1, "string"),
        "model": (2, "string"),
        "parent": (3, "string"),
    },
    "SupportedLanguage": {
        "language_code": (1, "string"),
        "display_name": (2, "string"),
        "support_source": (3, "bool"),
        "support_target": (4, "bool"),
    },
    "SupportedLanguages": {"languages": (1, "SupportedLanguage*")},
}
"""Fields of messages: number and type, with a star if repeated."""

METHODS = {
    "TranslateText": ("TranslateTextRequest", "TranslateTextResponse"),
    "DetectLanguage": ("DetectLanguageRequest", "DetectLanguageResponse"),
    "GetSupportedLanguages": ("GetSupportedLanguagesRequest", "SupportedLanguages"),
}

_SCALARS = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "float": FieldDescriptorProto.TYPE_FLOAT,
}


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="google_v3.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            added = message.field.add(name=field, number=number)
            repeated = kind.endswith("*")
            added.label = added.LABEL_REPEATED if repeated else added.LABEL_OPTIONAL
            added.type = _SCALARS.get(kind.rstrip("*"), FieldDescriptorProto.TYPE_MESSAGE)
            if added.type == FieldDescriptorProto.TYPE_MESSAGE:
                added.type_name = f".{PACKAGE}.{kind.rstrip('*')}"
    service = file.service.add(name="TranslationService")
    for name, (taken, given) in METHODS.items():
        service.method.add(
            name=name, input_type=f".{PACKAGE}.{taken}", output_type=f".{PACKAGE}.{given}"
        )
    return file


_POOL = DescriptorPool()
_POOL.Add(_file())

GOOGLE_SERVICE = _POOL.FindServiceByName(f"{PACKAGE}.TranslationService")


def message(name: str) -> Any:
    """Class of a message."""
    return GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))


class GoogleTranslationService:
    """The methods of Google's service, by those of ours."""

    def __init__(self, service: TranslationService, models: Models) -> None:
        """Translate with a service."""
        self._service = service
        self._models = models

    async def translate_text(self, request: Any, call: Call) -> Any:
        """Translate texts; with a glossary once without it, too, as the API has it."""
        if not request.target_language_code:
            raise UsageError("target_language_code is missing")
        response = message("TranslateTextResponse")(
            translations=await self._translated(request, call)
        )
        if glossary := request.glossary_config.glossary:
            translated = await self._translated(request, call, _last(glossary))
            response.glossary_translations.extend(translated)
        return response

    async def _translated(self, request: Any, call: Call, glossary: str = "") -> list[Any]:
        ours = pb.TranslateTextRequest(
            contents=request.contents,
            source_language_code=request.source_language_code,
            target_language_code=request.target_language_code,
            mime_type=request.mime_type or HTML,
            model=self._model(request.model),
            glossary_config=pb.GlossaryConfig(glossary=glossary) if glossary else None,
        )
        response = await self._service.translate_text(ours, call)
        return [self._translation(each, request, glossary) for each in response.translations]

    def _translation(self, translation: pb.Translation, request: Any, glossary: str) -> Any:
        if translation.HasField("error"):
            raise TextFailed(translation.error)
        return message("Translation")(
            translated_text=translation.translated_text,
            detected_language_code=translation.detected_language_code,
            model=request.model,
            glossary_config=request.glossary_config if glossary else None,
        )

    async def detect_language(self, request: Any, call: Call) -> Any:
        """Tell the language of a text."""
        ours = pb.DetectLanguageRequest(content=request.content)
        found = await self._service.detect_language(ours, call)
        detected = message("DetectedLanguage")
        return message("DetectLanguageResponse")(
            languages=[
                detected(language_code=each.language_code, confidence=each.confidence)
                for each in found.languages
            ]
        )

    async def get_supported_languages(self, request: Any, call: Call) -> Any:
        """List the languages of all models."""
        ours = pb.ListSupportedLanguagesRequest(model=self._model(request.model))
        found = await self._service.list_supported_languages(ours, call)
        language = message("SupportedLanguage")
        return message("SupportedLanguages")(
            languages=[
                language(
                    language_code=each.language_code,
                    display_name=each.language_code if request.display_language_code else "",
                    support_source=each.support_source,
                    support_target=each.support_target,
                )
                for each in found.languages
            ]
        )

    def _model(self, name: str) -> str:
        """The model that a name such as projects/P/locations/L/models/NAME means; "" is any."""
        last = _last(name)
        return last if last in {model.name for model in self._models} else ""


def _last(name: str) -> str:
    return name.rpartition("/")[2]
