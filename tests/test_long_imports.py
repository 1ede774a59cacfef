"""A long import tells how far it is in every format, stops at once, and is waited for visibly."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_uploads import HEADER, ROW, rows, write

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import NeedsAnswerError, ReadOptions, import_file, undo_import
from inferplan.datasets.uploads import turns
from inferplan.datasets.uploads.clock import epoch_us
from inferplan.datasets.uploads.progress import CancelledError, Progress
from inferplan.datasets.uploads.taking import _epochs_us
from inferplan.datasets.uploads.turns import turn
from inferplan.datasets.warehouse import Warehouse


def scrapes(count: int) -> str:
    """Return so many scrapes of eight GPUs, a minute apart."""
    return "".join(
        f'DCGM_FI_DEV_GPU_UTIL{{gpu="{gpu}",Hostname="node-1"}} {minute % 99} {1714564800 + 60 * minute}000\n'
        for minute in range(count)
        for gpu in range(8)
    )


def answer(values: list[tuple[object, object]]) -> str:
    """Return what Prometheus answers for one GPU."""
    series = {"metric": {"__name__": "DCGM_FI_DEV_GPU_UTIL", "gpu": "0"}, "values": values}
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [series]}})


class Followed(Progress):
    """Keeps the shares that it was told, and cancels past one."""

    def __init__(self, last: float = math.inf) -> None:
        super().__init__()
        self.last, self.shares = last, list[float]()

    def reached(self, share: float) -> None:
        self.shares.append(share)
        if share > self.last:
            self.cancel()
        super().reached(share)


def test_a_text_that_python_reads_tells_how_far_it_is_and_stops(tmp_path: Path, warehouse: Warehouse) -> None:
    path = write(tmp_path, "metrics.txt", scrapes(8000))
    assert path.stat().st_size > 3 << 20
    stopped = Followed(last=0.4)
    with pytest.raises(CancelledError):
        import_file(warehouse, path, progress=stopped)
    assert stopped.shares[-1] < 0.9
    assert set(rows(warehouse).values()) == {0}
    whole = Followed()
    landed = import_file(warehouse, path, progress=whole).parsed
    assert whole.shares == sorted(whole.shares)
    assert (len(whole.shares) >= 4, whole.shares[-1]) == (True, 1.0)
    assert (landed.series, landed.values_kept, landed.step_s) == (8, 64_000, 60.0)


def test_an_import_waits_for_another_one_and_can_be_cancelled_meanwhile(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    path = write(tmp_path, "a.csv", HEADER + ROW)
    waits = Event()

    class Waiting(Progress):
        def at(self, stage: str, share: float | None = None) -> None:
            super().at(stage, share)
            if stage == "Waiting for another import":
                waits.set()

    progress = Waiting()
    with ThreadPoolExecutor(1) as other, turn(Progress()):
        waiting = other.submit(import_file, warehouse, path, progress=progress)
        assert waits.wait(10)
        progress.cancel()
        with pytest.raises(CancelledError):
            waiting.result(10)
    assert set(rows(warehouse).values()) == {0}


def test_an_undo_says_that_another_import_runs(
    tmp_path: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed = import_file(warehouse, write(tmp_path, "a.csv", HEADER + ROW))
    monkeypatch.setattr(turns, "PATIENCE_S", 0.01)
    with turn(Progress()), pytest.raises(InferplanError, match="Another file is being imported"):
        undo_import(warehouse, landed.import_id)
    assert rows(warehouse)["usage_samples"] == 1
    undo_import(warehouse, landed.import_id)
    assert rows(warehouse)["usage_samples"] == 0


def test_numbers_read_at_once_are_those_read_one_by_one(tmp_path: Path) -> None:
    points: list[tuple[object, object]] = [
        (1714564800, "10"), (1714564860.5, "NaN"), (1714564920000, 30), (1714564980, "9223372036854775794"),
    ]  # fmt: skip
    odd = [*points, (1714565040, True), ("yesterday", "1")]
    found = []
    for name, values in (("plain.json", points), ("odd.json", odd)):
        with Warehouse.open(":memory:") as own:
            report = import_file(own, write(tmp_path, name, answer(values))).parsed
            samples = own.rows("SELECT epoch_us(measured_at), value FROM usage_samples ORDER BY 1")
        found.append((samples, report.values_missing, report.rows_refused))
    samples = [(1714564800000000, 0.1), (1714564920000000, 0.3)]
    assert found == [(samples, 2, 0), (samples, 2, 2)]


def test_percents_that_follow_a_long_idle_time_are_never_taken_for_busy_shares(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    def series(gpu: int, values: list[int]) -> dict[str, object]:
        points = [(1714564800 + 60 * minute, str(value)) for minute, value in enumerate(values)]
        return {"metric": {"gpu": str(gpu), "Hostname": "n"}, "values": points}

    idle = [series(gpu, [0, 1] * 5000) for gpu in range(26)]  # more than is gathered at once
    found = {"resultType": "matrix", "result": [*idle, series(26, [90] * 10)]}
    path = write(tmp_path, "a.json", json.dumps({"status": "success", "data": found}))
    with pytest.raises(NeedsAnswerError, match="say gpu_util_ratio_percent"):
        import_file(warehouse, path, ReadOptions(metric="gpu_util_ratio"))
    assert set(rows(warehouse).values()) == {0}
    import_file(warehouse, path, ReadOptions(metric="gpu_util_ratio_percent"))
    peaks = "SELECT round(max(value), 9), count(*) FROM usage_samples GROUP BY series_id"
    assert sorted(warehouse.rows(peaks)) == [*[(0.01, 10_000)] * 26, (0.9, 10)]


@given(st.floats(9.5e8, 4.1e9), st.sampled_from([1.0, 1e3, 1e6, 1e9]))
def test_an_epoch_is_the_same_alone_and_among_many(seconds: float, unit: float) -> None:
    assert _epochs_us(np.array([seconds * unit])).tolist() == [epoch_us(seconds * unit)]


def test_half_of_the_memory_is_left_to_others(warehouse: Warehouse) -> None:
    setting = "SELECT current_setting('memory_limit')"
    with duckdb.connect() as default:
        [(theirs,)] = default.execute(setting).fetchall()
    [(ours,)] = warehouse.rows(setting)
    assert ours.split()[1] == theirs.split()[1]
    assert float(ours.split()[0]) == pytest.approx(0.5 / 0.8 * float(theirs.split()[0]), rel=0.02)
