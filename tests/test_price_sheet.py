"""A price sheet counts as a whole or not at all, and says where it is wrong."""

import random
import zipfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import xlsxwriter

from inferplan.datasets.warehouse import Warehouse
from inferplan.pricing.offers import current_offers, history
from inferplan.pricing.refresh import import_sheet
from inferplan.pricing.sheet import read_sheet
from inferplan.pricing.sheet_cells import SheetError

HEADER = "provider,gpu,gpu_count,region,usd_per_hour,observed_on"
GOOD = f"{HEADER}\nacme,H100 SXM,8,eu-west-1,19.2,2026-11-01\nacme,L4,1,eu-west-1,0.61,2026-11-01\n"


def sheet(tmp_path: Path, content: str | bytes, name: str = "prices.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_sheet_lands_and_a_second_import_changes_nothing(tmp_path: Path) -> None:
    with Warehouse.open(":memory:") as warehouse:
        first = import_sheet(warehouse, sheet(tmp_path, GOOD))
        assert [(offer.gpu, offer.usd_per_hour) for offer in first.new] == [
            ("H100 SXM", Decimal("19.2")),
            ("L4", Decimal("0.61")),
        ]
        again = import_sheet(warehouse, sheet(tmp_path, GOOD))
        assert (again.new, again.changed, again.unchanged, again.appended) == ((), (), 2, 0)


def test_a_new_sheet_of_the_same_name_replaces_the_prices_and_keeps_their_history(tmp_path: Path) -> None:
    offer_id = "acme/8x H100 SXM/eu-west-1/negotiated/H100 SXM"
    with Warehouse.open(":memory:") as warehouse:
        import_sheet(warehouse, sheet(tmp_path, GOOD))
        report = import_sheet(
            warehouse, sheet(tmp_path, f"{HEADER}\nacme,H100 SXM,8,eu-west-1,17.6,2026-11-15\n")
        )
        assert [change.usd_per_hour_before for change in report.changed] == [Decimal("19.2")]
        assert [offer.gpu for offer in report.vanished] == ["L4"]
        known = {offer.offer_id: offer for offer in current_offers(warehouse)}
        assert known[offer_id].usd_per_hour == Decimal("17.6")
        gone = known["acme/1x L4/eu-west-1/negotiated/L4"]
        assert gone.usd_per_hour is None
        assert "not listed any more" in (gone.no_price_reason or "")
        assert [offer.usd_per_hour for offer in history(warehouse, offer_id)] == [
            Decimal("19.2"),
            Decimal("17.6"),
        ]


def test_owned_hardware_becomes_an_hourly_rate_with_its_derivation(tmp_path: Path) -> None:
    path = sheet(
        tmp_path,
        "provider,gpu,gpu_count,region,purchase_usd,residual_usd,depreciation_years,power_w,pue,"
        "electricity_usd_per_kwh,colocation_usd_per_month,staff_usd_per_month,observed_on\n"
        "us,H100 SXM,8,basement,275000,12200,5,10200,1.3,0.11,1460,2190,2026-11-01\n",
    )
    [quote] = read_sheet(path).quotes
    # (275000 - 12200) / 43800 = 6; 10.2 * 1.3 * 0.11 = 1.4586; 1460 * 12 / 8760 = 2; 2190 * 12 / 8760 = 3
    assert quote.usd_per_hour == Decimal("12.4586")
    assert quote.purchase_option == "owned"
    assert quote.notes == ("12.4586 USD per hour = depreciation 6 + power 1.4586 + colocation 2 + staff 3")


def test_discount_support_and_currency_are_applied_and_said(tmp_path: Path) -> None:
    path = sheet(
        tmp_path,
        "provider,gpu,gpu_count,price_per_hour,currency,usd_per_currency_unit,exchange_rate_on,"
        "discount_percent,support_percent\nacme,H100 SXM,8,20,EUR,1.1,2026-11-02,10,5\n",
    )
    [quote] = read_sheet(path, today=date(2026, 11, 21)).quotes
    assert quote.usd_per_hour == Decimal("20.79")  # 20 * 1.1 * 0.9 * 1.05
    assert quote.notes == "20 EUR at 1.1 USD per EUR of 2026-11-02, discount 10 %, support 5 %"
    assert (quote.observed_on, quote.date_basis) == (date(2026, 11, 21), "day of the import")


def write_xlsx(path: Path, change: Callable[[xlsxwriter.Workbook, object], None] | None = None) -> Path:
    with xlsxwriter.Workbook(path) as workbook:
        page = workbook.add_worksheet("Rates")
        page.write_row(0, 0, HEADER.split(","))
        day = workbook.add_format({"num_format": "yyyy-mm-dd"})
        page.write_row(1, 0, ["acme", "H100 SXM", 8, "eu-west-1", 19.2])
        page.write_datetime(1, 5, date(2026, 11, 1), day)
        if change:
            change(workbook, page)
    return path


def test_a_workbook_says_the_same_as_the_csv(tmp_path: Path) -> None:
    [quote] = read_sheet(write_xlsx(tmp_path / "prices.xlsx")).quotes
    [from_csv, _] = read_sheet(sheet(tmp_path, GOOD)).quotes
    assert quote.usd_per_hour == from_csv.usd_per_hour == Decimal("19.2")
    assert quote.observed_on == from_csv.observed_on == date(2026, 11, 1)
    assert (quote.provider, quote.gpu, quote.gpu_count) == ("acme", "H100 SXM", 8)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _, page: page.write_formula("E2", "=8*2.4", None, 19.2), "E2: a formula"),
        (lambda _, page: page.merge_range("A2:A4", "acme"), "A2:A4: merged cells"),
        (lambda _, page: page.write("E2", "19,20"), "E2: '19,20' is not a plain number; with a comma"),
        (lambda _, page: page.write("E2", -3), "E2: usd_per_hour should be greater than 0"),
        (lambda _, page: page.write("H2", "stray"), "H2: 'stray' stands in a column without a name"),
        (lambda _, page: page.write("E2", True), "E2: a yes or no"),
        (
            lambda book, page: page.write("E2", 0.1, book.add_format({"num_format": "0.0 %"})),
            "E2: a number shown as a percentage",
        ),
        (
            lambda book, page: page.write("E2", 0.1, book.add_format({"num_format": 9})),
            "E2: a number shown as a percentage",
        ),
        (lambda book, page: setattr(book, "date_1904", True), "it counts days from 1904"),
    ],
)
def test_a_bad_workbook_is_refused_with_the_cell(
    tmp_path: Path, change: Callable[[object, object], None], expected: str
) -> None:
    with pytest.raises(SheetError) as caught:
        read_sheet(write_xlsx(tmp_path / "prices.xlsx", change))
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "it is empty"),
        (f"{HEADER}\n", "no row"),
        ("provder,gpu,usd_per_hour\na,L4,1\n", "A1: there is no column 'provder'; did you mean provider?"),
        ("provider,usd_per_hour\na,1\n", "row 1: the column gpu is missing"),
        ("provider,gpu,gpu\na,L4,L4\n", "C1: the column gpu is there twice"),
        (GOOD.replace("19.2", '"1,234.50"'), "E2: '1,234.50' is not a plain number; write it like 1234.5"),
        (GOOD.replace("19.2", '"19,2"'), "E2: '19,2' is not a plain number; with a comma"),
        (GOOD.replace("19.2", "$19.2"), "E2: '$19.2' is not a plain number"),
        (GOOD.replace("19.2", "=8*2.4"), "E2: '=8*2.4' is not a plain number; it is a formula"),
        (GOOD.replace("19.2", "-19.2"), "E2: usd_per_hour should be greater than 0"),
        (GOOD.replace("19.2", "0"), "E2: usd_per_hour should be greater than 0"),
        (GOOD.replace("19.2", ""), "row 2: give one of usd_per_hour"),
        (GOOD.replace("19.2", "0.02"), "B2: 0.0025 USD per H100 SXM and hour is outside"),
        (GOOD.replace("L4", "L44"), "B3: There is no GPU named 'L44' in the catalog. Did you mean L4"),
        (GOOD.replace("2026-11-01", "1.11.2026"), "F2: '1.11.2026' is not a date like"),
        (GOOD.replace("2026-11-01", "2999-11-01"), "F2: 2999-11-01 lies in the future"),
        (GOOD + "acme,L4,1,eu-west-1,0.63,2026-11-01\n", "several prices on one day (0.61 and 0.63"),
        (GOOD + 'acme,"L4,1\n', "is not valid CSV"),
        (GOOD.encode("utf-16"), "A1: it is in UTF-16"),
        (GOOD.replace("acme", "acm\xe9").encode("latin-1"), "A2: byte 0xe9 is not UTF-8"),
        (b"provider\x00gpu\n", "row 1 holds binary data"),
        (b"\xd0\xcf\x11\xe0 old", "old or password-protected workbook"),
        (GOOD.replace("19.2", "1e300"), "E2: 1e300 is too large"),
        (b"PK\x03\x04 not a workbook", "it is no readable XLSX workbook"),
    ],
)
def test_a_bad_sheet_is_refused_with_its_place_and_nothing_lands(
    tmp_path: Path, content: str | bytes, expected: str
) -> None:
    with Warehouse.open(":memory:") as warehouse:
        with pytest.raises(SheetError) as caught:
            import_sheet(warehouse, sheet(tmp_path, content))
        assert expected in str(caught.value)
        assert warehouse.rows("SELECT count(*) FROM price_observations") == [(0,)]


