"""What commands do while another process, a dashboard perhaps, has the warehouse."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sample_uploads import HEADER, ROW, write

from inferplan.dashboard.__main__ import cli
from inferplan.dashboard.command_line import warehouse_at_hand
from inferplan.datasets.exports import list_imports
from inferplan.datasets.warehouse import Warehouse
from inferplan.datasets.warehouse_errors import WarehouseHeldError

LOAD = ("--model", "Qwen/Qwen3-32B", "--input-tokens", "2000", "--output-tokens", "300")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


@contextmanager
def held_for(seconds: float) -> Iterator[int]:
    """Let a process of its own have the warehouse; yield its number."""
    script = """
        import sys, time
        from inferplan.datasets.warehouse import Warehouse
        with Warehouse.open():
            print("open", flush=True)
            time.sleep(float(sys.argv[1]))
        """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(seconds)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        yield holder.pid
        holder.kill()


def test_what_can_answer_does_and_says_what_it_goes_without(tmp_path: Path) -> None:
    export = write(tmp_path, "a.csv", HEADER + ROW)
    with held_for(60) as pid:
        for command, without in (
            (("prices", "list", "--gpu", "L4"), "imported prices"),
            (("compare", *LOAD, "--gpu", "H200 SXM"), "imported prices and own measurements"),
            (("estimate", *LOAD, "--gpu", "H200 SXM", "--concurrency", "8"), "own measurements"),
            (("import", "--dry-run", str(export)), "what was said of columns"),
        ):
            done = run(*command)
            assert done.exit_code == 0, command
            assert done.stderr.startswith(f"Note: without {without}. The warehouse "), command
            assert f"process {pid}" in done.stderr
            assert done.stdout


def test_without_a_home_what_can_answer_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERPLAN_DB", "~nobody-of-that-name/w.duckdb")
    for command in (
        ("estimate", *LOAD, "--gpu", "H200 SXM", "--concurrency", "8"),
        ("prices", "list", "--gpu", "L4"),
    ):
        done = run(*command)
        assert done.exit_code == 0, command
        assert "cannot be reached" in done.stderr
        assert done.stdout


def test_what_needs_the_data_names_the_process_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse_at_hand, "PATIENCE_S", 0.0)
    export = write(tmp_path, "a.csv", HEADER + ROW)
    with held_for(60) as pid:
        for command in (("rightsize",), ("plans", "list"), ("import", str(export), str(export))):
            with pytest.raises(WarehouseHeldError, match=f"process {pid}") as caught:
                run(*command)
            assert "INFERPLAN_DB" in str(caught.value)


def test_an_import_waits_for_one_that_runs(tmp_path: Path) -> None:
    export = write(tmp_path, "a.csv", HEADER + ROW)
    with held_for(1) as pid:
        done = run("import", str(export))
    assert done.exit_code == 0
    assert done.stderr == f"Waiting up to 10 s for the warehouse: process {pid} has it.\n"
    with Warehouse.open() as warehouse:
        assert [one.file_name for one in list_imports(warehouse)] == ["a.csv"]
