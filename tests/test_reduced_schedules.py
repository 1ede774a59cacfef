"""Idle hours that a reduction counts advise the same calendar as the samples that it counted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from inferplan.dashboard.navigation import page_path
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import import_file, undo_import
from inferplan.datasets.fleets import SampleTable, reduction_sql
from inferplan.datasets.fleets.local import reduce_on_this_machine
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner import usage
from inferplan.planner.rightsizing import recommend
from inferplan.planner.rightsizing.finding import Finding

START = pd.Timestamp("2026-10-05")  # a Monday
METRICS = {
    "sm_active_ratio": "sm",
    "dram_active_ratio": "dram",
    "fb_used_bytes": "fb",
    "requests_running": "running",
}


def fleet(days: int = 28) -> pd.DataFrame:
    """A GPU that works from 8 to 18 on weekdays, another that also answers at three every night."""
    at = START + pd.to_timedelta(np.arange(days * 288) * 300, unit="s")
    open_now = (at.day_of_week < 5) & (at.hour >= 8) & (at.hour < 18)
    frames = [
        pd.DataFrame(
            {
                "ts": at, "gpu_uuid": f"GPU-{name}", "gpu_name": "NVIDIA A100-SXM4-80GB", "namespace": "prod",
                "pod": f"{name}-0", "sm": np.where(open_now, 0.7, 0.0), "dram": np.where(open_now, 0.5, 0.0),
                "fb": 60 * 2.0**30, "running": np.where(open_now | (nightly & (at.hour == 3)), 3.0, 0.0),
            }
        )
        for name, nightly in (("day", False), ("night", True))
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def table(path: Path, **changes: object) -> SampleTable:
    said = {
        "path": str(path),
        "measured_at": "ts",
        "step_s": 300,
        "idle_hours": True,
        "labels": {name: name for name in ("gpu_uuid", "gpu_name", "namespace", "pod")},
        "metrics": [{"metric": metric, "column": column, "factor": 1} for metric, column in METRICS.items()],
    }
    return SampleTable.model_validate(said | changes)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fleet") / "samples.parquet"
    frame = fleet()
    frame["ts"] = frame["ts"].astype("datetime64[us]")
    frame.to_parquet(path)
    return path


def advised(warehouse: Warehouse, path: Path) -> dict[str, Finding]:
    number = import_file(warehouse, path).import_id
    found = {one.entity: one for one in recommend(warehouse, import_ids=[number])}
    undo_import(warehouse, number)
    return found


def test_a_finding_on_counts_shows_in_which_share_of_the_time_values_lay_where(
    samples: Path, tmp_path: Path, own_warehouse: Path
) -> None:
    reduce_on_this_machine(table(samples), tmp_path / "reduced.parquet")
    with Warehouse.open(own_warehouse) as warehouse:
        import_file(warehouse, tmp_path / "reduced.parquet")
        first = recommend(warehouse)[0]
    app = AppTest.from_file(str(page_path("rightsizing")), default_timeout=60)
    app.session_state[f"inferplan.rightsizing.finding.{first.action}.{first.entity}.0"] = True
    app.run()
    assert [error.message for error in app.exception] == []
    [chart] = app.get("vega_lite_chart")
    assert "Share of the time" in chart.proto.spec
    said = "Counted by value where the samples are: there is no course over time."
    assert said in [caption.value for caption in app.caption]
    st.cache_resource.clear()


def test_the_calendar_is_that_of_the_samples(samples: Path, tmp_path: Path) -> None:
    plain = pd.read_parquet(samples).rename(columns={column: metric for metric, column in METRICS.items()})
    plain = plain.rename(columns={"ts": "time"})
    plain["time"] = plain["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    plain.to_csv(tmp_path / "samples.csv", index=False)
    reduce_on_this_machine(table(samples), tmp_path / "reduced.parquet")
    with Warehouse.open(MEMORY) as warehouse:
        expected = advised(warehouse, tmp_path / "samples.csv")
        found = advised(warehouse, tmp_path / "reduced.parquet")
    assert expected["prod/day-0"].title == "Stop it for 118 idle hours a week"
    assert expected["prod/night-0"].title == "Stop it for 111 idle hours a week"
    for entity, one in expected.items():
        assert (found[entity].action, found[entity].title) == (one.action, one.title), entity
        assert found[entity].detail == one.detail


def test_without_idle_hours_no_calendar_is_advised(samples: Path, tmp_path: Path) -> None:
    reduce_on_this_machine(table(samples, idle_hours=False), tmp_path / "reduced.parquet")
    with Warehouse.open(MEMORY) as warehouse:
        found = advised(warehouse, tmp_path / "reduced.parquet")
    assert "schedule" not in {one.action for one in found.values()}


def test_hours_are_no_metric_of_their_own(samples: Path, tmp_path: Path) -> None:
    reduce_on_this_machine(table(samples), tmp_path / "reduced.parquet")
    with Warehouse.open(MEMORY) as warehouse:
        import_file(warehouse, tmp_path / "reduced.parquet")
        assert set(usage.percentiles(warehouse)["metric"]) == {
            "sm_active_ratio", "dram_active_ratio", "fb_used_bytes",
        }  # fmt: skip
    with pytest.raises(InferplanError, match="say idle_hours = true"):
        table(samples, metrics=[{"metric": "idle_hours", "column": "sm"}])
    memory = [{"metric": "fb_used_bytes", "column": "fb"}]
    assert "idle_hours" not in reduction_sql(table(samples, metrics=memory))
