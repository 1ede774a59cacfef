"""Our memory beside what engines printed: ``python tests/benchmarks/memory_logs.py [--write]``.

Reads ``tests/data/memory_logs.csv`` (one start-up log a row, with its source) and prints, row by row, what
the engine printed, what ``fit`` says, and the error quantiles at the end. ``--write`` puts the table into
docs/memory.md.
"""

import csv
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from inferplan.datasets import catalog
from inferplan.datasets.schema import GIB
from inferplan.planner.architecture import Architecture, SoftmaxAttention, parse
from inferplan.planner.deployment import Deployment
from inferplan.planner.memory import Fit, MemoryOptions, fit, held_by

DOCS = Path(__file__).parents[2] / "docs" / "memory.md"
BEGIN = "<!-- written by: python tests/benchmarks/memory_logs.py --write -->"
END = "<!-- end of what is written -->"
DATA = Path(__file__).parents[1] / "data"
UNKNOWN_GPU = (
    "H100 SXM"  # stands in where a log names no GPU: weights and bytes per token do not depend on it
)


@dataclass(frozen=True)
class Row:
    """One log and our answer to the same deployment."""

    log: Mapping[str, str]
    deployment: Deployment
    fit: Fit

    @property
    def id(self) -> str:
        return self.log["id"]

    def logged(self, column: str) -> float | None:
        return float(self.log[column]) if self.log[column] else None

    @property
    def weak(self) -> bool:
        return self.log["weak"] == "weak"

    @property
    def hybrid(self) -> bool:
        """Windows or states beside full attention: no single figure of bytes per token."""
        found = self.fit
        mixers = [mixer for layer in self.deployment.architecture.layers for mixer in layer.mixers]
        windows = {mixer.window_tokens for mixer in mixers if isinstance(mixer, SoftmaxAttention)}
        return bool(found.kv_window_bytes_per_sequence_per_gpu or found.state_bytes_per_sequence_per_gpu) or (
            len(windows) > 1
        )

    @property
    def weights_error(self) -> float | None:
        logged = self.logged("weights_gib")
        if logged is None or not self.log["tp"]:
            return None
        return self.fit.memory.weights_bytes / GIB / logged - 1

    @property
    def token_error(self) -> float | None:
        """Our bytes per token against the log's, for models that have one such figure."""
        pool, tokens = self.logged("kv_gib"), self.logged("kv_tokens")
        if self.hybrid or not pool or not tokens:
            return None
        return self.fit.kv_bytes_per_token_per_gpu / (pool * GIB / tokens) - 1

    @property
    def pool_error(self) -> float | None:
        logged = self.logged("kv_gib")
        known = all(self.log[column] for column in ("gpu_named", "memory_share", "weights_gib", "tp"))
        if logged is None or not known:
            return None
        return self.fit.memory.kv_pool_bytes / GIB / logged - 1

    @property
    def concurrency_in_pool(self) -> float | None:
        """Sequences that we say the log's own pool holds."""
        pool, printed = self.logged("kv_gib"), self.logged("concurrency")
        if not pool or not printed or not self.log["max_model_len"]:
            return None
        return held_by(self.deployment, round(pool * GIB)).concurrency


@cache
def rows() -> tuple[Row, ...]:
    """Return every log whose model is known, with our answer."""
    shapes = json.loads((DATA / "memory_log_models.json").read_text(encoding="utf-8"))
    with (DATA / "memory_logs.csv").open(encoding="utf-8", newline="") as file:
        logs = [log for log in csv.DictReader(file) if log["model"]]
    found = []
    for log in logs:
        deployment = _deployment(log, _architecture(log["model"], shapes))
        found.append(Row(log, deployment, fit(deployment)))
    return tuple(found)


def quantile(errors: list[float], share: float) -> float:
    """Return the absolute error that ``share`` of the rows stay within (nearest rank)."""
    ordered = sorted(abs(error) for error in errors)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _architecture(model: str, shapes: Mapping[str, Mapping[str, object]]) -> Architecture:
    config = shapes[model]["config"] if model in shapes else catalog.model_config(model)
    return parse(config, name=model)


