"""Odd files are read as far as they can be; what cannot is counted with line and reason."""

import gzip
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sample_uploads import CHARGE, FOCUS, HEADER, ROW, write

from inferplan.dashboard.command_line.printing import print_table
from inferplan.datasets.exports import import_file, inspect
from inferplan.datasets.warehouse import Warehouse

TWENTY = "".join(f"2024-05-01T12:{minute:02}:00Z,nürnberg,0,0.5\n" for minute in range(20))
TWO = ROW + ROW.replace("12:00", "12:01")
READ: dict[str, tuple[str | bytes, int, int]] = {  # values kept, rows refused
    "UTF-16 with its mark": ((HEADER + TWENTY).encode("utf-16"), 20, 0),
    "UTF-16 without, little end first": ((HEADER + TWENTY).encode("utf-16-le"), 20, 0),
    "UTF-16 without, big end first": ((HEADER + TWENTY).encode("utf-16-be"), 20, 0),
    "UTF-32": ((HEADER + TWENTY).encode("utf-32"), 20, 0),
    "Latin-1": ((HEADER + TWENTY).encode("latin-1"), 20, 0),
    "Latin-1 far behind": ((HEADER + ROW * 3000).encode() + TWENTY.encode("latin-1"), 1, 20),
    "line ends of an old Mac": ((HEADER + TWO).replace("\n", "\r"), 2, 0),
    "line ends of all kinds": (HEADER + ROW.replace("\n", "\r\n") + TWO[len(ROW) :] + "\r" + "\r\n", 2, 0),
    "a line end in a cell": (HEADER + TWO.replace("n1", '"n\r\n1"', 1), 2, 0),
    "semicolons, decimal commas": ((HEADER + TWO).replace(",", ";").replace("0.5", "0,5"), 2, 0),
    "empty rows of a spreadsheet": (HEADER + TWO + "\n\n,,,\n ,,,\n", 2, 0),
    "tabs": ((HEADER + TWO).replace(",", "\t"), 2, 0),
    "pipes": ((HEADER + TWO).replace(",", "|"), 2, 0),
    "quotes within titles": ('a title, 3" long\nand, one "more\n' + HEADER + TWO, 2, 0),
    "thousands with semicolons": ("time;host;fb_used_bytes\n2024-05-01T12:00:00Z;n;73.000.000.000\n", 1, 0),
    "thousands with commas": ('time,host,fb_used_bytes\n2024-05-01T12:00:00Z,n,"73,000,000,000"\n', 1, 0),
    "names that come twice": (HEADER.replace("gpu", "host") + TWO, 2, 0),
    "names that are empty": (HEADER.replace("gpu", "") + TWO, 2, 0),
    "a quote in a cell": (HEADER + TWO.replace("n1", 'n"1', 1), 2, 0),
    "a quote in a cell far from its end": (HEADER + TWO.replace("n1", 'n"1', 1) + TWO * 3000, 3, 0),
    "a quoted cell of many letters": (HEADER + TWO.replace("n1", '"' + "n" * 1999 + '"', 1), 2, 0),
    "seconds to nanoseconds": (
        HEADER + "".join(f"{1714564800 * 1000**power},n{power},0,0.5\n" for power in range(4)), 4, 0),
    "no numbers": (HEADER + TWO.replace("0.5", "NaN") + TWO.replace("0.5", "-inf"), 0, 0),
    "beyond numbers": (HEADER + ROW.replace("0.5", "9" * 400) + TWO.replace("0.5", "-1e300"), 0, 2),
    "members of gzip": (gzip.compress(HEADER.encode()) + gzip.compress(TWO.encode()), 2, 0),
    "a list of JSON": (json.dumps([{"time": "2024-05-01T12:00:00Z", "util": 5}] * 2, indent=1), 1, 0),
    "lines of JSON, some broken": ('{"time":"2024-05-01T12:00:00Z","util":5}\nnothing\n{"time":\n', 1, 2),
    "NaN and huge numbers in JSON": (
        '{"time":"2024-05-01T12:00:00Z","util":NaN}\n{"time":"2024-05-01T12:01:00Z","util":'
        + "9" * 400 + "}", 0, 0),
    "a bill with tags too deep": (FOCUS + CHARGE.replace("{}", "[" * 20_000) + CHARGE, 2, 0),
    "a bill with tags too long": (FOCUS + CHARGE.replace("{}", f'"{{""a"":{"9" * 5000}}}"'), 1, 0),
    "a bill with half a sign": (FOCUS + CHARGE.replace("{}", '"{""team"":""\\ud800""}"'), 1, 0),
    "a bill of impossible sums": (FOCUS + CHARGE.replace("1.5", "1e400", 1) + CHARGE, 1, 1),
    "a bill of impossible times": (FOCUS + CHARGE.replace("2024", "0001", 1).replace("Z", "+14:00", 1), 0, 1),
}  # fmt: skip  # fmt: skip
NAMES = (
    "=cmd|' /C calc'!A0", "@SUM(1)", "<img src=x onerror=alert(1)>", "**b** [x](javascript:alert(1))", "🚀",
    "\u202egnp.exe", "a\ud800b", "a\x00b", "\x1b[31mred", "' OR 1=1 --", "../../etc/passwd",
)  # fmt: skip  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_can_be_read_is_and_the_rest_is_counted(tmp_path: Path, name: str) -> None:
    content, kept, refused = READ[name]
    report = inspect(write(tmp_path, "a", content))
    assert (report.values_kept, report.rows_refused) == (kept, refused)
    assert len(report.notes) <= 3


