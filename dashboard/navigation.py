"""The pages, in one ordered list: for our own app and for a host application's ``st.navigation``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import streamlit as st

_FOLDER = Path(__file__).resolve().parent / "app_pages"


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One page: the stem of its file in ``app_pages/``, its title and its icon."""

    stem: str
    title: str
    icon: str

    @property
    def path(self) -> Path:
        """Absolute file, so that it is found from any entry script."""
        return _FOLDER / f"{self.stem}.py"

    @property
    def url_path(self) -> str:
        """Address within the app; the prefix keeps clear of a host's own pages."""
        return f"inferplan-{self.stem.replace('_', '-')}"


PAGES = (
    PageEntry("overview", "Overview", ":material/dashboard:"),
    PageEntry("fit", "Fit", ":material/memory:"),
    PageEntry("speed", "Speed", ":material/speed:"),
    PageEntry("tokens_per_dollar", "Tokens per dollar", ":material/payments:"),
    PageEntry("economics", "Economics", ":material/query_stats:"),
    PageEntry("rightsizing", "Rightsizing", ":material/tune:"),
    PageEntry("spend", "Spend", ":material/account_balance_wallet:"),
    PageEntry("prices", "Prices", ":material/sell:"),
    PageEntry("plans", "Plans", ":material/bookmarks:"),
)


def pages() -> list[st.Page]:
    """Return Inferplan's pages for ``st.navigation``; call it on every run of the entry script.

    Nothing else is touched: no page config, logo or theme, and every ``url_path`` begins with ``inferplan-``.
    """
    import streamlit as st  # here, so that the command line never pays for it

    return [st.Page(page.path, title=page.title, icon=page.icon, url_path=page.url_path) for page in PAGES]


def page_path(stem: str) -> str | None:
    """Return the file of the page ``stem``, as ``st.page_link`` takes it, or ``None`` without such a page."""
    return next((str(page.path) for page in PAGES if page.stem == stem), None)


def show_link(stem: str, label: str, icon: str) -> None:
    """Draw a link to the page ``stem``; nothing in an application that does not have it."""
    import streamlit as st
    from streamlit.errors import StreamlitPageNotFoundError

    if (path := page_path(stem)) is not None:
        with suppress(StreamlitPageNotFoundError):  # a host takes the pages that it wants
            st.page_link(path, label=label, icon=icon)


def page_title(stem: str) -> str:
    """Return the title of the page ``stem``, "" without such a page."""
    return next((page.title for page in PAGES if page.stem == stem), "")
