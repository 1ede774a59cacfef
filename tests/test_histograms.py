"""Samples that were reduced to a histogram: same percentiles as the samples, imported, undone, refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import import_file, inspect, undo_import
from inferplan.datasets.fleets import SampleTable, read_sample_table, reduction_sql
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner import usage
from inferplan.planner.rightsizing import recommend
from inferplan.planner.usage_histograms import counted_values

START = pd.Timestamp("2026-10-05")
HOURS = 24 * 14


@pytest.fixture
def warehouse():
    with Warehouse.open(MEMORY) as opened:
        yield opened


def fleet(gpus: int = 4, *, whole_percent: bool = True) -> pd.DataFrame:
    """Two weeks of samples every five minutes."""
    rng = np.random.default_rng(7)
    times = START + pd.to_timedelta(np.arange(HOURS * 12) * 300, unit="s")
    frames = []
    for number in range(gpus):
        busy = rng.gamma(2.0, 10.0, len(times)).clip(0, 100)
        frames.append(
            pd.DataFrame(
                {
                    "ts": times,
                    "uuid": f"GPU-{number}",
                    "node": f"n{number // 2}",
                    "model": "Qwen/Qwen3-32B",
                    "sm": busy.round() if whole_percent else busy,
                    "fb": rng.integers(20_000, 70_000, len(times)),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def table(**changes: object) -> SampleTable:
    said = {
        "measured_at": "ts",
        "step_s": 300,
        "labels": {"gpu_uuid": "uuid", "host": "node", "model": "model"},
        "metrics": [
            {"metric": "sm_active_ratio", "column": "sm", "factor": 0.01},
            {"metric": "DCGM_FI_DEV_FB_USED", "column": "fb"},
        ],
    }
    return SampleTable.model_validate(said | changes)


def reduced(frame: pd.DataFrame, samples: SampleTable, target: Path) -> Path:
    """Run the reduction on DuckDB and write the histogram where an engine would."""
    frame.to_parquet(target.with_suffix(".samples"))
    with Warehouse.open(MEMORY) as engine:
        engine.execute(f"CREATE VIEW gpu_samples AS FROM read_parquet('{target.with_suffix('.samples')}')")
        engine.execute(f"COPY ({reduction_sql(samples)}) TO '{target}'")
    return target


def test_percentiles_of_whole_percents_are_those_of_the_samples(warehouse: Warehouse, tmp_path: Path) -> None:
    frame = fleet()
    done = import_file(warehouse, reduced(frame, table(), tmp_path / "histogram.parquet"))
    found = usage.percentiles(warehouse, metrics=["sm_active_ratio"]).set_index("entity")
    for gpu, rows in frame.groupby("uuid"):
        values = rows["sm"].to_numpy() * 0.01
        for name, share in {
            "p50": 0.5,
            "p90": 0.9,
            "p95": 0.95,
            "p99": 0.99,
            "p999": 0.999,
            "max": 1,
        }.items():
            assert found.loc[gpu, name] == pytest.approx(np.quantile(values, share), rel=1e-12)
        assert found.loc[gpu, "mean"] == pytest.approx(values.mean())
    assert set(found["n"]) == {HOURS * 12}
    assert set(found["coverage"]) == {1.0}
    assert set(found["confidence"]) == {"HIGH"}
    assert done.parsed.values_kept == 2 * len(frame)
    assert done.parsed.entities == (("gpu", 4),)


def test_histograms_taken_in_pieces_give_the_same(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_file(warehouse, reduced(fleet(), table(), tmp_path / "histogram.parquet"))
    whole = usage.by_entity(warehouse)
    monkeypatch.setattr(usage, "PIECE_SAMPLES", 2 * usage.HISTOGRAM_SAMPLES)
    assert len(whole) == 8
    pd.testing.assert_frame_equal(usage.by_entity(warehouse), whole, rtol=1e-12)


def test_counted_values_are_shares_of_the_time_in_buckets_around_whole_percents(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    frame = fleet()
    import_file(warehouse, reduced(frame, table(), tmp_path / "histogram.parquet"))
    gpu = str(frame["uuid"].iloc[0])
    found = counted_values(warehouse, gpu, "sm_active_ratio")
    percents = frame.loc[frame["uuid"] == gpu, "sm"].round().astype(int)
    expected = percents.value_counts(normalize=True).sort_index()
    assert found["share"].tolist() == pytest.approx(expected.tolist())
    assert found["high"].tolist() == pytest.approx([(percent + 0.5) / 100 for percent in expected.index])
    assert found["low"].tolist() == pytest.approx([max(0, percent - 0.5) / 100 for percent in expected.index])
    assert counted_values(warehouse, "GPU-of-nobody", "sm_active_ratio").empty


def test_other_values_are_never_understated_and_off_by_less_than_a_bucket(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    frame = fleet(1, whole_percent=False)
    import_file(warehouse, reduced(frame, table(), tmp_path / "histogram.parquet"))
    found = usage.percentiles(warehouse)
    for metric, values, bucket in (
        ("sm_active_ratio", frame["sm"] * 0.01, 0.01),
        ("fb_used_bytes", frame["fb"] * 2.0**20, 2.0**28),
    ):
        row = found[found["metric"] == metric].iloc[0]
        for name, share in {"p50": 0.5, "p95": 0.95, "p99": 0.99}.items():
            exact = np.quantile(values, share)
            assert exact <= row[name] < exact + bucket


def test_samples_that_stand_for_different_times_count_by_their_seconds(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    seconds = np.cumsum(np.array([10, 60] * 500))
    frame = pd.DataFrame(
        {"ts": START + pd.to_timedelta(seconds, unit="s"), "uuid": "a", "sm": [90, 20] * 500}
    )
    only = [{"metric": "sm_active_ratio", "column": "sm", "factor": 0.01}]
    samples = table(irregular=True, step_s=60, labels={"gpu_uuid": "uuid"}, metrics=only)
    import_file(warehouse, reduced(frame, samples, tmp_path / "histogram.parquet"))
    found = usage.percentiles(warehouse).iloc[0]
    assert found["mean"] == pytest.approx(
        (0.9 * 60 + 0.2 * 10) / 70, abs=0.001
    )  # 0.9 lasts six times as long
    assert (found["p50"], found["n"]) == (0.9, 1000)


def test_requests_that_waited_stop_every_saving(warehouse: Warehouse, tmp_path: Path) -> None:
    frame = fleet(1)
    frame["pod"] = "chat-0"
    frame["waiting"] = [1, 0, 0, 0, 0] * (len(frame) // 5) + [0] * (len(frame) % 5)
    frame["sm"] = 3.0
    samples = table(
        labels={"gpu_uuid": "uuid", "host": "node", "pod": "pod"},
        metrics=[
            {"metric": "sm_active_ratio", "column": "sm", "factor": 0.01},
            {"metric": "requests_waiting", "column": "waiting"},
        ],
    )
    import_file(warehouse, reduced(frame, samples, tmp_path / "histogram.parquet"))
    (found,) = recommend(warehouse)
    assert found.action == "upsize"
    (sign,) = found.evidence
    assert (sign.metric, sign.value) == ("requests_waiting", pytest.approx(0.2, abs=1e-3))


def test_a_histogram_counts_whole_or_not_at_all(warehouse: Warehouse, tmp_path: Path) -> None:
    frame = fleet(1)
    import_file(warehouse, reduced(frame, table(), tmp_path / "histogram.parquet"))
    inside = usage.by_entity(warehouse, window=usage.Window(lookback_days=2))
    pd.testing.assert_frame_equal(inside, usage.by_entity(warehouse))


def test_what_cannot_be_is_counted_and_left_out(warehouse: Warehouse, tmp_path: Path) -> None:
    frame = fleet(1)
    frame["sm"] = frame["sm"].astype(float)
    for place, value in enumerate((np.nan, -1.0, 250.0, np.inf, -0.0)):
        frame.loc[place, "sm"] = value
    frame.loc[5, "ts"] = pd.NaT
    done = import_file(warehouse, reduced(frame, table(), tmp_path / "histogram.parquet"))
    assert done.parsed.values_missing == 4 + 2  # four values; one time, of two metrics
    assert done.parsed.values_kept == 2 * len(frame) - 6
    found = usage.percentiles(warehouse, metrics=["sm_active_ratio"]).iloc[0]
    assert found["n"] == len(frame) - 5


def test_the_same_histogram_twice_changes_nothing_and_is_undone_whole(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    path = reduced(fleet(), table(), tmp_path / "histogram.parquet")
    first = import_file(warehouse, path)
    assert import_file(warehouse, path).already_imported
    undo_import(warehouse, first.import_id)
    assert warehouse.rows("SELECT count(*) FROM usage_histograms") == [(0,)]
    assert warehouse.rows("SELECT count(*) FROM usage_series") == [(0,)]


def test_a_histogram_as_csv_and_rows_that_are_none(tmp_path: Path) -> None:
    path = reduced(fleet(1), table(), tmp_path / "histogram.parquet")
    frame = pd.read_parquet(path)
    frame["low"] = frame["low"].astype(object)
    frame.loc[0, "samples"] = -5
    frame.loc[1, "low"] = "much"
    frame.loc[2, "metric"] = "vibes"
    frame.to_csv(tmp_path / "histogram.csv", index=False)
    report = inspect(tmp_path / "histogram.csv")
    assert report.format == "usage_histogram"
    assert report.rows_refused == 3
    assert "3 rows are no histogram" in report.problems[0].reason


def test_long_tables_and_numbers_for_times_give_the_same_histogram(tmp_path: Path) -> None:
    frame = fleet(2)
    wide = pd.read_parquet(reduced(frame, table(), tmp_path / "wide.parquet"))
    long = frame.melt(["ts", "uuid", "node", "model"], ["sm", "fb"], "what", "value")
    long["ts"] = long["ts"].astype("datetime64[ms]").astype("int64")
    samples = table(
        time_unit="ms",
        metric_column="what",
        value_column="value",
        metrics=[
            {"metric": "sm_active_ratio", "name": "sm", "factor": 0.01},
            {"metric": "DCGM_FI_DEV_FB_USED", "name": "fb"},
        ],
    )
    other = pd.read_parquet(reduced(long, samples, tmp_path / "long.parquet"))
    order = ["gpu_uuid", "metric", "bucket"]
    pd.testing.assert_frame_equal(
        wide.sort_values(order, ignore_index=True), other.sort_values(order, ignore_index=True)
    )


@pytest.mark.parametrize(
    "dialect",
    ["postgres", "spark", "databricks", "trino", "athena", "snowflake", "redshift", "clickhouse", "tsql"],
)
def test_the_query_is_written_in_other_dialects(dialect: str) -> None:
    import sqlglot

    written = reduction_sql(table(), dialect)
    assert "unixtime" not in written.casefold().replace("_", "") or dialect in {"trino", "athena"}
    assert sqlglot.parse_one(written, read=dialect).find(sqlglot.exp.Group) is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("step_s = ", "is not TOML"),
        ('measured_at = "ts"\nstep_s = 30\nlabels = {gpu = "uuid"}\nmetrics = []', "label"),
        ('measured_at = "ts"\nstep_s = 0\nlabels = {host = "n"}\nmetrics = []', "step_s"),
        (
            'measured_at = "ts"\nstep_s = 30\nlabels = {host = "n"}\n'
            '[[metrics]]\nmetric = "generation_tokens"\ncolumn = "t"',
            "is a counter",
        ),
        (
            'measured_at = "ts"\nstep_s = 30\nlabels = {host = "n"}\n'
            '[[metrics]]\nmetric = "sm_activ"\ncolumn = "t"',
            "sm_active_ratio",
        ),
        (
            'table = "x; DROP TABLE y"\nmeasured_at = "ts"\nstep_s = 30\nlabels = {host = "n"}\n'
            '[[metrics]]\nmetric = "sm_active_ratio"\ncolumn = "t"',
            "table",
        ),
    ],
)
def test_a_description_that_is_wrong_names_what(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InferplanError, match=said) as refused:
        read_sample_table(path)
    assert str(path) in str(refused.value)


def test_names_of_columns_are_quoted() -> None:
    samples = table(labels={"gpu_uuid": 'u"; DROP TABLE x; --'})
    assert '"u""; DROP TABLE x; --"' in reduction_sql(samples)


def test_a_dialect_without_seconds_is_refused_with_what_to_do() -> None:
    with pytest.raises(InferplanError, match="time_unit = 's'"):
        reduction_sql(table(), "mysql")
    assert reduction_sql(table(time_unit="s"), "mysql").startswith("WITH")
    with pytest.raises(InferplanError, match="no query for the dialect 'klingon'"):
        reduction_sql(table(), "klingon")
