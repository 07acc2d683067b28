"""All pages are accessible: axe-core finds no violation, the keyboard reaches everything, they fit phones and paper."""

import pytest

from tests.report.browser import SCHEMES, browser, seen
from tests.report.pages import measured_record, write_compared, write_run
from tests.report.sweep_pages import write_sweep, write_tuning
from tests.report.test_failure import CRASHED

axe_of = pytest.importorskip("axe_core_python.selenium", reason="needs axe-core-python: pip install '.[browser]'")

pytestmark = pytest.mark.usefixtures("browser")
__all__ = ["browser"]

PAGES = ["run", "crash", "comparison", "sweep", "tuning"]
# All rules of WCAG 2.1 AA, and axe's own good practices.
RULES = {"resultTypes": ["violations"]}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The path of a page of each kind."""
    folder = tmp_path_factory.mktemp("pages")
    return {
        "run": write_run(folder / "run", measured_record()),
        "crash": write_run(folder / "crash", CRASHED),
        "comparison": write_compared(folder / "compared"),
        "sweep": write_sweep(folder / "sweep"),
        "tuning": write_tuning(folder / "tuning"),
    }


def told(violations):
    return [
        f"{found['id']}: {node['html'][:120]} {node['any'][0]['message'] if node['any'] else ''}"
        for found in violations
        for node in found["nodes"]
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("kind", PAGES)
def test_axe_core_finds_no_violation(browser, pages, kind, width, scheme):
    with seen(browser, width=width, scheme=scheme):
        browser.get(pages[kind].as_uri())
        for closed in browser.find_elements("css selector", "details:not([open])"):
            browser.execute_script("arguments[0].open = true", closed)
        assert told(axe_of.Axe().run(browser, options=RULES)["violations"]) == []
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("kind", PAGES)
def test_the_accessible_name_of_a_button_contains_its_text(browser, pages, kind):
    browser.get(pages[kind].as_uri())
    buttons = browser.execute_script("""
        return [...document.querySelectorAll("button[aria-label]")].map((b) => [b.textContent.trim(), b.ariaLabel]);""")
    worded = [(shown, name) for shown, name in buttons if any(letter.isalpha() for letter in shown)]
    assert [shown for shown, name in worded if shown not in name] == []
    assert bool(worded) == (kind not in ("sweep", "tuning"))


@pytest.mark.parametrize("kind", PAGES)
def test_a_narrow_window_is_never_scrolled_sideways(browser, pages, kind):
    with seen(browser, width=400):
        browser.get(pages[kind].as_uri())
        wide = browser.execute_script("""
            const found = [...document.querySelectorAll("main *")].filter((e) => e.scrollWidth > e.clientWidth + 1
                && ["auto", "scroll"].includes(getComputedStyle(e).overflowX) && e.tagName !== "PRE");
            return [document.documentElement.scrollWidth, ...found.map((e) => e.outerHTML.slice(0, 100))];""")
    assert wide == [400]


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("kind", PAGES)
def test_no_text_of_a_drawing_is_cut(browser, pages, kind, width):
    with seen(browser, width=width):
        browser.get(pages[kind].as_uri())
        cut = browser.execute_script("""
            return [...document.querySelectorAll("svg text")].filter((text) => {
                const whole = text.ownerSVGElement.getBoundingClientRect(), box = text.getBoundingClientRect();
                return box.width && (box.left < whole.left - 1 || box.right > whole.right + 1
                    || box.top < whole.top - 1 || box.bottom > whole.bottom + 1);
            }).map((text) => text.textContent);""")
    assert cut == []


@pytest.mark.parametrize("kind", PAGES)
def test_no_text_of_a_drawing_is_tiny_in_a_narrow_window(browser, pages, kind):
    with seen(browser, width=400):
        browser.get(pages[kind].as_uri())
        tiny = browser.execute_script("""
            return [...document.querySelectorAll("svg.plot text")].filter((text) => {
                const drawing = text.ownerSVGElement, shrunk = drawing.clientWidth / drawing.viewBox.baseVal.width;
                return text.getClientRects().length && parseFloat(getComputedStyle(text).fontSize) * shrunk < 8;
            }).map((text) => text.textContent);""")
    assert tiny == []


@pytest.mark.parametrize("kind", PAGES)
def test_the_keyboard_reaches_and_uses_every_head_of_a_table(browser, pages, kind):
    from selenium.webdriver import Keys

    browser.get(pages[kind].as_uri())
    heads = browser.find_elements("css selector", "main table")[0].find_elements("css selector", "th button")
    assert heads
    for head in heads:
        browser.execute_script("arguments[0].focus()", head)
        assert browser.switch_to.active_element == head
        head.send_keys(Keys.ENTER)
        assert head.find_element("xpath", "..").get_attribute("aria-sort") == "descending"
        head.send_keys(Keys.SPACE)
        assert head.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"


def test_paper_is_light_with_bars_for_any_colour_scheme_of_the_screen(browser, pages):
    ink = """
        const timeline = TIMELINES[0], pen = timeline.lanes.getContext("2d");
        const row = timeline.rows.find((candidate) => candidate.tasks);
        const x = timeline.toX(timeline.T.span_ns / 3, timeline.root.clientWidth);
        const pixel = pen.getImageData(x, row.top + 10, 1, 1);
        return [getComputedStyle(document.body).backgroundColor, [...pixel.data].slice(0, 3).join(" ")];"""
    with seen(browser, scheme="dark"):
        browser.get(pages["run"].as_uri())
        dark = browser.execute_script(ink)
        browser.execute_script("dispatchEvent(new Event('beforeprint'))")
        paper = browser.execute_script(ink)
        exact = browser.execute_script("return getComputedStyle(document.querySelector('.bar > span')).backgroundColor")
        browser.execute_script("dispatchEvent(new Event('afterprint'))")
        assert browser.execute_script(ink) == dark
    assert dark == ["rgb(20, 24, 31)", "127 176 240"]
    assert paper == ["rgb(255, 255, 255)", "47 107 179"]
    assert exact == "rgb(47, 107, 179)"


@pytest.mark.parametrize("kind", PAGES)
def test_in_print_there_are_no_buttons_and_nothing_is_cut(browser, pages, kind):
    with seen(browser, media="print"):
        browser.get(pages[kind].as_uri())
        for shown in browser.find_elements("css selector", ".tools, button.plain"):
            assert not shown.is_displayed()
        assert browser.execute_script("return getComputedStyle(document.body).printColorAdjust") == "exact"
