"""Part of the page Economics: how many machines to commit to, and what that loses when demand falls."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.downloads import download_menu
from inferplan.dashboard.economics.commitment_mix_views import PART_COLUMNS, mix_frame, show_mix
from inferplan.dashboard.economics.inputs import KEY, chance_input, spot_inputs
from inferplan.dashboard.economics.tables import USD_PER_MONTH, column_config
from inferplan.dashboard.prices.tables import option_title
from inferplan.dashboard.reports import Column, Report, table_of_frame
from inferplan.dashboard.state import now
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Offer
from inferplan.planner.commitment_choice import EVEN_CHANCE, CommitmentChoice, choose
from inferplan.planner.demand import Demand
from inferplan.planner.planned import Planned
from inferplan.pricing.commitments import Recommendation
from inferplan.pricing.conditions import NegotiatedTerms
from inferplan.pricing.machine_terms import MachineTerms, SpotUse, machine_terms, years_of

COLUMNS = {
    "term": Column("Term"),
    "machines": Column("Commit to", "machines"),
    "total": Column("All machines", USD_PER_MONTH),
    "saved": Column("Saved", USD_PER_MONTH),
    "coverage": Column("Coverage", "%"),
    "utilization": Column("Utilization", "%"),
    "saved_fallen": Column("Saved if demand falls 30%", USD_PER_MONTH),
    "regret": Column("Regret then", USD_PER_MONTH),
    "break_even": Column("Pays when used", "%"),
    "usd_per_hour": Column("Committed", "USD per machine-hour"),
    "observed_on": Column("Price seen on"),
    "source": Column("Price source"),
    "on_demand": Column("On demand"),
    "demand": Column("Demand"),
}
HELP = {
    "coverage": "Share of the demand that the commitment serves",
    "utilization": "Share of the committed hours that are used",
    "regret": "What the commitment then costs beyond the one that would have been right",
    "break_even": "Share of its hours in which a committed machine must be used to be cheaper",
}


def show_commitments(
    plan: Planned, demand: Demand, offers: tuple[Offer, ...], negotiated: NegotiatedTerms
) -> None:
    """Show the best commitment in each term of one machine, with what is at stake."""
    sold = _choose_machine(plan, offers)
    if sold is None:
        return
    spot = spot_inputs() if sold.spot is not None else SpotUse()
    outlasting = any((years_of(offer.purchase_option) or 0) > 1 for offer in sold.committed)
    chance = chance_input() if outlasting else EVEN_CHANCE
    replica_gpus = plan.deployment.gpu_count // plan.deployment.dp
    each = plan.requests_per_replica_hour * (int(sold.on_demand.gpu_count) // replica_gpus)
    try:
        found = choose(demand, each, sold, negotiated, spot, chance)
    except InferplanError as error:
        st.error(formats.sentence(error), icon=":material/error:")
        return
    mix = mix_frame(found, demand.basis)
    show_mix(found, mix)
    facts = _facts(plan, demand, found, negotiated, each, chance)
    _show_terms(found, mix, facts)
    said = dict(facts)
    st.caption(formats.plain(f"{said['On demand']}. Demand: {said['Demand']}. {said['Contract']}."))


def _choose_machine(plan: Planned, offers: tuple[Offer, ...]) -> MachineTerms | None:
    gpu = plan.deployment.gpu.name
    replica_gpus = plan.deployment.gpu_count // plan.deployment.dp
    sold = [
        one
        for one in machine_terms(offer for offer in offers if offer.gpu == gpu)
        if one.on_demand.gpu_count >= replica_gpus and (one.committed or one.spot)
    ]
    if not sold:
        st.info(
            f"No machine with {formats.plain(gpu)} is known both on demand and with a commitment. Bring "
            "one in on Prices → Sources with a price sheet.",
            icon=":material/info:",
        )
        return None
    by_name = {_name(one.on_demand): one for one in sold}
    names = sorted(by_name, key=lambda name: (-len(by_name[name].committed), name))
    own = _name(plan.offer) if plan.offer else ""
    chosen = st.selectbox(
        "Machine", names, index=names.index(own) if own in names else 0, key=f"{KEY}machine.{gpu}",
        persist_state="session", help="Machines sold on demand and also with a commitment or on spot",
    )  # fmt: skip
    return by_name[chosen]


def _name(offer: Offer) -> str:
    return f"{offer.provider} {offer.instance_type}, {offer.region}"


def _show_terms(found: CommitmentChoice, mix: pd.DataFrame, facts: tuple[tuple[str, str], ...]) -> None:
    said = dict(facts)
    rows = [_row(found, best) for best in found.recommended]
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).assign(
        on_demand=said["On demand"], demand=said["Demand"]
    )
    if rows:
        st.markdown("**One term alone**")
        st.dataframe(
            frame, column_order=list(COLUMNS), column_config=column_config(COLUMNS, HELP), hide_index=True,
            placeholder="", key=f"{KEY}terms", alt="The best commitment in each term",
        )  # fmt: skip
    made_at = now()
    download_menu(
        "commitments",
        f"commitments-{made_at:%Y-%m-%d}",
        lambda: Report(
            "Commitments",
            (table_of_frame("Mix", mix, PART_COLUMNS), table_of_frame("One term alone", frame, COLUMNS)),
            facts,
            made_at,
        ),
    )


def _row(found: CommitmentChoice, best: Recommendation) -> dict[str, object]:
    offer = found.offer(best.term.name)
    money = {
        "total": best.bill.total_usd,
        "saved": best.saved_usd,
        "saved_fallen": best.saved_usd_if_demand_falls,
        "regret": best.regret_usd_if_demand_falls,
    }
    coverage, utilization = best.bill.coverage, best.bill.utilization
    return {
        "term": option_title(best.term.name),
        "machines": int(best.machines),
        **{name: float(found.per_month(usd)) for name, usd in money.items()},
        "coverage": None if coverage is None else float(coverage * 100),
        "utilization": None if utilization is None else float(utilization * 100),
        "break_even": float(best.break_even_utilization * 100),
        "usd_per_hour": float(best.term.usd_per_hour),
        "observed_on": offer.observed_on,
        "source": offer.source,
    }


def _facts(
    plan: Planned,
    demand: Demand,
    found: CommitmentChoice,
    negotiated: NegotiatedTerms,
    each: Decimal,
    chance: Decimal,
) -> tuple[tuple[str, str], ...]:
    on_demand, spot = found.sold.on_demand, found.sold.spot
    list_price = (
        f"{on_demand.usd_per_hour:f} USD per hour, seen {on_demand.observed_on} in {on_demand.source}"
    )
    spot_price = (
        f"{spot.usd_per_hour:f} USD per hour, seen {spot.observed_on} in {spot.source}" if spot else ""
    )
    return (
        ("On demand", f"{on_demand.offer_id}: {list_price}"),
        ("Spot", spot_price or "not known"),
        ("Hours without a commitment", f"{found.flexible.usd:.4f} USD, contract and spot included"),
        (
            "Chance of a fall",
            f"{chance:.0%} that demand falls by 30% after a year; the mix costs least on average over the "
            "longest term",
        ),
        (
            "Contract",
            f"{negotiated.discount_percent:f}% discount, {negotiated.support_percent:f}% support; "
            "tax and traffic are not included",
        ),
        ("One machine serves", f"{each:.0f} requests per hour at full load"),
        ("Speed", plan.estimate.basis),
        ("Demand", demand.basis),
        ("Month", "730 hours like those of the demand, in the same mixture"),
    )
