"""Shoot every page, light and dark, wide and on a phone.

Run ``python tests/browser/screenshots.py OUT [STEM ...]``.
"""

import sys
import tempfile
from datetime import datetime
from pathlib import Path

from conftest import PHONE, WIDE, Visit, running_browser, running_dashboard
from playwright.sync_api import Browser

from inferplan.dashboard.navigation import PAGES
from inferplan.dashboard.state import FIRST_CASE
from inferplan.datasets import samples
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import plan_store
from inferplan.planner.plan import Plan

MADE_AT = datetime(2026, 11, 21, 9, 0)
SCREENS = {"wide": WIDE, "phone": PHONE}


def fill(database: Path) -> None:
    """Put the sample fleet and two plans into the warehouse, so that every page has something to show."""
    with Warehouse.open(database) as warehouse:
        samples.load(warehouse)
        for name, weights_dtype in (("Chat, FP8", "fp8"), ("Chat, INT4", "awq-int4")):
            case = FIRST_CASE.model_copy(update={"weights_dtype": weights_dtype})
            plan_id = plan_store.new_id()
            made = Plan(
                id=plan_id, name=name, author="Sample", created_at=MADE_AT, updated_at=MADE_AT, case=case
            )
            plan_store.save(warehouse, made)


def shoot(out: Path, stems: list[str]) -> None:
    """Write one PNG per page, theme and screen into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "warehouse.duckdb"
        fill(database)
        with running_dashboard(database) as address, running_browser() as browser:
            _shoot_all(browser, address, out, stems)


def _shoot_all(browser: Browser, address: str, out: Path, stems: list[str]) -> None:
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
