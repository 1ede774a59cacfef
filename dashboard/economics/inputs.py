"""Inputs of the page Economics: how the deployment is used, the contract, power, and the demand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.state import PREFIX
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.demand import Demand, read_demand, weekly
from inferplan.planner.deployment_energy import PowerInputs
from inferplan.planner.unit_economics import Use
from inferplan.planner.usage_demand import ServedDemand, served_demands
from inferplan.pricing.conditions import NegotiatedTerms
from inferplan.pricing.machine_terms import SpotUse

KEY = f"{PREFIX}economics."
SHAPE, USAGE, OWN = "A stated week", "Uploaded usage", "Own numbers"
EXAMPLE_REPLICAS = 8
LOSS_LABELS = {
    "retried": ("Retried", "Answered, and asked again all the same"),
    "cancelled": ("Cancelled", "Streams that the user left"),
    "failed": ("Failed", "Requests that ended with an error"),
    "off_slo": ("Too late", "Answered after the latency target"),
}


def use_inputs() -> Use:
    """Ask how much of what is paid is used, and how much of what is served is useful."""
    busy = _percent("Busy", "busy", 100, least=1, help="Served tokens, as a share of the planned load's")
    with st.expander("What is served for nothing", expanded=True):
        left, right = st.columns(2)
        losses = {
            name: _percent(label, name, 0, most=99, help=f"{said}: share of the served tokens", at=column)
            for (name, (label, said)), column in zip(
                LOSS_LABELS.items(), (left, right, left, right), strict=True
            )
        }
    with st.expander("Users, other costs"):
        per_user = _number(
            "Requests per user and month", "per_user", None, step=10.0, placeholder="not known"
        )
        fixed = _number("Other costs, USD per month", "fixed", 0.0, step=100.0,
                        help="Staff, storage, traffic, software: no machine price contains them")  # fmt: skip
    return Use(
        busy_share=busy or Decimal(1),
        **losses,
        requests_per_user_month=per_user or None,
        fixed_usd_per_month=fixed or Decimal(0),
    )


def contract_inputs() -> NegotiatedTerms:
    """Ask what a contract changes in list prices."""
    with st.expander("Contract"):
        left, right = st.columns(2)
        discount = _number("Discount (%)", "discount", 0.0, most=99.0, at=left,
                           help="Off list prices, as in an enterprise discount programme")  # fmt: skip
        support = _number("Support (%)", "support", 0.0, most=100.0, at=right, help="On top of what is paid")
        st.caption("Tax and traffic are in no price.")
    return NegotiatedTerms(discount or Decimal(0), support or Decimal(0))


def power_inputs() -> PowerInputs:
    """Ask what is known of power; what is left empty comes from the facts."""
    with st.expander("Power"):
        left, right = st.columns(2)
        load = _number("Busy, W per GPU", "load_w", None, step=50.0, placeholder="rated", at=left)
        idle = _number("Idle, W per GPU", "idle_w", None, step=10.0, placeholder="not known", at=right,
                       help="With the model loaded, as nvidia-smi shows it")  # fmt: skip
        pue = _number("PUE", "pue", None, least=1.0, step=0.05, placeholder="from facts", at=left)
        tariff = _number("USD per kWh", "tariff", None, step=0.01, placeholder="from facts", at=right)
        carbon = _number("Grid, gCO₂e per kWh", "carbon", None, step=10.0, placeholder="from facts", at=left)
    return PowerInputs(load or None, idle, pue, tariff or None, carbon or None)


def spot_inputs() -> SpotUse:
    """Ask how far spot may serve the hours that no commitment covers."""
    share = _percent("On spot at most", "spot_share", 0, help="Of the hours above the commitment")
    left, right = st.columns(2)
    rate = _number("Interruptions per 100 hours", "spot_rate", 2.0, step=1.0, at=left,
                   help="Yours to state: no price list holds it")  # fmt: skip
    lost = _number("Hours lost by each", "spot_lost", 0.25, step=0.25, at=right,
                   help="Until a new replica serves: booting, loading, warming up")  # fmt: skip
    return SpotUse(share, (rate or Decimal(0)) / 100, lost or Decimal(0))


def chance_input() -> Decimal:
    """Ask how likely it is that demand falls."""
    return _percent(
        "Chance that demand falls by 30% after a year", "fall", 50,
        help="The higher, the fewer machines are worth more than a year; yours to state",
    )  # fmt: skip


def demand_inputs(store: Warehouse, requests_per_replica_hour: Decimal) -> Demand | None:
    """Ask for the requests of each hour; ``None`` until there are any."""
    served = served_demands(store)
    ways = [SHAPE, USAGE, OWN] if served else [SHAPE, OWN]
    way = st.segmented_control(
        "Requests per hour",
        ways,
        default=SHAPE,
        required=True,
        key=f"{KEY}demand_way",
        persist_state="session",
    )
    try:
        if way == USAGE:
            return _from_usage(served)
        return _own_numbers() if way == OWN else _stated_week(requests_per_replica_hour)
    except InferplanError as error:
        st.error(formats.sentence(error), icon=":material/error:")
        return None


def _from_usage(served: tuple[ServedDemand, ...]) -> Demand:
    names = {one.model or "all models": one for one in served}
    chosen = st.selectbox(
        "Model in the usage", list(names), key=f"{KEY}demand_model", persist_state="session"
    )
    return names[chosen].demand


def _own_numbers() -> Demand | None:
    uploaded = st.file_uploader(
        "CSV with one hour per line, the requests in its last column", type=["csv", "txt"],
        key=f"{KEY}demand_file", max_upload_size=2,
    )  # fmt: skip
    if uploaded is not None:
        try:
            text = uploaded.getvalue().decode("utf-8")
        except UnicodeDecodeError as error:
            msg = f"{uploaded.name}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
            raise InferplanError(msg) from None
        return read_demand(text, uploaded.name)
    typed = st.text_area(
        "Or type them, one per line", key=f"{KEY}demand_text", height=120, persist_state="session"
    )
    return read_demand(typed) if typed.strip() else None


def _stated_week(requests_per_replica_hour: Decimal) -> Demand:
    columns = st.columns(4)
    example = _rounded_down(float(requests_per_replica_hour) * EXAMPLE_REPLICAS)
    peak = _number("In busy hours", "peak", None, step=1000.0, placeholder=f"example: {example:,.0f}",
                   at=columns[0], help="Requests per hour on workdays; the example keeps "
                   f"{EXAMPLE_REPLICAS} replicas busy")  # fmt: skip
    first, last = columns[1].slider(
        "Busy hours", 0, 24, (8, 20), key=f"{KEY}demand_hours", persist_state="session", format="%d:00"
    )
    night = _percent("Other hours", "night", 20, help="As a share of busy hours", at=columns[2])
    weekend = _percent("Weekends", "weekend", 40, help="As a share of workdays", at=columns[3])
    if first == last:
        first, last = (first, last + 1) if last < 24 else (first - 1, last)
    return weekly(peak or Decimal(str(example)), night_share=night, weekend_share=weekend,
                  first_hour=first, last_hour=last)  # fmt: skip


def _rounded_down(value: float) -> float:
    """Return ``value`` with its first two digits, so that the example needs no replica more.

    >>> _rounded_down(58721.0), _rounded_down(9.99)
    (58000.0, 9.9)
    """
    power = Decimal(repr(value)).adjusted() - 1
    step = Decimal(1).scaleb(power)
    return float(Decimal(repr(value)) // step * step)


def _number(
    label: str, name: str, value: float | None, *, step: float = 1.0, least: float = 0.0,
    most: float | None = None, at: Any = st, **extra: Any,
) -> Decimal | None:  # fmt: skip
    found = at.number_input(
        label, min_value=least, max_value=most, value=value, step=step, format="%g", key=KEY + name,
        persist_state="session", **extra,
    )  # fmt: skip
    return None if found is None else Decimal(repr(float(found)))


def _percent(
    label: str, name: str, value: int, *, least: int = 0, most: int = 100, at: Any = st, **extra: Any
) -> Decimal:
    found = at.number_input(
        f"{label} (%)", min_value=least, max_value=most, value=value, step=5 if most == 100 else 1,
        key=KEY + name, persist_state="session", **extra,
    )  # fmt: skip
    return Decimal(found) / 100
