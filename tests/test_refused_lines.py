"""A refused cell is told by the line of the file on which a reader of it finds it."""

from pathlib import Path

import pytest

from inferplan.datasets.exports import UnreadableError, inspect

HEADER = "timestamp,gpu_uuid,gpu_name,sm_active_ratio"
GOOD = "2026-10-05T00:00:00Z,gpu-1,L40S,0.5"
BAD = "2026-10-05T00:01:00Z,gpu-1,L40S,banana"
SHORT = "2026-10-05T00:02:00Z,gpu-1"
EMPTY = ",,,"
QUOTED = '2026-10-05T00:03:00Z,gpu-1,"L40S\nsecond line",0.5'


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "end"])
@pytest.mark.parametrize(
    "rows",
    [
        (GOOD, BAD, GOOD, BAD),
        (GOOD, SHORT, BAD, SHORT, GOOD, BAD),
        (GOOD, HEADER, BAD, HEADER, BAD),
        (GOOD, "", BAD, "", "", GOOD, BAD),
        (GOOD, QUOTED, BAD, QUOTED, GOOD, BAD),
        (GOOD, EMPTY, BAD, GOOD, EMPTY, "", BAD),
    ],
)
def test_refused_cells_are_told_by_their_line(
    tmp_path: Path, rows: tuple[str, ...], last: str, end: str
) -> None:
    text = "\n".join((HEADER, *rows)) + ("\n" if last else "")
    path = tmp_path / "samples.csv"
    path.write_bytes(text.replace("\n", end).encode())
    bad = [number for number, line in enumerate(text.split("\n"), start=1) if line.endswith("banana")]
    report = inspect(path)
    assert [one.line for one in report.problems if "banana" in one.reason] == bad


@pytest.mark.parametrize("every", [1, 4])
def test_a_file_of_lines_that_are_no_rows_is_refused_before_it_is_read(tmp_path: Path, every: int) -> None:
    lines = [SHORT if number % every == 0 else GOOD for number in range(300_000 * every)]
    path = tmp_path / "ragged.csv"
    path.write_text("\n".join((HEADER, *lines)))
    with pytest.raises(UnreadableError, match=r"about (29|30)\d,\d{3} have not the 4 cells"):
        inspect(path)
