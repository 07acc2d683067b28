"""sweep.html in a real browser: titles from the swept keys, a table that sorts and filters, links to every report."""

import pytest

from tests.report.browser import browser
from tests.report.sweep_pages import write_sweep, write_tuning

pytestmark = pytest.mark.usefixtures("browser")
__all__ = ["browser"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the pages of a sweep and of a tuning."""
    made = tmp_path_factory.mktemp("sweeps")
    write_sweep(made / "sweep")
    write_tuning(made / "tuning")
    return made


@pytest.fixture
def opened(browser, folder):
    """The browser with the page of the sweep."""
    browser.get((folder / "sweep" / "sweep.html").as_uri())
    return browser


def rows(browser):
    return [row.text for row in browser.find_elements("css selector", "#points tbody tr")]


def titles(browser):
    return [caption.text for caption in browser.find_elements("tag name", "figcaption")]


def test_titles_name_the_swept_keys_and_each_parameter_has_its_chart(opened):
    assert opened.find_element("tag name", "h1").text == "Sweep of vector_add over topology, kernel of add and size"
    assert titles(opened)[:4] == [
        "Time over topology",
        "Speed-up over topology",
        "Time over callable@workload.callables.add",
        "Time over workload.size",
    ]
    bars = opened.find_elements("css selector", "figure:nth-of-type(3) svg rect")
    assert len(bars) == 16
    assert all("size" in bar.find_element("tag name", "title").get_attribute("textContent") for bar in bars)
    assert opened.find_elements("css selector", "figure:first-of-type svg .ideal")


def test_the_table_filters_by_words_and_sorts_by_numbers(opened):
    assert len(rows(opened)) == 18
    opened.find_element("id", "points-filter").send_keys("unrolled 1000000 chip8")
    assert len(rows(opened)) == 1
    assert "1 of 18 rows" in opened.find_element("id", "points-filter").find_element("xpath", "../..").text
    opened.execute_script("""
        const field = document.getElementById("points-filter");
        field.value = "";
        field.dispatchEvent(new Event("input"));""")
    head = next(h for h in opened.find_elements("css selector", "#points th button") if h.text == "size")
    head.click()
    head.click()
    sizes = [
        row.find_elements("tag name", "td")[3].text for row in opened.find_elements("css selector", "#points tbody tr")
    ]
    assert sizes == ["1000"] * 8 + ["5000"] * 2 + ["1000000"] * 8


def test_a_jobs_number_leads_to_its_report(opened):
    link = opened.find_element("css selector", "#points tbody a")
    assert link.get_attribute("href").endswith("/sweep/0/report.html")
    link.click()
    assert opened.title == "a report"


def test_virtual_time_has_its_own_columns_and_charts(opened):
    heads = [head.text for head in opened.find_elements("css selector", "#points th")]
    assert heads[-4:] == ["chip model", "virtual time", "virtual critical path", "chips busy"]
    assert "example" in rows(opened)[0]
    assert "Virtual time (modelled chips) over topology" in titles(opened)


def test_failed_points_come_first_with_their_reasons(opened):
    failed = opened.find_element("id", "section-what-failed").find_element("xpath", "..").text
    assert "SIGSEGV" in failed
    assert "topology=chip3: no such option" in failed


def test_a_tuning_shows_the_best_so_far_parameters_and_pairs_and_distinguishes_impossible_points(browser, folder):
    browser.get((folder / "tuning" / "sweep.html").as_uri())
    assert browser.find_element("tag name", "h1").text == "Tuning of vector_add over tile_m, tile_n and tile_k"
    found = titles(browser)
    assert found[0] == "Best so far, of 16 points"
    assert found[1].startswith("Every point across all parameters")
    assert found[2] == "Time of run over tile_m and tile_n: the stronger the colour, the faster"
    cards = browser.find_element("css selector", ".cards").text.split("\n")
    assert cards[cards.index("Infeasible") + 1] == "1"
    assert cards[cards.index("Failed") + 1] == "0"
    assert not browser.find_elements("id", "section-what-failed")
    assert browser.find_elements("id", "section-infeasible")
    assert browser.get_log("browser") == []
