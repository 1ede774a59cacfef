"""Part of the page Rightsizing: fields for what a file does not say of itself."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.rightsizing.usage_tables import metric_title
from inferplan.datasets.exports import Question
from inferplan.datasets.uploads.metrics import METRICS

MOST_COLUMNS = 60
NOT_USED = "ignore"
SHORT_FORMS = {"gpu": "GPU", "uuid": "UUID", "mig": "MIG", "id": "ID"}


def ask(question: Question, key: str) -> Any:
    """Show the field of a question; return the answer, empty while there is none."""
    if question.option == "columns":
        return _ask_columns(question, key)
    label = formats.plain(question.text)
    if question.option == "time_zone":
        return st.selectbox(label, ["UTC", *sorted(available_timezones() - {"UTC"})], index=None, key=key)
    if question.option == "interval_s":
        return st.number_input(label, min_value=0.001, value=None, key=key)
    if question.option == "start":
        return st.datetime_input(label, value=None, key=key)
    if question.option == "metric":
        names = list(question.choices or METRICS)
        return st.selectbox(label, names, index=None, format_func=metric_title, key=key)
    if question.choices:
        return st.selectbox(label, list(question.choices), index=None, key=key)
    return st.text_input(label, key=key)


def _ask_columns(question: Question, key: str) -> dict[str, str]:
    """Show one field for each column; return what was said, without what was taken for granted rightly."""
    st.markdown(formats.plain(question.text))
    said = {}
    shown = question.columns[:MOST_COLUMNS]
    meanings = [meaning for meaning in question.choices if meaning != NOT_USED]
    for place, (column, guess) in enumerate(shown):
        if place % 3 == 0:
            row = st.columns(3)
        meaning = row[place % 3].selectbox(
            formats.plain(column),
            meanings,
            index=meanings.index(guess) if guess in meanings else None,
            format_func=_meaning_title,
            placeholder="not used",
            key=f"{key}.{place}",
        )
        if (meaning or NOT_USED) != guess:
            said[column] = meaning or NOT_USED
    if len(question.columns) > len(shown):
        st.caption(
            f"The first {len(shown)} of {len(question.columns):,} columns. "
            "`inferplan import FILE --map COLUMN=MEANING` takes any."
        )
    return said


def _meaning_title(meaning: str) -> str:
    return " ".join(SHORT_FORMS.get(word, word) for word in metric_title(meaning).split(" "))
