from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LengthNormalisation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LENGTH_NORMALISATION_UNSPECIFIED: _ClassVar[LengthNormalisation]
    LENGTH_NORMALISATION_PAPER: _ClassVar[LengthNormalisation]
    LENGTH_NORMALISATION_AVERAGE: _ClassVar[LengthNormalisation]

class WarningCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WARNING_CODE_UNSPECIFIED: _ClassVar[WarningCode]
    WARNING_CODE_CUT: _ClassVar[WarningCode]
    WARNING_CODE_LIMIT: _ClassVar[WarningCode]
    WARNING_CODE_GUARD: _ClassVar[WarningCode]
    WARNING_CODE_MARKUP: _ClassVar[WarningCode]
    WARNING_CODE_TERM: _ClassVar[WarningCode]
    WARNING_CODE_LITERAL: _ClassVar[WarningCode]
    WARNING_CODE_LANGUAGE: _ClassVar[WarningCode]

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINISH_REASON_UNSPECIFIED: _ClassVar[FinishReason]
    FINISH_REASON_END_OF_SENTENCE: _ClassVar[FinishReason]
    FINISH_REASON_LENGTH: _ClassVar[FinishReason]
    FINISH_REASON_COPIED: _ClassVar[FinishReason]

class ExistingTranslations(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXISTING_TRANSLATIONS_UNSPECIFIED: _ClassVar[ExistingTranslations]
    EXISTING_TRANSLATIONS_KEEP: _ClassVar[ExistingTranslations]
    EXISTING_TRANSLATIONS_REPLACE_FOR_REVIEW: _ClassVar[ExistingTranslations]
    EXISTING_TRANSLATIONS_REPLACE_ALL: _ClassVar[ExistingTranslations]
LENGTH_NORMALISATION_UNSPECIFIED: LengthNormalisation
LENGTH_NORMALISATION_PAPER: LengthNormalisation
LENGTH_NORMALISATION_AVERAGE: LengthNormalisation
WARNING_CODE_UNSPECIFIED: WarningCode
WARNING_CODE_CUT: WarningCode
WARNING_CODE_LIMIT: WarningCode
WARNING_CODE_GUARD: WarningCode
WARNING_CODE_MARKUP: WarningCode
WARNING_CODE_TERM: WarningCode
WARNING_CODE_LITERAL: WarningCode
WARNING_CODE_LANGUAGE: WarningCode
FINISH_REASON_UNSPECIFIED: FinishReason
FINISH_REASON_END_OF_SENTENCE: FinishReason
FINISH_REASON_LENGTH: FinishReason
FINISH_REASON_COPIED: FinishReason
EXISTING_TRANSLATIONS_UNSPECIFIED: ExistingTranslations
EXISTING_TRANSLATIONS_KEEP: ExistingTranslations
EXISTING_TRANSLATIONS_REPLACE_FOR_REVIEW: ExistingTranslations
EXISTING_TRANSLATIONS_REPLACE_ALL: ExistingTranslations

class DecodingOptions(_message.Message):
    __slots__ = ("beam_size", "length_penalty", "n_best", "max_length", "min_length", "alignments", "token_scores", "length_normalisation", "early_stopping", "patience", "length_ratio", "length_offset", "coverage_penalty", "no_repeat_ngram_size", "repetition_penalty", "prefix_bias", "sampling", "temperature", "top_k", "top_p", "seed", "guard", "required_terms", "literals", "datastore", "datastore_weight", "datastore_pairs")
    BEAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    LENGTH_PENALTY_FIELD_NUMBER: _ClassVar[int]
    N_BEST_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MIN_LENGTH_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_SCORES_FIELD_NUMBER: _ClassVar[int]
    LENGTH_NORMALISATION_FIELD_NUMBER: _ClassVar[int]
    EARLY_STOPPING_FIELD_NUMBER: _ClassVar[int]
    PATIENCE_FIELD_NUMBER: _ClassVar[int]
    LENGTH_RATIO_FIELD_NUMBER: _ClassVar[int]
    LENGTH_OFFSET_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_PENALTY_FIELD_NUMBER: _ClassVar[int]
    NO_REPEAT_NGRAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    REPETITION_PENALTY_FIELD_NUMBER: _ClassVar[int]
    PREFIX_BIAS_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    GUARD_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_TERMS_FIELD_NUMBER: _ClassVar[int]
    LITERALS_FIELD_NUMBER: _ClassVar[int]
    DATASTORE_FIELD_NUMBER: _ClassVar[int]
    DATASTORE_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    DATASTORE_PAIRS_FIELD_NUMBER: _ClassVar[int]
    beam_size: int
    length_penalty: float
    n_best: int
    max_length: int
    min_length: int
    alignments: bool
    token_scores: bool
    length_normalisation: LengthNormalisation
    early_stopping: bool
    patience: float
    length_ratio: float
    length_offset: int
    coverage_penalty: float
    no_repeat_ngram_size: int
    repetition_penalty: float
    prefix_bias: float
    sampling: bool
    temperature: float
    top_k: int
    top_p: float
    seed: int
    guard: bool
    required_terms: _containers.RepeatedScalarFieldContainer[str]
    literals: bool
    datastore: str
    datastore_weight: float
    datastore_pairs: bool
    def __init__(self, beam_size: _Optional[int] = ..., length_penalty: _Optional[float] = ..., n_best: _Optional[int] = ..., max_length: _Optional[int] = ..., min_length: _Optional[int] = ..., alignments: _Optional[bool] = ..., token_scores: _Optional[bool] = ..., length_normalisation: _Optional[_Union[LengthNormalisation, str]] = ..., early_stopping: _Optional[bool] = ..., patience: _Optional[float] = ..., length_ratio: _Optional[float] = ..., length_offset: _Optional[int] = ..., coverage_penalty: _Optional[float] = ..., no_repeat_ngram_size: _Optional[int] = ..., repetition_penalty: _Optional[float] = ..., prefix_bias: _Optional[float] = ..., sampling: _Optional[bool] = ..., temperature: _Optional[float] = ..., top_k: _Optional[int] = ..., top_p: _Optional[float] = ..., seed: _Optional[int] = ..., guard: _Optional[bool] = ..., required_terms: _Optional[_Iterable[str]] = ..., literals: _Optional[bool] = ..., datastore: _Optional[str] = ..., datastore_weight: _Optional[float] = ..., datastore_pairs: _Optional[bool] = ...) -> None: ...

class TranslateTextRequest(_message.Message):
    __slots__ = ("contents", "source_language_code", "target_language_code", "model", "mime_type", "options", "target_prefixes", "glossary_config")
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MIME_TYPE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    TARGET_PREFIXES_FIELD_NUMBER: _ClassVar[int]
    GLOSSARY_CONFIG_FIELD_NUMBER: _ClassVar[int]
    contents: _containers.RepeatedScalarFieldContainer[str]
    source_language_code: str
    target_language_code: str
    model: str
    mime_type: str
    options: DecodingOptions
    target_prefixes: _containers.RepeatedScalarFieldContainer[str]
    glossary_config: GlossaryConfig
    def __init__(self, contents: _Optional[_Iterable[str]] = ..., source_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ..., model: _Optional[str] = ..., mime_type: _Optional[str] = ..., options: _Optional[_Union[DecodingOptions, _Mapping]] = ..., target_prefixes: _Optional[_Iterable[str]] = ..., glossary_config: _Optional[_Union[GlossaryConfig, _Mapping]] = ...) -> None: ...

class GlossaryConfig(_message.Message):
    __slots__ = ("glossary", "entries")
    GLOSSARY_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    glossary: str
    entries: _containers.RepeatedCompositeFieldContainer[GlossaryEntry]
    def __init__(self, glossary: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[GlossaryEntry, _Mapping]]] = ...) -> None: ...

