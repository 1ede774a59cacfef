"""The reduction on Spark, Spark Connect and PostgreSQL gives DuckDB's bits, and feeds the rules."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from inferplan.dashboard.__main__ import cli

START = pd.Timestamp("2026-10-05")
DESCRIPTION = """
path = "{path}"
measured_at = "ts"
step_s = 600
irregular = {irregular}
idle_hours = true
[labels]
gpu_uuid = "uuid"
gpu_name = "gpu"
host = "node"
namespace = "ns"
pod = "pod"
[[metrics]]
metric = "sm_active_ratio"
column = "sm"
[[metrics]]
metric = "DCGM_FI_DEV_FB_USED"
column = "fb"
[[metrics]]
metric = "power_w"
column = "power"
"""


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty GPUs for two weeks: gaps, NaN, infinities, negative zeros, sentinels, a missing label."""
    rng = np.random.default_rng(11)
    rows = 40 * 2000
    frame = pd.DataFrame(
        {
            "ts": START + pd.to_timedelta(rng.integers(0, 14 * 86_400_000, rows), unit="ms"),
            "uuid": [f"GPU-{number % 40}" for number in range(rows)],
            "gpu": "NVIDIA H100 80GB HBM3",
            "node": [f"n'{number % 40 // 8}" for number in range(rows)],
            "ns": [None if number % 40 == 7 else "chat" for number in range(rows)],
            "pod": [f"llm-{number % 40}" for number in range(rows)],
            "sm": rng.random(rows) ** 3,
            "fb": rng.integers(0, 81_559, rows).astype(float),
            "power": rng.normal(400, 90, rows),
        }
    )
    for place, value in enumerate((np.nan, np.inf, -np.inf, -0.0, 1e300, 2.0**63, -1.0, 1.05, 1.0500001)):
        frame.loc[place * 40 : place * 40 + 3, ["sm", "fb", "power"]] = value
    path = tmp_path_factory.mktemp("fleet") / "samples.parquet"
    frame["ts"] = frame["ts"].astype("datetime64[us]")
    frame.to_parquet(path)
    return path


def described(path: Path | None, folder: Path, *, irregular: bool) -> Path:
    text = DESCRIPTION.format(path=path, irregular=str(irregular).lower())
    file = folder / "fleet.toml"
    file.write_text(
        text if path else text.replace('path = "None"', 'table = "gpu_samples"'), encoding="utf-8"
    )
    return file


def digest(histogram: Path) -> tuple[int, str]:
    """Return the rows and a digest of their bits, whatever their order."""
    frame = pd.read_parquet(histogram)
    hours = frame["metric"] == "idle_hours"
    assert frame.loc[~hours, "samples"].sum() == 3 * 80_000
    assert set(frame.loc[hours, "bucket"]) == set(range(168))
    assert 0 < frame.loc[hours, "seconds"].sum() < 3600 * frame.loc[hours, "samples"].sum()
    lines = sorted(
        "|".join(value.hex() if isinstance(value, float) and value == value else str(value) for value in row)
        for row in frame.astype(object).where(frame.notna(), None).itertuples(index=False)
    )
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.fixture(params=[False, True], ids=["regular", "irregular"])
def irregular(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def expected(samples: Path, tmp_path: Path, irregular: bool) -> tuple[int, str]:
    """What DuckDB gives."""
    run = CliRunner().invoke(
        cli,
        [
            "reduce",
            str(described(samples, tmp_path, irregular=irregular)),
            "--output",
            str(tmp_path / "d.parquet"),
        ],
    )
    assert run.exit_code == 0, run.output
    return digest(tmp_path / "d.parquet")


def load(samples: Path, postgres: str) -> None:
    """Put the samples into a table of the database."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(postgres)
    pd.read_parquet(samples).to_sql("gpu_samples", engine, if_exists="replace", index=False, chunksize=20_000)
    engine.dispose()


def test_postgresql_gives_the_same_bits(
    postgres: str, samples: Path, tmp_path: Path, irregular: bool, expected: tuple[int, str]
) -> None:
    load(samples, postgres)
    target = tmp_path / "p.parquet"
    description = described(None, tmp_path, irregular=irregular)
    run = CliRunner().invoke(
        cli, ["reduce", str(description), "--database", postgres, "--output", str(target)]
    )
    assert run.exit_code == 0, run.output
    assert digest(target) == expected


def on_spark(description: Path, master: str, target: Path) -> None:
    """Run the command in a process of its own, as one process holds one kind of session."""
    command = [
        "-m",
        "inferplan.dashboard",
        "reduce",
        str(description),
        "--spark",
        master,
        "--output",
        str(target),
    ]
    run = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr


def test_spark_gives_the_same_bits(
    spark: Path, samples: Path, tmp_path: Path, irregular: bool, expected: tuple[int, str]
) -> None:
    on_spark(described(samples, tmp_path, irregular=irregular), "local[2]", tmp_path / "s.parquet")
    assert digest(tmp_path / "s.parquet") == expected


def test_spark_connect_gives_the_same_bits(
    spark_connect: str, samples: Path, tmp_path: Path, irregular: bool, expected: tuple[int, str]
) -> None:
    on_spark(described(samples, tmp_path, irregular=irregular), spark_connect, tmp_path / "c.parquet")
    assert digest(tmp_path / "c.parquet") == expected


def test_spark_reads_a_folder_of_csv_and_writes_a_folder(spark: Path, samples: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(samples)
    (tmp_path / "lake.csv").mkdir()
    for part in range(3):
        frame[part::3].to_csv(tmp_path / "lake.csv" / f"{part}.csv", index=False)
    description = described(tmp_path / "lake.csv", tmp_path, irregular=False)
    on_spark(description, "local[2]", tmp_path / "folder")
    parts = sorted((tmp_path / "folder").glob("*.parquet"))
    written = pd.concat([pd.read_parquet(part) for part in parts])
    assert written.loc[written["metric"] != "idle_hours", "samples"].sum() == 3 * len(frame)


def test_a_histogram_from_postgresql_feeds_the_rules(
    postgres: str, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERPLAN_DB", str(tmp_path / "w.duckdb"))
    load(samples, postgres)
    description = described(None, tmp_path, irregular=False)
    for arguments in (
        ["reduce", str(description), "--database", postgres],
        ["rightsize", "--json"],
    ):
        run = CliRunner().invoke(cli, arguments)
        assert run.exit_code == 0, run.output
    assert json.loads(run.output)


def test_what_an_engine_refuses_is_one_line_and_leaves_no_file(
    spark_connect: str, postgres: str, samples: Path, tmp_path: Path
) -> None:
    load(samples, postgres)
    there = described(samples, tmp_path, irregular=False)
    text = there.read_text(encoding="utf-8")
    wrong = {
        "column": text.replace('"power"', '"powr"'),
        "path": text.replace("samples.parquet", "none.parquet"),
    }
    wrong["table"] = text.replace(f'path = "{samples}"', 'table = "no_such_table"')
    for name, given in wrong.items():
        description = tmp_path / f"{name}.toml"
        description.write_text(given, encoding="utf-8")
        engines = [["--spark", spark_connect]] + [["--database", postgres]] * (name != "path")
        for engine in engines:
            target = tmp_path / f"{name}.parquet"
            command = [
                "-m",
                "inferplan.dashboard",
                "reduce",
                str(description),
                *engine,
                "--output",
                str(target),
            ]
            run = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300)
            assert run.returncode == 2
            said = run.stderr.strip().splitlines()[-1]
            assert said.startswith(("Error: Spark refused", "Error: The database refused")), run.stderr
            assert not list(tmp_path.glob("*.parquet*"))
