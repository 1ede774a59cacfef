"""Spend: bills joined with usage, what became of the money, who caused it, and where the month ends."""

import streamlit as st

from inferplan.dashboard import formats, inputs
from inferplan.dashboard.connection import warehouse
from inferplan.dashboard.downloads import download_menu
from inferplan.dashboard.rightsizing import upload_views
from inferplan.dashboard.spend import inputs as spend_inputs
from inferplan.dashboard.spend import tables, unjoined_views, views
from inferplan.dashboard.spend.figures import ALL_DAYS, found_spend, months
from inferplan.dashboard.spend.words import month_forecast
from inferplan.dashboard.state import case, now
from inferplan.dashboard.tabs import page_tabs
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import list_imports

WITH_COSTS = "SELECT DISTINCT import_id FROM bill_lines UNION SELECT import_id FROM cost_allocations"

st.title("Spend")
case()  # keeps the current plan's address, for a refresh here
inputs.show_problem()
upload_views.show_messages()
try:
    store = warehouse()
    everything = found_spend(store, ALL_DAYS)
except InferplanError as error:
    st.error(formats.sentence(error), icon=":material/error:")
    st.stop()

if not everything.statements:
    st.markdown(
        "A bill tells what was spent, not what was used. Drop a bill (FOCUS 1.0 to 1.2, AWS Cost and Usage "
        "Report), or what OpenCost or Kubecost allocate to pods, and the utilization of the same days, and "
        "see where the money went."
    )
    if everything.list_prices:
        st.info("There is usage, but neither a bill nor a list price for it.", icon=":material/info:")
    upload_views.show_upload(store)
    upload_views.show_sample_offer(store)
    st.stop()

with st.sidebar:
    whole = spend_inputs.statement_input(everything.statements)
    period = spend_inputs.period_input(months(whole))
    rule = spend_inputs.rule_input()
    budget = spend_inputs.budget_input(store, whole.currency)
found = everything if period == ALL_DAYS else found_spend(store, period)
statement = next(
    one for one in found.statements if (one.basis, one.currency) == (whole.basis, whole.currency)
)
forecast = month_forecast(everything, whole)
if found.is_sample:
    st.caption(":gray-badge[sample] The sample fleet and its bill are invented.")
if whole.basis != "bill" and whole is everything.statements[0]:
    instead = "usage is shown at list prices" if whole.basis == "list" else "allocations stand in for it"
    st.info(
        f"No bill was imported, so {instead}. Drop a FOCUS or AWS export under Bills.",
        icon=":material/info:",
    )
views.show_summary(found, statement, forecast)

waterfall, tokens, showback, trend, unjoined, bills = page_tabs(
    ["Where it went", "Tokens and GPU-hours", "Showback", "Trend and forecast", "Not joined", "Bills"],
    key=f"{spend_inputs.KEY}tab",
)
if waterfall.open:
    with waterfall:
        views.show_waterfall(statement)
if tokens.open:
    with tokens:
        views.show_tokens(statement)
if showback.open:
    with showback:
        views.show_showback(statement, rule)
if trend.open:
    with trend:
        views.show_trend(statement, st.context.timezone)
        views.show_month_end(whole, forecast, budget)
if unjoined.open:
    with unjoined:
        unjoined_views.show_unjoined(store, found, statement)
if bills.open:
    with bills:
        upload_views.show_upload(store)
        billed = {import_id for (import_id,) in store.rows(WITH_COSTS)}
        upload_views.show_imports(store, [one for one in list_imports(store) if one.import_id in billed])
download_menu(
    "spend",
    f"spend-{now():%Y-%m-%d}",
    lambda: tables.spend_report(
        found, statement, rule, tables.forecast_facts(statement, forecast, budget), now()
    ),
    label="Download spend",
)