class GlossaryEntry(_message.Message):
    __slots__ = ("source_term", "target_term", "source_language_code", "target_language_code")
    SOURCE_TERM_FIELD_NUMBER: _ClassVar[int]
    TARGET_TERM_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    source_term: str
    target_term: str
    source_language_code: str
    target_language_code: str
    def __init__(self, source_term: _Optional[str] = ..., target_term: _Optional[str] = ..., source_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ...) -> None: ...

class TranslateTextResponse(_message.Message):
    __slots__ = ("translations", "model", "usage")
    TRANSLATIONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    translations: _containers.RepeatedCompositeFieldContainer[Translation]
    model: str
    usage: Usage
    def __init__(self, translations: _Optional[_Iterable[_Union[Translation, _Mapping]]] = ..., model: _Optional[str] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class Translation(_message.Message):
    __slots__ = ("translated_text", "detected_language_code", "target_language_code", "score", "hypotheses", "finish_reason", "warnings", "usage", "error", "warning_details", "glossary_terms", "confidence", "recalled_pairs")
    TRANSLATED_TEXT_FIELD_NUMBER: _ClassVar[int]
    DETECTED_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    HYPOTHESES_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    WARNING_DETAILS_FIELD_NUMBER: _ClassVar[int]
    GLOSSARY_TERMS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    RECALLED_PAIRS_FIELD_NUMBER: _ClassVar[int]
    translated_text: str
    detected_language_code: str
    target_language_code: str
    score: float
    hypotheses: _containers.RepeatedCompositeFieldContainer[Hypothesis]
    finish_reason: FinishReason
    warnings: _containers.RepeatedScalarFieldContainer[str]
    usage: Usage
    error: _status_pb2.Status
    warning_details: _containers.RepeatedCompositeFieldContainer[TranslationWarning]
    glossary_terms: _containers.RepeatedCompositeFieldContainer[TermUse]
    confidence: float
    recalled_pairs: _containers.RepeatedCompositeFieldContainer[RecalledPair]
    def __init__(self, translated_text: _Optional[str] = ..., detected_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ..., score: _Optional[float] = ..., hypotheses: _Optional[_Iterable[_Union[Hypothesis, _Mapping]]] = ..., finish_reason: _Optional[_Union[FinishReason, str]] = ..., warnings: _Optional[_Iterable[str]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., warning_details: _Optional[_Iterable[_Union[TranslationWarning, _Mapping]]] = ..., glossary_terms: _Optional[_Iterable[_Union[TermUse, _Mapping]]] = ..., confidence: _Optional[float] = ..., recalled_pairs: _Optional[_Iterable[_Union[RecalledPair, _Mapping]]] = ...) -> None: ...

class RecalledPair(_message.Message):
    __slots__ = ("source", "target", "tokens")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    source: str
    target: str
    tokens: float
    def __init__(self, source: _Optional[str] = ..., target: _Optional[str] = ..., tokens: _Optional[float] = ...) -> None: ...

class TermUse(_message.Message):
    __slots__ = ("source_term", "target_term", "honoured")
    SOURCE_TERM_FIELD_NUMBER: _ClassVar[int]
    TARGET_TERM_FIELD_NUMBER: _ClassVar[int]
    HONOURED_FIELD_NUMBER: _ClassVar[int]
    source_term: str
    target_term: str
    honoured: bool
    def __init__(self, source_term: _Optional[str] = ..., target_term: _Optional[str] = ..., honoured: _Optional[bool] = ...) -> None: ...

class TranslationWarning(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: WarningCode
    message: str
    def __init__(self, code: _Optional[_Union[WarningCode, str]] = ..., message: _Optional[str] = ...) -> None: ...

class Hypothesis(_message.Message):
    __slots__ = ("text", "score", "alignment", "piece_scores")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    ALIGNMENT_FIELD_NUMBER: _ClassVar[int]
    PIECE_SCORES_FIELD_NUMBER: _ClassVar[int]
    text: str
    score: float
    alignment: _containers.RepeatedCompositeFieldContainer[Link]
    piece_scores: _containers.RepeatedCompositeFieldContainer[PieceScore]
    def __init__(self, text: _Optional[str] = ..., score: _Optional[float] = ..., alignment: _Optional[_Iterable[_Union[Link, _Mapping]]] = ..., piece_scores: _Optional[_Iterable[_Union[PieceScore, _Mapping]]] = ...) -> None: ...

class Span(_message.Message):
    __slots__ = ("start", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: int
    end: int
    def __init__(self, start: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class Link(_message.Message):
    __slots__ = ("source", "target")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    source: Span
    target: Span
    def __init__(self, source: _Optional[_Union[Span, _Mapping]] = ..., target: _Optional[_Union[Span, _Mapping]] = ...) -> None: ...

class PieceScore(_message.Message):
    __slots__ = ("span", "log_prob")
    SPAN_FIELD_NUMBER: _ClassVar[int]
    LOG_PROB_FIELD_NUMBER: _ClassVar[int]
    span: Span
    log_prob: float
    def __init__(self, span: _Optional[_Union[Span, _Mapping]] = ..., log_prob: _Optional[float] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("source_tokens", "target_tokens", "queue_seconds", "compute_seconds")
    SOURCE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TARGET_TOKENS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    source_tokens: int
    target_tokens: int
    queue_seconds: float
    compute_seconds: float
    def __init__(self, source_tokens: _Optional[int] = ..., target_tokens: _Optional[int] = ..., queue_seconds: _Optional[float] = ..., compute_seconds: _Optional[float] = ...) -> None: ...

class StreamTranslateTextRequest(_message.Message):
    __slots__ = ("config", "item")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    config: StreamConfig
    item: StreamItem
    def __init__(self, config: _Optional[_Union[StreamConfig, _Mapping]] = ..., item: _Optional[_Union[StreamItem, _Mapping]] = ...) -> None: ...

class StreamConfig(_message.Message):
    __slots__ = ("source_language_code", "target_language_code", "model", "mime_type", "options", "as_ready", "glossary_config")
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MIME_TYPE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    AS_READY_FIELD_NUMBER: _ClassVar[int]
    GLOSSARY_CONFIG_FIELD_NUMBER: _ClassVar[int]
    source_language_code: str
    target_language_code: str
    model: str
    mime_type: str
    options: DecodingOptions
    as_ready: bool
    glossary_config: GlossaryConfig
    def __init__(self, source_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ..., model: _Optional[str] = ..., mime_type: _Optional[str] = ..., options: _Optional[_Union[DecodingOptions, _Mapping]] = ..., as_ready: _Optional[bool] = ..., glossary_config: _Optional[_Union[GlossaryConfig, _Mapping]] = ...) -> None: ...

class StreamItem(_message.Message):
    __slots__ = ("id", "content", "target_prefix")
    ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TARGET_PREFIX_FIELD_NUMBER: _ClassVar[int]
    id: str
    content: str
    target_prefix: str
    def __init__(self, id: _Optional[str] = ..., content: _Optional[str] = ..., target_prefix: _Optional[str] = ...) -> None: ...

class StreamTranslateTextResponse(_message.Message):
    __slots__ = ("id", "translation")
    ID_FIELD_NUMBER: _ClassVar[int]
    TRANSLATION_FIELD_NUMBER: _ClassVar[int]
    id: str
    translation: Translation
    def __init__(self, id: _Optional[str] = ..., translation: _Optional[_Union[Translation, _Mapping]] = ...) -> None: ...

class DetectLanguageRequest(_message.Message):
    __slots__ = ("content", "model")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    content: str
    model: str
    def __init__(self, content: _Optional[str] = ..., model: _Optional[str] = ...) -> None: ...

class DetectLanguageResponse(_message.Message):
    __slots__ = ("languages",)
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    languages: _containers.RepeatedCompositeFieldContainer[DetectedLanguage]
    def __init__(self, languages: _Optional[_Iterable[_Union[DetectedLanguage, _Mapping]]] = ...) -> None: ...

class DetectedLanguage(_message.Message):
    __slots__ = ("language_code", "confidence")
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    language_code: str
    confidence: float
    def __init__(self, language_code: _Optional[str] = ..., confidence: _Optional[float] = ...) -> None: ...

class ListSupportedLanguagesRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class ListSupportedLanguagesResponse(_message.Message):
    __slots__ = ("languages",)
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    languages: _containers.RepeatedCompositeFieldContainer[SupportedLanguage]
    def __init__(self, languages: _Optional[_Iterable[_Union[SupportedLanguage, _Mapping]]] = ...) -> None: ...

class SupportedLanguage(_message.Message):
    __slots__ = ("language_code", "support_source", "support_target")
    LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_SOURCE_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_TARGET_FIELD_NUMBER: _ClassVar[int]
    language_code: str
    support_source: bool
    support_target: bool
    def __init__(self, language_code: _Optional[str] = ..., support_source: _Optional[bool] = ..., support_target: _Optional[bool] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "source_language_codes", "target_language_codes", "max_beam_size", "max_source_tokens", "fingerprint", "device", "dtype")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOURCE_LANGUAGE_CODES_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODES_FIELD_NUMBER: _ClassVar[int]
    MAX_BEAM_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_SOURCE_TOKENS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    source_language_codes: _containers.RepeatedScalarFieldContainer[str]
    target_language_codes: _containers.RepeatedScalarFieldContainer[str]
    max_beam_size: int
    max_source_tokens: int
    fingerprint: str
    device: str
    dtype: str
    def __init__(self, name: _Optional[str] = ..., source_language_codes: _Optional[_Iterable[str]] = ..., target_language_codes: _Optional[_Iterable[str]] = ..., max_beam_size: _Optional[int] = ..., max_source_tokens: _Optional[int] = ..., fingerprint: _Optional[str] = ..., device: _Optional[str] = ..., dtype: _Optional[str] = ...) -> None: ...

class ListGlossariesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListGlossariesResponse(_message.Message):
    __slots__ = ("glossaries",)
    GLOSSARIES_FIELD_NUMBER: _ClassVar[int]
    glossaries: _containers.RepeatedCompositeFieldContainer[Glossary]
    def __init__(self, glossaries: _Optional[_Iterable[_Union[Glossary, _Mapping]]] = ...) -> None: ...

class GetGlossaryRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Glossary(_message.Message):
    __slots__ = ("name", "entry_count", "language_pairs", "fingerprint")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ENTRY_COUNT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_PAIRS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    name: str
    entry_count: int
    language_pairs: _containers.RepeatedCompositeFieldContainer[GlossaryLanguagePair]
    fingerprint: str
    def __init__(self, name: _Optional[str] = ..., entry_count: _Optional[int] = ..., language_pairs: _Optional[_Iterable[_Union[GlossaryLanguagePair, _Mapping]]] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class GlossaryLanguagePair(_message.Message):
    __slots__ = ("source_language_code", "target_language_code")
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    source_language_code: str
    target_language_code: str
    def __init__(self, source_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ...) -> None: ...

class DocumentConfig(_message.Message):
    __slots__ = ("source_language_code", "target_language_code", "model", "name", "format", "options", "glossary_config", "existing_translations")
    SOURCE_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    GLOSSARY_CONFIG_FIELD_NUMBER: _ClassVar[int]
    EXISTING_TRANSLATIONS_FIELD_NUMBER: _ClassVar[int]
    source_language_code: str
    target_language_code: str
    model: str
    name: str
    format: str
    options: DecodingOptions
    glossary_config: GlossaryConfig
    existing_translations: ExistingTranslations
    def __init__(self, source_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ..., model: _Optional[str] = ..., name: _Optional[str] = ..., format: _Optional[str] = ..., options: _Optional[_Union[DecodingOptions, _Mapping]] = ..., glossary_config: _Optional[_Union[GlossaryConfig, _Mapping]] = ..., existing_translations: _Optional[_Union[ExistingTranslations, str]] = ...) -> None: ...

class TranslateDocumentRequest(_message.Message):
    __slots__ = ("config", "content")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    config: DocumentConfig
    content: bytes
    def __init__(self, config: _Optional[_Union[DocumentConfig, _Mapping]] = ..., content: _Optional[bytes] = ...) -> None: ...

class TranslateDocumentResponse(_message.Message):
    __slots__ = ("content", "document")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    document: TranslatedDocument
    def __init__(self, content: _Optional[bytes] = ..., document: _Optional[_Union[TranslatedDocument, _Mapping]] = ...) -> None: ...

class StreamTranslateDocumentRequest(_message.Message):
    __slots__ = ("config", "chunk")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    config: DocumentConfig
    chunk: bytes
    def __init__(self, config: _Optional[_Union[DocumentConfig, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class StreamTranslateDocumentResponse(_message.Message):
    __slots__ = ("progress", "document", "chunk")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    progress: DocumentProgress
    document: TranslatedDocument
    chunk: bytes
    def __init__(self, progress: _Optional[_Union[DocumentProgress, _Mapping]] = ..., document: _Optional[_Union[TranslatedDocument, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class DocumentProgress(_message.Message):
    __slots__ = ("segments_done", "segments")
    SEGMENTS_DONE_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    segments_done: int
    segments: int
    def __init__(self, segments_done: _Optional[int] = ..., segments: _Optional[int] = ...) -> None: ...

class TranslatedDocument(_message.Message):
    __slots__ = ("name", "format", "detected_language_code", "target_language_code", "model", "segments", "content_bytes", "warnings", "usage")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    DETECTED_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    TARGET_LANGUAGE_CODE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    CONTENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    format: str
    detected_language_code: str
    target_language_code: str
    model: str
    segments: int
    content_bytes: int
    warnings: _containers.RepeatedCompositeFieldContainer[TranslationWarning]
    usage: Usage
    def __init__(self, name: _Optional[str] = ..., format: _Optional[str] = ..., detected_language_code: _Optional[str] = ..., target_language_code: _Optional[str] = ..., model: _Optional[str] = ..., segments: _Optional[int] = ..., content_bytes: _Optional[int] = ..., warnings: _Optional[_Iterable[_Union[TranslationWarning, _Mapping]]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ...) -> None: ...

class GetUsageRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetUsageResponse(_message.Message):
    __slots__ = ("name", "calls_today", "tokens_today", "calls_per_day", "tokens_per_day", "seconds_left", "calls", "tokens")
    NAME_FIELD_NUMBER: _ClassVar[int]
    CALLS_TODAY_FIELD_NUMBER: _ClassVar[int]
    TOKENS_TODAY_FIELD_NUMBER: _ClassVar[int]
    CALLS_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    name: str
    calls_today: int
    tokens_today: int
    calls_per_day: int
    tokens_per_day: int
    seconds_left: float
    calls: int
    tokens: int
    def __init__(self, name: _Optional[str] = ..., calls_today: _Optional[int] = ..., tokens_today: _Optional[int] = ..., calls_per_day: _Optional[int] = ..., tokens_per_day: _Optional[int] = ..., seconds_left: _Optional[float] = ..., calls: _Optional[int] = ..., tokens: _Optional[int] = ...) -> None: ...
