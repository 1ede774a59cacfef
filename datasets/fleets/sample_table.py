"""What a table of samples is called and which of its columns mean what, as a user's TOML file says."""

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.schema import Row
from inferplan.datasets.uploads.metrics import EITHER, METRICS, OF_THE_WEEK, named
from inferplan.datasets.uploads.reading import Labels

LABELS = tuple(field.name for field in fields(Labels))
PLACES = ("gpu_uuid", "gpu_index", "host", "instance_id", "pod", "endpoint")
"""Labels of which one at least must be there, as they tell one measured thing from another."""


class Measured(Row):
    """Where the values of a metric stand, and what turns them into our unit."""

    metric: str
    """Canonical metric, or a name that an exporter gives it."""
    column: str | None = None
    """Column of the values, for a table with one column per metric."""
    name: str | None = None
    """What the metric's column says, for a table with one row per value."""
    factor: float | None = Field(default=None, gt=0)
    """Multiplies values into the canonical unit; by default what the exporter's name implies."""

    @model_validator(mode="after")
    def _is_a_gauge(self) -> Self:
        known = named(self.metric)
        if known is None:
            raise UnknownNameError("metric", self.metric, METRICS)
        if known.metric in OF_THE_WEEK:
            msg = f"{self.metric} is counted from the samples: say idle_hours = true instead."
            raise InferplanError(msg)
        if METRICS[known.metric].counter:
            msg = f"{self.metric} is a counter; a histogram is of values that go up and down. Leave it out."
            raise InferplanError(msg)
        if self.factor is None and known.factor == EITHER:
            msg = f"{self.metric} comes as a ratio or in percent: say factor = 1 or factor = 0.01."
            raise InferplanError(msg)
        return self

    @property
    def canonical(self) -> str:
        """Name of the metric with us."""
        known = named(self.metric)
        return known.metric if known else self.metric

    @property
    def to_our_unit(self) -> float:
        """What a value is multiplied with."""
        known = named(self.metric)
        return self.factor or (known.factor if known else 1.0)


class SampleTable(Row):
    """A table of samples on some engine: one column per metric, or one row per value."""

    table: str = Field(default="gpu_samples", pattern=r"^[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*){0,2}$")
    """Its name on the engine; what a path is called while it is read."""
    path: str | None = None
    """Folder, file or bucket of Parquet or CSV that an engine which reads files takes in its place."""
    measured_at: str
    """Column of the time."""
    time_unit: Literal["timestamp", "s", "ms", "us"] = "timestamp"
    """Timestamps count as UTC; the others are numbers since 1970."""
    step_s: int = Field(gt=0)
    """Seconds between two samples of a series."""
    irregular: bool = False
    """Whether a sample stands for the time until the next one (two steps at most) rather than for a step."""
    idle_hours: bool = False
    """Whether the hours of the week in which nothing worked are counted too: reads the samples twice."""
    labels: dict[str, str]
    """Label of ours -> column."""
    metrics: tuple[Measured, ...] = Field(min_length=1)
    metric_column: str | None = None
    value_column: str | None = None

    @property
    def is_csv(self) -> bool:
        """Whether the path is of CSV files rather than Parquet."""
        return (self.path or "").rstrip("*/").endswith((".csv", ".csv.gz"))

    @field_validator("labels")
    @classmethod
    def _are_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        for label in labels:
            if label not in LABELS:
                raise UnknownNameError("label", label, LABELS)
        if not labels.keys() & set(PLACES):
            msg = f"No label says where a sample was taken: name the column of one of {', '.join(PLACES)}."
            raise InferplanError(msg)
        return labels

    @model_validator(mode="after")
    def _has_one_layout(self) -> Self:
        if self.path is not None and "." in self.table:
            msg = f"Files are read under a plain name: take 'table' = {self.table!r} out, or 'path'."
            raise InferplanError(msg)
        long = self.metric_column is not None and self.value_column is not None
        wanted = "name" if long else "column"
        for one in self.metrics:
            if getattr(one, wanted) is None:
                layout = "metric_column and value_column" if long else "one column per metric"
                raise InferplanError(f"Metric {one.metric} needs '{wanted}' in a table with {layout}.")
        return self


def read_sample_table(path: Path) -> SampleTable:
    """Return the table that a TOML file describes.

    Raises
    ------
    InferplanError
        If the file is not TOML or something in it is missing, unknown or impossible; names the field.
    """
    try:
        return SampleTable.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise InferplanError(f"{path} cannot be read: {error}. Give a TOML file in UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise InferplanError(f"{path} is not TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InferplanError(f"{path}: {where}: {first['msg']} (found {first['input']!r}).") from error
    except InferplanError as error:
        raise InferplanError(f"{path}: {error}") from error
