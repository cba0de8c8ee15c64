"""Takes the pictures of a report that README and the documentation show.

`python -m tests.pictures.take RESULTS`, of a search on the default data; it needs Chromium.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from search.reporting.report import NAME
from tests.end_to_end.browser import browser, resize

HERE = Path(__file__).parent
WIDE, NARROW = (1280, 900), (400, 900)  # pixels


def take(results: Path) -> None:
    """Writes the three pictures beside this file."""
    with TemporaryDirectory() as profile, browser(profile) as driver:
        driver.get((results / NAME).absolute().as_uri())
        resize(driver, *WIDE)
        driver.save_screenshot(str(HERE / "report.png"))
        driver.execute_script("document.getElementById('hyperparameters').scrollIntoView()")
        driver.save_screenshot(str(HERE / "report-hyperparameters.png"))
        dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
        resize(driver, *NARROW)
        driver.execute_script("scrollTo(0, 0)")
        driver.save_screenshot(str(HERE / "report-narrow-dark.png"))


if __name__ == "__main__":
    take(Path(sys.argv[1]))
