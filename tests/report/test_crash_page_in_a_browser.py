"""The page of a crash: lost tasks are red on their lanes, and the next command can be copied."""

import pytest

from pipeline.report.failure import failure_document
from pipeline.report.page import report_page, write_page
from pipeline.report.result import result_document
from pipeline.report.timeline import timeline
from tests.report.browser import browser
from tests.report.test_failure import CRASHED

pytestmark = pytest.mark.usefixtures("browser")
__all__ = ["browser"]


@pytest.fixture(scope="module")
def crashed(browser, tmp_path_factory):
    """The browser with the page of a run that lost three tasks."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    drawn = timeline(CRASHED.trace, CRASHED.names, {})
    page = report_page(result_document(CRASHED), drawn, failure=failure_document(CRASHED))
    write_page(path, page)
    browser.get(path.as_uri())
    return browser


def test_the_browser_reports_no_error(crashed):
    assert crashed.get_log("browser") == []


def test_the_page_names_the_lost_task_and_shows_its_source(crashed):
    words = crashed.find_element("id", "section-what-went-wrong").find_element("xpath", "..").text
    assert "lost, 404 µs after it was dispatched" in words
    assert "-O1" in words
    assert "int add;" in words
    assert "line 99" in words
    assert "line 59" not in words
    assert "chip 0 executed task 0 (add), done at 502 µs" in words


def test_lost_tasks_are_red_on_the_lanes_of_their_workers(crashed):
    # The colours of the lanes of chips 0, 1 and 2, in the middle of the first loss.
    found = crashed.execute_script("""
        const timeline = TIMELINES[0], pen = timeline.lanes.getContext("2d"), scale = devicePixelRatio || 1;
        return timeline.rows.filter((row) => row.tasks).map((row) => {
            const x = timeline.toX(200000, timeline.root.clientWidth);
            return [...pen.getImageData(x * scale, (row.top + 2) * scale, 1, 1).data].slice(0, 3).join(" ");
        });""")
    bad = "179 38 30"
    assert found[1:] == [bad, bad]
    assert found[0] != bad


def test_the_keyboard_goes_to_the_lost_task_and_shows_its_details(crashed):
    from selenium.webdriver import Keys

    place = crashed.find_element("id", "timeline")
    place.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert "task 2 of run 1 on chip 2: lost, SIGSEGV" in crashed.find_element("id", "detail").text
    place.send_keys(Keys.ESCAPE)
    assert "Click a task" in crashed.find_element("id", "detail").text


def test_a_button_copies_the_next_command(crashed):
    row = crashed.find_element("css selector", ".command")
    assert row.find_element("tag name", "pre").text == "callring --config-dir 'my configs' build=asan"
    crashed.execute_script(
        "Object.defineProperty(navigator, 'clipboard', {value: {writeText: async (t) => {window.copied = t;}}})"
    )
    row.find_element("tag name", "button").click()
    assert crashed.execute_script("return window.copied") == "callring --config-dir 'my configs' build=asan"
    assert row.find_element("css selector", "[role=status]").get_attribute("textContent") == "copied"
