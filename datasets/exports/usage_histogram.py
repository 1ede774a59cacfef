"""Histograms of samples that another engine reduced (``inferplan reduce``): Parquet or CSV."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from inferplan.datasets.fleets.reduction import COLUMNS
from inferplan.datasets.fleets.sample_table import LABELS
from inferplan.datasets.uploads.metrics import METRICS
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Histograms, Items, Labels, ReadOptions, Series, Tally
from inferplan.datasets.uploads.scanning import Table, column_names, opened
from inferplan.datasets.uploads.tables import header

name = "usage_histogram"
title = "Histogram of samples (inferplan reduce): Parquet, CSV"
kind = "usage"

_TEXTS = {label: f"coalesce(CAST({label} AS VARCHAR), '')" for label in (*LABELS, "metric")}
_PLACE = ", ".join(f"{text} AS {label}" for label, text in _TEXTS.items())
_KEY = f"hash({', '.join(_TEXTS.values())})"
_NUMBERS = {
    name: f"TRY_CAST({name} AS {'DOUBLE' if name in ('low', 'high') else 'BIGINT'})"
    for name in COLUMNS
    if name not in (*LABELS, "metric")
}
_GOOD = (
    "{bucket} >= 0 AND {samples} > 0 AND {seconds} >= 0 AND {step_s} > 0 AND {low} >= 0 AND {low} <= {high} "
    "AND {first_at_s} BETWEEN 0 AND {last_at_s} AND {last_at_s} < 32503680000 AND isfinite({high}) "
    f"AND metric IN ({', '.join(repr(metric.name) for metric in METRICS.values() if not metric.counter)})"
).format(**_NUMBERS)
_TOTALS = ", ".join(
    (
        f"{_KEY} AS place", _PLACE, f"max({_NUMBERS['step_s']}) AS step_s",
        f"CAST(sum({_NUMBERS['samples']}) AS BIGINT) AS samples",
        f"min({_NUMBERS['first_at_s']}) AS first_at_s", f"max({_NUMBERS['last_at_s']}) AS last_at_s",
    )
)  # fmt: skip
_BINS = ", ".join(
    (
        f"{_KEY} AS place",
        *(f"{_NUMBERS[name]} AS {name}" for name in ("bucket", "samples", "seconds", "low", "high")),
    )
)


def sniff(head: str) -> bool:
    """Take a table with the columns of the reduction."""
    return set(COLUMNS) <= set(header(head))


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield all histograms of the file as one item; rows that cannot be are refused."""
    with opened(upload, column_names(upload), tally) as table:
        rows = _count_refused(table, tally)
        found = list(table.select(_TOTALS, tail=f"WHERE {_GOOD} GROUP BY ALL"))
        if found:
            totals = pd.concat(found, ignore_index=True).sort_values("place", ignore_index=True)
            yield Histograms(
                series=tuple(
                    _series(row) for row in totals[[*LABELS, "metric"]].astype(object).itertuples(index=False)
                ),
                samples=totals["samples"].to_numpy(),
                first_us=totals["first_at_s"].to_numpy() * 1_000_000,
                last_us=totals["last_at_s"].to_numpy() * 1_000_000,
                step_s=totals["step_s"].to_numpy(),
                bins=_bins(table, rows, totals["place"], tally),
            )


def _bins(table: Table, rows: int, places: "pd.Series[int]", tally: Tally) -> Iterator[pd.DataFrame]:
    for frame in table.select(_BINS, tail=f"WHERE {_GOOD}"):
        tally.rows_read += len(frame)
        table.upload.progress.reached(tally.rows_read / rows)
        yield frame.assign(series=places.searchsorted(frame["place"])).drop(columns="place")


def _count_refused(table: Table, tally: Tally) -> int:
    """Count what is refused or missing; return how many rows there are."""
    rows = 0
    no_bucket = f"{_NUMBERS['samples']} > 0 AND bucket IS NULL"
    asked = (
        f"count(*), coalesce(sum({_NUMBERS['samples']}) FILTER ({no_bucket}), 0), "
        f"count(*) FILTER ({no_bucket}), count(*) FILTER (NOT coalesce({_GOOD}, false) AND NOT ({no_bucket}))"
    )
    for frame in table.select(asked):
        rows, missing, without, refused = (int(value) for value in frame.iloc[0])
        tally.values_missing += missing
        tally.rows_read += without + refused
        if refused:
            tally.refuse(
                None, f"{refused:,} rows are no histogram: a count, a time or a value cannot be", refused
            )
        if missing:
            tally.note(
                f"{missing:,} samples had no time or no possible value on the engine that counted them."
            )
    return rows


def _series(row: Any) -> Series:
    return Series(row.metric, Labels(*(getattr(row, label) or None for label in LABELS)))
