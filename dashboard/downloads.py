"""Download buttons for a report, one per format found in ``reports/``."""

from collections.abc import Callable

import streamlit as st

from inferplan.dashboard.reports import Report, ReportFormat, report_formats
from inferplan.dashboard.state import PREFIX


def download_menu(name: str, stem: str, make: Callable[[], Report], *, label: str = "Download") -> None:
    """Offer a report in every format.

    Parameters
    ----------
    name
        Sets this menu's buttons apart from those of other menus on the page.
    stem
        Name of the files without their suffix.
    make
        Makes the report when a button is pressed; runs beside the page and must not draw.
    """
    with st.popover(label, icon=":material/download:"):
        for known in report_formats():
            st.download_button(
                known.title,
                _writer(known, make),
                file_name=f"{stem}.{known.suffix}",
                mime=known.mime,
                key=f"{PREFIX}download.{name}.{known.suffix}",
                on_click="ignore",
                width="stretch",
            )


def _writer(known: ReportFormat, make: Callable[[], Report]) -> Callable[[], bytes]:
    return lambda: known.write(make())
