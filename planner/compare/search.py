"""What a comparison tries beside the case's own settings, and by what it ranks."""

from typing import Annotated, Literal

from pydantic import Field

from inferplan.datasets import catalog
from inferplan.datasets.schema import Offer, Row
from inferplan.planner.deployment import EngineName

RankBy = Literal[
    "usd_per_request", "usd_per_mtok", "usd_per_mtok_output", "tokens_per_usd", "ttft_s", "tpot_s", "e2e_s",
    "kwh_per_mtok",
]  # fmt: skip
Size = Annotated[int, Field(ge=1, le=4096)]


class Search(Row):
    """What to try; an empty tuple of names means every one there is, ``None`` is the case's own setting."""

    gpus: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    purchase_options: tuple[str, ...] = ()
    engines: tuple[EngineName | None, ...] = (None,)
    """Another engine than the case's is taken in its newest known version."""
    weights_dtypes: tuple[str | None, ...] = (None,)
    kv_dtypes: tuple[str | None, ...] = (None,)
    tensor_parallel: tuple[Size, ...] = (1, 2, 4, 8)
    pipeline_parallel: tuple[Size | None, ...] = (None,)
    expert_parallel: tuple[Size | None, ...] = (None,)
    concurrencies: tuple[Size, ...] = (
        1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024,
    )  # fmt: skip
    """Requests in flight per replica; the engine queues those that it cannot run."""
    partial_prices: bool = False
    """Rank offers, too, whose price leaves out CPU and memory."""
    stale_prices: bool = False
    """Rank prices that are older than prices of their kind usually hold among the others, not behind them."""
    rank_by: RankBy = "usd_per_request"

    def wants(self, offer: Offer) -> bool:
        """Return whether ``offer`` passes the filters; raises ``UnknownNameError`` for an unknown GPU."""
        return all(
            not allowed or value in allowed
            for value, allowed in (
                (offer.gpu, {catalog.gpu(name).name for name in self.gpus}),
                (offer.provider, self.providers),
                (offer.region, self.regions),
                (offer.purchase_option, self.purchase_options),
            )
        )
