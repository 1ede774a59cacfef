"""What replicas used at the same time, bounded from the counts of each: never too low, and advised on."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferplan.datasets.exports import import_file
from inferplan.datasets.fleets import SampleTable
from inferplan.datasets.fleets.local import reduce_on_this_machine
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing import recommend
from inferplan.planner.rightsizing.finding import Finding
from inferplan.planner.rightsizing.statistic import SHARES, Statistic, sum_at_most

MONDAY = datetime(2026, 10, 5)
METRICS = ("sm_active_ratio", "dram_active_ratio", "kv_cache_usage_ratio", "fb_used_bytes")


def counted(name: str, values: np.ndarray, metric: str = "sm_active_ratio") -> Statistic:
    quantiles = {known: float(np.quantile(values, share, method="higher")) for known, share in SHARES.items()}
    return Statistic(
        entity=name, metric=metric, n=len(values), mean=float(values.mean()), **quantiles,
        max=float(values.max()), first_at=MONDAY, last_at=MONDAY + timedelta(days=14), days=14.0,
        coverage=1.0, confidence=Confidence.HIGH, is_counted=True,
    )  # fmt: skip


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(-1, 1), st.sampled_from([300, 2000]),
    st.sampled_from(["sm_active_ratio", "requests_running"]),
)  # fmt: skip
def test_a_bound_is_never_below_what_was_used_at_the_same_time(
    seed: int, members: int, alike: float, moments: int, metric: str
) -> None:
    random = np.random.default_rng(seed)
    tide = random.random(moments)
    values = np.clip(alike * tide + (1 - abs(alike)) * random.random((members, moments)) ** 3, 0, 1)
    together = values.mean(axis=0) if metric.endswith("_ratio") else values.sum(axis=0)
    bound = sum_at_most("all", [counted(str(one), row, metric) for one, row in enumerate(values)])
    assert bound is not None
    for name, share in SHARES.items():
        assert bound.at(name) >= np.quantile(together, share, method="lower") - 1e-9
    assert bound.max >= together.max() - 1e-9
    assert bound.mean == pytest.approx(together.mean())


def test_where_one_has_samples_no_bound_takes_their_place() -> None:
    kept = counted("b", np.ones(100))
    sampled = kept._replace(is_counted=False)
    assert sum_at_most("all", [counted("a", np.ones(100)), sampled]) is None


def fleet(levels: tuple[float, ...]) -> pd.DataFrame:
    """Replicas of one deployment for four weeks, each busiest at another hour of the day."""
    at = pd.Timestamp(MONDAY) + pd.to_timedelta(np.arange(28 * 288) * 300, unit="s")
    frames = []
    for number, level in enumerate(levels):
        busy = np.where(at.hour == number, level, level / 2).round(2)
        frames.append(
            pd.DataFrame(
                {
                    "time": at.astype("datetime64[us]"), "gpu_uuid": f"GPU-{number}",
                    "gpu_name": "NVIDIA L40S", "namespace": "prod", "pod": f"chat-5f7d9c6b84-r{number}xqz",
                    "sm_active_ratio": busy, "dram_active_ratio": busy, "kv_cache_usage_ratio": busy,
                    "fb_used_bytes": 40 * 2.0**30,
                }
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def advised(path: Path) -> Finding:
    with Warehouse.open(MEMORY) as warehouse:
        import_file(warehouse, path)
        return recommend(warehouse, offers=())[0]


@pytest.mark.parametrize(
    ("level", "of_samples", "of_counts"),
    [(0.2, "Run 3 replicas instead of 6", "Run 3 replicas instead of 6"), (0.62, "Run 5", "Keep")],
)
def test_fewer_replicas_are_advised_on_counts_never_more_boldly_than_on_samples(
    tmp_path: Path, level: float, of_samples: str, of_counts: str
) -> None:
    frame = fleet((level,) * 6)
    frame.to_parquet(tmp_path / "samples.parquet")
    table = SampleTable.model_validate(
        {
            "path": str(tmp_path / "samples.parquet"),
            "measured_at": "time",
            "step_s": 300,
            "labels": {name: name for name in ("gpu_uuid", "gpu_name", "namespace", "pod")},
            "metrics": [{"metric": metric, "column": metric, "factor": 1} for metric in METRICS],
        }
    )
    reduce_on_this_machine(table, tmp_path / "reduced.parquet")
    frame.assign(time=frame["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_csv(
        tmp_path / "samples.csv", index=False
    )
    assert advised(tmp_path / "samples.csv").title.startswith(of_samples)
    assert advised(tmp_path / "reduced.parquet").title.startswith(of_counts)
