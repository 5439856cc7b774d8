"""Jobs on datasets over the nodes of a Ray cluster, as a pipeline of Ray Data.

    read (a task for each actor)  ->  translate (an actor with all engines of a node, or a GPU)

What travels is the texts of blocks. An actor keeps the results in the spool beside the output,
which must be on storage that all nodes share, under a name that follows from the texts; so a job
that is started again does what is missing, and a task that Ray runs twice writes the same file
twice.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from tformer.dataset.files.blocks import BlockTexts
from tformer.dataset.job import ShardJob, TranslateBlocks
from tformer.model.errors import InputError, ServerError, TformerError, UsageError

INSTALL = "pip install 'tformer[ray]'"

RAY_BLOCK_BYTES = 1 << 16
"""Bytes of texts that Ray collects for a task; those of a block of ours are more, if it is full."""

ATTEMPTS = 3
"""Runs of the pipeline in a row that fail without having done a block."""

StartTranslator = Callable[[int, str | None], TranslateBlocks]
"""Makes a translator with so many engines, on a device or on that of the call; can be pickled."""


@dataclass(frozen=True)
class ActorShape:
    """Actors that a cluster has room for."""

    number: int
    cores: int
    gpus: int = 0
    """GPUs of each, 0 or 1."""


def ray_library() -> Any:
    """The library, without its reports to others.

    Raises:
        UsageError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError(f"--ray: needs Ray: {INSTALL}") from error
    return ray


def connect_ray(address: str) -> Any:
    """Join a cluster, or start one on this machine.

    Args:
        address: of the head, such as 10.0.0.1:6379, or "auto"; "" starts one here.

    Raises:
        UsageError: Ray is not installed.
        ServerError: there is no cluster at the address.
    """
    ray = ray_library()
    local: dict[str, Any] = {} if address else {"include_dashboard": False}
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
            **local,
        )
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise ServerError(f"--ray {address}: there is no cluster to join: {reason}") from error
    return ray


def actor_shape(ray: Any) -> ActorShape:
    """One actor for each GPU if there are any, else one for each node.

    Raises:
        ServerError: the cluster has no node with a core.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if gpus := int(sum(node.get("GPU", 0) for node in nodes)):
        return ActorShape(gpus, 1, 1)
    cores = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
    if not cores:
        raise ServerError("--ray: no node of the cluster has a core to compute on")
    return ActorShape(sum(own // min(cores) for own in cores), min(cores))


def translate_on_ray(
    ray: Any,
    jobs: Sequence[ShardJob],
    start: StartTranslator,
    advance: Callable[[BlockTexts], None],
) -> None:
    """Translate what is missing in all jobs, into their spools.

    Args:
        ray: the library, connected.
        jobs: opened here, so that no other process works on them.
        start: makes the translator of an actor.
        advance: told of every block that is done; without its texts.

    Raises:
        TformerError: a translator cannot be started, or tasks fail on every attempt.
    """
    failures = 0
    while True:
        num_done = 0
        try:
            for record in _pipeline(ray, jobs, start).iter_rows():
                block = BlockTexts(cells={}, rows={}, **json.loads(record["block"]))
                num_done += 1
                advance(block)
            return
        except Exception as error:
            known = _cause(error)
            failures = 0 if num_done else failures + 1
            if known or failures == ATTEMPTS:
                raise known or _failed(error) from error


def _pipeline(ray: Any, jobs: Sequence[ShardJob], start: StartTranslator) -> Any:
    """Dataset of Ray Data with a row for each block that was done."""
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = RAY_BLOCK_BYTES
    context.print_on_execution_start = False
    shape = actor_shape(ray)
    # As many readers as actors: each is a process, and quick beside a translator.
    readers = min(len(jobs), shape.number)
    blocks = ray.data.read_datasource(
        _source(jobs), override_num_blocks=readers, num_cpus=0, concurrency=readers
    )
    return blocks.map_batches(
        BlockActor,
        fn_constructor_args=(start, shape),
        compute=ray.data.ActorPoolStrategy(size=shape.number),
        batch_size=None,
        num_cpus=shape.cores,
        num_gpus=shape.gpus,
        # Tasks of an actor whose node is lost would wait for another node to restart it on; so they
        # fail, and the pipeline is run again on the nodes that are left, for what is missing.
        max_restarts=0,
    )


class BlockActor:
    """A translator on a node, with the model loaded once."""

    def __init__(self, start: StartTranslator, shape: ActorShape) -> None:
        """Load the model."""
        self._translate = start(shape.cores, "cuda" if shape.gpus else None)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Translate blocks and keep their results.

        Args:
            batch: columns ``output``, paths, and ``block``, blocks as JSON.

        Returns:
            The same, the blocks without their texts.
        """
        from pathlib import Path

        from tformer.dataset.spool import Spool

        outputs = list(map(str, batch["output"]))
        blocks = [BlockTexts(**json.loads(data)) for data in batch["block"]]
        results = self._translate(blocks)
        for output, (block, result) in zip(outputs, results, strict=True):
            Spool(Path(output)).put(block, result.packed())
        return {"output": outputs, "block": [_described(block) for block in blocks]}


def _source(jobs: Sequence[ShardJob]) -> Any:
    """Source of the blocks that are missing."""
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask

    class MissingBlocks(Datasource):
        """Blocks of files without results."""

        def estimate_inmemory_data_size(self) -> int:
            """Bytes of all files."""
            return sum(job.shard.path.stat().st_size for job in jobs)

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[Any]:
            """Make tasks, each for a part of the files."""
            size = BlockMetadata(None, None, None, None)
            parts = [[_parts(job) for job in jobs[i::parallelism]] for i in range(parallelism)]
            return [ReadTask(partial(_read_missing, part), size) for part in parts if part]

    return MissingBlocks()  # type: ignore[no-untyped-call]


def _parts(job: ShardJob) -> tuple[Any, Any, str]:
    return job.shard, job.selection, os.path.abspath(job.output)


def _read_missing(parts: Sequence[tuple[Any, Any, str]]) -> Iterator[Any]:
    """Yield a table of one row for each block of some files that has no results.

    A file that is malformed ends there; the command reads it too, and says so.
    """
    from pathlib import Path

    import pyarrow as pa

    from tformer.dataset.spool import Spool

    for shard, selection, output in parts:
        spool = Spool(Path(output))
        with suppress(InputError):
            for texts in map(selection.texts_of, shard.blocks()):
                if not spool.has(texts):
                    data = json.dumps(asdict(texts), separators=(",", ":"))
                    yield pa.table({"output": [output], "block": [data]})


def _described(block: BlockTexts) -> str:
    record = asdict(block)
    del record["cells"], record["rows"]
    return json.dumps(record)


def _cause(error: BaseException) -> TformerError | None:
    """The error of ours that made a task fail, if there is one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, TformerError):
            return type(seen)(*seen.args)
        inner = getattr(seen, "cause", None)
        if isinstance(inner, TformerError):
            return type(inner)(*inner.args)
        seen = seen.__cause__ or seen.__context__
    return None


def _failed(error: Exception) -> ServerError:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return ServerError(
        f"--ray: the job failed: {(lines or [type(error).__name__])[-1][:300]}; --resume goes on "
        "with what is there"
    )