def _deployment(log: Mapping[str, str], architecture: Architecture) -> Deployment:
    gpu = catalog.gpu(log["gpu"] or UNKNOWN_GPU)
    if log["gpu_memory_gib"]:
        total = round(float(log["gpu_memory_gib"]) * GIB)
        gpu = gpu.model_copy(
            update={"memory_total_bytes": total, "memory_total_basis": "given with the case"}
        )
    return Deployment(
        architecture=architecture,
        gpu=gpu,
        engine=log["engine"],
        engine_version=log["engine_version"] or None,
        tp=int(log["tp"] or 1),
        pp=int(log["pp"] or 1),
        weights_dtype=log["weights_dtype"] or None,
        kv_dtype=log["kv_dtype"] or "auto",
        gpu_memory_utilization=float(log["memory_share"]) if log["memory_share"] else None,
        max_model_len=int(log["max_model_len"]) if log["max_model_len"] else None,
        max_num_batched_tokens=int(log["batch_tokens"]) if log["batch_tokens"] else None,
        max_num_seqs=int(log["sequences"]) if log["sequences"] else None,
        enforce_eager=log["eager"] == "true",
        options=_options(log),
    )


def _options(log: Mapping[str, str]) -> MemoryOptions:
    drafts = int(log["draft_tokens"] or 0)
    return MemoryOptions(
        prefix_caching=log["prefix_caching"] == "true" or None,
        hybrid_manager=False if log["hybrid_manager"] == "false" else None,
        decode_context_parallel=int(log["decode_context_parallel"] or 1),
        nodes=int(log["nodes"] or 1),
        vision=log["vision"] != "false",
        draft_tokens=drafts,
        mtp=drafts > 0,
    )


def _percent(error: float | None) -> str:
    return "" if error is None else f"{error:+.1%}"


def _gib(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def table() -> list[list[str]]:
    """Return the header and a line per log."""
    lines = [["log", "engine", "model", "weights", "ours", "error", "pool", "ours", "error", "B/token",
              "error", "sequences", "ours", "marked"]]  # fmt: skip
    for row in rows():
        memory = row.fit.memory
        pool = row.pool_error
        token = row.token_error
        printed = row.concurrency_in_pool
        lines.append(
            [
                row.id,
                f"{row.log['engine']} {row.log['engine_version']}".strip(),
                row.log["logged_model"].rsplit("/", 1)[-1]
                + (f" TP{row.log['tp']}" if row.log["tp"] != "1" else ""),
                row.log["weights_gib"],
                _gib(memory.weights_bytes / GIB) if row.log["weights_gib"] else "",
                _percent(row.weights_error),
                row.log["kv_gib"],
                "" if pool is None else _gib(memory.kv_pool_bytes / GIB),
                _percent(pool),
                "" if token is None else f"{row.fit.kv_bytes_per_token_per_gpu:,}",
                "" if token is None else f"{token:+.2%}",
                row.log["concurrency"] if printed is not None else "",
                _gib(printed),
                row.log["weak"],
            ]
        )
    return lines


def summary() -> list[str]:
    """Return the error quantiles over the rows that are not marked weak; of pools over all rows, too."""
    known = [row for row in rows() if not row.weak]
    kinds = (
        ("weights", [row.weights_error for row in known]),
        ("KV bytes per token", [row.token_error for row in known]),
        ("KV pool", [row.pool_error for row in known]),
        ("KV pool, weak rows too", [row.pool_error for row in rows()]),
    )
    words = []
    for name, errors in kinds:
        found = [error for error in errors if error is not None]
        median, ninety = quantile(found, 0.5), quantile(found, 0.9)
        worst = quantile(found, 1)
        words.append(f"{name}: {len(found)} logs, median {median:.2%}, P90 {ninety:.2%}, worst {worst:.1%}")
    return words


def main() -> None:
    """Print the table and the quantiles; with ``--write`` put them into the documentation."""
    lines = table()
    if "--write" in sys.argv:
        write(lines)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
    sys.stdout.writelines(f"\n{words}" for words in summary())
    sys.stdout.write("\n")


def write(lines: list[list[str]]) -> None:
    """Replace the table and the quantiles in docs/memory.md."""
    text = DOCS.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    shown = [line for line in lines if any(line[3:-1])]
    rows = [shown[0], ["---"] * len(shown[0]), *shown[1:]]
    found = "".join("| " + " | ".join(row) + " |\n" for row in rows)
    quantiles = "".join(f"- {words}\n" for words in summary())
    DOCS.write_text(f"{before}{BEGIN}\n{quantiles}\n{found}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
