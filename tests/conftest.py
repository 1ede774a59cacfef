"""What every test shares: a warehouse of its own, never the user's."""

import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # on small matrices threads wait for each other

import pytest
from streamlit.components.v2 import manifest_scanner

from inferplan.datasets import samples
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.pricing.offers import current_offers


@pytest.fixture(scope="session", autouse=True)
def packages_are_scanned_once() -> Iterator[None]:
    """Spare each opened page Streamlit's search of all installed packages: half of such a test's time."""
    with pytest.MonkeyPatch.context() as patch:
        scan = cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


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


@pytest.fixture(scope="session")
def sample_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a closed warehouse with the sample fleet and the prices that come along, to be copied."""
    path = tmp_path_factory.mktemp("sample") / "warehouse.duckdb"
    with Warehouse.open(path) as opened:
        samples.load(opened)
        current_offers(opened)
    return path


@pytest.fixture
def sample_fleet(own_warehouse: Path, sample_file: Path) -> Path:
    """Put the sample fleet into the test's own warehouse and return its path."""
    return Path(shutil.copyfile(sample_file, own_warehouse))
