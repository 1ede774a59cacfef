"""Parts of the page Fit that answer "how much more, on what else, and what must change"."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from operator import itemgetter
from typing import Any

import streamlit as st

from inferplan.dashboard import cached, formats
from inferplan.dashboard.connection import warehouse
from inferplan.dashboard.state import PREFIX, change, now
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import GIB, Offer
from inferplan.planner.answers import Change, GpuFit, changes_to_fit, tensor_parallel_sizes
from inferplan.planner.case import Case
from inferplan.planner.deployment import Deployment
from inferplan.planner.memory import Fit
from inferplan.pricing.offers import is_stale

FITS = "fits"
FROM_DEPLOYMENT = ("weights_dtype", "kv_dtype", "tp", "pp", "max_model_len")


def asked_sequences(current: Case) -> int:
    """Return how many sequences one replica shall hold at once: the plan's share, else one."""
    asked = current.concurrency
    return -(-asked // current.dp) if isinstance(asked, int) else 1


def show_room(current: Case, found: Fit) -> None:
    """Show how far the context, the concurrency and the number of GPUs can be moved."""
    asked = asked_sequences(current)
    room = cached.room(current, asked)
    together = formats.plural(asked, "sequence")
    longest = room.largest_context_tokens
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            f"Largest context for {together}",
            f"{formats.count(longest)} tokens" if longest else "unknown" if room.why_unknown else "none",
            help=formats.plain(room.why_unknown)
            or "Tokens of prompt and answer that each of them can have, up to the model's own limit",
        )
        st.metric(
            "Largest concurrency",
            formats.plural(int(found.max_concurrency) * current.dp if found.fits else 0, "sequence"),
            help=f"Sequences of {formats.count(found.max_model_len)} tokens, all replicas together",
        )
        st.metric(
            f"Fewest {current.gpu} for {together}",
            _shape(room.fewest) if room.fewest else "more than 64",
            help="Tensor parallelism within a machine of 8, then pipeline stages; one replica",
        )


def show_illegal_sizes(current: Case) -> None:
    """Say which tensor-parallel sizes within a machine the model cannot have, and why."""
    sizes = tensor_parallel_sizes(cached.deployment(current).architecture)
    by_reason: dict[str, list[str]] = {}
    for size in sizes:
        if size.reason is not None:
            by_reason.setdefault(size.reason.rsplit(" among ", 1)[0], []).append(str(size.tp))
    if by_reason:
        found = "; ".join(f"{formats.listing(tps)} ({reason})" for reason, tps in by_reason.items())
        st.caption(formats.plain(f"Tensor-parallel sizes that this model cannot have: {found}."))


def show_changes(current: Case) -> None:
    """Show what must change to hold what is asked for, the gentlest first, each with its button."""
    asked = asked_sequences(current)
    st.subheader("What must change" if asked == 1 else f"What must change to hold {asked} sequences at once")
    ways = changes_to_fit(cached.deployment(current), asked)
    if not ways:
        st.markdown("No single change is enough: combine more GPUs, fewer bits and a shorter context.")
    for number, way in enumerate(ways):
        words, button = st.columns([5, 1], vertical_alignment="center")
        words.markdown(
            f"{number + 1}. {formats.plain(way.words[:1].upper() + way.words[1:])} "
            f"({formats.significant(way.fit.max_concurrency)} sequences then)"
        )
        button.button(
            "Do it",
            key=f"{PREFIX}fit.change.{number}",
            on_click=change,
            kwargs=_fields(way),
            width="stretch",
        )


def _fields(way: Change) -> dict[str, Any]:
    fields = {name: getattr(way.deployment, name) for name in FROM_DEPLOYMENT}
    return fields | ({"gpu": way.deployment.gpu.name} if way.kind == "gpu" else {})


