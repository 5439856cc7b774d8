from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReloadModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReloadModelsResponse(_message.Message):
    __slots__ = ("models", "glossaries")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    GLOSSARIES_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ReloadedModel]
    glossaries: _containers.RepeatedCompositeFieldContainer[ReloadedGlossary]
    def __init__(self, models: _Optional[_Iterable[_Union[ReloadedModel, _Mapping]]] = ..., glossaries: _Optional[_Iterable[_Union[ReloadedGlossary, _Mapping]]] = ...) -> None: ...

class ReloadedModel(_message.Message):
    __slots__ = ("name", "replaced", "fingerprint", "error")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    name: str
    replaced: bool
    fingerprint: str
    error: _status_pb2.Status
    def __init__(self, name: _Optional[str] = ..., replaced: _Optional[bool] = ..., fingerprint: _Optional[str] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ReloadedGlossary(_message.Message):
    __slots__ = ("name", "replaced", "fingerprint", "error")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REPLACED_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    name: str
    replaced: bool
    fingerprint: str
    error: _status_pb2.Status
    def __init__(self, name: _Optional[str] = ..., replaced: _Optional[bool] = ..., fingerprint: _Optional[str] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
