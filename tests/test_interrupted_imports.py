"""An import that is killed, or finds the disk full, lands whole or not at all."""

import signal
import subprocess
import sys
import textwrap
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sample_uploads import HEADER, ROW, write
from streamlit.testing.v1 import AppTest

from inferplan.dashboard.navigation import page_path
from inferplan.datasets.exports import import_file, list_imports
from inferplan.datasets.warehouse import Warehouse

MINUTES = 4000
PATIENCE_S = 60  # a hang fails; how fast it is, is not measured here
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def long(tmp_path: Path) -> Path:
    return write(tmp_path, "long.csv", HEADER + "".join(lines(MINUTES)))


def lines(count: int) -> list[str]:
    """Return a minute per line, of values that do not compress."""
    start = datetime(2024, 5, 1)
    return [f"{start + timedelta(minutes=at)}Z,n1,0,{at * 7919 % 10_007 / 10_007}\n" for at in range(count)]


def landed(path: Path) -> tuple[int, int]:
    with Warehouse.open(path) as warehouse:
        samples = warehouse.rows("SELECT count(*), count(DISTINCT series_id) FROM usage_samples")[0]
        return samples[0], samples[1]


def run(script: str, *arguments: Path) -> Done:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip


def test_killed_before_its_end_nothing_of_it_is_there_and_it_imports_again(
    own_warehouse: Path, long: Path, tmp_path: Path
) -> None:
    with Warehouse.open() as warehouse:
        import_file(warehouse, write(tmp_path, "kept.csv", HEADER + ROW))
    killed = run(
        """
        import os, signal, sys
        from inferplan.datasets.exports import Progress, import_file
        from inferplan.datasets.warehouse import Warehouse

        class Killed(Progress):
            def at(self, stage, share=None):
                if stage == "Writing":  # all is written, and not yet committed
                    os.kill(os.getpid(), signal.SIGKILL)

        import_file(Warehouse.open(), sys.argv[1], progress=Killed())
        """,
        long,
    )
    assert (killed.returncode, killed.stderr) == (-signal.SIGKILL, "")
    assert landed(own_warehouse) == (1, 1)
    with Warehouse.open() as warehouse:
        done = import_file(warehouse, long)
        assert (done.already_imported, done.parsed.values_kept) == (False, MINUTES)
        assert len(list_imports(warehouse)) == 2
    assert landed(own_warehouse) == (MINUTES + 1, 2)
    assert not AppTest.from_file(str(page_path("spend")), default_timeout=PATIENCE_S).run().exception


def test_a_full_disk_is_told_and_the_warehouse_goes_on(
    own_warehouse: Path, long: Path, tmp_path: Path
) -> None:
    done = run(
        """
        import resource, sys
        from inferplan.datasets.exports import import_file, inspect
        from inferplan.datasets.warehouse import Warehouse
        from inferplan.datasets.warehouse_errors import LackError

        warehouse = Warehouse.open()
        for room_bytes, work in (
            (2 << 20, lambda: warehouse.execute("CREATE TABLE t AS SELECT hash(range) FROM range(400000)")),
            (2 << 20, lambda: warehouse.execute("CHECKPOINT")),
            (1000, lambda: import_file(warehouse, sys.argv[1])),  # no room for its copy in UTF-8
        ):
            resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, resource.RLIM_INFINITY))
            try:
                work()
            except LackError as error:
                print(error)
        print(warehouse.rows("SELECT count(*) FROM imports"))
        """,
        write(tmp_path, "wide.csv", long.read_text().encode("utf-16")),
    )
    assert done.stderr == ""
    first, *_, last, imports = done.stdout.splitlines()
    assert "There is no room left on the disk" in first
    assert "There is no room left on the disk ([Errno 27] File too large)" in last
    assert imports == "[(0,)]"
    with Warehouse.open() as warehouse:
        assert import_file(warehouse, long).parsed.values_kept == MINUTES
