"""How the tables of the page Economics show their columns: money, shares, counts and dates."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.reports import Column

USD_PER_MONTH = "USD per month"
NO_HELP: Mapping[str, str] = {}


def column_config(columns: Mapping[str, Column], explained: Mapping[str, str] = NO_HELP) -> dict[str, Any]:
    """Return how a table shows ``columns``; ``explained`` has the help of some of them."""
    return {name: _config(name, column, explained.get(name)) for name, column in columns.items()}


def _config(name: str, column: Column, explained: str | None) -> Any:
    if column.unit == USD_PER_MONTH:
        return st.column_config.NumberColumn(f"{column.name}, USD/month", format="dollar", help=explained)
    if column.unit:
        header = column.header.replace("USD per million tokens", "USD/Mtok")
        number = formats.COLUMN_USD_FINE if column.unit.startswith("USD") else formats.COLUMN_COUNT
        return st.column_config.NumberColumn(header, format=number, help=explained)
    if name == "observed_on":
        return st.column_config.DateColumn(column.name, format=formats.COLUMN_DATE)
    return st.column_config.Column(column.name, help=explained)
