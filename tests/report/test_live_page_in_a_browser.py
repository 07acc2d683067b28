"""The live page in a real browser: its display of messages, its display of the end, and its accessibility."""

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from pipeline.live.page import live_page
from tests.patience import patience
from tests.report.browser import SCHEMES, browser, seen
from tests.report.live import ENDED, TOKEN, on_and_on, serving, told_run, told_sweep

pytestmark = pytest.mark.usefixtures("browser")
__all__ = ["browser"]

PAGE = live_page("vector_add on node").encode()
RUN = {"run": told_run(), "sweep": None}
KINDS = {
    "run": RUN,
    "wrong": {"run": told_run(wrong=True), "sweep": None},
    "sweep": {"run": told_run(step=37), "sweep": told_sweep()},
    "far": {"run": None, "sweep": told_sweep(8)},
}


def text(browser, selector):
    return browser.find_element("css selector", selector).text


def rows(browser, table):
    return [" ".join(row.text.split()) for row in browser.find_elements("css selector", f"#{table} tbody tr")]


def until(browser, holds):
    return WebDriverWait(browser, patience(20)).until(holds)


def opened(browser, server):
    """The page, after the first message."""
    browser.get(server.url)
    until(browser, lambda b: text(b, "#status") not in ("connecting", ""))


@pytest.fixture
def running(browser):
    with serving(on_and_on(RUN), page=PAGE) as server:
        opened(browser, server)
        yield browser


def test_a_run_is_shown_with_its_stages_its_workers_and_its_timeline(running):
    assert text(running, "h1") == "vector_add on node"
    assert text(running, "#status") == "running"
    assert text(running, "#at-work") == "execute, for 9 s · 7 of 20 runs · median 1.21 s, about 16 s left"
    cards = [card.text.split("\n") for card in running.find_elements("css selector", ".card")]
    assert cards[0][:2] == ["Since it began", "12 s"]
    assert cards[1][:2] == ["Tasks ended", "40"]
    assert rows(running, "workers")[0].startswith("chip 0 101 ready 13")
    assert rows(running, "workers")[2].startswith("sub-worker 0 103 ready 13")
    drawn = int(running.find_element("id", "timeline").get_attribute("data-drawn"))
    assert drawn == 41
    assert running.get_log("browser") == []


@pytest.mark.parametrize("told", [{"run": RUN["run"] | {"workers": None}, "sweep": None}, KINDS["far"]])
def test_the_page_shows_a_run_before_it_has_workers(browser, told):
    with serving(on_and_on(told), page=PAGE) as server:
        browser.get_log("browser")
        opened(browser, server)
        cards = [card.text.split("\n") for card in browser.find_elements("css selector", ".card")]
        assert cards[0][:2] == ["Since it began", "1 min 15 s" if told["sweep"] else "12 s"]
        assert [card[1] for card in cards[1:]] == ["\u2013"] * 4
        assert browser.get_log("browser") == []


def test_the_page_sends_requests_to_no_other_server(running):
    asked = running.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert {name.rpartition("/")[2] for name in asked} <= {"events", "favicon.ico"}
    assert all(name.startswith("http://127.0.0.1:") for name in asked)


def test_the_next_message_is_shown_and_a_selected_task_stays_selected(browser):
    later = {"run": told_run(tasks=48, seconds=13), "sweep": None}
    with serving(on_and_on(RUN, later), page=PAGE) as server:
        browser.get(server.url)
        until(browser, lambda b: b.execute_script("return timeline !== null"))
        browser.execute_script("timeline.select(38); window.kept = timeline.task[timeline.selected]")
        until(browser, lambda b: "48" in text(b, ".cards"))
        assert browser.execute_script("return timeline.selected >= 0 && timeline.task[timeline.selected] === kept")
        assert int(browser.find_element("id", "timeline").get_attribute("data-view").split()[1]) == 13_000_000_000


