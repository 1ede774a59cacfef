"""What every test shares: a warehouse of its own, never the user's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from inferplan.datasets.warehouse import MEMORY, Warehouse


@pytest.fixture(autouse=True)
def own_warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point ``INFERPLAN_DB`` at a fresh file; the test's processes inherit it."""
    path = tmp_path / "warehouse.duckdb"
    monkeypatch.setenv("INFERPLAN_DB", str(path))
    return path


@pytest.fixture
def warehouse() -> Iterator[Warehouse]:
    """Yield an empty warehouse in memory."""
    with Warehouse.open(MEMORY) as opened:
        yield opened
