"""Prometheus metrics. Every server has a registry of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from tformer.model.engine.scheduler import Batch
from tformer.model.errors import ServerError
from tformer.server.access.address import Address

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters and gauges of one server."""

    def __init__(self, queued_tokens: Callable[[], int] = lambda: 0) -> None:
        """All at zero; ``queued_tokens`` is asked whenever someone looks."""
        self.registry = CollectorRegistry()
        self.calls = Counter(
            "tformer_calls",
            "Calls that have ended, by method and status code.",
            ("method", "code"),
            registry=self.registry,
        )
        self.call_seconds = Histogram(
            "tformer_call_seconds",
            "How long calls took.",
            ("method",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.texts = Counter(
            "tformer_texts",
            "Texts that were translated, cached ones not counted.",
            ("model",),
            registry=self.registry,
        )
        self.cache_hits = Counter(
            "tformer_cache_hits",
            "Texts whose translation was in the cache.",
            ("model",),
            registry=self.registry,
        )
        self.source_tokens = Counter(
            "tformer_source_tokens", "Tokens read.", ("model",), registry=self.registry
        )
        self.target_tokens = Counter(
            "tformer_target_tokens",
            "Tokens of translations, cancelled or not.",
            ("model",),
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "tformer_queue_seconds",
            "How long texts waited for the engine.",
            ("model",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.compute_seconds = Histogram(
            "tformer_compute_seconds",
            "How long texts were in the engine.",
            ("model",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.batch_rows = Gauge(
            "tformer_batch_rows",
            "Rows of the batch: sentences times beam size.",
            ("model",),
            registry=self.registry,
        )
        self.handshakes = Counter(
            "tformer_tls_handshakes",
            "TLS handshakes that clients began.",
            registry=self.registry,
        )
        queue = Gauge(
            "tformer_queue_tokens",
            "Tokens that were accepted and are not answered.",
            registry=self.registry,
        )
        queue.set_function(queued_tokens)
        # Finding what belongs to a label takes longer than counting.
        self.of_model = lru_cache(maxsize=None)(self._of_model)
        self._of_method = lru_cache(maxsize=None)(self.call_seconds.labels)
        self._of_ending = lru_cache(maxsize=None)(self.calls.labels)

    def _of_model(self, model: str) -> OfModel:
        """Metrics of one model."""
        return OfModel(
            texts=self.texts.labels(model),
            cache_hits=self.cache_hits.labels(model),
            source_tokens=self.source_tokens.labels(model),
            target_tokens=self.target_tokens.labels(model),
            queue_seconds=self.queue_seconds.labels(model),
            compute_seconds=self.compute_seconds.labels(model),
            batch_rows=self.batch_rows.labels(model),
        )

    def watch(self, model: str, batch: Batch) -> None:
        """Take note of a step; called in the model's thread."""
        found = self.of_model(model)
        found.batch_rows.set(batch.rows)
        if batch.target_tokens:
            found.target_tokens.inc(batch.target_tokens)

    def note_call(self, method: str, code: str, seconds: float) -> None:
        """A call has ended."""
        self._of_ending(method, code).inc()
        self._of_method(method).observe(seconds)

    def follow(self, usage: Callable[[], Iterable[tuple[str, int, int]]]) -> None:
        """Show the name, calls and tokens of every token whenever someone looks."""
        self.registry.register(_UsageCollector(usage))

    def serve(self, address: Address) -> Exporter:
        """Answer Prometheus at ``address``.

        Raises:
            ServerError: the address cannot be used.
        """
        return Exporter(self.registry, address)


class _UsageCollector(Collector):
    """Counters that are kept with the tokens; their names are those of the file of tokens."""

    def __init__(self, usage: Callable[[], Iterable[tuple[str, int, int]]]) -> None:
        self._usage = usage

    def collect(self) -> Iterator[Metric]:
        calls = CounterMetricFamily(
            "tformer_token_calls",
            "Calls, by token; every item of a stream is one.",
            labels=["token"],
        )
        tokens = CounterMetricFamily(
            "tformer_token_tokens", "Tokens that count for quotas, by token.", labels=["token"]
        )
        for name, num_calls, num_tokens in self._usage():
            calls.add_metric([name], num_calls)
            tokens.add_metric([name], num_tokens)
        yield from (calls, tokens)


@dataclass(frozen=True)
class OfModel:
    """Metrics of one model; see `Metrics`."""

    texts: Counter
    cache_hits: Counter
    source_tokens: Counter
    target_tokens: Counter
    queue_seconds: Histogram
    compute_seconds: Histogram
    batch_rows: Gauge


class Exporter:
    """The page that Prometheus reads, in a thread of its own."""

    def __init__(self, registry: CollectorRegistry, address: Address) -> None:
        try:
            self._server, self._thread = start_http_server(
                address.port, address.host, registry=registry
            )
        except OSError as error:
            raise ServerError(f"cannot show metrics at {address}: {error.strerror}") from error

    @property
    def port(self) -> int:
        """The port, also where the system chose it."""
        return int(self._server.server_port)

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
