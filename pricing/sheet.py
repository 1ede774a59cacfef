"""The user's own price sheet: negotiated rates and owned hardware, from CSV or XLSX.

A row needs ``provider``, ``gpu`` and a price: ``usd_per_hour`` of the machine, ``usd_per_gpu_hour``, or
``purchase_usd`` with ``depreciation_years`` (and power, colocation, staff) for hardware that is owned.
"""

import difflib
import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from inferplan.datasets.errors import shown
from inferplan.datasets.schema import PurchaseOption, Row
from inferplan.pricing.checks import check
from inferplan.pricing.money import trimmed
from inferplan.pricing.owned import OwnedMachine, hourly_rate
from inferplan.pricing.sheet_cells import Cell, SheetError, read_cells
from inferplan.pricing.source import Fetched, Quote

_PLAIN_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_SPREADSHEET_EPOCH = date(1899, 12, 30)  # day 0 of the 1900 date system (ECMA-376 part 1, 18.17.4.1)
_LAST_SERIAL_DAY = 2_958_466  # the year 10000
_TOO_LARGE = Decimal(10) ** 12
_SHOWN = Decimal("0.000001")

Price = Annotated[Decimal, Field(gt=0)]
Percent = Annotated[Decimal, Field(ge=0, lt=100)]


class SheetRow(Row):
    """One row of a price sheet; the field names are the columns' names."""

    provider: Annotated[str, Field(min_length=1)]
    gpu: Annotated[str, Field(min_length=1)]
    gpu_count: Annotated[float, Field(gt=0)] = 1
    instance_type: str | None = None
    region: str = "any"
    purchase_option: PurchaseOption | None = None
    usd_per_hour: Price | None = None
    usd_per_gpu_hour: Price | None = None
    price_per_hour: Price | None = None
    """In ``currency``, of the whole machine."""
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = None
    usd_per_currency_unit: Price | None = None
    exchange_rate_on: date | None = None
    discount_percent: Percent = Decimal(0)
    """Negotiated, off the stated price."""
    support_percent: Percent = Decimal(0)
    """On top of the discounted price."""
    purchase_usd: Price | None = None
    residual_usd: Decimal | None = None
    depreciation_years: Decimal | None = None
    power_w: Decimal | None = None
    pue: Decimal | None = None
    electricity_usd_per_kwh: Decimal | None = None
    colocation_usd_per_month: Decimal | None = None
    staff_usd_per_month: Decimal | None = None
    vcpus: Annotated[float, Field(gt=0)] | None = None
    memory_gib: Annotated[float, Field(gt=0)] | None = None
    observed_on: date | None = None
    source: str | None = None
    notes: str = ""

    @model_validator(mode="after")
    def _one_price(self) -> Self:
        prices = ("usd_per_hour", "usd_per_gpu_hour", "price_per_hour", "purchase_usd")
        given = [name for name in prices if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            msg = f"give one of {', '.join(prices)} (found {found})"
            raise ValueError(msg)
        foreign = (self.currency, self.usd_per_currency_unit, self.exchange_rate_on)
        if self.price_per_hour is not None and None in foreign:
            msg = "price_per_hour needs currency, usd_per_currency_unit and exchange_rate_on"
            raise ValueError(msg)
        if self.price_per_hour is None and any(part is not None for part in foreign):
            msg = "currency, usd_per_currency_unit and exchange_rate_on go with price_per_hour"
            raise ValueError(msg)
        if self.purchase_usd is not None and self.depreciation_years is None:
            msg = "purchase_usd needs depreciation_years"
            raise ValueError(msg)
        return self


COLUMNS = tuple(SheetRow.model_fields)
_OWNED = tuple(OwnedMachine.model_fields)
_DATES = ("observed_on", "exchange_rate_on")
_TEXTS = ("provider", "gpu", "instance_type", "region", "purchase_option", "currency", "source", "notes")


def sheet_source_name(path: Path) -> str:
    """Return the name under which the prices of a sheet are kept: importing it again replaces them."""
    return f"sheet {path.name.casefold()}"


def read_sheet(path: Path, today: date | None = None) -> Fetched:
    """Return the quotes of the price sheet at ``path``, undated ones as of ``today``.

    Raises
    ------
    SheetError
        With row and column of everything that is wrong.
    """
    header, *rows = read_cells(path)
    names = _column_names(path.name, header)
    problems: list[str] = []
    quotes: list[Quote] = []
    for row in rows:
        quote = _quote(row, names, path.name, today or date.today(), problems)
        if quote is not None:
            quotes.append(quote)
    checked = check(quotes)
    problems += [f"{refusal.where}: {refusal.reason}" for refusal in (*checked.refused, *checked.duplicates)]
    if not rows:
        problems.append("it has column names but no row")
    if problems:
        raise SheetError(path.name, problems)
    return Fetched(quotes)


def _column_names(name: str, header: list[Cell]) -> dict[str, str]:
    """Return field names by column letter; unknown, repeated and missing columns are refused."""
    problems: list[str] = []
    names: dict[str, str] = {}
    for cell in header:
        field = re.sub(r"[\s\-/]+", "_", cell.text.strip().casefold())
        if not field:
            continue
        if field not in COLUMNS:
            near = difflib.get_close_matches(field, COLUMNS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(COLUMNS)}"
            problems.append(f"{cell.place}: there is no column {shown(cell.text)}; {hint}")
        elif field in names.values():
            problems.append(f"{cell.place}: the column {field} is there twice")
        names[cell.column] = field
    problems += [
        f"row {header[0].row}: the column {field} is missing"
        for field in ("provider", "gpu")
        if field not in names.values()
    ]
    if problems:
        raise SheetError(name, problems)
    return names


def _quote(
    row: list[Cell], names: Mapping[str, str], file_name: str, today: date, problems: list[str]
) -> Quote | None:
    """Return the quote of one ``row``, or add to ``problems`` why it is none."""
    places: dict[str, str] = {}
    values: dict[str, object] = {}
    before = len(problems)
    for cell in row:
        if not cell.text:
            continue
        field = names.get(cell.column)
        if field is None:
            problems.append(f"{cell.place}: {cell.text!r} stands in a column without a name")
            continue
        places[field] = cell.place
        values[field] = found = _value(field, cell, problems)
        if isinstance(found, date) and found > today:
            problems.append(f"{cell.place}: {found} lies in the future")
    if len(problems) > before:
        return None
    try:
        parsed = SheetRow.model_validate(values)
        return _priced(parsed, f"{places['gpu']}", file_name, today)
    except ValidationError as error:
        for found in error.errors():
            field = str(found["loc"][0]) if found["loc"] else ""
            place = places.get(field, f"row {row[0].row}" + (f" {field}" if field else ""))
            problems.append(f"{place}: {_refused(field, found['msg'])}")
    return None


def _refused(field: str, said: str) -> str:
    """Return why a value was refused, with its column where the validator names none."""
    wanted = said.removeprefix("Input should be ")
    return said.removeprefix("Value error, ") if wanted == said else f"{field} should be {wanted}"


def _value(field: str, cell: Cell, problems: list[str]) -> object:
    """Return the value of ``cell`` as the text that its field parses, or add why it has none."""
    if field in _TEXTS:
        if cell.text.startswith("="):
            problems.append(f"{cell.place}: a formula; paste it as a value")
        return cell.text
    if field in _DATES:
        return _date(cell, problems)
    if _PLAIN_NUMBER.fullmatch(cell.text):
        if abs(Decimal(cell.text)) >= _TOO_LARGE:
            problems.append(f"{cell.place}: {cell.text} is too large")
        # A spreadsheet stores 2.4 as a binary number: its shortest decimal is what was typed.
        return repr(float(cell.text)) if cell.is_serial else cell.text
    problems.append(f"{cell.place}: {cell.text!r} is not a plain number; {_advice(cell.text)}")
    return None


def _advice(text: str) -> str:
    """Return how to write the number that ``text`` seems to be."""
    if text.startswith("="):
        return "it is a formula: paste it as a value"
    if "," in text and "." not in text:
        return "with a comma it can mean two numbers: write 1234.5, with a point and without separators"
    return "write it like 1234.5, with a point, without separators, signs of currency or units"


def _date(cell: Cell, problems: list[str]) -> date | None:
    if cell.is_serial and _PLAIN_NUMBER.fullmatch(cell.text) and 0 < Decimal(cell.text) < _LAST_SERIAL_DAY:
        return _SPREADSHEET_EPOCH + timedelta(days=int(Decimal(cell.text)))
    try:
        return date.fromisoformat(cell.text)
    except ValueError:
        problems.append(f"{cell.place}: {cell.text!r} is not a date like 2026-11-21")
        return None


def _priced(row: SheetRow, where: str, file_name: str, today: date) -> Quote:
    """Return the quote of ``row`` with the derivation of its price in the notes."""
    usd_per_hour, derivation = _usd_per_hour(row)
    owned = row.purchase_usd is not None
    return Quote(
        provider=row.provider,
        instance_type=row.instance_type or f"{row.gpu_count:g}x {row.gpu}",
        gpu=row.gpu,
        gpu_count=row.gpu_count,
        region=row.region,
        purchase_option=row.purchase_option or ("owned" if owned else "negotiated"),
        usd_per_hour=usd_per_hour,
        observed_on=row.observed_on or today,
        date_basis="date in the sheet" if row.observed_on else "day of the import",
        source=row.source or f"price sheet {file_name}",
        vcpus=row.vcpus,
        memory_gib=row.memory_gib,
        notes="; ".join(part for part in (row.notes, derivation) if part),
        where=where,
    )


def _usd_per_hour(row: SheetRow) -> tuple[Decimal, str]:
    """Return USD per hour of the machine and how it came about."""
    steps: list[str] = []
    if row.purchase_usd is not None:
        given = row.model_dump(include=set(_OWNED), exclude_none=True)
        rate = hourly_rate(OwnedMachine.model_validate(given))
        price, steps = rate.usd_per_hour, [rate.derivation]
    elif row.price_per_hour is not None and row.usd_per_currency_unit is not None:
        price = row.price_per_hour * row.usd_per_currency_unit
        steps.append(
            f"{row.price_per_hour} {row.currency} at {row.usd_per_currency_unit} USD per {row.currency} "
            f"of {row.exchange_rate_on}"
        )
    elif row.usd_per_gpu_hour is not None:
        price = row.usd_per_gpu_hour * Decimal(str(row.gpu_count))
    else:
        price = row.usd_per_hour or Decimal(0)
    for percent, sign, label in ((row.discount_percent, -1, "discount"), (row.support_percent, 1, "support")):
        if percent:
            price *= 1 + sign * percent / 100
            steps.append(f"{label} {percent} %")
    return trimmed(price.quantize(_SHOWN)) if steps else price, ", ".join(steps)
