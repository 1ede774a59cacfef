"""Every bundled figure keeps its promises: a source, a unit, sane bounds, names that join."""

import re
from collections import Counter
from datetime import date
from decimal import Decimal
from typing import get_args

import pytest

from inferplan.datasets import catalog
from inferplan.datasets.schema import Gpu, Offer, PurchaseOption
from inferplan.pricing.checks import check
from inferplan.pricing.sources import bundled

GPUS = catalog.gpus()
MODELS = catalog.models()
COLLECTED_ON = date(2026, 11, 30)


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        (catalog.gpus(), 69),
        (catalog.offer_observations(), 817),
        (catalog.api_prices(), 169),
        (catalog.energy(), 112),
        (catalog.models(), 160),
    ],
)
def test_files_are_complete(rows: tuple[object, ...], count: int) -> None:
    assert len(rows) >= count


def test_names_are_unique() -> None:
    observed = [(offer.offer_id, offer.observed_on) for offer in catalog.offer_observations()]
    formats = [row.format for row in catalog.quantization_formats()]
    for names in ([gpu.name for gpu in GPUS], observed, formats, [name.casefold() for name in MODELS]):
        assert [name for name, count in Counter(names).items() if count > 1] == []


def test_every_figure_has_a_source_and_no_date_lies_ahead() -> None:
    rows = (*GPUS, *catalog.offer_observations(), *catalog.api_prices(), *catalog.energy())
    for row in (*rows, *catalog.quantization_formats()):
        assert row.source.strip()
        when = row.observed_on if hasattr(row, "observed_on") else row.as_of
        assert date(2023, 1, 1) < when < COLLECTED_ON


def test_an_alias_means_one_accelerator() -> None:
    for gpu in GPUS:
        for name in (gpu.name, *gpu.aliases):
            assert catalog.gpu(name) is gpu, f"{name} means {catalog.gpu(name).name} and {gpu.name}"


@pytest.mark.parametrize("gpu", GPUS, ids=lambda gpu: gpu.name)
def test_accelerator_is_physically_possible(gpu: Gpu) -> None:
    marketed_bytes = gpu.memory_marketed_gb * 1e9
    assert 0.98 < gpu.memory_total_bytes / marketed_bytes < 1.0738, "between decimal GB and GiB"
    assert 1e11 < gpu.memory_bandwidth_bytes_per_s < 4e13
    assert gpu.tdp_w is None or 30 <= gpu.tdp_w <= 3000
    assert gpu.release_year is None or 2015 < gpu.release_year < 2028
    for measured, peak in (
        (gpu.measured_bf16_flops_per_s, gpu.bf16_flops_per_s),
        (gpu.measured_fp8_flops_per_s, gpu.fp8_flops_per_s),
    ):
        if measured is not None:
            assert peak is not None
            assert 0.4 * peak < measured < peak, "nobody measures more than the peak"


# Ratios that a dense figure obeys and one with sparsity breaks; exceptions are the silicon's own.
_FP8_FASTER = {"Rubin SXM": 4.4}
_FP4_FASTER = {
    "B300": 3.2,
    "GB300": 3.1,
    "RTX 5090": 4.1,  # FP8 is given with FP32 accumulate, which GeForce runs at half rate
    "RTX PRO 5000 Blackwell": 4.1,  # the sheet's figure may be sparse: marked doubtful in the file
}


@pytest.mark.parametrize("gpu", GPUS, ids=lambda gpu: gpu.name)
def test_peaks_are_dense(gpu: Gpu) -> None:
    half = gpu.bf16_flops_per_s or gpu.fp16_flops_per_s
    if half and gpu.fp8_flops_per_s and gpu.name != "Gaudi 3":  # its matrix unit runs both at one rate
        assert 0.99 <= gpu.fp8_flops_per_s / half <= _FP8_FASTER.get(gpu.name, 2.1)
    if gpu.fp8_flops_per_s and gpu.fp4_flops_per_s:
        assert gpu.fp4_flops_per_s / gpu.fp8_flops_per_s <= _FP4_FASTER.get(gpu.name, 2.1)
    if half and gpu.int8_ops_per_s:
        assert gpu.int8_ops_per_s / half <= 4.1


