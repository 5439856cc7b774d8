"""The page of `tformer attention --html` in a browser that has no network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import needs_browser, start_browser
from tiny import tiny_transformer

from tformer.cli.attention_views.choice import HeadChoice
from tformer.cli.attention_views.page import page
from tformer.model.config import AlignmentHeads
from tformer.model.network.eager import Eager
from tformer.model.options import DecodingOptions
from tformer.model.pipeline.inspection import Inspection, inspect
from tformer.model.pipeline.torch_scorer import PlainAligner
from tformer.model.pipeline.translator import Translator
from tformer.model.vocabulary.sentencepiece import Vocabulary

pytestmark = needs_browser

TEXT = "A dog runs on the beach."

HOSTILE = '</script><img src=x onerror="hacked=1"><b>dog</b> \u202e א'


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = start_browser(tmp_path_factory.mktemp("browser"), "--window-size=1300,1600")
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def translator(vocabulary: Vocabulary) -> Translator:
    transformer = tiny_transformer(3, vocab_size=len(vocabulary), max_length=128)
    heads = AlignmentHeads(1, (1,), reads=False)
    return Translator(
        Eager(transformer),
        vocabulary,
        open_aligner=lambda: PlainAligner(transformer, vocabulary, heads),
    )


def looked_at(translator: Translator, text: str) -> Inspection:
    options = DecodingOptions(beam_size=3, n_best=3, max_length=7)
    return inspect(translator, text, source="en", options=options)


def opened(browser: Any, inspection: Inspection, folder: Path) -> Any:
    file = folder / "page.html"
    text = page(inspection, "tiny", HeadChoice.of(inspection, "cross", None, None))
    file.write_bytes(text.encode("utf-8", "replace"))
    browser.get(file.as_uri())
    assert browser.execute_script("return document.documentElement.dataset.ready") == "yes"
    return browser


@pytest.fixture(scope="module")
def inspection(translator: Translator) -> Inspection:
    return looked_at(translator, TEXT)


@pytest.fixture
def drawn(browser: Any, inspection: Inspection, tmp_path: Path) -> Any:
    return opened(browser, inspection, tmp_path)


def text_of(browser: Any, selector: str) -> str:
    script = "return document.querySelector(arguments[0]).textContent"
    found: str = browser.execute_script(script, selector)
    return found


def point_at_cell(browser: Any, row: int, column: int) -> None:
    """Move the pointer into a cell, which is found by trying: the page may lay out as it likes."""
    from selenium.webdriver.common.action_chains import ActionChains

    grid = browser.find_element("id", "grid")
    box = browser.execute_script(
        "const c = arguments[0], r = c.getBoundingClientRect(); return [r.width, r.height];", grid
    )
    place = browser.execute_script(PLACE_OF_CELL, grid, row, column)
    assert place, f"no place on the canvas is row {row}, column {column}"
    ActionChains(browser).move_to_element_with_offset(
        grid, place[0] - round(box[0] / 2), place[1] - round(box[1] / 2)
    ).perform()


# Where on the canvas the page says that it is over these two pieces, by its read-out.
PLACE_OF_CELL = """
const [grid, row, column] = arguments;
grid.scrollIntoView({block: "center"});
const box = grid.getBoundingClientRect();
const readout = document.getElementById("readout").dataset;
for (let y = box.height - 5; y > 0; y -= 6) {
  for (let x = box.width - 5; x > 0; x -= 6) {
    const place = {clientX: box.left + x, clientY: box.top + y};
    grid.dispatchEvent(new PointerEvent("pointermove", place));
    if (readout.row === String(row) && readout.column === String(column)) return [x, y];
  }
}
return null;
"""


def test_it_opens_without_a_complaint_and_without_a_network(drawn: Any) -> None:
    assert drawn.get_log("browser") == []
    assert drawn.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_both_sentences_are_there_piece_by_piece(drawn: Any, inspection: Inspection) -> None:
    for name, pieces in (
        ("source", inspection.source_pieces),
        ("target", inspection.target_pieces),
    ):
        chips = drawn.find_elements("css selector", f"#{name} bdi")
        found = [chip.get_attribute("textContent") for chip in chips]
        assert found == [piece.removeprefix("▁") or "␣" for piece in pieces]


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 3), (4, 7)])
def test_pointing_at_a_cell_tells_its_weight(
    drawn: Any, inspection: Inspection, row: int, column: int
) -> None:
    point_at_cell(drawn, row, column)
    weight = inspection.attention["cross"][1, 1, row, column]
    assert text_of(drawn, "#weight") == f"{100 * weight:.1f} %"
    said = text_of(drawn, "#readout")
    assert said.startswith("layer 1, head 1: ")
    assert f" looks at {inspection.source_pieces[column].replace('▁', '·')} " in said


def test_heads_and_kinds_can_be_chosen(drawn: Any, inspection: Inspection) -> None:
    heads = drawn.find_elements("css selector", "#heads button")
    assert len(heads) == 2 * (2 + 1)  # two layers of two heads and their mean
    before = drawn.execute_script("return document.getElementById('grid').toDataURL()")
    heads[0].click()
    assert text_of(drawn, "#readout") == "layer 0, head 0"
    assert drawn.execute_script("return document.getElementById('grid').toDataURL()") != before
    heads[2].click()
    assert text_of(drawn, "#readout") == "layer 0, mean of heads"
    point_at_cell(drawn, 1, 1)
    mean = inspection.attention["cross"][0, :, 1, 1].mean()
    assert text_of(drawn, "#weight") == f"{100 * mean:.1f} %"

    for kind, layers in (("encoder", 1), ("decoder", 2)):
        drawn.find_element("css selector", f"[data-kind={kind}]").click()
        assert len(drawn.find_elements("css selector", "#heads button")) == layers * 3
        drawn.find_elements("css selector", "#heads button")[1].click()
        point_at_cell(drawn, 2, 1)
        weight = inspection.attention[kind][0, 1, 2, 1]
        assert text_of(drawn, "#weight") == f"{100 * weight:.1f} %"


def test_arrow_keys_go_from_head_to_head(drawn: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    grid = drawn.find_element("id", "grid")
    grid.send_keys(Keys.ARROW_UP)
    assert text_of(drawn, "#readout") == "layer 0, head 1"
    grid.send_keys(Keys.ARROW_LEFT)
    assert text_of(drawn, "#readout") == "layer 0, head 0"


def test_pointing_at_a_piece_shades_what_it_looks_at(drawn: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    chip = drawn.find_elements("css selector", "#target bdi")[1]
    ActionChains(drawn).move_to_element(chip).perform()
    shaded = [c.get_attribute("style") for c in drawn.find_elements("css selector", "#source bdi")]
    assert any("background" in style for style in shaded)
    assert "here" in chip.get_attribute("class")


def test_the_beam_has_every_candidate_and_its_fate(drawn: Any, inspection: Inspection) -> None:
    candidates = [c for step in inspection.steps for c in step.candidates]
    assert len(drawn.find_elements("css selector", "g.card")) == len(candidates)
    for fate in ("kept", "finished", "pruned"):
        wanted = sum(candidate.fate == fate for candidate in candidates)
        assert len(drawn.find_elements("css selector", f"g.card.{fate}")) == wanted > 0
    best = drawn.find_elements("css selector", "g.card.best")
    assert len(best) == len(inspection.target_pieces)
    totals = [float(card.text.split()[-1]) for card in best]
    sums = [sum(inspection.log_probs[: i + 1]) for i in range(len(best))]
    assert totals == pytest.approx(sums, abs=0.006)


def test_pointing_at_a_candidate_tells_what_became_of_it(drawn: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    card = drawn.find_elements("css selector", "g.card.pruned")[0]
    ActionChains(drawn).move_to_element(card).perform()
    tip = drawn.find_element("id", "tip")
    assert tip.is_displayed()
    assert "pruned: others were better" in tip.text


def test_every_piece_has_its_probability(drawn: Any, inspection: Inspection) -> None:
    pieces = drawn.find_elements("css selector", "#pieces .piece")
    assert len(pieces) == len(inspection.target_pieces)
    for piece, log_prob in zip(pieces, inspection.log_probs, strict=True):
        assert piece.get_attribute("title") == f"log P = {log_prob:.4f}"


def test_hypotheses_are_ranked(drawn: Any, inspection: Inspection) -> None:
    rows = drawn.find_elements("css selector", "#ranking tbody tr")
    assert [row.text.split()[0] for row in rows] == [
        f"{hypothesis.score:.4f}" for hypothesis in inspection.hypotheses
    ]


def test_hostile_text_is_shown_and_does_nothing(
    browser: Any, translator: Translator, tmp_path: Path
) -> None:
    inspection = looked_at(translator, HOSTILE)
    opened(browser, inspection, tmp_path)
    assert browser.execute_script("return window.hacked") is None
    assert browser.find_elements("tag name", "img") == []
    assert browser.find_elements("css selector", "body b b, #source b") == []
    assert browser.get_log("browser") == []
    assert browser.title.startswith('</script><img src=x onerror="hacked=1">')


def test_the_policy_lets_no_other_script_run(drawn: Any) -> None:
    drawn.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.hacked = 1';"
        "document.body.append(s); const i = new Image(); i.src = 'http://127.0.0.1:9/x';"
        "document.body.append(i);"
    )
    assert drawn.execute_script("return window.hacked") is None
    assert any("Content Security Policy" in entry["message"] for entry in drawn.get_log("browser"))


def test_scale_and_temperature_change_the_softmax(drawn: Any, inspection: Inspection) -> None:
    """Weights on the page are those of the powers of the network's, and the entropy falls."""
    assert inspection.score_scale

    def shown(scaled: bool, exponent: float) -> tuple[float, float]:
        drawn.execute_script(
            "const [scaled, exponent] = arguments, change = (id, name) =>"
            "document.getElementById(id).dispatchEvent(new Event(name));"
            "document.getElementById('scaled').checked = scaled;"
            "document.getElementById('temperature').value = exponent; change('scaled', 'change');",
            scaled,
            exponent,
        )
        point_at_cell(drawn, 2, 3)
        return float(text_of(drawn, "#weight").split()[0]), float(
            text_of(drawn, "#entropy").split()[1]
        )

    row = inspection.attention["cross"][1, 1, 2].astype(float)
    entropies = []
    for scaled, exponent in ((True, 2.0), (True, 0.0), (True, -2.0), (False, 0.0)):
        weight, entropy = shown(scaled, exponent)
        powers = row ** ((1.0 if scaled else 1 / inspection.score_scale) / 2**exponent)
        assert weight == pytest.approx(100 * powers[3] / powers.sum(), abs=0.06)
        entropies.append(entropy)
    assert entropies[0] > entropies[1] > max(entropies[2:])
    shown(True, 0.0)


@pytest.mark.parametrize("width", [420, 2200])
def test_any_width_of_a_window_will_do(
    browser: Any, inspection: Inspection, tmp_path: Path, width: int
) -> None:
    browser.set_window_size(width, 900)
    try:
        opened(browser, inspection, tmp_path)
        page_width = browser.execute_script("return document.documentElement.scrollWidth")
        assert page_width <= browser.execute_script("return innerWidth")
        assert browser.get_log("browser") == []
    finally:
        browser.set_window_size(1300, 1600)
