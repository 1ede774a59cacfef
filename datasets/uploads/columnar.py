"""Reads a table by columns: DuckDB turns texts into times and numbers, Python sees only what it could not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.gathering import Gatherer
from inferplan.datasets.uploads.metrics import Naming, named
from inferplan.datasets.uploads.reading import MISSING_FROM, Batch, Labels, ReadOptions, Series, Tally
from inferplan.datasets.uploads.roles import Roles
from inferplan.datasets.uploads.scanning import Table, quoted
from inferplan.datasets.uploads.values import number

_VECTORS = 512  # of 2,048 rows: a million rows at a time

Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class _Place:
    """What one combination of label texts means."""

    labels: Labels
    metric_name: str | None


def batches(table: Table, roles: Roles, options: ReadOptions, tally: Tally) -> Iterator[Batch]:
    """Yield the samples of a table whose times carry a zone, are epochs, or are UTC."""
    keys = [*roles.labels, *([roles.metric_name] if roles.metric_name else [])]
    columns = [roles.value] if roles.value and roles.metric_name else list(roles.metrics)
    places = _places(table, roles, keys, options)
    reader = _Reader(places, roles, columns, options, tally)
    first_row = 2
    for frame in table.select(_expressions(roles.time, keys, columns, options), _VECTORS):
        tally.rows_read += len(frame)
        yield from reader.read(frame, first_row)
        first_row += len(frame)


def _places(table: Table, roles: Roles, keys: list[str], options: ReadOptions) -> dict[int, _Place]:
    if not keys:
        return {0: _Place(Labels(host=options.host), None)}
    texts = ", ".join(_text(key) for key in keys)
    found: dict[int, _Place] = {}
    for frame in table.select(f"DISTINCT hash({texts}) AS place, {texts}", _VECTORS):
        for place, *values in frame.itertuples(index=False):
            said = dict(
                zip(keys, (str(value).strip() if value is not None else "" for value in values), strict=True)
            )
            labels = {field: said[column] for column, field in roles.labels.items() if said[column]}
            found[int(place)] = _Place(
                Labels(**{"host": options.host, **labels}),
                said[roles.metric_name] if roles.metric_name else None,
            )
    return found


def _text(column: str) -> str:
    return f"coalesce(CAST({quoted(column)} AS VARCHAR), '')"


def _expressions(time: str, keys: list[str], columns: list[str], options: ReadOptions) -> str:
    """Return the columns to select: place, time in us, values, and the texts of what is neither."""
    at = _text(time)
    zoned = (
        "true"
        if options.time_zone
        else (
            f"({at} LIKE '%Z' OR {at} LIKE '% UTC' OR regexp_matches({at}, '[+-][0-9]{{2}}(:?[0-9]{{2}})?$') "
            f"AND length({at}) > 10)"
        )
    )
    iso = f"CASE WHEN {zoned} THEN epoch_us(TRY_CAST(replace({at}, '/', '-') AS TIMESTAMPTZ)) END"
    parts = [
        f"hash({', '.join(_text(key) for key in keys)}) AS place" if keys else "0::UBIGINT AS place",
        f"{iso} AS us",
        f"CASE WHEN us IS NULL THEN {at} END AS time_text",
    ]
    for position, column in enumerate(columns):
        parts.append(f"TRY_CAST({_text(column)} AS DOUBLE) AS v{position}")
        parts.append(f"CASE WHEN v{position} IS NULL THEN {_text(column)} END AS t{position}")
    return ", ".join(parts)


class _Reader:
    def __init__(
        self,
        places: Mapping[int, _Place],
        roles: Roles,
        columns: list[str],
        options: ReadOptions,
        tally: Tally,
    ) -> None:
        self._places = places
        self._roles = roles
        self._columns = columns
        self._tally = tally
        self._clock = Clock(options)
        self._times: dict[str, int | str] = {}
        self._gatherer = Gatherer(tally)

    def read(self, frame: pd.DataFrame, first_row: int) -> Iterator[Batch]:
        us = self._read_times(frame, first_row)
        place = frame["place"].to_numpy(dtype=np.uint64)
        order = np.argsort(place, kind="stable")
        edges = np.flatnonzero(np.diff(place[order])) + 1
        parts = [part for part in np.split(order, edges) if len(part)]
        for position, column in enumerate(self._columns):
            values = self._read_values(frame, position, first_row)
            values[np.isnan(us)] = np.nan
            found = list(self._series(column, place, parts, values))
            for _, naming, kept in found:
                self._gatherer.decide(naming, float(values[kept].max()))
            for series, naming, kept in found:
                yield from self._gatherer.settle(series, naming, us[kept].astype(np.int64), values[kept])

    def _series(
        self, column: str, place: Places, parts: list[Rows], values: Numbers
    ) -> Iterator[tuple[Series, Naming, Rows]]:
        """Yield each series of a column with the rows in which it has a value."""
        for part in parts:
            key = self._places[int(place[part[0]])]
            naming = self._roles.metrics.get(column) if key.metric_name is None else named(key.metric_name)
            if naming is None:
                self._tally.ignored[key.metric_name or column] += len(part)
                continue
            kept = part[np.isfinite(values[part])]
            if len(kept):
                yield Series(naming.metric, key.labels), naming, kept

    def _read_times(self, frame: pd.DataFrame, first_row: int) -> Numbers:
        us = frame["us"].to_numpy(dtype=np.float64, na_value=np.nan)
        for row in np.flatnonzero(np.isnan(us)):
            text = str(frame["time_text"].iat[int(row)])
            found = self._times.get(text)
            if found is None:
                try:
                    found = self._clock.us(text)
                except ValueError as error:
                    found = str(error)
                self._times[text] = found
            if isinstance(found, int):
                us[row] = found
            else:
                self._tally.refuse(first_row + int(row), found)
        outside = ~np.isnan(us) & ((us < _EARLIEST_US) | (us >= _LATEST_US))
        for row in np.flatnonzero(outside):
            self._tally.refuse(first_row + int(row), "the time is not between the years 2000 and 2100")
        us[outside] = np.nan
        return us

    def _read_values(self, frame: pd.DataFrame, position: int, first_row: int) -> Numbers:
        values = frame[f"v{position}"].to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
        texts = frame[f"t{position}"]
        for row in np.flatnonzero(texts.notna().to_numpy()):
            try:
                value, unit = number(str(texts.iat[int(row)]))
            except ValueError as error:
                self._tally.refuse(first_row + int(row), str(error))
                self._tally.values_missing -= 1
                continue
            if value is not None and unit:
                self._tally.refuse(first_row + int(row), f"put the unit {unit} into the column's name")
                self._tally.values_missing -= 1
            elif value is not None:
                values[row] = value
        values[np.abs(values) >= MISSING_FROM] = np.nan
        self._tally.values_missing += int(np.isnan(values).sum())
        return values


_EARLIEST_US = 946_684_800_000_000  # 2000-01-01
_LATEST_US = 4_102_444_800_000_000  # 2100-01-01
