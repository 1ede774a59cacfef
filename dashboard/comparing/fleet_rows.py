"""The machines that serve a portfolio as rows, for the page, its downloads and the command line."""

from collections.abc import Mapping
from typing import Any

from inferplan.dashboard import formats
from inferplan.dashboard.reports import Column
from inferplan.planner.fleet_choice import Fleet

COLUMNS: Mapping[str, Column] = {
    "offer": Column("Machine"),
    "machines": Column("Machines"),
    "usd_per_hour": Column("All", "USD per hour"),
    "usd_per_month": Column("All", "USD per month"),
    "price_date": Column("Price seen on"),
    "source": Column("Price source"),
    "models": Column("Replicas × GPUs of each model"),
    "gpus_idle": Column("GPUs idle"),
    "stale": Column("Old price"),
}


def fleet_rows(fleet: Fleet) -> list[dict[str, Any]]:
    """Return a row per purchase, money exact."""
    return [
        {
            "offer": purchase.offer_id,
            "machines": purchase.machines,
            "usd_per_hour": purchase.usd_per_hour,
            "usd_per_month": purchase.usd_per_month,
            "price_date": purchase.placements[0].row["observed_on"].date(),
            "source": purchase.placements[0].row["source"],
            "models": formats.listing(
                [
                    f"{placed.replicas} × {placed.gpus} for {placed.row['model']}"
                    for placed in purchase.placements
                ]
            ),
            "gpus_idle": purchase.gpus_idle,
            "stale": bool(purchase.placements[0].row["stale"]),
        }
        for purchase in fleet.purchases
    ]


def model_rows(fleet: Fleet) -> list[dict[str, Any]]:
    """Return a row per model: where it runs and how fast."""
    return [
        {
            "model": placed.row["model"],
            "gpu": placed.row["gpu"],
            "replicas": placed.replicas,
            "gpus": placed.gpus,
            "engine": placed.row["engine"],
            "weights_dtype": placed.row["weights_dtype"],
            "requests_per_s": float(placed.row["served_requests_per_s"]),
            "ttft_ms": float(placed.row["ttft_s"]) * 1000,
            "tpot_ms": float(placed.row["tpot_s"]) * 1000,
            "kept": "surely" if placed.row["keeps_slo_surely"] else "as expected",
        }
        for purchase in fleet.purchases
        for placed in purchase.placements
    ]
