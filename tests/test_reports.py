"""Downloads hold the numbers exactly, run no formula, and say what they rest on."""

import csv
import io
import json
import re
from datetime import date, datetime
from decimal import Decimal

import openpyxl
import pandas as pd
import pytest

from inferplan.dashboard.reports import (
    Column,
    Report,
    Table,
    report_format,
    report_formats,
    table_of_frame,
)

EVIL = '=HYPERLINK("http://x","<b>|pay")'
TABLE = Table(
    "Offers: all/any",
    (
        Column("Offer"),
        Column("Price", "USD per hour"),
        Column("Change", "%"),
        Column("GPUs"),
        Column("Seen on"),
    ),
    (
        (EVIL, Decimal("12.3456789"), -3.5, 8, date(2026, 7, 20)),
        ("-x\nsecond line", None, 0.25, 1, None),
    ),
)
REPORT = Report(
    title="Offers & <prices>",
    tables=(TABLE, Table("Offers: all?any", (Column("Nothing"),), ())),
    facts=(("Source", "aws price list, 2026-07-20"), ("+Filter", "@all")),
    made_at=datetime(2026, 11, 21, 12, 30),
)


def written(suffix: str) -> bytes:
    return report_format(suffix).write(REPORT)


def test_every_module_of_the_folder_is_a_format() -> None:
    assert {known.suffix for known in report_formats()} == {"csv", "xlsx", "md", "html", "json"}
    for known in report_formats():
        assert re.fullmatch(r"[a-z]+/[a-z.+-]+", known.mime)
        assert known.write(REPORT)


def test_csv_has_units_in_the_header_and_raw_numbers() -> None:
    rows = list(csv.reader(io.StringIO(written("csv").decode("utf-8-sig"), newline="")))
    assert rows[0] == ["Offer", "Price (USD per hour)", "Change (%)", "GPUs", "Seen on"]
    assert rows[1] == [f"'{EVIL}", "12.3456789", "-3.5", "8", "2026-07-20"]
    assert rows[2] == ["'-x\nsecond line", "", "0.25", "1", ""]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_csv_texts_that_spreadsheets_would_run_are_quoted(start: str) -> None:
    table = Table("T", (Column(start + "h"),), ((start + "1+1",),))
    report = Report("T", (table,), (), datetime(2026, 1, 1))
    rows = list(csv.reader(io.StringIO(report_format("csv").write(report).decode("utf-8-sig"), newline="")))
    assert rows == [[f"'{start}h"], [f"'{start}1+1"]]


def test_xlsx_has_numbers_dates_a_frozen_header_and_the_sources() -> None:
    book = openpyxl.load_workbook(io.BytesIO(written("xlsx")))
    assert book.sheetnames == ["Offers  all any", "Offers  all any 2", "Inputs and sources"]
    sheet = book.worksheets[0]
    assert sheet.freeze_panes == "A2"
    assert [cell.value for cell in sheet[1]] == [column.header for column in TABLE.columns]
    evil, price, change, gpus, seen = sheet[2]
    assert (evil.value, evil.data_type) == (EVIL, "s"), "a text and no formula"
    assert (price.value, price.data_type) == (12.3456789, "n")
    assert (change.value, gpus.value, seen.value) == (-3.5, 8, datetime(2026, 7, 20))
    assert seen.number_format == "yyyy-mm-dd"
    assert sheet["B3"].value is None
    facts = {row[0].value: row[1].value for row in book["Inputs and sources"].iter_rows(min_row=2)}
    assert facts["Source"] == "aws price list, 2026-07-20"
    assert facts["Made at (UTC)"] == "2026-11-21 12:30:00"


def test_html_runs_nothing_and_loads_nothing() -> None:
    page = written("html").decode()
    assert "<title>Offers &amp; &lt;prices&gt;</title>" in page
    assert "&lt;b&gt;|pay" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=", page)
    assert "12.3456789" in page


def test_html_prints_wide_rows_as_blocks_and_says_the_answer_first() -> None:
    names = ("Advice", "Entity", *(f"Value {number}" for number in range(14)))
    row = ("Stop it", "pod/a<b", *(None if number % 2 else 12345.678 for number in range(14)))
    wide = Table("Findings", tuple(map(Column, names)), (row,))
    report = Report("Findings", (wide,), (), datetime(2026, 1, 1), "2 changes save $5.")
    page = report_format("html").write(report).decode()
    assert page.index("2 changes save $5.") < page.index("<article>")
    assert "<h3>Stop it · pod/a&lt;b</h3>" in page
    assert "<dt>Value 0</dt><dd>12,345.678</dd>" in page
    assert "Value 1<" not in page, "what is not known takes no room"
    assert "\n2 changes save \\$5." in report_format("md").write(report).decode()


def test_markdown_tables_keep_their_columns() -> None:
    text = written("md").decode()
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines[:4]}) == 1
    assert r"\<b\>\|pay" in text
    assert "\nNone." in text


def test_json_keeps_money_exact() -> None:
    document = json.loads(written("json"))
    assert document["tables"][0]["rows"][0]["Price"] == "12.3456789"
    assert document["tables"][0]["rows"][1]["Price"] is None
    assert document["tables"][0]["units"] == {"Price": "USD per hour", "Change": "%"}


def test_a_frame_becomes_plain_values_and_what_is_missing_is_empty() -> None:
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None], dtype="Int64"),
            "x": [0.5, float("nan")],
            "t": [pd.Timestamp("2026-01-02 03:04"), pd.NaT],
            "s": ["a", None],
            "unused": [1, 2],
        }
    )
    columns = {"s": Column("S"), "n": Column("N"), "x": Column("X", "s"), "t": Column("T")}
    table = table_of_frame("T", frame, columns)
    assert table.rows == (("a", 1, 0.5, datetime(2026, 1, 2, 3, 4)), (None, None, None, None))
    assert [type(value) for value in table.rows[0]] == [str, int, float, datetime]


def test_the_file_name_is_plain_and_dated() -> None:
    assert REPORT.stem == "offers-prices-2026-11-21"
    assert Report("../§§", (TABLE,), (), REPORT.made_at).stem == "report-2026-11-21"
