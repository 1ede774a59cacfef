"""Which offer serves it cheapest within the latency target: fit x performance x prices, ranked in DuckDB."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer, Row
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import compare_queries as queries
from inferplan.planner.case import Case
from inferplan.planner.deployment import Deployment
from inferplan.planner.memory import fit
from inferplan.planner.performance import Estimates, Served, estimate_many, serve
from inferplan.planner.workload import Workload

RankBy = Literal["usd_per_request", "usd_per_mtok_output", "ttft_s", "tpot_s", "e2e_s"]
Size = Annotated[int, Field(ge=1)]


class Search(Row):
    """What to try beside the case's own settings; an empty tuple of names means every one there is."""

    gpus: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    purchase_options: tuple[str, ...] = ()
    weights_dtypes: tuple[str | None, ...] = (None,)
    """``None`` is the case's own."""
    tensor_parallel: tuple[Size, ...] = (1, 2, 4, 8)
    concurrencies: tuple[Size, ...] = (
        1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024,
    )  # fmt: skip
    """Requests in flight per replica; the engine queues those that it cannot run."""
    partial_prices: bool = False
    """Rank offers, too, whose price leaves out CPU and memory."""
    rank_by: RankBy = "usd_per_request"


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` found: latency of a replica at ``concurrency``, cost of all ``replicas``."""

    ranked: pd.DataFrame
    """The best way to serve each case on each offer that can, the best first."""
    points: pd.DataFrame
    """Every evaluated load of every deployment that fits, priced by its cheapest offer."""
    refused: pd.DataFrame
    """The offers that cannot, each with the reason."""


def compare(
    warehouse: Warehouse, cases: Sequence[Case], offers: Sequence[Offer], search: Search | None = None
) -> Comparison:
    """Rank ``offers`` by what it costs to serve each of ``cases`` within its SLO.

    For each case, every GPU on offer, tensor parallel size and precision is checked for fit, estimated at
    each load, and joined with the offers. On each offer the load with the best figure is kept. A case's
    concurrency or request rate is the demand that ``replicas`` share; "max" is one replica at its best.
    Targets are compared with the expected latency; ``keeps_slo_surely`` is about the interval's far end.

    Raises
    ------
    InferplanError
        If no offer is left to compare, or a case describes no load.
    """
    search = search or Search()
    wanted = [offer for offer in offers if _wanted(offer, search)]
    if not wanted:
        msg = "No offer matches these filters; leave out the GPU, provider, region or purchase option."
        raise InferplanError(msg)
    served: list[Served] = []
    described: list[dict[str, object]] = []
    misfits: list[dict[str, object]] = []
    for index, case in enumerate(cases):
        workload = case.workload()
        for deployment in _deployments(case, wanted, search):
            key = {"case_index": index, "gpu": deployment.gpu.name, "gpus": deployment.gpu_count}
            try:
                found = fit(deployment)
                if not found.fits:
                    raise InferplanError(found.reason)
                served.append(serve(deployment, found))
            except InferplanError as error:
                misfits.append({**key, "reason": str(error)})
                continue
            described.append({**key, **_description(case, workload, deployment)})
    loads = _loads(served, pd.DataFrame(described), search)
    return _joined(warehouse, loads, pd.DataFrame(misfits, columns=_MISFIT_COLUMNS), wanted, search)


def _description(case: Case, workload: Workload, deployment: Deployment) -> dict[str, object]:
    slo = case.slo
    return {
        "model": case.model or deployment.architecture.name or "uploaded config",
        "engine": deployment.engine,
        "weights_dtype": deployment.weights_dtype or "as shipped",
        "tp": deployment.tp,
        "pp": deployment.pp,
        "input_tokens": workload.input_tokens,
        "output_tokens": workload.output_tokens,
        "prefix_cache_hit_rate": workload.prefix_cache_hit_rate,
        "demand_concurrency": workload.concurrency if isinstance(workload.concurrency, int) else math.nan,
        "demand_requests_per_s": workload.request_rate_per_s or math.nan,
        "slo_ttft_s": slo.ttft_s or math.inf,
        "slo_tpot_s": slo.tpot_s or math.inf,
        "slo_e2e_s": slo.e2e_s or math.inf,
    }


def _loads(served: Sequence[Served], described: pd.DataFrame, search: Search) -> pd.DataFrame:
    """Return a row per deployment and load, with the estimate's columns beside the description's."""
    if not served:
        return _no_loads()
    index = np.repeat(np.arange(len(served)), len(search.concurrencies))
    rows = described.iloc[index].reset_index(drop=True)
    rows["concurrency"] = np.tile(np.array(search.concurrencies, dtype=np.float64), len(served))
    rows["concurrency"] = rows["concurrency"].clip(upper=rows["demand_concurrency"])
    found = estimate_many(
        served,
        index,
        input_tokens=rows["input_tokens"],
        output_tokens=rows["output_tokens"],
        concurrency=rows["concurrency"],
        prefix_cache_hit_rate=rows["prefix_cache_hit_rate"],
    )
    columns = {field.name: getattr(found, field.name) for field in fields(found)}
    return pd.concat([rows, pd.DataFrame(columns)], axis=1)


def _no_loads() -> pd.DataFrame:
    """Return the columns of ``_loads`` without a row, for SQL to find them all."""
    texts = dict.fromkeys(("gpu", "model", "engine", "weights_dtype"), "str")
    asked = (
        "case_index", "gpus", "tp", "pp", "input_tokens", "output_tokens", "prefix_cache_hit_rate",
        "demand_concurrency", "demand_requests_per_s", "slo_ttft_s", "slo_tpot_s", "slo_e2e_s", "concurrency",
    )  # fmt: skip
    numbers = dict.fromkeys((*asked, *(field.name for field in fields(Estimates))), "float64")
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in (texts | numbers).items()})


def _wanted(offer: Offer, search: Search) -> bool:
    return all(
        not allowed or value in allowed
        for value, allowed in (
            (offer.gpu, {catalog.gpu(name).name for name in search.gpus}),
            (offer.provider, search.providers),
            (offer.region, search.regions),
            (offer.purchase_option, search.purchase_options),
        )
    )


def _deployments(case: Case, offers: Iterable[Offer], search: Search) -> Iterable[Deployment]:
    """Yield the deployments to try: each GPU on offer in the sizes that one machine holds."""
    largest: dict[str, float] = {}
    for offer in offers:
        largest[offer.gpu] = max(largest.get(offer.gpu, 0), offer.gpu_count)
    base = case.deployment()
    for name, gpu_count in largest.items():
        for dtype in search.weights_dtypes:
            for tp in search.tensor_parallel:
                if tp * base.pp <= gpu_count:
                    yield replace(
                        base, gpu=catalog.gpu(name), tp=tp, dp=1, weights_dtype=dtype or base.weights_dtype
                    )


_MISFIT_COLUMNS = ["case_index", "gpu", "gpus", "reason"]


def _joined(
    warehouse: Warehouse, loads: pd.DataFrame, misfits: pd.DataFrame, offers: Sequence[Offer], search: Search
) -> Comparison:
    tried = pd.concat([loads["case_index"], misfits["case_index"]]).drop_duplicates().to_frame()
    frames = {"loads": loads, "misfits": misfits, "tried": tried, "offers": _offers_frame(offers)}
    choices = {"figure": search.rank_by, "partial_prices": str(search.partial_prices).upper()}
    with warehouse.transaction() as cursor:
        for name, frame in frames.items():
            cursor.register(name, frame)
        cursor.execute(queries.JUDGED)
        cursor.execute(queries.PRICED.format(**choices))
        answers = [
            cursor.execute(sql.format(**choices)).df()
            for sql in (queries.RANKED, queries.POINTS, queries.REFUSED)
        ]
    return Comparison(*answers)


def _offers_frame(offers: Sequence[Offer]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "offer_id": offer.offer_id,
                "provider": offer.provider,
                "instance_type": offer.instance_type,
                "gpu": offer.gpu,
                "gpu_count": offer.gpu_count,
                "region": offer.region,
                "purchase_option": offer.purchase_option,
                "machine_usd_per_hour": None if offer.usd_per_hour is None else float(offer.usd_per_hour),
                "no_price_reason": offer.no_price_reason or "",
                "observed_on": offer.observed_on,
                "source": offer.source,
                "price_covers": offer.price_covers,
            }
            for offer in offers
        ]
    )
