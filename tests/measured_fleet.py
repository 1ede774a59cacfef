"""A fleet to ask advice on: series with stated levels, and prices."""

from datetime import date
from decimal import Decimal

import numpy as np

from inferplan.datasets.schema import Offer
from inferplan.datasets.uploads.landing import land_series, undo_import
from inferplan.datasets.uploads.reading import Labels, Series
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.rightsizing import Profile, recommend

START_S = 1_791_158_400  # Monday 2026-10-05 00:00 UTC
GIB = 1024.0**3


def offer(
    instance_type: str, gpu: str, count: int, price: str, option: str = "on_demand", region: str = "us-east-1"
) -> Offer:
    return Offer(
        provider="aws", instance_type=instance_type, gpu=gpu, gpu_count=count, region=region,
        purchase_option=option, usd_per_hour=Decimal(price), observed_on=date(2026, 11, 1),
        date_basis="test", source="test price list",
    )  # fmt: skip


OFFERS = (
    offer("p5.48xlarge", "H100 SXM", 8, "55.04"),
    offer("p5.4xlarge", "H100 SXM", 1, "6.88"),
    offer("p5.4xlarge", "H100 SXM", 1, "4.40", "reserved_1y"),
    offer("p4de.24xlarge", "A100 SXM 80GB", 8, "27.44"),
    offer("g6e.xlarge", "L40S", 1, "1.861"),
    offer("g6e.2xlarge", "L40S", 1, "2.242"),
    offer("g5.2xlarge", "A10G", 1, "1.212"),
    offer("g6.xlarge", "L4", 1, "0.8048"),
)


MOVED = ("sm_active_ratio", "dram_active_ratio", "kv_cache_usage_ratio", "requests_running")


def idle_member(**labels: str) -> list:
    return member(sm=0.0, dram=0.0, running=0.0, power=60.0, **labels)


def member(
    *,
    sm: float | None = 0.3,
    dram: float | None = 0.3,
    kv: float | None = 0.3,
    running: float | None = 2.0,
    waiting: float = 0.0,
    power: float = 200.0,
    fb: float = 20.0,
    util: float = 0.5,
    days: float = 28.0,
    keep: float = 1.0,
    pod: str = "svc-7c9d5b7f6c-aaaaa",
    uuid: str = "GPU-1",
    load: np.ndarray | None = None,
    begin_day: float = 0.0,
    ttft_s: float | None = None,
    tpot_s: float | None = None,
    rates: dict[str, float] | None = None,
    **labels: str,
) -> list:
    """One GPU with its process, five-minute samples; ``load`` (by sample) scales what a load moves."""
    steps = round(days * 288)
    chosen = np.random.default_rng(5).random(steps) < keep
    chosen[[0, -1]] = True
    times = (START_S + round(begin_day * 86_400) + np.arange(steps)[chosen] * 300) * 1_000_000
    scale = np.ones(steps)[chosen] if load is None else load[:steps][chosen]
    place = Labels(
        gpu_uuid=uuid, gpu_index="0", namespace="prod", pod=pod,
        **{
            "host": "n1", "gpu_name": "NVIDIA A100-SXM4-80GB", "instance_type": "p4de.24xlarge", "model": "m",
            **labels,
        },
    )  # fmt: skip
    levels = {
        "sm_active_ratio": sm, "dram_active_ratio": dram, "kv_cache_usage_ratio": kv,
        "requests_running": running, "requests_waiting": None if running is None else waiting,
        "power_w": power, "gpu_util_ratio": util,
        "fb_used_bytes": fb * GIB, "fb_total_bytes": 80 * GIB,
        "generation_tokens_per_s": None if running is None else running * 10,
    }  # fmt: skip
    levels |= rates or {}
    for name, latency in (("ttft", ttft_s), ("tpot", tpot_s)):
        if latency is not None:
            levels |= {f"{name}_sum_s": latency * 30.0, f"{name}_count": 30.0, f"{name}_count_per_s": 0.1}
    return [
        (Series(metric, place), times, np.full(len(times), value) * (scale if metric in MOVED else 1.0))
        for metric, value in levels.items()
        if value is not None
    ]


def kept(name: str, **given) -> list:
    """A process that is right where it is, on a machine with one H100."""
    stated = {"sm": 0.7, "dram": 0.5, "fb": 70.0, "kv": 0.5, "instance_type": "p5.4xlarge"}
    return member(
        pod=f"{name}-7c9d5b7f6c-aaaaa", uuid=name, host=f"host-{name}",
        gpu_name="NVIDIA H100 80GB HBM3", **stated | given,
    )  # fmt: skip


def advise(
    warehouse: Warehouse, *members: list, profile: Profile | None = None, bills: tuple = (),
    offers: tuple[Offer, ...] = OFFERS,
):  # fmt: skip
    number = land_series(warehouse, "test", "test", "test", [one for found in members for one in found])
    try:
        return recommend(warehouse, profile or Profile(), [number, *bills], offers)
    finally:
        undo_import(warehouse, number)
