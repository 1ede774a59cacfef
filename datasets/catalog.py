"""Typed access to the bundled facts: read on first use, kept for the life of the process."""

import copy
import csv
import functools
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from inferplan.datasets import gpu_names
from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.schema import (
    ApiPrice,
    EnergyFigure,
    Gpu,
    ModelFacts,
    Offer,
    QuantizationFormat,
)

GIGA, TERA, MIB = 10**9, 10**12, 1024**2

_SCALED_GPU_COLUMNS: Mapping[str, tuple[str, int]] = {
    "memory_bandwidth_gb_per_s": ("memory_bandwidth_bytes_per_s", GIGA),
    "interconnect_bidirectional_gb_per_s": ("interconnect_bidirectional_bytes_per_s", GIGA),
    "fp32_dense_tflops": ("fp32_flops_per_s", TERA),
    "tf32_dense_tflops": ("tf32_flops_per_s", TERA),
    "fp16_dense_tflops": ("fp16_flops_per_s", TERA),
    "bf16_dense_tflops": ("bf16_flops_per_s", TERA),
    "fp8_dense_tflops": ("fp8_flops_per_s", TERA),
    "int8_dense_tops": ("int8_ops_per_s", TERA),
    "fp4_dense_tflops": ("fp4_flops_per_s", TERA),
    "measured_bf16_tflops": ("measured_bf16_flops_per_s", TERA),
    "measured_fp8_tflops": ("measured_fp8_flops_per_s", TERA),
}


def _facts() -> Traversable:
    return files("inferplan.datasets") / "facts"


