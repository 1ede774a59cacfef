"""Robusta KRR's CSV, as text for people (``csv``) or as numbers (``csv-raw``).

Shapes: robusta-dev/krr robusta_krr/formatters/csv.py and csv_raw.py. ``?`` is undecided, ``unset`` is none;
the text form leaves the name empty on a workload's further containers and cuts small numbers off.
"""

import re
from collections.abc import Mapping
from typing import Any

from inferplan.datasets.uploads.metrics import UNITS, plain
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Advice, Items, ReadOptions, Tally
from inferplan.datasets.uploads.records import records
from inferplan.datasets.uploads.tables import header

name = "krr-csv"
title = "KRR recommendations (CSV)"
kind = "advice"

_NEEDED = {"namespace", "name", "container", "severity", "type"}
_AMOUNT = re.compile(r"^([+-]?[\d.]+(?:e[+-]?\d+)?)\s*([a-z]*)$", re.IGNORECASE)
_RESOURCES = ("cpu requests", "cpu limits", "memory requests", "memory limits")


def sniff(head: str) -> bool:
    """Recognise a severity beside container and workload."""
    return {plain(cell) for cell in header(head)} >= _NEEDED


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield a piece of advice per container."""
    identity: dict[str, str] = {}
    for line, record in records(upload, tally):
        if record["name"]:
            identity = {key: record.get(key, "") for key in ("cluster", "namespace", "name", "type", "pods")}
        try:
            yield _advice(line, {**record, **{key: value for key, value in identity.items() if value}})
        except ValueError as error:
            tally.refuse(line, str(error))


def _advice(line: int, record: Mapping[str, str]) -> Advice:
    detail = {resource.replace(" ", "_"): _change(record, resource) for resource in _RESOURCES}
    return advice(line, detail, record)


def advice(line: int, detail: dict[str, Any], record: Mapping[str, str]) -> Advice:
    """Return the advice of one container from its ``detail``: resource -> current and recommended amount."""
    requests = [detail["cpu_requests"], detail["memory_requests"]]
    shown = [
        f"{kind_of.replace('_', ' ')} {_shown(kind_of, change['current'])} -> "
        f"{_shown(kind_of, change['recommended'])}"
        for kind_of, change in detail.items()
        if change["current"] is not None or change["recommended"] is not None
    ]
    return Advice(
        line=line,
        tool=title.split(" ", maxsplit=1)[0],
        resource="/".join(record[key] for key in ("namespace", "name", "container") if record.get(key)),
        resource_type=record.get("type") or "workload",
        finding=_finding(requests, record.get("severity", "")),
        current=None,
        recommended="; ".join(shown),
        risk=record.get("severity"),
        detail=detail,
    )


def _shown(kind_of: str, value: float | None) -> str:
    """Return cores or GiB as they are read."""
    if value is None:
        return "none"
    return f"{value / UNITS['gib']:.3g} GiB" if kind_of.startswith("memory") else f"{value:.3g}"


def _finding(requests: list[dict[str, Any]], severity: str) -> str:
    known = [
        (change["current"], change["recommended"])
        for change in requests
        if change["current"] is not None and change["recommended"] is not None
    ]
    if not known or severity.upper() == "UNKNOWN":
        return "undecided"
    if any(after > before for before, after in known):
        return "under"
    return "over" if any(after < before for before, after in known) else "optimized"


def _change(record: Mapping[str, str], resource: str) -> dict[str, float | None]:
    raw = record.get(plain(f"{resource} current"))
    if raw is not None:
        after = record.get(plain(f"{resource} recommended"), "")
        return {"current": amount(raw), "recommended": amount(after)}
    text = re.sub(r"^\([^)]*\)\s*", "", record.get(plain(resource), ""))
    before, arrow, after = text.partition("->")
    return {"current": amount(before), "recommended": amount(after if arrow else before)}


def amount(text: str) -> float | None:
    """Return cores or bytes; ``None`` for undecided and unset.

    >>> amount("50m"), amount("128Gi"), amount("?")
    (0.05, 137438953472.0, None)
    """
    text = text.strip()
    if text in ("", "?", "unset", "None"):
        return None
    match = _AMOUNT.match(text)
    if match is None:
        msg = f"{text[:40]!r} is no amount of CPU or memory"
        raise ValueError(msg)
    unit = match[2].casefold()
    factor = {"": 1.0, "m": 0.001}.get(unit) or UNITS.get(unit + "b")
    if factor is None:
        msg = f"{text[:40]!r} has an unknown unit"
        raise ValueError(msg)
    return float(match[1]) * factor
