"""Numbers and labels as exporters print them."""

import math
import re
from collections.abc import Mapping

from inferplan.datasets.uploads.metrics import plain
from inferplan.datasets.uploads.reading import MISSING_FROM, Labels

MISSING_TEXT = {
    "", "-", "\u2013", "?", "n/a", "[n/a]", "na", "nan", "null", "none", "nil", "undefined",
    "[not supported]", "not supported", "[unknown error]", "unknown error", "[insufficient permissions]",
    "[gpu is lost]", "[gpu requires reset]", "err!", "#n/a",
}  # fmt: skip
_NUMBER_AND_UNIT = re.compile(r"^([+-]?[\d.,]+(?:e[+-]?\d+)?)\s*([a-z%°µμ/]*)$")
_GROUP_GAP = re.compile(r"(?<=\d)[ \u00a0\u202f'\u2019](?=\d{3}(?!\d))")
_COMMA_GROUPS = re.compile(r"^[+-]?\d{1,3}(?:(?:,\d{3}){2,}(?:\.\d+)?|,\d{3}\.\d+)$")
"""Thousands with commas, of which one alone may be a decimal sign."""
POINT_GROUPS = re.compile(r"^[+-]?\d{1,3}(?:\.\d{3})+$")
"""Thousands with points, or a number with a decimal point."""
_SURELY_DECIMAL = re.compile(r"^[+-]?\d+,(?:\d{1,2}|\d{4,})$")
_LABEL_SET = re.compile(r'([A-Za-z_][\w.:-]*)\s*=\s*"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_PAIR = re.compile(
    r"""["']?(?P<name>[A-Za-z_][\w./-]*)["']?\s*[=:]\s*(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|[^,;{}\[\]"']*)"""
)
_SUMMARIES = {"total", "grand total", "sum", "average", "avg", "mean", "overall", "all gpus"}


def number(text: str, *, decimal_comma: bool = False) -> tuple[float | None, str]:
    """Return the number in a cell and the unit printed beside it; ``None`` where there is no value.

    Raises
    ------
    ValueError
        If the cell is neither a number nor a known word for "no value".

    >>> number("74812 MiB")
    (74812.0, 'mib')
    >>> number("[N/A]")
    (None, '')
    >>> number("1.234,5 W", decimal_comma=True), number("73.1 GiB", decimal_comma=True)
    ((1234.5, 'w'), (73.1, 'gib'))
    """
    folded = text.strip().casefold()
    if decimal_comma and POINT_GROUPS.match(folded):
        return _with_unit(text, folded, decimal_comma)
    try:
        return finite(float(folded)), ""
    except ValueError:
        return _with_unit(text, folded, decimal_comma)


def _with_unit(text: str, folded: str, decimal_comma: bool) -> tuple[float | None, str]:
    """Return what a cell says that is no bare number, as most are."""
    if folded in MISSING_TEXT:
        return None, ""
    match = _NUMBER_AND_UNIT.match(_GROUP_GAP.sub("", folded))
    digits, unit = (match[1], match[2]) if match else ("", "")
    if _COMMA_GROUPS.match(digits):
        digits = digits.replace(",", "")
    elif (decimal_comma and "," in digits) or (
        POINT_GROUPS.match(digits) and (decimal_comma or digits.count(".") > 1)
    ):
        digits = digits.replace(".", "").replace(",", ".")
    elif _SURELY_DECIMAL.match(digits):
        digits = digits.replace(",", ".")
    try:
        return finite(float(digits)), unit
    except ValueError:
        either = ": its comma may be a decimal sign or part thousands" if "," in digits else ""
        msg = f"{text.strip()[:40]!r} is not a number{either}"
        raise ValueError(msg) from None


def finite(value: float) -> float | None:
    """Return the value, or ``None`` for NaN, infinities and DCGM's blank values."""
    return value if math.isfinite(value) and value < MISSING_FROM else None


_LABELS: dict[str, tuple[str, ...]] = {
    "gpu_uuid": ("uuid", "gpu_uuid", "gpuuuid"),
    "gpu_index": (
        "gpu", "index", "gpu_index", "gpuindex", "gpu_id", "minor_number", "gpudevice", "deviceid",
        "accelerator_id", "hw.id", "device", "card", "pci_bus_id", "gpu_bus_id",
    ),
    "gpu_name": ("modelname", "gpu_name", "gpu_model", "gpudevicename", "device_name", "card_series"),
    "mig_id": ("gpu_i_id", "gpu_instance_id"),
    "mig_profile": ("gpu_i_profile", "mig_profile"),
    "host": (
        "hostname", "host", "host.name", "node", "nodename", "node_name", "exported_node", "kubernetes_node",
    ),
    "instance_id": ("instanceid", "instance_id", "resourceid", "resource_id"),
    "instance_type": ("instancetype", "instance_type", "node_kubernetes_io_instance_type"),
    "namespace": (
        "exported_namespace", "namespace", "namespace_name", "pod_namespace", "kubernetes_namespace",
    ),
    "pod": ("exported_pod", "pod", "pod_name", "podname", "kubernetes_pod_name", "replica"),
    "container": ("exported_container", "container", "container_name"),
    "endpoint": ("instance", "endpoint"),
    "engine": ("engine", "engine_index", "dp_rank"),
    "model": ("model_name", "model", "served_model_name", "model_id"),
    "team": ("team", "label_team", "owner", "exported_team", "cost_center", "user_team"),
}  # fmt: skip
_SPELLED = {name: field for field, names in _LABELS.items() for name in names}
_FIELDS = {plain(name): field for field, names in _LABELS.items() for name in (field, *names)}
_DEVICE = re.compile(r"^nvidia(\d+)$")  # so Container Insights calls the GPU 0
_GPU_UUID = re.compile(r"^(?:GPU|MIG)-[0-9a-f]{8}-[0-9a-f-]{27}$", re.IGNORECASE)
_GPU_NAME = re.compile(r"^(?:nvidia|tesla|amd|intel|geforce|quadro)[\s_-]", re.IGNORECASE)
_OF_HISTOGRAMS = ("_bucket", "_sum_s", "_count")
_VARIANTS = ("finished_reason", "quantile", "priority")
_EXPORTERS = ("dcgm-exporter", "nvidia-dcgm-exporter", "nvidia-gpu-exporter")