@pytest.mark.parametrize("seed", range(40))
def test_a_broken_file_is_read_or_refused_and_never_anything_else(tmp_path: Path, seed: int) -> None:
    drawn = random.Random(seed)
    path = write_xlsx(tmp_path / "prices.xlsx") if seed % 2 else sheet(tmp_path, GOOD)
    for _ in range(5):
        content = bytearray(path.read_bytes())
        for _ in range(drawn.randint(1, 4)):
            at = drawn.randrange(len(content))
            content[at : at + drawn.choice((0, 1, 20))] = drawn.randbytes(drawn.randint(0, 4))
        broken = sheet(tmp_path, bytes(content), "broken.csv")
        try:
            outcome = [quote.where for quote in read_sheet(broken).quotes]
        except SheetError as error:
            outcome = list(error.problems)
        assert outcome


def test_a_million_rows_are_refused_at_once(tmp_path: Path) -> None:
    path = sheet(tmp_path, HEADER + "\n" + "a,L4,1,x,1,2026-11-01\n" * 1_000_000)
    with pytest.raises(SheetError, match=r"MiB.*may have 20,000 rows"):
        read_sheet(path)
    shorter = sheet(tmp_path, HEADER + "\n" + "a,L4,1,x,1,2026-11-01\n" * 30_000, "shorter.csv")
    with pytest.raises(SheetError, match="more than 20,000 rows"):
        read_sheet(shorter)


@pytest.mark.parametrize(
    "part", ["xl/workbook.xml", "xl/styles.xml", "xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"]
)
def test_a_part_that_unpacks_to_too_much_is_never_unpacked(tmp_path: Path, part: str) -> None:
    bomb = tmp_path / "bomb.xlsx"
    with (
        zipfile.ZipFile(write_xlsx(tmp_path / "prices.xlsx")) as good,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for name in set(good.namelist()) - {part}:
            archive.writestr(name, good.read(name))
        with archive.open(part, "w") as opened:
            for _ in range(220):
                opened.write(b" " * 2**20)
    with pytest.raises(SheetError, match=f"its {part} unpacks to too much"):
        read_sheet(bomb)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SheetError, match=r"nowhere\.csv was not imported.*No such file"):
        read_sheet(tmp_path / "nowhere.csv")


def test_a_semicolon_sheet_with_points_is_read(tmp_path: Path) -> None:
    [first, _] = read_sheet(sheet(tmp_path, GOOD.replace(",", ";"))).quotes
    assert first.usd_per_hour == Decimal("19.2")
