"""The page of `tformer serve --http` in a browser that has no network."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import HTTP, get, post_files, url_of
from browsers import needs_browser, start_browser
from serving import SENTENCES, RunningServer, make_model, serving

from tformer.server.http.page import FILES, FOLDER
from tformer.server.sources import GlossarySource

AXE = Path(__file__).parent / "page" / "node_modules" / "axe-core" / "axe.min.js"

TEXT = "A dog runs on the beach. The house is old.\nWhere is the railway station?"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "terms.csv").write_text("dog,Köter\n", "utf-8")
    terms = (GlossarySource("company", folder / "terms.csv"),)
    with serving(
        make_model(folder / "en-de"), http=HTTP, glossaries=terms, dtype="int8"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = start_browser(
        tmp_path_factory.mktemp("browser"),
        "--lang=en",
        "--window-size=1200,820",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        logs=("browser", "performance"),
    )
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


def wait(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 30
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.fixture
def page(browser: Any, server: RunningServer) -> Any:
    browser.get(url_of(server, "/"))
    wait(lambda: browser.execute_script("return document.documentElement.dataset.ready"))
    browser.execute_script("document.getElementById('target').value = 'de'")
    return browser


def typed(page: Any, text: str = TEXT) -> list[Any]:
    """Sentences of the translation of a text that has been typed."""
    page.find_element("id", "text").send_keys(text)
    number = len(re.findall(r"[.?](?!\w)", text))
    return wait(lambda: len(found := sentences(page)) == number and is_fresh(page) and found)


def sentences(page: Any) -> list[Any]:
    return page.find_elements("css selector", "#result .sentence")


def is_fresh(page: Any) -> bool:
    return "stale" not in page.find_element("id", "result").get_attribute("class")


def requests(page: Any) -> list[str]:
    """Addresses that the browser has asked since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    sent = (each for each in events if each["method"] == "Network.requestWillBeSent")
    return [each["params"]["request"]["url"] for each in sent]


@needs_browser
def test_what_is_typed_is_translated_once_and_nothing_leaves(
    page: Any, server: RunningServer
) -> None:
    found = typed(page)
    status = page.find_element("id", "status").text
    assert "Detected English" in status and "ms" in status
    asked = [url for url in requests(page) if not url.startswith(("chrome", "data:"))]
    assert all(url.startswith(url_of(server)) for url in asked), asked
    assert sum(url.endswith("/v1/translate") for url in asked) <= 3  # not one for each key
    assert page.find_element("id", "result").get_attribute("lang") == "de"
    assert [each.get_attribute("tabindex") for each in found] == ["0"] * 3
    assert not [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]


@needs_browser
def test_a_sentence_has_alternatives_for_mouse_and_keyboard(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    first = typed(page)[0]
    first.send_keys(Keys.ENTER)
    box = page.find_element("id", "alternatives")
    wait(box.is_displayed)
    buttons = box.find_elements("tag name", "button")
    assert 2 <= len(buttons) <= 4
    box.find_element("css selector", "button:focus").send_keys(Keys.ARROW_DOWN)
    chosen = page.switch_to.active_element
    text = chosen.get_property("textContent")
    chosen.send_keys(Keys.ENTER)
    assert sentences(page)[0].get_property("textContent") == text
    sentences(page)[1].click()
    wait(box.is_displayed)
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not box.is_displayed()


@needs_browser
def test_pointing_at_a_word_marks_its_source(page: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    typed(page, "The house is old.")
    word = page.find_element("css selector", "#result [data-links]")
    ActionChains(page).move_to_element(word).perform()
    marked = page.find_element("css selector", "#mirror mark").get_property("textContent")
    assert marked and marked in "The house is old."


@needs_browser
def test_glossary_swap_and_colours(page: Any, server: RunningServer) -> None:
    from selenium.webdriver.support.ui import Select

    glossary = Select(page.find_element("id", "glossary"))
    assert [each.text for each in glossary.options] == ["None", "company"]
    typed(page, "A dog runs.")
    requests(page)
    glossary.select_by_value("company")
    wait(lambda: any(url.endswith("/v1/translate") for url in requests(page)))
    page.find_element("id", "swap").click()
    source = page.find_element("id", "source").get_property("value")
    assert (source, page.find_element("id", "target").get_property("value")) == ("de", "en")
    for theme in ("light", "dark", None):
        page.find_element("id", "theme").click()
        found = page.execute_script("return document.documentElement.dataset.theme ?? null")
        assert found == theme


DROP = """
const data = new DataTransfer();
data.items.add(new File([arguments[0]], arguments[1]));
const send = (kind) => document.body.dispatchEvent(
  new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data }));
send("dragenter");
const invited = !document.getElementById("drop").hidden;
send("dragover");
send("drop");
return invited;
"""

FETCH = """
const done = arguments[arguments.length - 1];
fetch(document.getElementById("download").href).then((r) => r.text()).then(done, () => done(""));
"""


@needs_browser
def test_a_file_that_is_dropped_comes_back(page: Any, server: RunningServer) -> None:
    text = f"# {SENTENCES[0]}\n\n```\ncode\n```\n"
    assert page.execute_script(DROP, text, "<b>page.md")
    link = page.find_element("id", "download")
    wait(link.is_displayed)
    assert link.text == "Download the translation of <b>page.md"
    assert not page.find_element("id", "drop").is_displayed()
    fields = {"source": "en", "target": "de"}
    direct = post_files(server, "/translate_file", fields, {"file": ("page.md", text.encode())})
    url = direct.json["translatedFileUrl"].removeprefix(url_of(server))
    assert page.execute_async_script(FETCH) == get(server, url).body.decode()
    assert page.execute_script(DROP, "\0\1\2", "noise.docx")
    wait(lambda: "noise.docx" in page.find_element("id", "status").text and "Translating" not in
         page.find_element("id", "status").text)  # fmt: skip


@needs_browser
def test_hostile_text_stays_text(page: Any) -> None:
    hostile = '<img src=x onerror="document.title=1">.'
    typed(page, hostile)
    assert not page.find_elements("css selector", "#result img, #mirror img")
    assert page.title == "tformer: translate"


@needs_browser
@pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm ci --prefix tests/page")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_accessible(page: Any, theme: str) -> None:
    page.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
    typed(page)[0].click()
    wait(page.find_element("id", "alternatives").is_displayed)
    page.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    page.execute_script(AXE.read_text("utf-8"))
    found = page.execute_async_script(
        "const done = arguments[0];"
        "axe.run().then((found) => done(found.violations), (error) => done([`${error}`]))"
    )
    assert not [(each["id"], each["nodes"][0]["html"]) for each in found]


@needs_browser
def test_the_page_fits_a_phone(page: Any, tmp_path: Path) -> None:
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True},
    )
    try:
        typed(page)
        widths = "return [document.documentElement.scrollWidth, innerWidth]"
        assert page.execute_script(widths) == [360, 360]
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_is_under_a_policy(server: RunningServer) -> None:
    for path in FILES:
        reply = get(server, path)
        policy = reply.headers["Content-Security-Policy"]
        assert reply.status == 200 and "default-src 'none'" in policy and "unsafe" not in policy
    assert get(server, "/page/page.py").status == 404
    assert get(server, "/page/../calls.py").status == 404


def test_the_page_names_no_other_host() -> None:
    for name, _ in FILES.values():
        text = (FOLDER / name).read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text and "https:" not in text
    assert sum(os.path.getsize(FOLDER / name) for name, _ in FILES.values()) < 40_000
