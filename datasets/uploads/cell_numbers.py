"""SQL of the numbers in cells, in the form that a column has; odd ones are left to ``values.number``."""

import re
from collections.abc import Sequence

from inferplan.datasets.uploads.metrics import UNITS
from inferplan.datasets.uploads.values import POINT_GROUPS
from inferplan.datasets.uploads.wording import text_literal

_WITH_UNIT = re.compile(r"^\s*-?[\d.]+( [^\d\s]+)\s*$")


def common_unit(texts: Sequence[str]) -> str:
    """Return the unit behind the first number that has one, with the space before it; empty without one."""
    found = next((match for text in texts if (match := _WITH_UNIT.match(text))), None)
    return found[1] if found and found[1].strip().casefold() in UNITS else ""


def number_in(text: str, unit: str, *, decimal_comma: bool) -> str:
    """Return an expression for the number in ``text``, NULL where it does not end in ``unit`` or is odd."""
    if unit:
        text = f"CASE WHEN ends_with({text}, {text_literal(unit)}) THEN {text}[:-{len(unit) + 1}] END"
    found = f"TRY_CAST({text} AS DOUBLE)"
    if not decimal_comma:
        return found
    has_groups = f"regexp_matches(coalesce({text}, ''), {text_literal(POINT_GROUPS.pattern)})"
    return f"CASE WHEN NOT {has_groups} THEN {found} END"
