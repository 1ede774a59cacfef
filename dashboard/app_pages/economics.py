"""Economics: what a useful token costs, own GPUs or an API, and how much to commit to."""

import streamlit as st

from inferplan.dashboard import cached, formats, inputs, model_inputs
from inferplan.dashboard.connection import warehouse
from inferplan.dashboard.economics import (
    commitment_views,
    self_host_views,
    serving_mode_views,
    unit_cost_views,
)
from inferplan.dashboard.economics import inputs as economics_inputs
from inferplan.dashboard.plans.price_choice import show_price_choice
from inferplan.dashboard.serving import inputs as serving_inputs
from inferplan.dashboard.state import case, now, pinned_prices
from inferplan.dashboard.tabs import page_tabs
from inferplan.datasets.errors import InferplanError
from inferplan.planner.planned import cheapest_machine, cost_of_use, planned
from inferplan.pricing.offers import is_stale

st.title("Economics")
inputs.show_problem()
current, today = case(), now().date()
try:
    store = warehouse()
    offers = cached.offers(store)
    with st.sidebar:
        model_inputs.model_picker()
        show_price_choice()
        inputs.workload()
        serving_inputs.request_features()
        use = economics_inputs.use_inputs()
        negotiated = economics_inputs.contract_inputs()
        power = economics_inputs.power_inputs()
    by_id = {offer.offer_id: offer for offer in (*offers, *pinned_prices())}
    offer = by_id.get(current.offer or "")
    assumed = offer is None and current.usd_per_gpu_hour is None
    if assumed:
        deployment = current.deployment()
        offer = cheapest_machine(offers, deployment.gpu.name, deployment.gpu_count, today)
    plan = planned(current, offer, cached.own_evidence(store))
    use, asked = plan.use_of(use), use
    found = cost_of_use(plan, use, negotiated)
except InferplanError as error:
    st.error(formats.sentence(error), icon=":material/error:")
    st.stop()

part = plan.planned_share < 1
st.markdown(model_inputs.summary(current))
said = "No price is chosen, so the cheapest machine on demand is taken: " if assumed else "Price: "
old = ", older than such prices usually hold" if offer and is_stale(offer, today) else ""
rate = f" The planned rate is {formats.percent(float(plan.planned_share), 1)} of full load." if part else ""
st.caption(formats.plain(f"{said}{plan.price_basis}{old}.{rate}"))
for note in plan.estimate.notes:
    st.markdown(f":material/info: {formats.plain(note)}")
if (alone := plan.published_alone) is not None:
    costs = cost_of_use(alone, alone.use_of(asked), negotiated), found
    before, after = (formats.usd(one.fully_loaded.usd_per_mtok_output.expected) for one in costs)
    said = f"From published runs alone a million useful output tokens would cost {before}, not {after}."
    st.caption(formats.plain(said))
unit_costs, self_host, commitments, modes = page_tabs(
    ["Unit costs", "Self-host or API", "Commitments", "Always on or elastic"],
    key=f"{economics_inputs.KEY}tab",
)
if unit_costs.open:
    with unit_costs:
        unit_cost_views.show_unit_costs(plan, found, use, power)
if self_host.open:
    with self_host:
        demand = economics_inputs.demand_inputs(store, plan.requests_per_replica_hour)
        if demand is not None:
            self_host_views.show_self_host(current, plan, demand)
if commitments.open:
    with commitments:
        demand = economics_inputs.demand_inputs(store, plan.requests_per_replica_hour)
        if demand is not None:
            commitment_views.show_commitments(plan, demand, offers, negotiated)
if modes.open:
    with modes:
        demand = economics_inputs.demand_inputs(store, plan.requests_per_replica_hour)
        if demand is not None:
            serving_mode_views.show_serving_modes(plan, demand)
st.caption(formats.plain(f"The speed is estimated from {plan.estimate.basis}."))
