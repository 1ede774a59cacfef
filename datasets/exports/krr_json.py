"""Robusta KRR's JSON: numbers in cores and bytes, ``?`` where it could not decide.

Shape: robusta-dev/krr robusta_krr/formatters/json.py, core/models/result.py.
"""

import re
from collections.abc import Mapping
from typing import Any

from inferplan.datasets.exports.krr_csv import advice, amount
from inferplan.datasets.uploads.json_stream import members
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, Tally

name = "krr-json"
title = "KRR recommendations (JSON)"
kind = "advice"


_SCANS = re.compile(r'^\s*\{\s*"scans"\s*:', re.MULTILINE)  # what KRR tells of its work may stand before


def sniff(head: str) -> bool:
    """Recognise the list of scans."""
    return _SCANS.search(head) is not None and '"recommended"' in head


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield a piece of advice per scan."""
    with upload.text() as text:
        for position, scan in enumerate(members(text, "scans", upload.file_name), start=1):
            tally.rows_read += 1
            try:
                yield _advice(position, scan)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                tally.refuse(position, f"not a scan: {error!r}")


def _advice(position: int, scan: Mapping[str, Any]) -> Any:
    place, wanted = scan["object"], scan["recommended"]
    detail = {
        f"{resource}_{side}": {
            "current": _amount(place["allocations"][side].get(resource)),
            "recommended": _amount((wanted[side].get(resource) or {}).get("value")),
        }
        for side in ("requests", "limits")
        for resource in ("cpu", "memory")
    }
    record = {
        "namespace": str(place["namespace"]),
        "name": str(place["name"]),
        "container": str(place["container"]),
        "type": str(place["kind"]),
        "severity": str(scan.get("severity", "")),
    }
    return advice(position, detail, record)


def _amount(value: float | str | None) -> float | None:
    return amount(str(value)) if value is not None else None
