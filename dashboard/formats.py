"""Every number format of the pages and reports: bytes become GiB and seconds milliseconds only here."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal

from inferplan.datasets.schema import GIB
from inferplan.planner.interval import Interval

MINUS = "\N{MINUS SIGN}"
EN_DASH = "\N{EN DASH}"
THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"

# printf-style formats of table columns (the header carries the unit)
COLUMN_GIB = "%.1f"
COLUMN_USD = "$%.2f"
COLUMN_USD_FINE = "$%.3f"
COLUMN_MS = "%.0f"
COLUMN_COUNT = "%,.0f"
COLUMN_TOKENS = "localized"
COLUMN_PERCENT = "%.1f%%"
COLUMN_DATE = "YYYY-MM-DD"


def gib(size_bytes: float, decimals: int = 1) -> str:
    """Return bytes as GiB.

    >>> gib(150_754_820_096)
    '140.4 GiB'
    """
    return _signed(f"{size_bytes / GIB:,.{decimals}f} GiB")


def size(size_bytes: float) -> str:
    """Return bytes in the largest binary unit that keeps a digit before the point.

    >>> size(163_840), size(512), size(3 * GIB)
    ('160 KiB', '512 B', '3 GiB')
    """
    value, units = float(size_bytes), ["B", "KiB", "MiB", "GiB", "TiB"]
    while abs(value) >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return _signed(f"{significant(value, 3)} {units[0]}")


def significant(value: float, digits: int = 3) -> str:
    """Return ``value`` with ``digits`` significant digits and thousands separators.

    >>> significant(1234.5), significant(0.012345), significant(7.0)
    ('1,234', '0.0123', '7')
    """
    if value == 0:
        return "0"
    exponent = Decimal(repr(float(value))).adjusted()
    text = f"{value:,.{max(0, digits - 1 - exponent)}f}"
    return _signed(text.rstrip("0").rstrip(".") if "." in text else text)


def count(value: float | Decimal) -> str:
    """Return a whole number with thousands separators.

    >>> count(174336)
    '174,336'
    """
    return _signed(f"{value:,.0f}")


def parameters(value: float) -> str:
    """Return a parameter count in words.

    >>> parameters(70_553_706_496), parameters(1_000_000_000_000), parameters(494_032_768)
    ('70.6 B', '1 T', '494 M')
    """
    for factor, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if value >= factor:
            return f"{significant(value / factor)} {unit}"
    return count(value)


def usd(value: Decimal | float, decimals: int | None = None) -> str:
    """Return US dollars: cents from one dollar up, three significant digits below, cents at least.

    >>> usd(Decimal("1234.5")), usd(Decimal("0.0421")), usd(0.1), usd(-3)
    ('$1,234.50', '$0.0421', '$0.10', '\N{MINUS SIGN}$3.00')
    """
    sign = MINUS if value < 0 else ""
    size_ = abs(Decimal(str(value)))
    if decimals is not None:
        return f"{sign}${size_:,.{decimals}f}"
    if size_ >= 1 or size_ == 0:
        return f"{sign}${size_:,.2f}"
    return f"{sign}${significant(float(size_)).ljust(len('0.00'), '0')}"


def usd_range(low: Decimal | float, high: Decimal | float) -> str:
    """Return the ends of an interval in US dollars.

    >>> usd_range(0.515, 1.0081)
    '$0.515–$1.01'
    """
    return f"{usd(low)}{EN_DASH}{usd(high)}"


def duration(seconds: float) -> str:
    """Return a latency in the unit that one would say it in.

    >>> duration(0.0123), duration(0.5), duration(2.25), duration(5400)
    ('12.3 ms', '500 ms', '2.25 s', '1.5 h')
    """
    if seconds < 1:
        return f"{significant(seconds * 1000)} ms"
    if seconds < 120:
        return f"{significant(seconds)} s"
    return f"{significant(seconds / 60)} min" if seconds < 3600 else f"{significant(seconds / 3600)} h"


def percent(share: float, decimals: int = 0) -> str:
    """Return a share of one as a percentage.

    >>> percent(0.905), percent(0.905, 1)
    ('90%', '90.5%')
    """
    return _signed(f"{share * 100:.{decimals}f}%")


def interval(value: Interval, unit: str = "") -> str:
    """Return the expected value followed by its 80 % interval.

    >>> interval(Interval(1.0, 2.0, 4.5), "ms")
    '2 ms (1–4.5)'
    """
    expected = significant(value.expected) + (f" {unit}" if unit else "")
    return f"{expected} ({significant(value.low)}{EN_DASH}{significant(value.high)})"


def day(value: date | datetime | None) -> str:
    """Return a date as ISO writes it, "undated" for none.

    >>> day(date(2026, 8, 14)), day(None)
    ('2026-08-14', 'undated')
    """
    if value is None:
        return "undated"
    return (value.date() if isinstance(value, datetime) else value).isoformat()


def day_range(values: Iterable[date | datetime]) -> str:
    """Return the first and the last day, "" for none.

    >>> day_range([date(2026, 8, 14), date(2026, 3, 1)])
    '2026-03-01 to 2026-08-14'
    """
    days = sorted({day(value) for value in values})
    return " to ".join([days[0], days[-1]][: len(days)]) if days else ""


def plural(number: float, noun: str, plural_noun: str | None = None) -> str:
    """Return a counted noun.

    >>> plural(1, "GPU"), plural(8, "GPU")
    ('1 GPU', '8 GPUs')
    """
    return f"{count(number)} {noun if number == 1 else plural_noun or noun + 's'}"


def listing(words: Sequence[str]) -> str:
    """Return words as a sentence lists them.

    >>> listing(["1", "2", "4"])
    '1, 2 and 4'
    """
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def plain(text: str) -> str:
    """Return ``text`` so that Streamlit's Markdown shows it letter by letter.

    >>> plain("$1 *and* $2")
    '\\\\$1 \\\\*and\\\\* \\\\$2'
    """
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#$|~:" else letter for letter in text)


def sentence(text: object) -> str:
    """Return a message, such as an error's, as a plain sentence; a name it begins with keeps its letters.

    >>> sentence("this link is incomplete"), sentence("eu.csv is empty.")
    ('This link is incomplete.', 'eu.csv is empty.')
    """
    words = str(text).strip()
    first = words.partition(" ")[0]
    if first.isalpha() and first.islower():
        words = words[0].upper() + words[1:]
    return plain(words if words.endswith((".", "!", "?", ":")) else f"{words}.")


def _signed(text: str) -> str:
    return text.replace("-", MINUS, 1) if text.startswith("-") else text
