"""Files that cannot be a warehouse are explained and left alone; versions of schema and DuckDB."""

import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import duckdb
import pytest

from inferplan.datasets.warehouse import Warehouse, migrations
from inferplan.datasets.warehouse_errors import (
    DamagedWarehouseError,
    LackError,
    NewerWarehouseError,
    WarehouseError,
    diagnose,
)
from inferplan.datasets.warehouse_path import default_path


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "newer.duckdb"
    with Warehouse.open(path) as warehouse:
        warehouse.execute("INSERT INTO schema_migrations VALUES (999, 'tomorrow', TIMESTAMP '2030-01-01')")
    with pytest.raises(NewerWarehouseError, match=r"schema 999.*Upgrade Inferplan"):
        Warehouse.open(path)
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT max(version) FROM schema_migrations").fetchall() == [(999,)]


def damage(path: Path, how: str) -> None:
    with Warehouse.open(path) as warehouse:
        warehouse.execute("CREATE TABLE t AS SELECT range AS n FROM range(100000)")
    content = bytearray(path.read_bytes())
    if how == "text":
        content = bytearray(b"name,price\n" * 500)
    elif how == "empty":
        content = bytearray()
    elif how == "truncated":
        del content[8000:]
    elif how == "headers":
        content[4096:12288] = bytes(8192)
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["text", "empty", "truncated", "headers"])
def test_a_damaged_file_is_explained_and_never_touched(tmp_path: Path, how: str) -> None:
    path = tmp_path / "bad.duckdb"
    damage(path, how)
    before = path.read_bytes()
    with pytest.raises(DamagedWarehouseError) as caught:
        Warehouse.open(path)
    assert path.read_bytes() == before
    assert f"mv '{path}' '{path}.damaged'" in str(caught.value)
    shutil.move(path, f"{path}.damaged")
    with Warehouse.open(path) as warehouse:
        assert warehouse.rows("SELECT 1") == [(1,)], "the advice works"


def test_damage_found_while_reading_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "bad.duckdb"
    with Warehouse.open(path) as warehouse:
        warehouse.execute("CREATE TABLE t AS SELECT hash(range) AS n FROM range(500000)")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 100_000] = b"\xff" * 100_000
    path.write_bytes(content)
    with pytest.raises(DamagedWarehouseError, match="left untouched"), Warehouse.open(path) as warehouse:
        warehouse.rows("SELECT sum(n) FROM t")


def test_a_stopped_warehouse_is_told_apart_from_a_damaged_one(tmp_path: Path) -> None:
    said = "FATAL Error: Failed: database has been invalidated because of a previous fatal error."
    assert isinstance(diagnose(tmp_path / "w.duckdb", RuntimeError(said)), LackError)


def test_a_folder_is_refused_and_missing_folders_are_made(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="is a folder"):
        Warehouse.open(tmp_path)
    with Warehouse.open(tmp_path / "a" / "b" / "new.duckdb"):
        assert (tmp_path / "a" / "b" / "new.duckdb").is_file()
    (tmp_path / "file").write_text("x")
    with pytest.raises(WarehouseError, match="cannot be written"):
        Warehouse.open(tmp_path / "file" / "w.duckdb")


