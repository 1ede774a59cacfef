"""The price that the current case is computed with: chosen by hand, pinned by a plan, or the newest."""

from __future__ import annotations

from operator import itemgetter

import streamlit as st

from inferplan.dashboard import formats, state
from inferplan.dashboard.connection import warehouse
from inferplan.dashboard.prices.tables import option_title
from inferplan.datasets import catalog
from inferplan.datasets.schema import Offer
from inferplan.planner.case import Case
from inferplan.planner.planned import cheapest_machine
from inferplan.pricing.offers import current_offers

NO_OFFER = "No price chosen"


def show_price_choice() -> None:
    """Choose the offer whose price the current plan is computed with."""
    offers = offers_to_choose()
    given = state.case().usd_per_gpu_hour
    nothing = NO_OFFER if given is None else f"{formats.usd(given)} per GPU-hour, as given"
    st.selectbox(
        "Price",
        list(dict.fromkeys([None, *offers, state.case().offer])),
        format_func=lambda offer_id: _choice_text(offers.get(offer_id), offer_id or nothing),
        placeholder=nothing,
        help="Newest price of each offer of this GPU. A saved plan keeps the price that it was saved with.",
        **state.bound("offer", state.case().offer, write=choose_offer),
    )


def offer_cheapest() -> None:
    """Name the cheapest price on demand where none is chosen, with a button that takes it."""
    current = state.case()
    if current.offer is not None or current.usd_per_gpu_hour is not None:
        return
    gpu, count = catalog.gpu(current.gpu).name, current.tp * current.pp * current.dp
    cheapest = cheapest_machine(current_offers(warehouse()), gpu, count, state.now().date())
    if cheapest is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(formats.plain(f"The cheapest on demand: {offer_text(cheapest)}"))
        st.button(
            "Use this price",
            icon=":material/add_task:",
            key=f"{state.PREFIX}plans.cheapest",
            on_click=choose_offer,
            args=(cheapest.offer_id,),
        )


def _choice_text(offer: Offer | None, otherwise: str) -> str:
    return otherwise if offer is None else offer_text(offer)


def offer_text(offer: Offer) -> str:
    """Return an offer on one line: price, machine, place, terms, date."""
    price = offer.usd_per_gpu_hour
    return " · ".join(
        (
            "no price" if price is None else f"{formats.usd(price, 2)} per GPU-hour",
            f"{offer.provider} {offer.instance_type}",
            offer.region,
            option_title(offer.purchase_option).lower(),
            f"seen {offer.observed_on}",
        )
    )


def current_price() -> Offer | None:
    """Return the newest price of the current case's offer, ``None`` without one."""
    wanted = state.case().offer
    if wanted is None:
        return None
    return next((offer for offer in current_offers(warehouse()) if offer.offer_id == wanted), None)


def offers_to_choose() -> dict[str, Offer]:
    """Return the offers with a price for the current case's GPU by id, the cheapest GPU-hour first."""
    gpu = catalog.gpu(state.case().gpu).name
    priced = [
        (offer.usd_per_gpu_hour, offer)
        for offer in current_offers(warehouse())
        if offer.gpu == gpu and offer.gpu_count >= 1 and offer.usd_per_gpu_hour is not None
    ]
    by_price = {offer.offer_id: offer for _, offer in sorted(priced, key=itemgetter(0))}
    return by_price | {offer.offer_id: offer for offer in pinned(state.case())}


def choose_offer(offer_id: str | None) -> None:
    """Compute with the price of another offer from now on."""
    state.change(offer=offer_id, usd_per_gpu_hour=None)


def use_current_price() -> None:
    """Compute with the newest price of the offer from now on."""
    newest = current_price()
    if newest is not None:
        state.use(state.case(), opened=state.opened_plan(), prices=(newest,))


def pinned(case: Case) -> tuple[Offer, ...]:
    """Return the price of the case's offer: the pinned one, else the newest."""
    if case.offer is None:
        return ()
    kept = tuple(offer for offer in state.pinned_prices() if offer.offer_id == case.offer)
    newest = None if kept else current_price()
    return kept or (() if newest is None else (newest,))
