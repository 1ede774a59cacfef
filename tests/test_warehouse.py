"""The warehouse keeps what was committed, belongs to one process and explains what is wrong with a file."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from inferplan.datasets.warehouse import Warehouse, migrations
from inferplan.datasets.warehouse_errors import (
    WarehouseError,
    WarehouseHeldError,
)

CREATE = "CREATE TABLE counter (key INTEGER PRIMARY KEY, value BIGINT)"


def run_until_killed(script: str, path: Path) -> None:
    """Run ``script`` in a process of its own, which says when to kill -9 it."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        process.kill()
        assert process.wait() == -signal.SIGKILL


def test_kill_in_a_transaction_loses_only_that_transaction(tmp_path: Path) -> None:
    path = tmp_path / "killed.duckdb"
    run_until_killed(
        """
        import sys, time
        from inferplan.datasets.warehouse import Warehouse
        warehouse = Warehouse.open(sys.argv[1])
        warehouse.execute("CREATE TABLE kept AS SELECT range AS n FROM range(200000)")
        with warehouse.transaction() as cursor:
            cursor.execute("INSERT INTO kept SELECT range FROM range(300000)").fetchall()
            cursor.execute("CREATE TABLE half_made (n INTEGER)").fetchall()
            print("now", flush=True)
            time.sleep(60)
        """,
        path,
    )
    with Warehouse.open(path) as warehouse:
        assert warehouse.rows("SELECT count(*), sum(n) FROM kept") == [(200000, 19999900000)]
        assert warehouse.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'half_made'") == []


def test_kill_after_each_commit_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "killed.duckdb"
    for round_number in range(1, 4):
        run_until_killed(
            """
            import sys, time
            from inferplan.datasets.warehouse import Warehouse
            warehouse = Warehouse.open(sys.argv[1])
            warehouse.execute("CREATE TABLE IF NOT EXISTS commits (n INTEGER)")
            for n in range(10):
                warehouse.execute("INSERT INTO commits VALUES (?)", [n])
            print("now", flush=True)
            time.sleep(60)
            """,
            path,
        )
        with Warehouse.open(path) as warehouse:
            assert warehouse.rows("SELECT count(*) FROM commits") == [(10 * round_number,)]


def test_a_process_that_ends_while_a_thread_asks_ends_in_peace(tmp_path: Path) -> None:
    script = """
        import sys, threading, time
        from inferplan.datasets.warehouse import Warehouse
        from inferplan.datasets.warehouse_errors import WarehouseError
        warehouse = Warehouse.open(sys.argv[1])
        begun = threading.Event()
        def ask():
            try:
                with warehouse.transaction() as cursor:
                    cursor.execute("CREATE TABLE half_made (n INTEGER)").fetchall()
                    begun.set()
                    cursor.execute("SELECT count(*) FROM range(10000000000000) WHERE hash(range) = 3")
            except WarehouseError:
                pass
        threading.Thread(target=ask, daemon=True).start()
        begun.wait()
        """
    path = tmp_path / "ended.duckdb"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert not path.with_name("ended.duckdb.wal").exists()
    with Warehouse.open(path) as warehouse:
        assert warehouse.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'half_made'") == []


def test_kill_during_the_first_migrations_leaves_a_file_that_opens(tmp_path: Path) -> None:
    path = tmp_path / "killed.duckdb"
    run_until_killed(
        """
        import sys, time
        from inferplan.datasets import warehouse as module
        first, *rest = module.migrations()
        def wait():
            print("now", flush=True)
            time.sleep(60)
        class Pausing:
            version, name = 2, "pausing"
            @property
            def sql(self):
                wait()
        module.migrations = lambda: (first, Pausing())
        module.Warehouse.open(sys.argv[1])
        """,
        path,
    )
    with Warehouse.open(path) as warehouse:
        applied = warehouse.rows("SELECT version FROM schema_migrations ORDER BY version")
        assert applied == [(migration.version,) for migration in migrations()]


