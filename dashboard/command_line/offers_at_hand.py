"""Prices for commands that can do without a warehouse."""

from inferplan.dashboard.command_line.warehouse_at_hand import warehouse_at_hand
from inferplan.datasets import catalog
from inferplan.datasets.schema import Offer


def offer_at_hand(name: str) -> Offer:
    """Return the newest price of the offer called ``name``: the one that ``compare`` ranks.

    It is looked up in the warehouse, imported sheets included; in the bundled snapshot where there is none.

    Raises
    ------
    InferplanError
        When several offers go by that name, or none does.
    """
    with warehouse_at_hand("imported prices") as warehouse:
        if warehouse is None:
            return catalog.offer(name)
        from inferplan.pricing.offers import current_offers  # brings DuckDB along

        return catalog.offer(name, current_offers(warehouse))
