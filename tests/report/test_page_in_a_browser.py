"""report.html in a real browser: its sections exist, its timeline zooms, and the browser reports no error."""

import dataclasses

import pytest

from pipeline.report.page import report_page, write_page
from pipeline.report.result import result_document
from pipeline.report.timeline import timeline
from runtime.observe.child_info import ChildInfo
from runtime.observe.trace import CoreSpan, TaskSpan, Trace
from tests.report.browser import browser
from tests.report.test_result_document import ADD, READ, RECORD

pytestmark = pytest.mark.usefixtures("browser")
__all__ = ["browser"]

CHILDREN = [ChildInfo("chip", n, 20 + n, 1, "ready", 1, "", {}) for n in range(2)]
CHILDREN.append(ChildInfo("sub", 0, 30, 1, "ready", 1, "", {}))
TRACE = Trace(
    [
        TaskSpan(1, 0, ADD, "chip", 0, 1_000, 1_100, 2_000, 502_000, 503_000, [], "done"),
        TaskSpan(1, 1, ADD, "chip", 1, 1_500, 1_600, 4_000, 405_000, 406_000, [], "failed"),
        TaskSpan(1, 2, READ, "sub", 0, 2_000, 503_500, 506_000, 706_000, 710_000, [0], "done"),
        TaskSpan(1, 3, READ, "sub", -1, 2_500, 0, 0, 0, 406_000, [1], "skipped"),
    ],
    [CoreSpan(0, 1, 0, core, 0, 3_000, 400_000) for core in range(2)],
    children=CHILDREN,
)


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """The browser with the page of a run of four tasks."""
    record = dataclasses.replace(RECORD, trace=TRACE)
    path = tmp_path_factory.mktemp("page") / "report.html"
    drawn = timeline(record.trace, record.names, {ADD: ["kernel"]})
    write_page(path, report_page(result_document(record), drawn))
    browser.get(path.as_uri())
    return browser


def text(browser, selector):
    return browser.find_element("css selector", selector).text


def view(browser):
    begin, end = browser.find_element("id", "timeline").get_attribute("data-view").split()
    return int(begin), int(end)


def test_the_browser_reports_no_error_and_loads_no_other_file(opened):
    assert [entry["message"] for entry in opened.get_log("browser")] == []
    assert opened.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_the_page_shows_what_ran_and_whether_it_was_right(opened):
    assert text(opened, "h1") == "vector_add on chip2"
    assert text(opened, "#status") == "ok"
    assert text(opened, "#verification") == "verified: out: 8 elements agree"
    assert ADD in text(opened, "#identity")
    titles = [heading.text for heading in opened.find_elements("tag name", "h2")]
    assert titles[:4] == ["Verification", "Where the time went", "Timeline", "Callables"]


def test_the_tables_have_the_figures_of_result_json(opened):
    rows = [row.text.split() for row in opened.find_elements("css selector", "#callables tbody tr")]
    assert [row[0] for row in rows] == ["add", "read"]
    assert rows[0][1:4] == ["aaaaaaaa", "2,", "1"]
    assert text(opened, "#workers tbody tr").split() == ["chip", "0", "20", "1", "500", "µs", "71", "%", "56", "%"]
    steps = [" ".join(row.text.split()) for row in opened.find_elements("css selector", "#path tbody tr")]
    assert any("execution 500 µs add, task 0 of run 1 chip 0 its submit" in step for step in steps)
    assert any("a task that it depends on" in step for step in steps)


def test_a_click_on_a_column_sorts_by_it(opened):
    head = next(h for h in opened.find_elements("css selector", "#callables th") if h.text == "median")
    firsts = []
    for _ in range(2):
        head.click()
        firsts.append(text(opened, "#callables tbody tr:first-child td"))
    assert sorted(firsts) == ["add", "read"]


def test_the_timeline_zooms_by_button_by_key_and_by_the_overview_and_comes_back(opened):
    from selenium.webdriver import ActionChains

    whole = view(opened)
    assert whole == (0, 709_000)
    opened.find_element("id", "zoom-in").click()
    begin, end = view(opened)
    assert 0 < begin < end < whole[1]
    opened.find_element("id", "timeline").send_keys("d")
    assert view(opened)[0] > begin
    opened.find_element("id", "zoom-all").click()
    assert view(opened) == whole
    overview = opened.find_element("css selector", "#timeline .overview")
    ActionChains(opened).move_to_element(overview).click_and_hold().move_by_offset(150, 0).release().perform()
    begin, end = view(opened)
    assert (end - begin) < whole[1] / 3
    opened.find_element("id", "timeline").send_keys("0")
    assert view(opened) == whole


def test_a_click_on_a_task_shows_its_details(opened):
    from selenium.webdriver import ActionChains

    lanes = opened.find_element("css selector", "#timeline .lanes")
    # The middle of chip 0's lane, which is below the parent's row.
    left, top = 300 - lanes.size["width"] / 2, 57 - lanes.size["height"] / 2
    ActionChains(opened).move_to_element_with_offset(lanes, int(left), int(top)).click().perform()
    story = text(opened, "#detail")
    assert "add, task 0 of run 1 on chip 0: done, on the critical path" in story
    assert "1 task waited for it" in story


def test_the_cores_can_be_hidden_and_shown(opened):
    lanes = opened.find_element("css selector", "#timeline .lanes")
    height = lanes.size["height"]
    box = opened.find_element("id", "show-cores")
    box.click()
    assert lanes.size["height"] < height
    box.click()
    assert lanes.size["height"] == height


def test_a_failed_run_shows_its_error_as_text(browser, tmp_path):
    record = dataclasses.replace(RECORD, exit_code=4, error="<b>task</b> 3 failed", trace=Trace(), verification=None)
    write_page(tmp_path / "report.html", report_page(result_document(record), None))
    browser.get((tmp_path / "report.html").as_uri())
    assert text(browser, "#error") == "<b>task</b> 3 failed"
    assert text(browser, "#status") == "failed"
    assert browser.get_log("browser") == []


def test_the_page_of_an_interrupted_run_says_how_many_tasks_it_leaves_out(browser, tmp_path):
    path = tmp_path / "report.html"
    drawn = timeline(TRACE, RECORD.names, {ADD: ["kernel"]}, left_out=99_996)
    write_page(path, report_page(result_document(dataclasses.replace(RECORD, trace=TRACE, exit_code=130)), drawn))
    browser.get(path.as_uri())
    assert "Of 100,000 tasks, 99,996 are left out here" in text(browser, "#thinned")
