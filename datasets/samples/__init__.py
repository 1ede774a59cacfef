"""A demo fleet, always labelled as sample data: in the warehouse, or as files to try an upload with."""

import json
from typing import TYPE_CHECKING, Any

from inferplan.datasets.errors import InferplanError

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse

FILE_NAME = "sample fleet (invented)"
_DIGEST = "sample-fleet-1"


def load(warehouse: "Warehouse") -> int:
    """Put the demo fleet into the warehouse and return its import number; a second time changes nothing."""
    from inferplan.datasets.samples import bill, fleet
    from inferplan.datasets.uploads.landing import land_series

    return land_series(warehouse, FILE_NAME, _DIGEST, "sample", fleet.series(), bill.lines())


def is_loaded(warehouse: "Warehouse") -> bool:
    """Return whether the demo fleet is in the warehouse."""
    return bool(warehouse.rows("SELECT 1 FROM imports WHERE digest = ?", [_DIGEST]))


def remove(warehouse: "Warehouse") -> None:
    """Take the demo fleet out of the warehouse; raises ``InferplanError`` if it is not there."""
    from inferplan.datasets.uploads.landing import undo_import

    found = warehouse.rows("SELECT import_id FROM imports WHERE digest = ?", [_DIGEST])
    if not found:
        msg = "The sample fleet is not loaded."
        raise InferplanError(msg)
    undo_import(warehouse, int(found[0][0]))


def files() -> dict[str, bytes]:
    """Return small files to try an upload with, by name: the last day of the fleet as Prometheus answers."""
    return {
        "sample-dcgm.json": _query_range(_DCGM),
        "sample-vllm.json": _query_range(_VLLM),
    }


_DCGM = {
    "gpu_util_ratio": ("DCGM_FI_DEV_GPU_UTIL", 100.0),
    "sm_active_ratio": ("DCGM_FI_PROF_SM_ACTIVE", 1.0),
    "dram_active_ratio": ("DCGM_FI_PROF_DRAM_ACTIVE", 1.0),
    "fb_used_bytes": ("DCGM_FI_DEV_FB_USED", 1 / 1024**2),
    "power_w": ("DCGM_FI_DEV_POWER_USAGE", 1.0),
}
_VLLM = {
    "kv_cache_usage_ratio": ("vllm:kv_cache_usage_perc", 1.0),
    "requests_running": ("vllm:num_requests_running", 1.0),
    "requests_waiting": ("vllm:num_requests_waiting", 1.0),
}
_LABEL_NAMES = {
    "gpu_uuid": "UUID",
    "gpu_index": "gpu",
    "gpu_name": "modelName",
    "host": "Hostname",
    "namespace": "namespace",
    "pod": "pod",
    "container": "container",
    "model": "model_name",
    "team": "team",
}
_LAST_DAY = 288
_EVERY = 3


def _query_range(metrics: dict[str, tuple[str, float]]) -> bytes:
    from inferplan.datasets.samples import fleet

    result: list[dict[str, Any]] = []
    for series, times_us, values in fleet.series():
        if series.metric in metrics:
            name, factor = metrics[series.metric]
            labels = {
                label: getattr(series.labels, field)
                for field, label in _LABEL_NAMES.items()
                if getattr(series.labels, field)
            }
            pairs = zip(times_us[-_LAST_DAY::_EVERY], values[-_LAST_DAY::_EVERY], strict=True)
            points = [[int(at) // 1_000_000, f"{value * factor:g}"] for at, value in pairs]
            result.append({"metric": {"__name__": name, **labels}, "values": points})
    answer = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    return json.dumps(answer, indent=1).encode()
