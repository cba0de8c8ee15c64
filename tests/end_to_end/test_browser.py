"""The report in a real browser, from a file address, with no network."""

import base64
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from search.reporting import charts
from search.reporting.charts import Chart, across, up
from search.reporting.report import NAME, read_report
from tests.end_to_end.browser import browser, requests, resize, there
from tests.made import HOSTILE, made_run

pytestmark = there

FIGURES = """
return [...document.querySelectorAll(".figure")].map((figure) => {
  figure.scrollIntoView();
  const drawn = figure.querySelector("svg, .confusion");
  const box = drawn.getBoundingClientRect();
  const marks = [...drawn.querySelectorAll("circle, polyline:not(.grid), rect, td")];
  const sized = marks.filter((mark) => {
    const r = mark.getBoundingClientRect();
    return r.width + r.height > 0 && r.left >= box.left - 1 && r.right <= box.right + 1
      && r.top >= box.top - 1 && r.bottom <= box.bottom + 1;
  });
  const colours = marks.map((mark) => {
    const style = getComputedStyle(mark);
    return mark.tagName === "polyline" ? style.stroke : style.fill;
  });
  return {
    name: figure.id, width: box.width, height: box.height, marks: marks.length,
    seen: sized.length, none: colours.filter((colour) => colour === "none").length,
    trials: new Set([...drawn.querySelectorAll("[data-t]")].map((m) => m.dataset.t)).size,
  };
});
"""

WRITTEN_OVER = """
const box = (element) => element.getBoundingClientRect();
return [...document.querySelectorAll("svg.chart")].flatMap((chart) => {
  const title = chart.querySelector("text.label.middle[transform]");
  const ticks = [...chart.querySelectorAll("text.tick.end")];
  return title ? ticks.filter((t) => box(t).left < box(title).right).map((t) => t.textContent) : [];
});
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def opened(driver, path):
    resize(driver, 1280, 900)
    driver.get_log("browser"), driver.get_log("performance")
    driver.get(path.absolute().as_uri())
    return driver


def test_a_real_report(driver, sample_run):
    """No error, no request, and all that should be drawn is there to be seen."""
    opened(driver, sample_run[0] / NAME)
    figures = driver.execute_script(FIGURES)
    assert len(figures) == 14
    for figure in figures:
        assert figure["width"] > 200 and figure["height"] > 100, figure
        assert figure["seen"] == figure["marks"] > 1 and not figure["none"], figure
    trials = {figure["name"]: figure["trials"] for figure in figures}
    for name in ("over-time", "over-epochs", "curves-loss", "parallel", "hp-dropout", "size"):
        assert trials[f"figure-{name}"] == 4
    assert driver.get_log("browser") == []
    asked = requests(driver)
    assert asked and all(url.startswith(("file://", "data:")) for url in asked), asked
    assert len([url for url in asked if url.startswith("file://")]) == 1


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report of 30 trials with hostile texts in every place."""
    results = tmp_path_factory.mktemp("made") / "r"
    report = read_report(made_run(results, 30, classes=HOSTILE[:2]))
    report.archive.facts["settings"]["data"] = HOSTILE[0]
    return report.write()


def test_nothing_in_the_data_runs(driver, made):
    opened(driver, made)
    assert driver.title == f"Search report: {HOSTILE[0]}"
    assert driver.find_elements(By.CSS_SELECTOR, "img, script:not(:last-of-type)") == []
    assert HOSTILE[1] in driver.find_element(By.ID, "model").get_attribute("textContent")
    assert driver.get_log("browser") == []
    # And if escaping had failed: the policy stops what is not the page's own.
    driver.execute_script(
        "const s = document.createElement('script'); s.textContent = 'document.title = 1';"
        "document.body.append(s);"
    )
    assert driver.title == f"Search report: {HOSTILE[0]}"
    assert "Content Security Policy" in driver.get_log("browser")[0]["message"]


def test_no_axis_is_written_over(driver, tmp_path):
    """Ticks of five characters, such as 0.775, beside the title of their axis."""
    figures = "".join(
        str(Chart(across([0, 1]), up(values), "x", "validation accuracy").svg("a chart"))
        for values in ([0.7, 0.8], [-0.8, -0.7], [1e-4, 3e-4])
    )
    style = (Path(charts.__file__).parent / "page" / "figure.css").read_text()
    page = tmp_path / "charts.html"
    page.write_text(f"<style>{style}</style><div style='width: 420px'>{figures}</div>")
    opened(driver, page)
    ticks = driver.find_elements(By.CSS_SELECTOR, "text.tick.end")
    assert {"0.725", "-0.725"} <= {tick.text for tick in ticks}
    assert driver.execute_script(WRITTEN_OVER) == []


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_is_as_wide_as_the_window(driver, made, width):
    opened(driver, made)
    resize(driver, width, 900)
    assert driver.execute_script("return document.scrollingElement.scrollWidth") <= width
    small = driver.execute_script(
        "return [...document.querySelectorAll('.figure:not(.wide) svg text')].map((text) => {"
        "  const svg = text.ownerSVGElement;"
        "  return parseFloat(getComputedStyle(text).fontSize) * svg.getBoundingClientRect().width"
        "    / svg.viewBox.baseVal.width; }).filter((size) => size < 9).length"
    )
    assert small == 0, "text too small to read"


SCROLLED = """
const [left, done] = arguments;
const box = document.querySelector(".leaderboard");
box.scrollLeft = left < 0 ? box.scrollWidth : left;
requestAnimationFrame(() => requestAnimationFrame(() => done([
  parseFloat(getComputedStyle(box).getPropertyValue("--fade")),
  box.querySelector("tbody td:nth-child(2)").getBoundingClientRect().left
    - box.getBoundingClientRect().left,
])));
"""