def test_odd_rows_are_reported_and_the_rest_is_kept(tmp_path: Path, warehouse: Warehouse) -> None:
    content = (
        HEADER.encode()
        + ROW.encode()
        + b"2024-05-01T12:01:00Z,n\x00,0,0.5\n"  # a NUL byte
        + b"2024-05-01T12:02:00Z,n1,0\n"  # a cell short
        + b"yesterday,n1,0,0.5\n"
        + b"2024-05-01T12:03:00Z,n1,0,nan\n"
        + b"2024-05-01T12:04:00Z,n1,0,inf\n"
        + b"2024-05-01T12:05:00Z,=cmd|' /C calc'!A0,0,0.6\n"  # a formula as a name is only text here
        + b"2024-05-01T12:06:00Z,n1,0,-0.5\n"
    )
    report = import_file(warehouse, write(tmp_path, "a.csv", content)).parsed
    assert report.values_kept == 2
    assert report.values_missing == 2
    assert report.rows_refused == 4
    assert {problem.reason.split(":")[0] for problem in report.problems} >= {"the line contains NUL bytes"}
    assert warehouse.rows("SELECT host FROM usage_series ORDER BY host DESC") == [
        ("n1",), ("=cmd|' /C calc'!A0",),
    ]  # fmt: skip


def test_broken_lines_of_every_kind_are_counted_and_cost_little(tmp_path: Path) -> None:
    wide = ",".join("x" for _ in range(100_000))
    content = HEADER + "\n" + ROW + wide + "\n" + "2024-05-01T12:01:00Z,n1\n" + "soon,n1,0,0.5\n"
    report = inspect(write(tmp_path, "a.csv", content))
    assert (report.rows_read, report.rows_refused, report.values_kept) == (4, 3, 1)
    assert {problem.reason.split(" that ")[0] for problem in report.problems} == {
        "about 100,000 cells where the header has 4",
        "2 cells where the header has 4",
        "'soon' is not a time",
    }
    western = (HEADER + ROW.replace("n1", "nürnberg")).encode("cp1252")
    report = inspect(write(tmp_path, "b.csv", western))
    assert report.values_kept == 1
    assert "Windows-1252" in report.notes[0]


def test_other_encodings(tmp_path: Path, warehouse: Warehouse) -> None:
    wide = (HEADER + ROW.replace("n1", "nürnberg")).encode("utf-16")
    import_file(warehouse, write(tmp_path, "a.csv", wide))
    marked = b"\xef\xbb\xbf" + (HEADER + ROW.replace("0.5", "0.6")).encode()
    import_file(warehouse, write(tmp_path, "b.csv", marked))
    assert warehouse.rows("SELECT host FROM usage_series ORDER BY host") == [("n1",), ("nürnberg",)]
    mixed = (HEADER + ROW.replace("0.5", "0.7")).encode() + ROW.replace("n1", "nürnberg").encode("latin-1")
    report = inspect(write(tmp_path, "c.csv", mixed))
    assert report.values_kept >= 1
    assert report.rows_refused + len(report.notes) >= 1


def test_a_name_survives_every_encoding(tmp_path: Path, warehouse: Warehouse) -> None:
    for number, encoding in enumerate(("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252")):
        content = (HEADER + TWENTY.replace("0.5", f"0.{number}")).encode(encoding)
        import_file(warehouse, write(tmp_path, encoding, content))
    assert warehouse.rows("SELECT DISTINCT host FROM usage_series") == [("nürnberg",)]


def test_bills_in_parquet_are_bills(tmp_path: Path, warehouse: Warehouse) -> None:
    path = tmp_path / "bill.parquet"
    warehouse.execute(
        "COPY (SELECT 1.25::DECIMAL(18,6) AS BilledCost, 0.75::DOUBLE AS EffectiveCost, "
        "'USD' AS BillingCurrency, 'Usage' AS ChargeCategory, "
        "TIMESTAMPTZ '2024-05-01 02:00:00+02' AS ChargePeriodStart, "
        "TIMESTAMP '2024-05-01 01:00:00' AS ChargePeriodEnd, 'i-1' AS ResourceId, NULL::VARCHAR AS RegionId, "
        f"MAP {{'team': 'core'}} AS Tags) TO '{path}' (FORMAT parquet)"
    )
    report = import_file(warehouse, path).parsed
    assert (report.format, report.values_kept) == ("focus", 1)
    assert warehouse.rows(
        "SELECT billed_cost, effective_cost, period_start, team, region FROM bill_lines"
    ) == [(Decimal("1.25"), Decimal("0.75"), datetime(2024, 5, 1), "core", None)]


def test_names_are_only_text(tmp_path: Path, warehouse: Warehouse) -> None:
    series = [
        {"metric": {"__name__": "DCGM_FI_PROF_SM_ACTIVE", "Hostname": name}, "values": [[1714564800, "0.5"]]}
        for name in NAMES
    ]
    content = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": series}})
    assert import_file(warehouse, write(tmp_path, "a.json", content)).parsed.values_kept == len(NAMES)
    found = {host for (host,) in warehouse.rows("SELECT host FROM usage_series")}
    assert found >= {name for name in NAMES if name.isprintable()}
    assert found >= {"a?b", "a\x00b"}
    assert len(found) == len(NAMES)


def test_a_name_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"host": name} for name in NAMES if "\ud800" not in name])
    said = capsys.readouterr().out
    assert "?[31mred" in said
    assert not set(said) & {"\x1b", "\x00", "\u202e"}
