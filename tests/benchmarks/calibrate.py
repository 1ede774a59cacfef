"""Fit the performance model to the published runs, leave things out whole, and say how well it does.

python tests/benchmarks/calibrate.py            print the errors with models, GPUs and sources left out
python tests/benchmarks/calibrate.py --write    fit and rewrite datasets/facts/calibration.json too
python tests/benchmarks/calibrate.py --folds 6  leave six sets of them out: quicker, a bit worse

Set OPENBLAS_NUM_THREADS=1: the matrices are small, and threads cost more than they bring.
"""

import argparse
import json
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np

from inferplan.datasets.benchmarks import Calibration, SplitErrors, benchmarks
from inferplan.planner.performance.calibrating import METRICS, coverage, fitted, left_out, spreads, table
from inferplan.planner.performance.constants import NAMES
from inferplan.planner.performance.fitting import prefill_shares
from inferplan.planner.performance.measurements import usable_runs

FILE = Path(__file__).parents[2] / "datasets" / "facts" / "calibration.json"
RUN_FOLDS = 5


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
        "source": [run.benchmark.run.rsplit("-", 1)[0] for run in runs],
        "run": [run.benchmark.run for run in runs],
    }
    coefficients = fitted(data.measured, data.features)
    shares = prefill_shares(data.measured, coefficients)
    errors = {
        name: left_out(data, labels, RUN_FOLDS if name == "run" else options.folds)
        for name, labels in groups.items()
    }
    widths = {
        "known": spreads(errors["run"], shares),
        "new": spreads(np.concatenate([errors["model"], errors["gpu"]]), np.tile(shares, 2)),
    }
    lines = []
    for name, found in errors.items():
        near = widths["known" if name == "run" else "new"]
        for place, metric in enumerate(METRICS):
            one = found[:, place]
            size = np.abs(np.expm1(one[np.isfinite(one)]))
            lines.append(
                SplitErrors(
                    metric=metric, left_out=name, rows=len(size), median=round(float(np.median(size)), 4),
                    p90=round(float(np.quantile(size, 0.9)), 4),
                    coverage=round(coverage(one, shares, near[metric]), 4),
                )
            )  # fmt: skip
            print(
                f"{name:>7} left out, {metric:>10}: {len(size):5,} rows, median error"
                f" {lines[-1].median:6.1%},"
                f" P90 {lines[-1].p90:6.1%}, 80 % interval holds {lines[-1].coverage:5.1%}"
            )
    if not options.write:
        return
    evidence = Counter(
        "|".join((r.deployment.engine, r.benchmark.gpu, r.benchmark.model or "")) for r in runs
    )
    record = Calibration(
        fitted_on=date.today(),
        measurements=int(np.isfinite(data.measured.targets).sum()),
        runs=len(runs),
        dropped=dict(dropped),
        constants={
            name: {
                feature: round(float(value), 4)
                for feature, value in zip(data.features, row, strict=True)
                if abs(value) >= 5e-5
            }
            for name, row in zip(NAMES, coefficients, strict=True)
        },
        spreads=widths,
        errors=tuple(lines),
        evidence=dict(sorted(evidence.items())),
    )
    FILE.write_text(json.dumps(record.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    print(f"wrote {FILE.name}: {len(data.features)} features, {len(NAMES)} constants")


if __name__ == "__main__":
    main()