def show_gpus(current: Case) -> None:
    """Show the same deployment on every GPU of the catalog, with the cheapest price on demand."""
    today, cheapest = now().date(), dict[str, Offer]()
    try:
        cheapest = cheapest_on_demand(cached.offers(warehouse()), today)
    except InferplanError as error:
        st.caption(f"Prices are missing. {formats.sentence(error)}")
    rows = [_row(found, cheapest.get(found.gpu.name), today) for found in cached.every_gpu(current)]
    rows.sort(
        key=lambda row: (
            row["Fits"] != FITS, row["USD/hour"] is None, bool(row["Old price"]), row["USD/hour"] or 0.0,
        )
    )  # fmt: skip
    st.dataframe(
        rows,
        column_config={
            "GPU": st.column_config.TextColumn(pinned=True, width=190),
            "Memory": st.column_config.NumberColumn("Memory (GiB)", format=formats.COLUMN_GIB),
            "KV cache": st.column_config.NumberColumn(
                "KV cache (GiB)", format=formats.COLUMN_GIB, help="Per GPU; negative is how much is missing"
            ),
            "Sequences": st.column_config.NumberColumn(format="%.1f", help="At once, of the full context"),
            "Fewest GPUs": st.column_config.NumberColumn(help="That hold one sequence of the full context"),
            "USD/GPU-hour": st.column_config.NumberColumn(
                format=formats.COLUMN_USD, help="The cheapest whole machine on demand, for one of its GPUs"
            ),
            "USD/hour": st.column_config.NumberColumn(format=formats.COLUMN_USD, help="For the fewest GPUs"),
            "Price seen": st.column_config.DateColumn(format=formats.COLUMN_DATE),
            "Old price": st.column_config.CheckboxColumn(help="Older than such prices usually hold"),
        },
        hide_index=True,
        height=420,
        placeholder="",
        key=f"{PREFIX}fit.gpus",
        alt="Whether the model fits on each GPU of the catalog, and what that GPU costs",
    )
    st.caption(
        f'"Fits" is about {formats.plural(current.tp * current.pp, "GPU")} of each kind, as chosen; those '
        "come first, the cheapest at the top and those with old prices after them, then those that take more "
        "GPUs, by the price of as many. Prices are on demand."
    )


def cheapest_on_demand(offers: Iterable[Offer], today: date) -> dict[str, Offer]:
    """Return for each GPU the machine on demand whose GPUs cost least each, old prices last."""
    able = [
        (is_stale(offer, today), price, offer)
        for offer in offers
        if (price := offer.usd_per_gpu_hour) is not None
        and offer.price_covers == "machine"
        and offer.purchase_option == "on_demand"
        and offer.gpu_count >= 1
    ]
    return {offer.gpu: offer for _, _, offer in sorted(able, key=itemgetter(0, 1), reverse=True)}


def _row(found: GpuFit, offer: Offer | None, today: date) -> dict[str, Any]:
    price = offer.usd_per_gpu_hour if offer else None
    fewest = found.fewest.gpu_count if found.fewest else None
    return {
        "GPU": found.gpu.name,
        "Fits": FITS if found.fit.fits else "no",
        "Sequences": found.fit.max_concurrency if found.fit.fits else None,
        "Fewest GPUs": fewest,
        "USD/GPU-hour": None if price is None else float(price),
        "USD/hour": None if price is None or fewest is None else float(price) * fewest,
        "Provider": offer.provider if offer else None,
        "Price seen": offer.observed_on if offer else None,
        "Old price": is_stale(offer, today) if offer else None,
        "Price source": offer.source if offer else None,
        "Memory": found.gpu.memory_total_bytes / GIB,
        "KV cache": found.fit.memory.kv_pool_bytes / GIB,
        "Why": "" if found.fit.fits else found.fit.reason,
    }


def _shape(deployment: Deployment) -> str:
    stages = f" in {deployment.pp} stages" if deployment.pp > 1 else ""
    return formats.plural(deployment.gpu_count, "GPU") + stages