def test_a_wide_table_shows_that_it_goes_on_and_keeps_its_trials(driver, made):
    opened(driver, made)
    resize(driver, 400, 900)
    fade, _ = driver.execute_async_script(SCROLLED, 0)
    assert fade > 40, "its right edge fades out"
    _, left = driver.execute_async_script(SCROLLED, 150)
    assert left == pytest.approx(1, abs=1), "the trial's number stays, behind the border"
    fade, _ = driver.execute_async_script(SCROLLED, -1)
    assert fade == 0
    resize(driver, 1280, 900)


def test_four_figures_are_two_rows_of_two(driver, made):
    opened(driver, made)
    tops = driver.execute_script(
        "return [...document.querySelectorAll('#progress .figure')]"
        ".map((figure) => figure.getBoundingClientRect().top)"
    )
    assert len(tops) == 4 and tops[0] == tops[1] < tops[2] == tops[3]


def test_sorting_with_mouse_and_keyboard(driver, made):
    opened(driver, made)
    table = driver.find_element(By.CSS_SELECTOR, ".leaderboard table")
    heads = table.find_elements(By.CSS_SELECTOR, "thead th")
    place = [head.text for head in heads].index("rate")

    def column():
        script = (
            "return [...arguments[0].tBodies[0].rows].map(r => r.cells[arguments[1]].dataset.v)"
        )
        return [float(v) for v in driver.execute_script(script, table, place)]

    button = heads[place].find_element(By.TAG_NAME, "button")
    before = column()
    button.click()
    assert column() == sorted(before) != before
    assert heads[place].get_attribute("aria-sort") == "ascending"
    button.send_keys(Keys.ENTER)
    assert column() == sorted(before, reverse=True)
    assert heads[place].get_attribute("aria-sort") == "descending"
    ranks = driver.execute_script(
        "arguments[0].tHead.rows[0].cells[0].firstChild.click();"
        "return [...arguments[0].tBodies[0].rows].map((row) => row.cells[0].dataset.v)",
        table,
    )
    assert ranks == [*(str(n) for n in range(1, 30)), ""], "what is missing comes last"


def test_a_trial_is_found_everywhere(driver, made):
    opened(driver, made)
    dot = driver.find_element(By.CSS_SELECTOR, '#figure-size circle[data-t="0005"]')
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", dot)
    ActionChains(driver).move_to_element(dot).perform()
    script = "return [...document.querySelectorAll('.on')].map((mark) => mark.dataset.t)"
    lit = driver.execute_script(script)
    assert len(lit) >= 8 and set(lit) == {"0005"}
    tip = driver.find_element(By.ID, "tip")
    assert tip.is_displayed() and "trial 0005" in tip.text and "units: " in tip.text


CONTRAST = """
const luminance = (colour) => {
  const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((v) => {
    v /= 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = luminance(getComputedStyle(document.querySelector(".figure")).backgroundColor);
const ratio = (colour) => {
  const other = luminance(colour);
  return (Math.max(ground, other) + 0.05) / (Math.min(ground, other) + 0.05);
};
const inks = [...document.querySelectorAll(".figure text")].map((t) => getComputedStyle(t).fill);
const soft = [...document.querySelectorAll(".seen")].map((t) => getComputedStyle(t).color);
return [ground, Math.min(...[...inks, ...soft].map(ratio))];
"""


def test_light_and_dark(driver, made):
    opened(driver, made)
    grounds = []
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        ground, contrast = driver.execute_script(CONTRAST)
        grounds.append(ground)
        assert contrast >= 4.5, "WCAG AA"
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert grounds[0] > 0.8 and grounds[1] < 0.05


def test_it_prints(driver, made):
    opened(driver, made)
    printed = base64.b64decode(driver.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert printed.startswith(b"%PDF") and len(printed) > 50_000
    assert driver.execute_script(
        "return [...document.querySelectorAll('details')].every((details) => details.open)"
    )


def test_it_can_be_read_without_seeing_it(driver, made):
    """As the browser tells a screen reader: figures have names, regions can be reached."""
    opened(driver, made)
    nodes = driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if "role" in n]
    images = [name for role, name in named if role == "image"]
    assert len(images) >= 10 and all(len(name) > 30 for name in images)
    for text in ("Leaderboard", "Progress", "Hyperparameters", "Failures"):
        assert ("heading", text) in named
    unreachable = driver.execute_script(
        "return [...document.querySelectorAll('*')].filter((e) =>"
        "  ['auto', 'scroll'].includes(getComputedStyle(e).overflowX)"
        "  && e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0).map((e) => e.outerHTML)"
    )
    assert unreachable == []


SCROLL = """
const done = arguments[0];
const times = [];
let last = performance.now();
const step = (now) => {
  times.push(now - last);
  last = now;
  scrollBy(0, 120);
  if (scrollY + innerHeight >= document.scrollingElement.scrollHeight - 2 || times.length > 400) {
    done(times.slice(1).sort((a, b) => a - b));
  } else requestAnimationFrame(step);
};
requestAnimationFrame(step);
"""


@pytest.mark.slow  # that such a report is made, and quickly, is in tests/reporting/test_report.py
def test_a_thousand_trials_scroll(driver, tmp_path):
    opened(driver, read_report(made_run(tmp_path / "r", 1000)).write())
    driver.set_script_timeout(60)
    times = driver.execute_async_script(SCROLL)
    assert len(times) > 20
    # On a machine at rest 17 ms; here others may be at work.
    assert times[len(times) // 2] < 40, times
    assert driver.get_log("browser") == []