def test_a_file_whose_making_was_cut_short_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    script = """
        import resource, sys
        from inferplan.datasets.warehouse import Warehouse
        from inferplan.datasets.warehouse_errors import LackError
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
        try:
            Warehouse.open(sys.argv[1])
        except LackError as error:
            print(error)
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path)], capture_output=True, text=True, check=True
    )
    assert "no room left" in done.stdout
    assert 0 < path.stat().st_size < 12_288
    with Warehouse.open(path) as warehouse:
        assert warehouse.rows("SELECT count(*) FROM imports") == [(0,)]
    assert [left.name for left in tmp_path.iterdir()] == ["w.duckdb"]


def test_processes_that_make_one_file_at_once_never_harm_it(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    script = """
        import sys, time
        from inferplan.datasets.warehouse import Warehouse
        from inferplan.datasets.warehouse_errors import WarehouseHeldError
        time.sleep(max(0, float(sys.argv[2]) - time.time()))
        try:
            with Warehouse.open(sys.argv[1]) as warehouse:
                warehouse.execute("CREATE TABLE IF NOT EXISTS made (n INTEGER)")
                warehouse.execute("INSERT INTO made VALUES (1)")
                print("wrote")
        except WarehouseHeldError:
            print("held")
        """
    start = str(time.time() + 1)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(path), start],
            stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    said = [process.communicate(timeout=60)[0].strip() for process in running]
    assert set(said) <= {"wrote", "held"}
    with Warehouse.open(path) as warehouse:
        assert warehouse.rows("SELECT count(*) FROM made") == [(said.count("wrote"),)]


def test_what_killed_queries_spilled_is_removed(tmp_path: Path) -> None:
    spilled = tmp_path / "w.duckdb.tmp"
    spilled.mkdir()
    (spilled / "duckdb_temp_123_0_storage_DEFAULT-0.tmp").write_bytes(bytes(1000))
    Warehouse.open(tmp_path / "w.duckdb").close()
    assert not spilled.exists()


@pytest.mark.parametrize(
    ("name", "said"), [("n" * 300, "too long"), ("~nobody-of-that-name/w", "home"), ("ring", "loop")]
)
def test_a_path_that_leads_nowhere_is_explained(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "ring").symlink_to(tmp_path / "ring")
    with pytest.raises(WarehouseError, match=f"cannot be reached .*{said}"):
        Warehouse.open(name if name.startswith("~") else tmp_path / name)


@pytest.mark.parametrize("what", ["file", "folder", "only the folder"])
def test_a_file_without_write_permission_is_explained(tmp_path: Path, what: str) -> None:
    """Opens as an ordinary user, since permissions bind no administrator."""
    folder = tmp_path / "read_only"
    folder.mkdir()
    path = folder / "w.duckdb"
    if what != "folder":
        Warehouse.open(path).close()
        path.chmod(0o444 if what == "file" else 0o666)
    folder.chmod(0o555)
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if (mode := parent.stat().st_mode) & 0o111 != 0o111:
            parent.chmod(mode | 0o111)
    script = textwrap.dedent(
        """
        import os, sys
        from inferplan.datasets.warehouse import Warehouse
        Warehouse.open(":memory:").close()  # import everything first
        if os.getuid() == 0:
            os.setuid(65534)
        Warehouse.open(sys.argv[1]).execute("CREATE TABLE t (n INTEGER)")
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    folder.chmod(0o755)
    last_line = done.stderr.strip().splitlines()[-1]
    assert "WarehouseError" in last_line
    assert "write permission" in last_line


def test_the_path_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERPLAN_DB", str(tmp_path / "mine.duckdb"))
    with Warehouse.open() as warehouse:
        assert warehouse.path == tmp_path / "mine.duckdb"
    monkeypatch.setenv("INFERPLAN_DB", ":memory:")
    with Warehouse.open() as first, Warehouse.open() as second:
        assert first is not second
        assert first.path is None
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert default_path().name == "inferplan.duckdb"


def test_both_majors_of_duckdb_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    Warehouse.open(path).close()
    # Version 64 to 67 of the storage is what DuckDB 1.5 writes; 2.0 by itself writes a newer one.
    assert int.from_bytes(path.read_bytes()[12:20], "little") <= 68


def test_no_migration_is_skipped_and_a_failing_one_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inferplan.datasets import warehouse as module

    good = migrations()
    numbers = [migration.version for migration in good]
    assert numbers == list(range(1, len(good) + 1))
    broken = module.Migration(len(good) + 1, "broken", "CREATE TABLE made (n INT); SELECT nonsense;")
    monkeypatch.setattr(module, "migrations", lambda: (*good, broken))
    with pytest.raises(duckdb.Error, match="nonsense"):
        Warehouse.open(tmp_path / "w.duckdb")
    monkeypatch.undo()
    with Warehouse.open(tmp_path / "w.duckdb") as warehouse:
        assert warehouse.rows("SELECT max(version) FROM schema_migrations") == [(len(good),)]
        assert warehouse.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'made'") == []
