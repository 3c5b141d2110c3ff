"""Draws the first screen of a run's report.html as a PNG: `docs/picture.py RUN_FOLDER FILE.png`.

Needs a Chromium on PATH, or its path in CHROMIUM.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH_PX = 1_200
HEIGHT_PX = 1_100


def draw(page_file: Path, *, picture: Path) -> None:
    """Open the page as a reader would and keep what is on the screen."""
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": WIDTH_PX, "height": HEIGHT_PX}, color_scheme="light"
        )
        page.goto(page_file.resolve().as_uri())
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    folder, target = sys.argv[1:]
    draw(Path(folder) / "report.html", picture=Path(target))
