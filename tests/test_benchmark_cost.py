"""Cost of translation: counters that overflow, and figures per million words."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from fake_translator import FakeTranslator, Tformer

from tformer.cli.exits import ExitStatus
from tformer.model.benchmark.cost import TranslationCost, energy_counters, measure


def test_figures_follow_from_words_seconds_and_price() -> None:
    cost = TranslationCost(
        words=50_000, cores=2, seconds=10, cpu_seconds=18, joules={"package-0 (RAPL)": 400}
    )
    record = cost.record(price=0.05)
    assert record["words_per_second"] == 5000
    assert record["cpu_seconds_per_million_words"] == 360
    assert record["core_hours_per_million_words"] == pytest.approx(20 * 20 / 3600, abs=1e-4)
    assert record["joules_per_million_words"] == {"package-0 (RAPL)": 8000}
    assert record["money_per_million_words"] == pytest.approx(20 * 20 / 3600 * 0.05, abs=1e-6)
    assert cost.record(None)["money_per_million_words"] is None


def test_energy_is_read_of_whole_processors_also_when_it_overflows(tmp_path: Path) -> None:
    for name, energy in (("intel-rapl:0", 5_000_000), ("intel-rapl:0:0", 1), ("intel-rapl:1", 7)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "name").write_text("package-0\n")
        (folder / "energy_uj").write_text(f"{energy}\n")
        (folder / "max_energy_range_uj").write_text("10000000\n")
    (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    (counter,) = energy_counters(tmp_path)
    assert counter.read() == 5
    assert counter.between(4, 6) == 2
    assert counter.between(9, 1) == 2

    def translate(lines: Sequence[str]) -> list[str]:
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text("6500000\n")
        return list(lines)

    cost = measure(lambda lines: iter(translate(lines)), ["a b", "c"], 1, [counter], seconds=0)
    assert cost.words == 3 and cost.joules == {"package-0 (RAPL)": 1.5}
    assert cost.seconds > 0


def test_the_command_prints_them(
    tformer: Tformer, translator: FakeTranslator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeTranslator, "threads", 2, raising=False)
    call = ("bench", "--cost", "--sentences", "8", "--seconds", "0", "--price", "0.04")
    record = json.loads(tformer(*call, "--json").out)
    assert record["cores"] == 2 and record["words"] > 50
    assert record["money_per_million_words"] == pytest.approx(
        record["core_hours_per_million_words"] * 0.04, rel=0.1, abs=1e-4
    )
    assert "money at 0.04 a core hour" in tformer(*call).out
    assert tformer("bench", "--price", "1").status == ExitStatus.USAGE
    assert tformer("bench", "--cost", "--batch", "1").status == ExitStatus.USAGE
