"""Tokens per dollar: every offer ranked by what it costs to serve a workload within a latency target."""

import streamlit as st

from inferplan.dashboard import cached, charts, formats, inputs, model_inputs
from inferplan.dashboard.comparing import portfolio_views, search_inputs
from inferplan.dashboard.comparing import views as comparison_views
from inferplan.dashboard.connection import warehouse
from inferplan.dashboard.economics import hosted_views
from inferplan.dashboard.figures import show_figure
from inferplan.dashboard.measurements import evidence_views
from inferplan.dashboard.measurements import views as measurement_views
from inferplan.dashboard.serving import inputs as serving_inputs
from inferplan.dashboard.state import case, fleet, pinned_prices
from inferplan.datasets.errors import InferplanError
from inferplan.planner.compare import RankBy, contest

st.title("Tokens per dollar")
inputs.show_problem()
try:
    store = warehouse()
    offers = cached.offers(store)
except InferplanError as error:
    st.error(formats.sentence(error), icon=":material/error:")
    st.stop()

portfolio_views.take_up(fleet())
SEVERAL = portfolio_views.SEVERAL
serve = st.segmented_control(
    "What is served",
    ["One model", SEVERAL],
    default="One model",
    key=portfolio_views.SERVE,
    persist_state="session",
    label_visibility="collapsed",
)
ranking: RankBy = "usd_per_request"
with st.sidebar:
    if serve != SEVERAL:
        model_inputs.model_picker()
        inputs.precision()
        inputs.workload()
        inputs.latency_target()
        serving_inputs.request_features()
        ranking = search_inputs.ranking_input()
    with st.expander("Which offers"):
        of_offers = search_inputs.offer_inputs(offers)
    with st.expander("Ways to serve"):
        of_deployments = search_inputs.deployment_inputs()
    if serve != SEVERAL:
        with st.expander("Engine"):
            inputs.engine()
            inputs.context()

search = search_inputs.search_of(ranking, of_offers, of_deployments)
if serve == SEVERAL:
    portfolio_views.show_portfolio(store, search)
    st.stop()

current = case()
pinned = pinned_prices()
st.markdown(model_inputs.workload_summary(current))
try:
    found = cached.comparison(store, [current], search, pinned)
except InferplanError as error:
    st.error(formats.sentence(error), icon=":material/error:")
    st.stop()

if found.ranked.empty:
    st.error(
        f"**No offer serves this.** None of {formats.plural(len(found.refused), 'offer')} keeps the target "
        "with a price that is known. The table says why for each; relax the latency target, shorten the "
        "context, or store the weights in fewer bits.",
        icon=":material/cancel:",
    )
    comparison_views.show_refused(found.refused)
    comparison_views.show_tried(found)
    st.stop()

target = current.slo
frame = comparison_views.readable(comparison_views.in_play(found.ranked), target != type(target)())
best = frame.iloc[0]
praise = search_inputs.praise(search)
interval = formats.usd_range(best["usd_per_mtok_output_low"], best["usd_per_mtok_output_high"])
st.success(
    f"**{praise}: {formats.usd(best['usd_per_mtok_output'])} per million output tokens** ({interval}) "
    f"on {best['size']} × {best['gpu']} at {best['provider']}: {best['instance_type']}, {best['region']}, "
    f"{best['option'].lower()}, price seen on {formats.day(best['price_date'])}.".replace("$", "\\$"),
    icon=":material/payments:",
)
with st.container(horizontal=True, gap="medium"):
    output = [formats.usd(best[f"usd_per_mtok_output{end}"]) for end in ("", "_low", "_high")]
    show_figure("Output, per million", *output)
    show_figure("Input, per million", formats.usd(best["usd_per_mtok_input"]))
    show_figure("Tokens per dollar", formats.count(best["tokens_per_usd"]))
    for label, name in (("Time to first token", "ttft"), ("Time per output token", "tpot")):
        show_figure(label, *(formats.duration(best[f"{name}{end}_s"]) for end in ("", "_low", "_high")))
    a_month = f"{formats.usd(best['usd_per_month'])} for a month of 730 hours."
    show_figure("Machines, per hour", formats.usd(best["usd_per_hour"]), note=a_month)
measured = evidence_views.of_row(current, best)
evidence_views.show_evidence(store, measured)

st.subheader("Why this one")
comparison_views.show_why(contest(found.ranked, search.rank_by), search.rank_by)
comparison_views.show_set_aside(found)

st.subheader("Cost against speed")
points = found.points.assign(
    tokens_per_s=found.points["interactivity_tokens_per_s"],
    label=found.points["gpus"].astype(str) + " × " + found.points["gpu"] + ", " + found.points["offer_id"],
)
shown = ["tokens_per_s", "usd_per_mtok_output", "gpu", "label", "pareto", "concurrency"]
st.altair_chart(
    charts.cost_against_speed(
        points[shown].to_dict("records"), None if target.tpot_s is None else 1 / target.tpot_s
    ),
    alt=f"Cost of output tokens against speed per user; the cheapest point that keeps the target costs "
    f"{formats.usd(best['usd_per_mtok_output'])} per million on {best['gpu']}",
)
st.caption(
    "Each mark is one load on the cheapest offer of its kind: those that no other on the same GPU beats in "
    "both speed and cost. Large marks are the best there is on any GPU. Lower right is better."
)

st.subheader("Offers, the best first")
comparison_views.show_ranking(frame, current, search.rank_by)
dates = formats.day_range(frame["price_date"])
st.caption(
    f"List prices of whole machines unless a row says otherwise, seen {dates}; no tax, traffic or storage. "
    "Low and high are an 80% interval of the speed. "
    + (f"{formats.plural(len(pinned), 'price')} pinned by the plan." if pinned else "")
)
comparison_views.show_refused(found.refused)
comparison_views.show_tried(found)
hosted_views.show_hosted(current, best)
measurement_views.show_own(store, measured)
