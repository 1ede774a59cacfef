"""Shoot every page, light and dark, wide and on a phone.

Run ``python tests/browser/screenshots.py OUT [STEM ...]``.
"""

import sys
import tempfile
from pathlib import Path

from conftest import PHONE, WIDE, Visit, running_browser, running_dashboard

from inferplan.dashboard.navigation import PAGES

SCREENS = {"wide": WIDE, "phone": PHONE}


def shoot(out: Path, stems: list[str]) -> None:
    """Write one PNG per page, theme and screen into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_dashboard(Path(folder) / "warehouse.duckdb") as address,
        running_browser() as browser,
    ):
        for theme in ("light", "dark"):
            for screen, size in SCREENS.items():
                context = browser.new_context(viewport=size, color_scheme=theme, is_mobile=screen == "phone")
                for entry in PAGES:
                    if stems and entry.stem not in stems:
                        continue
                    visit = Visit(context, address).open("" if entry is PAGES[0] else entry.url_path)
                    visit.page.wait_for_timeout(800)  # charts draw after the script has ended
                    height = visit.page.evaluate(
                        "document.querySelector('[data-testid=\"stMain\"]').scrollHeight + 60"
                    )
                    visit.page.set_viewport_size({**size, "height": max(size["height"], int(height))})
                    visit.page.wait_for_timeout(400)
                    visit.page.screenshot(path=out / f"{entry.stem}-{theme}-{screen}.png")
                    for error in visit.errors:
                        print(f"{entry.stem} {theme} {screen}: {error}")
                    visit.page.close()
                context.close()


if __name__ == "__main__":
    shoot(Path(sys.argv[1]), sys.argv[2:])
