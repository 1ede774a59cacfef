"""Rightsizing of a fleet larger than a page holds: all of it counts, a part of it is sent and kept."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from inferplan.dashboard.connection import warehouse as page_warehouse
from inferplan.dashboard.navigation import page_path
from inferplan.dashboard.rightsizing import finding_tables
from inferplan.datasets.uploads.landing import land_series
from inferplan.datasets.uploads.reading import Labels, Series
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.rightsizing import Evidence, Finding, profile_named

GPUS = 520
TAB = "inferplan.rightsizing.tab"


@pytest.fixture
def page(own_warehouse: Path) -> Iterator[AppTest]:
    """The page on a fleet of ``GPUS`` GPUs whose use grows with their number."""
    times_us = [1_791_158_400_000_000 + hour * 3_600_000_000 for hour in range(48)]
    found = (
        (
            Series(
                "sm_active_ratio",
                Labels(gpu_uuid=f"GPU-{number:03}", gpu_name="NVIDIA L4", host=f"n{number // 8}"),
            ),
            times_us,
            [number / GPUS / 2] * len(times_us),
        )
        for number in range(GPUS)
    )
    with Warehouse.open(own_warehouse) as warehouse:
        land_series(warehouse, "fleet", "digest", "test", found)
    app = AppTest.from_file(str(page_path("rightsizing")), default_timeout=60).run()
    assert [error.message for error in app.exception] == []
    yield app
    st.cache_resource.clear()
    st.cache_data.clear()


def test_findings_beyond_the_first_are_counted_listed_and_downloaded(page: AppTest) -> None:
    assert next(shown.value for shown in page.metric if shown.label == "GPUs measured") == str(GPUS)
    assert len(page.main.expander) == finding_tables.IN_FULL
    assert [len(table.value) for table in page.dataframe] == [finding_tables.MOST_ROWS]
    [by_advice] = page.table
    assert by_advice.value["Findings"].tolist() == [str(GPUS)]
    assert "The first 20 of 520; the table has 500, the download has all." in [
        caption.value for caption in page.caption
    ]
    production = profile_named("production")
    report = finding_tables.findings_report(page_warehouse(), production, [1], "fleet")
    assert [len(table.rows) for table in report.tables[:1]] == [GPUS]


def test_no_more_findings_are_kept_as_objects_than_are_shown(page: AppTest) -> None:
    for name in ("development", "high-availability", "production"):
        page.selectbox(key="inferplan.rightsizing.profile").set_value(name).run()
    kept = [one for one in gc.get_objects() if isinstance(one, (Finding, Evidence))]
    assert 0 < len(kept) < GPUS


def test_usage_shows_the_highest_and_says_how_many_there_are(page: AppTest) -> None:
    page.session_state[TAB] = "Usage"
    page.run()
    [table] = page.dataframe
    assert len(table.value) == 500
    assert table.value["p95"].iloc[0] == pytest.approx(100 * (GPUS - 1) / GPUS / 2)
    said = [caption.value for caption in page.caption]
    assert "The 30 with the highest P95 of 520." in said
    assert "The 500 with the highest P95 of 520; the download has all." in said
