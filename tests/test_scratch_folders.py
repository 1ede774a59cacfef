"""Temporary files go with the process that made them, however it ended; nothing else ever does."""

import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from inferplan.datasets import scratch
from inferplan.datasets.folder_lock import locked

OWNER = """
    import sys, time
    from inferplan.datasets.scratch import scratch_folder
    with scratch_folder() as folder:
        (folder / "table").write_text("half a table")
        print(folder, flush=True)
        time.sleep(60)
    """


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let temporary files lie in a folder of the test's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_a_killed_owner_s_folder_goes_and_a_living_one_s_stays(place: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OWNER)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        assert folder.parent.parent == place
        scratch.remove_leftovers()
        assert (folder / "table").read_text() == "half a table"
        owner.kill()
        assert owner.wait() == -signal.SIGKILL
    assert folder.is_dir()
    with scratch.scratch_folder() as own:
        assert not folder.exists()
        assert own.is_dir()
    assert list(place.iterdir()) == []


def test_a_warehouse_in_one_need_not_wait_for_its_lock() -> None:
    with scratch.scratch_folder() as folder, locked(folder, patience_s=0) as is_free:
        assert is_free


def test_only_folders_of_ours_are_removed(place: Path) -> None:
    precious = place / "precious"
    precious.mkdir()
    (precious / "plan").write_text("x")
    (place / f"{scratch.PREFIX}link").symlink_to(precious)
    (place / f"{scratch.PREFIX}file").write_text("x")
    (place / f"{scratch.PREFIX}empty").mkdir()
    left = place / f"{scratch.PREFIX}left"
    left.mkdir()
    (left / "link").symlink_to(precious)
    scratch.remove_leftovers()
    assert {path.name.removeprefix(scratch.PREFIX) for path in place.iterdir()} == {
        "precious", "link", "file", "empty",
    }  # fmt: skip
    assert (precious / "plan").read_text() == "x"
