"""What a comparison tries beside the case's own settings, and by what it ranks."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError, UnknownNameError
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

    def without_filters(self) -> "Search":
        """Return the same search among whatever offers it is given."""
        nothing: tuple[str, ...] = ()
        names = ("gpus", "providers", "regions", "purchase_options")
        return self.model_copy(update=dict.fromkeys(names, nothing))

    def wanted(self, offers: Sequence[Offer]) -> list[Offer]:
        """Return the ``offers`` that pass the filters.

        Raises
        ------
        InferplanError
            For a name that no offer has, or when no offer passes.
        """
        filters = {
            "gpu": tuple(catalog.gpu(name).name for name in self.gpus),
            "provider": self.providers,
            "region": self.regions,
            "purchase_option": self.purchase_options,
        }
        for field, names in filters.items():
            known = {getattr(offer, field) for offer in offers}
            for name in names:
                if name not in known:
                    raise UnknownNameError(f"{field.replace('_', ' ')} on offer", name, known)
        found = [
            offer
            for offer in offers
            if all(not names or getattr(offer, field) in names for field, names in filters.items())
        ]
        if not found:
            msg = (
                "No offer passes all filters at once; leave out the GPU, provider, region or purchase option."
            )
            raise InferplanError(msg)
        return found
