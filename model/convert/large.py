"""Large models of the Hugging Face hub made ours in int8, a few rows at a time.

NLLB, M2M100 and mBART-50 with ``model.safetensors``; what is written is what int8 on the CPU reads.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tformer.model.checkpoint.layout import ModelFacts
from tformer.model.checkpoint.stream import Part, StoredParts, in_int8, write_parts
from tformer.model.checkpoint.weights import FILE, parameter_shapes
from tformer.model.config import TransformerConfig
from tformer.model.convert.frames import Languages
from tformer.model.convert.hugging_face_models import BART, bart_config, our_name
from tformer.model.convert.hugging_face_tokens import read_vocabulary
from tformer.model.convert.marian import read_json, read_licence
from tformer.model.errors import ModelError, OutputError
from tformer.model.network.torch_checkpoint import write_description

_KINDS = ("m2m_100", "mbart")


def import_large(
    directory: Path, out: Path, *, name: str | None = None, languages: Languages | None = None
) -> None:
    """Write a model as one of ours whose matrices are in int8.

    Args:
        directory: with config.json, model.safetensors and the files of the tokenizer.
        out: where to; it must not exist.
        name: of the model; None is that of the directory.
        languages: those of its languages that are wanted.

    Raises:
        ModelError: when a file is missing, damaged or does not fit, or of another kind.
        OutputError: when ``out`` cannot be written.
    """
    table = read_json(directory / "config.json")
    if table.get("model_type") not in _KINDS:
        raise ModelError(f"{directory}: only models of type {' and '.join(_KINDS)} become int8")
    stored = StoredParts(directory / "model.safetensors")
    vocabulary = read_vocabulary(directory, table, languages or Languages())
    config = bart_config(table, vocabulary)
    facts = ModelFacts(
        name=name or directory.resolve().name,
        languages=vocabulary.languages,
        licence=read_licence(directory / "README.md"),
        training={"imported_from": str(table["model_type"]), "stored_in": "int8"},
    )
    parts = list(_parts(stored, config))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new.", dir=out.parent) as folder:
            new = Path(folder) / out.name
            new.mkdir()
            write_parts(new / FILE, parts)
            write_description(new, config, vocabulary, facts)
            shutil.move(new, out)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error})") from error


def _parts(stored: StoredParts, config: TransformerConfig) -> Iterator[Part]:
    theirs = _sources(stored, config)
    for name, shape in parameter_shapes(config).items():
        if name == "logits_bias" and name not in theirs:
            yield Part(name, "F32", shape, partial(_zeros, shape))
            continue
        if name not in theirs:
            raise ModelError(f"{stored.path}: has nothing for {name}")
        source = theirs[name]
        found = stored.shape(source)
        flat = source == "final_logits_bias"
        skip = found[0] - shape[0] if name.endswith("_table.weight") else 0
        if (found[1:] if flat else (found[0] - skip, *found[1:])) != shape or skip < 0:
            raise ModelError(f"{stored.path}: {source} is {found}, and the network needs {shape}")
        rows = partial(stored.rows, source, skip)
        if name.endswith("weight") and len(shape) == 2 and not name.endswith("_table.weight"):
            yield from in_int8(name, shape, rows)
        else:
            yield Part(name, "F32", shape, rows)


def _sources(stored: StoredParts, config: TransformerConfig) -> Mapping[str, str]:
    """Their name of each of our parameters."""
    names = {our_name(name, BART): name for name in stored.names}
    shared = next((n for n in ("model.shared.weight", "lm_head.weight") if n in stored.names), None)
    if shared is None:
        raise ModelError(f"{stored.path}: the embeddings are missing")
    extra: dict[str, str] = {"embedding.weight": shared}
    if "final_logits_bias" in stored.names and config.logits_bias:
        extra["logits_bias"] = "final_logits_bias"
    if config.positions == "learned":
        for theirs, side in (("encoder", "source"), ("decoder", "target")):
            extra[f"{side}_table.weight"] = f"model.{theirs}.embed_positions.weight"
    return names | extra


def _zeros(shape: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    yield np.zeros(shape, np.float32)
