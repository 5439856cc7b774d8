"""Descriptions of a dataset as the `datasets` library keeps them beside its shards.

`dataset_info.json` and the front matter of `README.md` list the columns; a copy lists the new ones
too, since the library refuses shards that have others than those listed.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tformer.dataset.files import nested
from tformer.dataset.files.arrow_blocks import checked_schema, feature_of, with_features
from tformer.dataset.files.columns import Column
from tformer.dataset.files.formats import ARROW, PARQUET
from tformer.dataset.files.ipc import IpcShard
from tformer.dataset.files.parquet import ParquetShard
from tformer.dataset.files.readers import open_shard
from tformer.dataset.files.shards import ShardFile
from tformer.model.errors import OutputError

_FRONT = re.compile(r"\A---\r?\n(.*?)^---\r?$", re.DOTALL | re.MULTILINE)


def copy_description(file: ShardFile, columns: Sequence[Column]) -> None:
    """Copy a file that is no shard; one that lists columns gets the new ones.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        file.output.parent.mkdir(parents=True, exist_ok=True)
        text = _described(file.source, columns)
        if text is None:
            shutil.copyfile(file.source, file.output)
        else:
            file.output.write_bytes(text.encode())
    except OSError as error:
        raise OutputError(f"{file.output}: cannot be written: {error.strerror or error}") from error


def _described(source: Path, columns: Sequence[Column]) -> str | None:
    """The text of a description with new columns; None if it lists none."""
    if source.name not in ("dataset_info.json", "README.md"):
        return None
    shard = _first_shard(source.parent)
    if shard is None:
        return None
    before = shard.schema()
    after = checked_schema(before, columns, (), str(shard.path))
    text = source.read_bytes().decode("utf-8", "replace")
    try:
        if source.name == "README.md":
            return _card(text, before, after)
        record = json.loads(text)
        record["features"] = with_features(record["features"], before, after)
        return json.dumps(record, indent=2)
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        return None


def _first_shard(folder: Path) -> IpcShard | ParquetShard | None:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ARROW | PARQUET)
    shard = open_shard(found[0]) if found else None
    return shard if isinstance(shard, IpcShard | ParquetShard) else None


def _card(text: str, before: Any, after: Any) -> str | None:
    """A dataset's card whose front matter lists the new columns."""
    front = _FRONT.match(text)
    if front is None:
        return None
    record = yaml.safe_load(front[1])
    if "dataset_info" not in record:
        return None
    infos = record["dataset_info"]
    for info in infos if isinstance(infos, list) else [infos]:
        listed = [one["name"] for one in info["features"]]
        info["features"] += [
            {"name": field.name, **_feature(field.type)}
            for field in after
            if field.name not in nested.names_of(before) and field.name not in listed
        ]
    matter = yaml.safe_dump(record, sort_keys=False, allow_unicode=True)
    return f"---\n{matter}---{text[front.end() :]}"


def _feature(kind: Any) -> dict[str, Any]:
    """A type as the front matter of a card writes it."""
    if nested.is_list(kind):
        inner = _feature(kind.value_type)
        return {"list": inner.get("dtype", inner)}
    return {"dtype": feature_of(kind)["dtype"]}
