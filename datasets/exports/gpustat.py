"""``gpustat --json``: what all GPUs of a machine do at one moment, document after document.

Shape: wookayin/gpustat gpustat/core.py (``jsonify``). Memory is in MiB, power in watts, the time local and
without a zone.
"""

from collections.abc import Mapping
from typing import Any

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.json_stream import documents
from inferplan.datasets.uploads.metrics import named
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, ReadOptions, Tally
from inferplan.datasets.uploads.taking import SeriesTaker

name = "gpustat"
title = "gpustat (JSON)"
kind = "usage"


def sniff(head: str) -> bool:
    """Recognise the time of the query beside the list of GPUs."""
    return head.lstrip("\ufeff \t\r\n").startswith(("{", "[")) and '"query_time"' in head and '"gpus"' in head


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield the samples of every GPU at every moment."""
    taker = SeriesTaker(options, tally, Clock(options, tally).us)
    with upload.text() as text:
        yield from taker.each(documents(text, upload.file_name), _take_all)


def _take_all(document: Mapping[str, Any], position: int, taker: SeriesTaker) -> None:
    for gpu in document["gpus"]:
        _take(gpu, document, position, taker)


def _take(gpu: Mapping[str, Any], document: Mapping[str, Any], position: int, taker: SeriesTaker) -> None:
    said = {"host": document.get("hostname"), "index": gpu.get("index"), "uuid": gpu.get("uuid"),
            "gpu_name": gpu.get("name")}  # fmt: skip
    labels = {key: str(value) for key, value in said.items() if value is not None}
    for field, value in gpu.items():
        if naming := named(field):
            taker.take_as(naming, labels, [(document.get("query_time"), value)], position)