def test_a_second_process_is_refused_with_the_holder_s_number(tmp_path: Path) -> None:
    path = tmp_path / "held.duckdb"
    script = "import sys; from inferplan.datasets.warehouse import Warehouse; Warehouse.open(sys.argv[1])"
    with Warehouse.open(path):
        second = subprocess.run(
            [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
        )
    assert second.returncode == 1
    last_line = second.stderr.strip().splitlines()[-1]
    assert "WarehouseHeldError" in last_line
    assert f"process {os.getpid()}" in last_line
    assert "INFERPLAN_DB" in last_line


def test_the_message_tells_the_holder_as_data(tmp_path: Path) -> None:
    path = tmp_path / "held.duckdb"
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time, duckdb; c = duckdb.connect(sys.argv[1]);"
            "print('open', flush=True); time.sleep(60)",
            str(path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(WarehouseHeldError) as caught:
            Warehouse.open(path)
        assert caught.value.pid == holder.pid
        holder.kill()
    with Warehouse.open(path) as warehouse:
        assert warehouse.rows("SELECT 42") == [(42,)]


def test_threads_never_get_each_other_s_rows(tmp_path: Path) -> None:
    with Warehouse.open(tmp_path / "shared.duckdb") as warehouse:

        def ask(thread: int) -> int:
            wrong = 0
            for number in range(60):
                expected = thread * 1000 + number
                wrong += warehouse.rows("SELECT ?::BIGINT FROM range(3)", [expected]) != [(expected,)] * 3
                wrong += warehouse.query("SELECT ?::BIGINT AS n", [expected])["n"].tolist() != [expected]
            return wrong

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(8))) == [0] * 8


def test_writers_of_one_row_all_get_through() -> None:
    with Warehouse.open(":memory:") as warehouse:
        warehouse.execute(CREATE)
        warehouse.execute("INSERT INTO counter VALUES (1, 0)")

        def add(_: int) -> None:
            for _ in range(25):
                warehouse.execute("UPDATE counter SET value = value + 1 WHERE key = 1")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(add, range(8)))
        assert warehouse.rows("SELECT value FROM counter") == [(200,)]


def test_sessions_share_one_warehouse_per_file(tmp_path: Path) -> None:
    path = tmp_path / "shared.duckdb"
    together = threading.Barrier(8)

    def open_at_once(_: int) -> Warehouse:
        together.wait()
        return Warehouse.open(path)

    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(open_at_once, range(8)))
    assert all(warehouse is opened[0] for warehouse in opened)
    assert Warehouse.open(tmp_path / "." / "x" / ".." / "shared.duckdb") is opened[0]
    for warehouse in opened:
        warehouse.close()
    assert opened[0].rows("SELECT 1") == [(1,)], "one user is left"
    opened[0].close()
    with pytest.raises(WarehouseError, match="was closed"):
        opened[0].rows("SELECT 1")


def test_a_failed_transaction_leaves_nothing() -> None:
    with Warehouse.open(":memory:") as warehouse:
        warehouse.execute(CREATE)
        with pytest.raises(KeyError), warehouse.transaction() as cursor:
            {}[cursor.execute("INSERT INTO counter VALUES (1, 1)").fetchall()[0]]
        with pytest.raises(duckdb.ConstraintException), warehouse.transaction() as cursor:
            cursor.execute("INSERT INTO counter VALUES (1, 1), (1, 2)").fetchall()
        assert warehouse.rows("SELECT * FROM counter") == []


def test_frames_are_appended_by_column_name() -> None:
    with Warehouse.open(":memory:") as warehouse:
        warehouse.execute("CREATE TABLE t (a INTEGER, b TEXT DEFAULT 'x', c DOUBLE)")
        warehouse.append("t", pd.DataFrame({"c": [0.5, 1.5], "a": [1, 2]}))
        assert warehouse.rows("SELECT * FROM t ORDER BY a") == [(1, "x", 0.5), (2, "x", 1.5)]
