"""`tformer bench --cost`: CPU seconds, energy and money per million source words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tformer.cli import console, loading, outputs
from tformer.model.options import DecodingOptions

WARM_LINES = 64


@dataclass(frozen=True)
class CostCall:
    """Settings of a measurement."""

    model: str
    lines: Sequence[str]
    source: str
    target: str
    beam_size: int
    seconds: float
    price: float | None
    """Price of a core for an hour, in any currency."""
    place: loading.ComputeSettings
    as_json: bool


def report_cost(call: CostCall) -> None:
    """Measure, and print what was found.

    Raises:
        TformerError: the model is missing or damaged.
    """
    from tformer.model.benchmark.cost import energy_counters, measure
    from tformer.model.benchmark.machine import hardware

    translator = loading.load_translator(call.model, call.place)
    options = DecodingOptions(beam_size=call.beam_size)

    def translate(texts: Sequence[str]) -> Iterator[Any]:
        return translator.translate(texts, source=call.source, target=call.target, options=options)

    for _ in translate(call.lines[:WARM_LINES]):
        pass
    counters = energy_counters()
    if not counters:
        console.note("no counter of energy can be read here (RAPL, NVML)")
    cost = measure(
        translate, call.lines, max(1, translator.threads), counters, seconds=call.seconds
    )
    record = {
        "model": call.model, "beam_size": call.beam_size, "price_per_core_hour": call.price,
        **cost.record(call.price), "hardware": hardware(),
    }  # fmt: skip
    with outputs.open_output(None) as writer:
        writer.write(json.dumps(record) + "\n" if call.as_json else _as_text(record))


def _as_text(record: dict[str, Any]) -> str:
    rows = [
        ("source words per second", f"{record['words_per_second']:,.0f}"),
        ("per million source words:", ""),
        ("  CPU seconds", f"{record['cpu_seconds_per_million_words']:,.0f}"),
        ("  core hours of the machine", f"{record['core_hours_per_million_words']:.3f}"),
    ]
    rows += [
        (f"  joules, {name}", f"{joules:,.0f}")
        for name, joules in record["joules_per_million_words"].items()
    ]
    if record["money_per_million_words"] is not None:
        price = record["price_per_core_hour"]
        rows.append((f"  money at {price} a core hour", f"{record['money_per_million_words']:.4f}"))
    width = max(len(name) for name, _ in rows)
    return "".join(f"{name:<{width}}  {value:>12}".rstrip() + "\n" for name, value in rows)