@pytest.mark.parametrize(
    ("name", "field", "published"),
    [
        # NVIDIA's H100 datasheet prints 1979 TFLOPS FP16 and 3958 FP8 "with sparsity": half of that.
        ("H100 SXM", "bf16_flops_per_s", 989.4e12),
        ("H100 SXM", "fp8_flops_per_s", 1978.9e12),
        ("H200 SXM", "fp8_flops_per_s", 1978.9e12),
        ("B300", "fp8_flops_per_s", 4500e12),
        ("B300", "int8_ops_per_s", 153.5e12),
        ("A100 SXM 80GB", "fp8_flops_per_s", None),
        ("MI300X", "memory_bandwidth_bytes_per_s", 5300e9),
        ("L40S", "tdp_w", 350),
        ("L4", "memory_total_bytes", 23034 * 2**20),  # nvidia-smi
        ("H100 SXM", "memory_total_bytes", 81559 * 2**20),  # nvidia-smi
        ("MI300X", "memory_total_bytes", 206141652992),  # rocm-smi
    ],
)
def test_well_known_traps_are_avoided(name: str, field: str, published: float | None) -> None:
    found = getattr(catalog.gpu(name), field)
    assert found == (None if published is None else pytest.approx(published, rel=1e-3))


@pytest.mark.parametrize("offer", catalog.offer_observations(), ids=lambda offer: offer.offer_id)
def test_offer_joins_and_is_credible(offer: Offer) -> None:
    assert offer.gpu in {gpu.name for gpu in GPUS}
    assert offer.purchase_option in get_args(PurchaseOption)
    assert offer.usd_per_hour is None or offer.usd_per_hour > 0
    assert offer.date_basis
    if re.search("GPU (SKU|component) only", offer.notes):
        assert offer.price_covers == "gpu_only"
    if offer.provider == "aws" and offer.purchase_option == "capacity_block":
        assert offer.price_covers == "reservation_fee", "the operating system is billed beside it"


def test_the_snapshot_passes_the_checks_of_a_refresh() -> None:
    checked = check(bundled.fetch().quotes)
    assert checked.refused == ()
    assert checked.duplicates == ()
    assert len(checked.offers) == len(catalog.offer_observations())


def test_p5_costs_what_the_price_list_says() -> None:
    [p5] = [
        offer
        for offer in catalog.offers()
        if offer.offer_id == "aws/p5.48xlarge/us-east-1/on_demand/H100 SXM"
    ]
    assert p5.usd_per_hour == Decimal("55.04")
    assert p5.observed_on == date(2026, 11, 9), "the newest of two observations"
    assert p5.usd_per_gpu_hour == Decimal("6.88")


def test_api_prices_are_ordered_as_hosts_charge() -> None:
    for price in catalog.api_prices():
        cached = price.cached_input_usd_per_mtok
        assert cached is None or cached <= price.input_usd_per_mtok
        assert price.catalog_model is None or price.catalog_model in MODELS
        assert Decimal("0.001") < price.input_usd_per_mtok < 100
        assert price.output_usd_per_mtok < 500


_ENERGY_RANGES = {
    ("pue", "ratio"): (1.0, 2.5),
    ("electricity_price", "USD/kWh"): (0.02, 0.5),
    ("electricity_price", "EUR/kWh"): (0.02, 0.5),
    ("electricity_price", "AUD/kWh"): (0.02, 0.6),
    ("grid_carbon", "gCO2e/kWh"): (1, 1100),
}


def test_energy_figures_lie_in_their_unit_s_range() -> None:
    for figure in catalog.energy():
        low, high = _ENERGY_RANGES[figure.metric, figure.unit]
        assert low <= figure.value <= high, figure


@pytest.mark.parametrize(
    ("name", "bits"),
    [("MXFP4", 4.25), ("NVFP4", 4.5), ("GGUF Q4_K", 4.5), ("GGUF Q8_0", 8.5), ("GGUF Q6_K", 6.5625)],
)
def test_bits_per_value_follow_from_the_block_layout(name: str, bits: float) -> None:
    [found] = [row for row in catalog.quantization_formats() if row.format == name]
    assert found.bits_per_value == bits


@pytest.mark.parametrize("model", MODELS)
def test_model_file_states_a_config_and_sources(model: str) -> None:
    config, facts = catalog.model_config(model), catalog.model_facts(model)
    assert facts.model == model
    assert isinstance(config["model_type"], str)
    assert "_facts" not in config
    assert all(source.strip() for source in facts.sources)
    if facts.total_check is not None:
        assert facts.total_parameters is not None
    if facts.active_parameters and facts.language_model_parameters:
        assert facts.active_parameters <= facts.language_model_parameters


def test_facts_name_no_machine_of_ours() -> None:
    for row in (*GPUS, *catalog.offer_observations(), *catalog.quantization_formats()):
        assert not re.search(r'[" ]/(home|root|tmp|work|opt|var)/', row.model_dump_json())
