"""How long people wait: from process start to the first page, and from a changed widget to the new answer.

Run ``python tests/benchmarks/dashboard_speed.py``; a browser is needed. Beside each figure stands what a bare
Streamlit page takes for the same on this machine in the same minute, so that a slow machine does not matter.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "browser"))
from conftest import WIDE, Visit, running_browser, running_dashboard, running_server
from playwright.sync_api import Browser

from inferplan.dashboard.navigation import PAGES

REPEATS = 15
BARE_PAGE = """
import streamlit as st
st.title("Bare")
number = st.number_input("Context", value=1)
st.markdown(f"{number:,} in all")
"""


@contextmanager
def opened(browser: Browser, start: Callable[[Path], object], path: str) -> Iterator[tuple[Visit, float]]:
    """Yield a visit to a server just started, and the seconds from its start until the page stood there."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with start(Path(folder)) as address:
            context = browser.new_context(viewport=WIDE)
            visit = Visit(context, address).open(path)
            yield visit, time.perf_counter() - began
            context.close()


def redraw_ms(visit: Visit, text: str) -> tuple[float, float]:
    """Return the median milliseconds from a context never asked before to its answer and the whole page."""
    answers, pages = [], []
    for turn in range(REPEATS):
        tokens = 20_000 + 128 * turn
        field = visit.field("Context")
        field.fill(str(tokens))
        began = time.perf_counter()
        field.press("Enter")
        visit.page.get_by_text(text.format(tokens), exact=False).first.wait_for()
        answers.append((time.perf_counter() - began) * 1000)
        visit.page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
        pages.append((time.perf_counter() - began) * 1000)
        visit.settle()
    return statistics.median(answers), statistics.median(pages)


def bare(folder: Path) -> object:
    """Start a Streamlit app of five lines."""
    script = folder / "bare.py"
    script.write_text(BARE_PAGE)
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    return running_server(command, folder / "warehouse.duckdb")


def ours(folder: Path) -> object:
    """Start the dashboard on an empty warehouse."""
    return running_dashboard(folder / "warehouse.duckdb")


def main() -> None:
    """Print the figures."""
    fit = next(entry for entry in PAGES if entry.stem == "fit")
    with running_browser() as browser:
        with opened(browser, bare, "") as (visit, first_s):
            bare_s, (bare_ms, _) = first_s, redraw_ms(visit, "{:,} in all")
        with opened(browser, ours, "") as (_, first_s):
            print(f"process start to first page: {first_s:.2f} s ({first_s / bare_s:.2f} x a bare page)")
        with opened(browser, ours, fit.url_path) as (visit, _):
            answer_ms, page_ms = redraw_ms(visit, "Sequences of {:,} tokens")
    print(f"changed widget to new answer: {answer_ms:.0f} ms ({answer_ms / bare_ms:.2f} x a bare page)")
    print(
        f"changed widget to every GPU in the table: {page_ms:.0f} ms ({page_ms / bare_ms:.2f} x a bare page)"
    )


if __name__ == "__main__":
    main()
