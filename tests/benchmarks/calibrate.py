"""Fit the performance model to the published runs, leave things out whole, and say how well it does.

python tests/benchmarks/calibrate.py            print the errors with models, GPUs and sources left out
python tests/benchmarks/calibrate.py --write    fit and rewrite datasets/facts/calibration.json too
python tests/benchmarks/calibrate.py --folds 6  leave six sets of them out: quicker, a bit worse

Set OPENBLAS_NUM_THREADS=1: the matrices are small, and threads cost more than they bring.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from inferplan.datasets.benchmarks import Calibration, SplitErrors, benchmarks
from inferplan.planner.performance.calibrating import (
    METRICS,
    Table,
    fitted,
    folds_of,
    held,
    left_out,
    spreads,
    table,
)
from inferplan.planner.performance.constants import NAMES
from inferplan.planner.performance.fitting import Matrix, prefill_shares
from inferplan.planner.performance.measurements import Run, source_of, usable_runs

FILE = Path(__file__).parents[2] / "datasets" / "facts" / "calibration.json"
RUN_FOLDS = 5
NEW = ("model", "gpu", "source")
"""What is left out for the intervals of deployments that nobody measured."""


def main() -> None:
    """Print the tables; write the file when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--folds", type=int, default=None)
    options = parser.parse_args()
    runs, dropped = usable_runs(benchmarks())
    data = table(runs)
    for reason, figures in dropped.most_common():
        print(f"dropped {figures:6,} figures: {reason}")
    groups = {
        "model": [run.benchmark.model or "" for run in runs],
        "gpu": [run.benchmark.gpu for run in runs],
        "source": [source_of(run.benchmark) for run in runs],
        "run": [run.benchmark.run for run in runs],
    }
    coefficients = fitted(data.measured, data.features)
    shares = prefill_shares(data.asked, coefficients)
    folds = {name: RUN_FOLDS if name == "run" else options.folds for name in groups}
    errors = {name: left_out(data, labels, folds[name]) for name, labels in groups.items()}
    new = np.concatenate([errors[name] for name in NEW])
    new_shares = np.tile(shares, len(NEW))
    lines: list[SplitErrors] = []
    for name, labels in groups.items():
        fold = folds_of(labels, folds[name])
        others = (
            (errors["run"], shares, fold) if name == "run" else (new, new_shares, np.tile(fold, len(NEW)))
        )
        lines += _lines(name, runs, errors[name], held(errors[name], shares, fold, others))
    if options.write:
        widths = {"known": spreads(errors["run"], shares), "new": spreads(new, new_shares)}
        _write(
            Calibration(
                fitted_on=date.today(),
                measurements=int(np.isfinite(data.measured.targets).sum()),
                runs=len(runs),
                dropped=dict(dropped),
                constants=_constants(data, coefficients),
                spreads=widths,
                errors=tuple(lines),
                evidence=_evidence(runs),
            )
        )


def _lines(name: str, runs: Sequence[Run], errors: Matrix, inside: Matrix) -> Iterable[SplitErrors]:
    saturated = np.array([run.saturated for run in runs])
    columns = [(metric, place, np.ones_like(saturated)) for place, metric in enumerate(METRICS)]
    for metric, place, rows in [*columns, ("saturated_throughput", METRICS.index("throughput"), saturated)]:
        known = rows & np.isfinite(errors[:, place])
        size = np.abs(np.expm1(errors[known, place]))
        line = SplitErrors(
            metric=metric, left_out=name, rows=len(size), median=round(float(np.median(size)), 4),
            p90=round(float(np.quantile(size, 0.9)), 4),
            coverage=round(float(inside[known, place].mean()), 4),
        )  # fmt: skip
        print(
            f"{name:>7} left out, {metric:>20}: {line.rows:5,} rows, median error {line.median:6.1%},"
            f" P90 {line.p90:6.1%}, 80 % interval holds {line.coverage:5.1%}"
        )
        yield line


def _constants(data: Table, coefficients: Matrix) -> dict[str, dict[str, float]]:
    return {
        name: {
            feature: round(float(value), 4)
            for feature, value in zip(data.features, row, strict=True)
            if abs(value) >= 5e-5
        }
        for name, row in zip(NAMES, coefficients, strict=True)
    }


def _evidence(runs: Sequence[Run]) -> dict[str, int]:
    counts = Counter("|".join((r.deployment.engine, r.benchmark.gpu, r.benchmark.model or "")) for r in runs)
    return dict(sorted(counts.items()))


def _write(record: Calibration) -> None:
    FILE.write_text(json.dumps(record.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    print(f"wrote {FILE.name}: {len(record.evidence)} kinds of deployment, {len(NAMES)} constants")


if __name__ == "__main__":
    main()