def labels_of(raw: Mapping[str, str]) -> Labels:
    """Return the labels we know; an ``exported_`` label (the workload's own) wins over the scrape's.

    >>> labels_of({"Hostname": "inf-a-0", "gpu": "0", "exported_pod": "llm-0", "pod": "dcgm-exporter-x"}).pod
    'llm-0'
    """
    folded = {name.casefold(): value.strip() for name, value in raw.items() if value and value.strip()}
    found: dict[str, str] = {}
    for field, names in _LABELS.items():
        for name in names:
            if name in folded:
                found[field] = folded[name]
                break
    if found.get("pod", "").startswith(_EXPORTERS):
        for field in ("pod", "namespace", "container"):
            found.pop(field, None)
    return Labels(**with_gpu(found))


def with_gpu(found: Mapping[str, str]) -> dict[str, str]:
    """Return labels by field with what stands for a GPU under the field that it is of.

    >>> with_gpu({"gpu_index": "nvidia0"}), with_gpu({"gpu_index": "NVIDIA L4"})
    ({'gpu_index': '0'}, {'gpu_name': 'NVIDIA L4'})
    """
    labels = dict(found)
    if device := _DEVICE.match(labels.get("gpu_index", "")):
        labels["gpu_index"] = device[1]
    for field, form in (("gpu_uuid", _GPU_UUID), ("gpu_name", _GPU_NAME)):
        if form.match(labels.get("gpu_index", "")):
            labels = {field: labels.pop("gpu_index"), **labels}
    return labels


def variant_of(metric: str, raw: Mapping[str, str]) -> str:
    """Return what tells apart series of ``metric`` at one place.

    Of a histogram it is the bucket's bound, then every label that says nothing of the place: histograms of
    two kinds of requests are added up, never taken for one counter.

    >>> variant_of("ttft_bucket", {"le": "0.5", "pod": "a", "is_streaming": "true"})
    '0.5,is_streaming=true'
    """
    if not metric.endswith(_OF_HISTOGRAMS):
        return ",".join(raw[key] for key in _VARIANTS if key in raw)
    others = (key for key in sorted(raw) if key not in ("__name__", "le") and known_label(key) is None)
    return ",".join((raw.get("le", ""), *(f"{key}={raw[key]}" for key in others)))


def known_label(name: str) -> str | None:
    """Return the field of ``Labels`` that a column of this name fills, or ``None``.

    >>> known_label("modelName"), known_label("model_name")  # of DCGM, of vLLM
    ('gpu_name', 'model')
    """
    return _SPELLED.get(name.strip().casefold()) or _FIELDS.get(plain(name))


def preference(name: str) -> int:
    """Return which of several columns for one field of ``Labels`` goes first: the lesser number.

    >>> preference("uuid") < preference("gpu_uuid"), preference("pci.bus_id") > preference("index")
    (True, True)
    """
    found = known_label(name)
    spelled = [plain(one) for one in _LABELS[found]] if found else []
    return spelled.index(plain(name)) if plain(name) in spelled else -1


def label_set(text: str) -> dict[str, str]:
    """Return the pairs of a Prometheus label set such as ``{gpu="0", pod="a"}``."""
    return {name: _ESCAPED.sub(_unescape, value) for name, value in _LABEL_SET.findall(text)}


def label_pairs(text: str) -> dict[str, str]:
    """Return the labels in a cell, however its tool parts names from values.

    >>> label_pairs("host=n,index=0"), label_pairs('{"gpu": "0", "host": "a:9400"}')
    ({'host': 'n', 'index': '0'}, {'gpu': '0', 'host': 'a:9400'})
    """
    found = {match["name"]: match["value"].strip() for match in _PAIR.finditer(text)}
    return {
        name: _ESCAPED.sub(_unescape, value[1:-1]) if value[:1] in ("'", '"') else value
        for name, value in found.items()
    }


def sums_up(place: str) -> bool:
    """Return whether a row or a series of that name sums up others, as tables for people end with."""
    return place.strip().casefold() in _SUMMARIES


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]