def _read_csv(name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a facts file without their empty cells: empty is unknown."""
    for row in csv.DictReader(io.StringIO((_facts() / name).read_text(encoding="utf-8"))):
        yield {column: cell for column, cell in row.items() if cell}


def _parse_gpu(row: Mapping[str, str]) -> Gpu:
    fields: dict[str, object] = {}
    for column, cell in row.items():
        if column in _SCALED_GPU_COLUMNS:
            field, factor = _SCALED_GPU_COLUMNS[column]
            fields[field] = float(cell) * factor
        elif column == "memory_total_mib":
            fields["memory_total_bytes"] = int(cell) * MIB
        elif column in ("mig_profiles", "aliases"):
            fields[column] = tuple(part.strip() for part in cell.split(";"))
        else:
            fields[column] = cell
    if "memory_total_bytes" not in fields:
        # Decimal gigabytes are below every driver total in the file (lowest: B300, 0.9326 GiB per GB).
        fields["memory_total_bytes"] = round(float(row["memory_marketed_gb"]) * GIGA)
        fields["memory_total_basis"] = "not known: the marketed size in decimal gigabytes, a floor"
    return Gpu.model_validate(fields)


@functools.cache
def gpus() -> tuple[Gpu, ...]:
    """Return every accelerator of the catalog, in the order of the file."""
    return tuple(_parse_gpu(row) for row in _read_csv("gpus.csv"))


def gpu(name: str) -> Gpu:
    """Return the accelerator called ``name``: its name in any case and spelling, or an alias of one only.

    Raises
    ------
    UnknownNameError
        With the nearest names, when nothing or more than one accelerator goes by that name.

    >>> gpu("h100 sxm5").name, gpu("NVIDIA H100 80GB HBM3").name
    ('H100 SXM', 'H100 SXM')
    """
    found = _gpu_index().find(name)
    if found is None:
        related = _gpu_index().related(name) or gpus()
        raise UnknownNameError("GPU", name, (known.name for known in related))
    return found


def gpu_by_driver_name(name: str, memory_total_bytes: int | None = None) -> Gpu | None:
    """Return the accelerator that a driver reports as ``name``, or ``None`` when it cannot be told.

    ``memory_total_bytes``, as the driver reports it, tells variants of one chip apart; a MIG slice
    ("... MIG 1g.10gb") answers with the accelerator that it is a slice of.

    >>> gpu_by_driver_name("NVIDIA A100-SXM4-40GB").name
    'A100 SXM 40GB'
    """
    return _gpu_index().find_reported(name, memory_total_bytes)


@functools.cache
def _gpu_index() -> gpu_names.GpuIndex:
    return gpu_names.GpuIndex(gpus())


@functools.cache
def _model_files() -> Mapping[str, Traversable]:
    """Map each model id to its file, from the file names alone: ``org__name.json`` is ``org/name``."""
    folder = _facts() / "models"
    names = sorted(
        (entry.name for entry in folder.iterdir() if entry.name.endswith(".json")), key=str.casefold
    )
    return {name.removesuffix(".json").replace("__", "/", 1): folder / name for name in names}


def models() -> tuple[str, ...]:
    """Return the ids of every model of the catalog, sorted; no file is read."""
    return tuple(_model_files())


@functools.cache
def _folded_models() -> Mapping[str, str]:
    """Map folded ids, and folded names without the organisation where one model has it, to ids."""
    by_name: defaultdict[str, set[str]] = defaultdict(set)
    for model in _model_files():
        by_name[model.casefold()].add(model)
        by_name[model.casefold().split("/", 1)[-1]].add(model)
    return {name: next(iter(found)) for name, found in by_name.items() if len(found) == 1}


def model_id(name: str) -> str:
    """Return the id of the model called ``name``, in any case and with or without its organisation.

    >>> model_id("llama-3.3-70b-instruct")
    'meta-llama/Llama-3.3-70B-Instruct'
    """
    found = _folded_models().get(name.strip().casefold())
    if found is None:
        raise UnknownNameError("model", name, models())
    return found


@functools.cache
def _model_file(model: str) -> dict[str, Any]:
    content = json.loads(_model_files()[model].read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        msg = f"the file of {model} holds a {type(content).__name__} instead of an object"
        raise TypeError(msg)
    return content


def model_config(name: str) -> dict[str, Any]:
    """Return a copy of the Hugging Face config of model ``name``, without our own facts."""
    content = _model_file(model_id(name))
    return {field: copy.deepcopy(value) for field, value in content.items() if field != "_facts"}


def model_facts(name: str) -> ModelFacts:
    """Return what is known of model ``name`` besides its config: totals, licence, sources."""
    return ModelFacts.model_validate(_model_file(model_id(name))["_facts"])


@functools.cache
def offer_observations() -> tuple[Offer, ...]:
    """Return every price observation of the bundled snapshot, older ones of an offer included."""
    return tuple(Offer.model_validate(row) for row in _read_csv("offers.csv"))


@functools.cache
def offers() -> tuple[Offer, ...]:
    """Return the newest observation of every offer of the bundled snapshot."""
    return newest(offer_observations())


def offer(name: str, known: Sequence[Offer] | None = None) -> Offer:
    """Return the offer with the id ``name``, or the only one of that instance type, bundled or ``known``.

    Raises
    ------
    InferplanError
        When several offers go by that name; the message lists them.
    UnknownNameError
        When none does.
    """
    folded = name.strip().casefold()
    by_id = {offer.offer_id: offer for offer in (offers() if known is None else known)}
    found = [
        key for key, offer in by_id.items() if folded in (key.casefold(), offer.instance_type.casefold())
    ]
    if len(found) > 1:
        msg = f"{len(found)} offers are called {name!r}; name one by its id: {', '.join(sorted(found)[:8])}"
        raise InferplanError(msg)
    if not found:
        raise UnknownNameError("offer", name, by_id)
    return by_id[found[0]]


def newest(observations: Iterable[Offer]) -> tuple[Offer, ...]:
    """Return the newest observation of every offer; of two from one day the later in order."""
    latest: dict[str, Offer] = {}
    for observation in observations:
        known = latest.get(observation.offer_id)
        if known is None or observation.observed_on >= known.observed_on:
            latest[observation.offer_id] = observation
    return tuple(latest.values())


@functools.cache
def api_prices() -> tuple[ApiPrice, ...]:
    """Return what hosted APIs charge per million tokens; sources may disagree on one price."""
    return tuple(ApiPrice.model_validate(row) for row in _read_csv("api_prices.csv"))


def hosted_prices(model: str) -> tuple[ApiPrice, ...]:
    """Return what hosts charge for the catalog's ``model``, empty when none is known to host it.

    >>> {price.provider for price in hosted_prices("openai/gpt-oss-20b")} >= {"groq"}
    True
    """
    wanted = model_id(model)
    return tuple(price for price in api_prices() if price.catalog_model == wanted)


@functools.cache
def energy() -> tuple[EnergyFigure, ...]:
    """Return the figures about energy; mind ``unit``, tariffs come in several currencies."""
    return tuple(EnergyFigure.model_validate(row) for row in _read_csv("energy.csv"))


@functools.cache
def quantization_formats() -> tuple[QuantizationFormat, ...]:
    """Return the stored formats of weights and KV caches with their true bits per value."""
    return tuple(QuantizationFormat.model_validate(row) for row in _read_csv("quantization.csv"))
