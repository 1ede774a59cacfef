"""The README's first command: a new database comes with the sample fleet, an old one is left as it is."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from inferplan.datasets import samples
from inferplan.datasets.exports import list_imports
from inferplan.datasets.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    Start = Callable[[Path], AbstractContextManager[str]]


def test_only_the_first_start_brings_the_sample_fleet(tmp_path: Path, first_start: Start) -> None:
    database = tmp_path / "warehouse.duckdb"
    with first_start(database):
        pass
    with Warehouse.open(database) as warehouse:
        (found,) = list_imports(warehouse)
        assert found.is_sample
        samples.remove(warehouse)
    with first_start(database):
        pass
    with Warehouse.open(database) as warehouse:
        assert not list_imports(warehouse)


def test_a_second_dashboard_on_one_database_says_what_to_do(own_warehouse: Path, first_start: Start) -> None:
    with first_start(own_warehouse):
        second = subprocess.run(
            [sys.executable, "-m", "inferplan.dashboard"],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert second.returncode == 2
    assert second.stderr.startswith(f"Error: The warehouse {own_warehouse} is open in process ")
    assert "INFERPLAN_DB" in second.stderr
