"""Dates as people and programs write them, other than ISO 8601."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from inferplan.datasets.uploads.reading import NeedsAnswerError, Question, ReadOptions

DATE_ORDERS = ("day first", "month first")
DATE_QUESTION = Question(
    "date_order",
    "Dates such as 05/04/2024 can be read two ways: which comes first?",
    DATE_ORDERS,
)
NUMBERS = re.compile(
    r"^(?P<first>\d{1,2})(?P<sign>[/.-])(?P<second>\d{1,2})(?P=sign)(?P<year>\d{4})(?:,?\s+(?P<rest>\d.*)|$)"
)
"""A date of numbers with the year last, and a time that may follow."""
_NUMBERS_ANYWHERE = re.compile(r"(?<![\d/.-])(\d{1,2})[/-](\d{1,2})[/-]\d{4}(?![\d/.-])")
_LONGEST = 64
_SHORT = re.compile(r"^(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[ T](\d{1,2})(:.*))?$")
_NAMED_ZONE = re.compile(r"^(?P<rest>.*\d)(?:\[|\s+)(?P<zone>[A-Za-z_]+(?:/[A-Za-z_+-]+)+)\]?$")
_ZONE_AFTER_OFFSET = re.compile(r"^(.*[+-]\d\d:?\d\d)\s+(?:[A-Z]{2,5}|[+-]\d\d)$")
_OF_UTC = re.compile(r"\s+(?:UTC|GMT)$")
_HALF_DAY = re.compile(r"\s*([ap])\.?m\.?$", re.IGNORECASE)
_MONTH = re.compile(r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*", re.IGNORECASE)
_WORDED = (
    "%d %b %Y %H:%M:%S", "%d-%b-%Y %H:%M:%S", "%d %b %Y %H:%M", "%b %d, %Y %I:%M:%S %p",
    "%b %d, %Y, %I:%M:%S %p", "%b %d, %Y %H:%M:%S", "%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S",
    "%a, %d %b %Y %H:%M:%S %z", "%d/%b/%Y:%H:%M:%S %z",
)  # fmt: skip


def order_in(text: str) -> str | None:
    """Return which number of the dates in a piece of a file is the day; ``None`` where none tells.

    >>> order_in("05/04/2024 12:00\\n31/04/2024 12:00"), order_in("05/04/2024")
    ('day first', None)
    """
    found = [(int(first), int(second)) for first, second in _NUMBERS_ANYWHERE.findall(text)]
    if any(first > 12 for first, _ in found):
        return "day first"
    return "month first" if any(second > 12 for _, second in found) else None


def with_date_order(options: ReadOptions, head: str) -> ReadOptions:
    """Return ``options`` with the order of dates, where the beginning of the file tells it."""
    order = None if options.date_order else order_in(head)
    return options.model_copy(update={"date_order": order}) if order else options


def is_day_first(sign: str, order: str | None) -> bool:
    """Return whether the first number of a date whose numbers a ``sign`` parts is the day.

    Raises
    ------
    NeedsAnswerError
        If it may be either and no ``order`` is known; with points it is the day.
    """
    if sign != "." and order is None:
        raise NeedsAnswerError(DATE_QUESTION)
    return sign == "." or order == "day first"


def moment(text: str, order: str | None) -> datetime:
    """Return the time that ``text`` says, without a zone where it names none.

    Raises
    ------
    ValueError
        If it is no time.
    NeedsAnswerError
        If day and month may be taken for each other.

    >>> str(moment("5/1/2024, 1:05:00 PM", "month first")), str(moment("2024-5-1 9:05", None))
    ('2024-05-01 13:05:00', '2024-05-01 09:05:00')
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        if len(text) > _LONGEST:
            raise
    return _unlike_iso(text, order)


def _unlike_iso(text: str, order: str | None) -> datetime:
    if match := _NAMED_ZONE.match(text):
        found = moment(match["rest"], order)
        return found if found.tzinfo else found.replace(tzinfo=_zone(match["zone"]))
    if found_utc := _OF_UTC.search(text):
        found = moment(text[: found_utc.start()], order)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    if match := _ZONE_AFTER_OFFSET.match(text):
        return moment(match[1], order)
    if half := _HALF_DAY.search(text):
        if not _MONTH.search(text):
            return _in_half(moment(text[: half.start()], order), half[1].casefold())
        text = f"{text[: half.start()]} {half[1]}m"
    if numbers := NUMBERS.match(text):
        first, sign, second, year, rest = numbers.groups()
        day, month = (first, second) if is_day_first(sign, order) else (second, first)
        text = f"{year}-{month}-{day} {rest or ''}".strip()
    if short := _SHORT.match(text):
        year, month, day, hour, rest = short.groups()
        text = f"{year}-{month:0>2}-{day:0>2}" + (f" {hour:0>2}{rest}" if hour else "")
    return _of_words(text) if _MONTH.search(text) else datetime.fromisoformat(text)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError) as error:  # a folder of zones is no zone
        raise ValueError(name) from error


def _in_half(found: datetime, half: str) -> datetime:
    if not 1 <= found.hour <= 12:
        raise ValueError(found)
    return found.replace(hour=found.hour % 12 + (12 if half == "p" else 0))


def _of_words(text: str) -> datetime:
    spaced = " ".join(text.split())
    for form in _WORDED:
        try:
            return datetime.strptime(spaced, form)
        except ValueError:
            continue
    raise ValueError(text)
