"""The page of a run of 100,000 tasks is small enough for a browser, and counts and draws all of them."""

import dataclasses
import re

import pytest

from tests.report.browser import browser
from tests.report.pages import many_tasks, write_run
from tests.report.test_result_document import RECORD

__all__ = ["browser"]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The path of the page."""
    return write_run(tmp_path_factory.mktemp("large"), dataclasses.replace(RECORD, trace=many_tasks(100_000)))


def test_a_page_of_100_000_tasks_is_no_larger_than_3_megabytes(large):
    assert large.stat().st_size <= 3_000_000


def test_a_page_of_100_000_tasks_draws_all_of_them_and_writes_counts_with_all_digits(browser, large):
    browser.get(large.as_uri())
    words = browser.find_element("tag name", "main").text
    assert "Drawn one by one: 12,000 of 100,000 tasks and 12,000 of 300,000 core spans" in words
    assert "100,000 done" in words
    assert browser.get_log("browser") == []
    # Every lane has colour in each of a hundred places: the page never shows a busy worker as idle.
    shares = browser.execute_script("""
        const timeline = TIMELINES[0], pen = timeline.lanes.getContext("2d"), width = timeline.root.clientWidth;
        return timeline.rows.filter((row) => row.tasks).map((row) => {
            let coloured = 0;
            for (let i = 0; i < 100; ++i) {
                const x = timeline.toX(((i + 0.5) / 100) * timeline.T.span_ns, width);
                const pixels = pen.getImageData(x - 2, row.top, 4, row.height).data;
                // More than the faint back of a lane.
                if (pixels.some((value, at) => at % 4 === 3 && value > 100)) ++coloured;
            }
            return coloured;
        });""")
    assert shares == [100] * 8


def test_pointing_at_tasks_that_are_drawn_together_shows_their_number(browser, large):
    browser.get(large.as_uri())
    said = browser.execute_script("""
        const timeline = TIMELINES[0], row = timeline.rows.find((candidate) => candidate.tasks);
        const [bins] = row.density, x = timeline.toX((bins[5] + 0.5) * timeline.binLength, timeline.root.clientWidth);
        return timeline.binAt(x, row.top + 5);""")
    assert re.search(r"^\d+ tasks? within 24\d µs, busy \d+ % of it, most of it (add|read)$", said)
