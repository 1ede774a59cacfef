"""The tables that a comparison joins: what was tried, the offers, and what a replica costs on each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pandas as pd

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.planner.case import Case
from inferplan.planner.compare.candidates import Refused, machines_per_replica
from inferplan.planner.deployment import Deployment
from inferplan.planner.deployment_energy import PowerInputs, month_of_energy
from inferplan.planner.economics import HOURS_PER_MONTH, deployment_usd_per_hour
from inferplan.planner.offer_search import Search
from inferplan.planner.workload import Workload
from inferplan.pricing.offers import is_stale

_PRICE_STEP = Decimal("1e-10")  # of DECIMAL(20, 10), in which the warehouse keeps prices


@dataclass(frozen=True)
class Tried:
    """A deployment that was tried for a case at so many loads."""

    case_index: int
    deployment: Deployment
    loads: int
    refused: Refused | None


def deployments_table(
    cases: Sequence[Case],
    workloads: Sequence[Workload],
    tried: Sequence[Tried],
) -> pd.DataFrame:
    """Return a row per deployment that was tried, with its demand, its targets and why it was refused.

    Rows of one ``shape`` take the same GPUs of a machine; those of one ``cell`` serve one case so.
    """
    asked = [_demand(case, workload) for case, workload in zip(cases, workloads, strict=True)]
    shapes: dict[tuple[str, int, int], int] = {}
    cells: dict[tuple[int, int], int] = {}
    rows = []
    for place, one in enumerate(tried):
        deployment, case_index = one.deployment, one.case_index
        shape = shapes.setdefault((deployment.gpu.name, deployment.tp, deployment.pp), len(shapes))
        rows.append(
            {
                "deployment": place,
                "case_index": case_index,
                "shape": shape,
                "cell": cells.setdefault((case_index, shape), len(cells)),
                "model": cases[case_index].model or deployment.architecture.name or "uploaded config",
                "engine": deployment.engine,
                "weights_dtype": deployment.weights_dtype or "as shipped",
                "kv_dtype": deployment.kv_dtype,
                "gpu": deployment.gpu.name,
                "gpus": deployment.gpu_count,
                "tp": deployment.tp,
                "pp": deployment.pp,
                "ep": deployment.ep,
                "loads": one.loads,
                "refusal": one.refused.kind if one.refused else None,
                "refusal_reason": one.refused.reason if one.refused else None,
                **asked[case_index],
            }
        )
    return pd.DataFrame(rows)


def offers_table(offers: Sequence[Offer], search: Search, today: date | None) -> pd.DataFrame:
    """Return a row per offer: its conditions, and whether its price is old and so ranks behind."""
    power = {(offer.gpu, offer.provider): _power(offer) for offer in offers}
    rows = []
    for offer in offers:
        stale = today is not None and offer.usd_per_hour is not None and is_stale(offer, today)
        rows.append(
            {
                "offer_id": offer.offer_id,
                "provider": offer.provider,
                "instance_type": offer.instance_type,
                "offered_gpu": offer.gpu,
                "gpu_count": offer.gpu_count,
                "region": offer.region,
                "purchase_option": offer.purchase_option,
                "machine_usd_per_hour": None if offer.usd_per_hour is None else str(offer.usd_per_hour),
                "no_price_reason": offer.no_price_reason or "",
                "observed_on": offer.observed_on,
                "source": offer.source,
                "price_covers": offer.price_covers,
                "stale": stale,
                "set_aside": stale and not search.stale_prices,
                **power[(offer.gpu, offer.provider)],
            }
        )
    return pd.DataFrame(rows)


def rates_table(deployments: pd.DataFrame, offers: Sequence[Offer], search: Search) -> pd.DataFrame:
    """Return what one replica of each shape costs on each offer that holds it: exact, as decimal text."""
    by_gpu: dict[str, list[Offer]] = {}
    for offer in offers:
        priced = offer.usd_per_hour is not None and offer.gpu_count >= 1
        if priced and (offer.price_covers != "gpu_only" or search.partial_prices):
            by_gpu.setdefault(offer.gpu, []).append(offer)
    columns = ["shape", "gpu", "tp", "pp"]
    rows = []
    for shape, gpu, tp, pp in deployments[columns].drop_duplicates().itertuples(index=False, name=None):
        for offer in by_gpu.get(gpu, ()):
            machines = machines_per_replica(int(offer.gpu_count), tp, pp)
            if machines is not None:
                usd = _replica_usd_per_hour(offer, gpu, tp * pp, machines)
                rows.append((shape, offer.offer_id, machines, str(usd)))
    return pd.DataFrame(rows, columns=["shape", "offer_id", "machines_per_replica", "usd_per_replica_hour"])


def _replica_usd_per_hour(offer: Offer, gpu: str, gpus: int, machines: int) -> Decimal:
    whole = (offer.usd_per_hour or Decimal(0)) * machines
    usd = deployment_usd_per_hour(offer, gpu, gpus) if machines == 1 else whole
    return usd.quantize(_PRICE_STEP)


def _demand(case: Case, workload: Workload) -> dict[str, float]:
    slo, concurrency = case.slo, workload.concurrency
    return {
        "input_tokens": workload.input_tokens,
        "output_tokens": workload.output_tokens,
        "prefix_cache_hit_rate": workload.prefix_cache_hit_rate,
        "demand_concurrency": concurrency if isinstance(concurrency, int) else math.nan,
        "demand_requests_per_s": workload.request_rate_per_s or math.nan,
        "slo_ttft_s": slo.ttft_s or math.inf,
        "slo_tpot_s": slo.tpot_s or math.inf,
        "slo_e2e_s": slo.e2e_s or math.inf,
    }


def _power(offer: Offer) -> dict[str, object]:
    """Return kW per busy GPU with cooling, from the least to the most, or why they are not known."""
    try:
        month = month_of_energy(
            catalog.gpu(offer.gpu), 1, Decimal(1), offer.provider, offer.region, PowerInputs()
        )
    except InferplanError as error:
        return {"gpu_kw_low": math.nan, "gpu_kw": math.nan, "no_power_reason": str(error)}
    low, high = (float(kwh / HOURS_PER_MONTH) for kwh in (month.kwh.low, month.kwh.high))
    return {"gpu_kw_low": low, "gpu_kw": high, "no_power_reason": ""}