def test_the_end_is_shown_with_the_path_of_the_report_and_the_report_opens(browser):
    report = "<!DOCTYPE html><title>the report</title><p id=there>all of it</p>"
    with serving(on_and_on(RUN), page=PAGE, last={"end": ENDED | {"html": report}}) as server:
        opened(browser, server)
    until(browser, lambda b: text(b, "#status") == "ok")
    assert ENDED["report"] in text(browser, "#ending")
    browser.find_element("id", "open-report").click()
    until(browser, lambda b: b.title == "the report")
    assert text(browser, "#there") == "all of it"


def test_the_reason_of_a_failed_run_is_shown_as_text(browser):
    end = ENDED | {"status": "worker_lost", "exit_code": 5, "error": "<b>chip 0</b> was lost", "html": ""}
    with serving(on_and_on(RUN), page=PAGE, last={"end": end}) as server:
        opened(browser, server)
    until(browser, lambda b: text(b, "#status") == "worker lost")
    assert text(browser, "#error") == "<b>chip 0</b> was lost"


def test_the_page_says_that_a_killed_run_gives_no_answer(browser):
    with serving(on_and_on(RUN), page=PAGE) as server:
        opened(browser, server)
    until(browser, lambda b: text(b, "#status") == "no answer: the run has ended or was killed")


def test_a_hidden_page_waits_only_for_the_end_and_shows_it(browser):
    hide = """
        Object.defineProperty(document, "hidden", { value: true });
        document.dispatchEvent(new Event("visibilitychange"));"""
    with serving(on_and_on(RUN), page=PAGE, last={"end": ENDED | {"html": ""}}) as server:
        opened(browser, server)
        browser.execute_script(hide)
        until(browser, lambda b: b.execute_script("return source.readyState === EventSource.OPEN"))
        assert browser.execute_script("return source.url") == f"{server.url}end"
    until(browser, lambda b: text(b, "#status") == "ok")
    assert browser.title == "vector_add on node: ok"


def test_one_page_too_many_shows_that_it_was_refused(browser, monkeypatch):
    monkeypatch.setattr("pipeline.live.server._MOST_READERS", 0)
    with serving(page=PAGE) as server:
        opened(browser, server)
        assert text(browser, "#status") == "refused: too many pages of this run are open"
    browser.get_log("browser")


def test_the_points_of_a_sweep_come_with_links_to_their_reports(browser, tmp_path):
    (tmp_path / "report.html").write_text("<!DOCTYPE html><title>job 0</title>")
    with serving(on_and_on(KINDS["sweep"]), page=PAGE, report=lambda number: tmp_path / "report.html") as server:
        opened(browser, server)
        assert text(browser, "#points-done") == "3 of 8 points ended, 1 of them not ok"
        assert rows(browser, "points")[1] == "1 chip1 2000 worker lost \u2013 \u2013 chip 0 was lost: SIGSEGV"
        assert rows(browser, "points")[3].startswith("3 chip2 2000 running")
        assert "at times one of 37" in text(browser, "#drawn")
        link = browser.find_element("css selector", "#points a").get_attribute("href")
        assert link == f"http://127.0.0.1:{server.port}/{TOKEN}/point/0"
        browser.get(link)
        assert browser.title == "job 0"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_core_finds_nothing_and_a_narrow_window_is_never_scrolled_sideways(browser, kind, width, scheme):
    axe_of = pytest.importorskip("axe_core_python.selenium", reason="needs axe-core-python: pip install '.[browser]'")
    from tests.report.test_accessibility import RULES, told

    with serving(on_and_on(KINDS[kind]), page=PAGE) as server, seen(browser, width=width, scheme=scheme):
        opened(browser, server)
        for closed in browser.find_elements("css selector", "details:not([open])"):
            browser.execute_script("arguments[0].open = true", closed)
        browser.execute_script("source.close()")
        assert told(axe_of.Axe().run(browser, options=RULES)["violations"]) == []
        assert browser.execute_script("return document.documentElement.scrollWidth") == width
