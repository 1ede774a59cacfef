"""Part of the tab Commitments: the mix of terms, from the longest to what is bought by the hour."""

from __future__ import annotations

from itertools import accumulate

import pandas as pd
import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.economics import charts as economics_charts
from inferplan.dashboard.economics.inputs import KEY
from inferplan.dashboard.economics.self_host_views import duration_rows
from inferplan.dashboard.economics.tables import USD_PER_MONTH, column_config
from inferplan.dashboard.prices.tables import option_title
from inferplan.dashboard.reports import Column
from inferplan.planner.commitment_choice import CommitmentChoice, MixPart

PART_COLUMNS = {
    "part": Column("Bought"),
    "machines": Column("Machines"),
    "usd_per_month": Column("Cost", USD_PER_MONTH),
    "share": Column("Of the demand", "%"),
    "usd_per_hour": Column("Price", "USD per machine-hour"),
    "observed_on": Column("Price seen on"),
    "source": Column("Price source"),
    "demand": Column("Demand"),
}
HELP = {
    "machines": "Committed machines; on average of the hours for what is bought by the hour",
    "share": "Share of the demand that this part serves",
    "usd_per_hour": "Contract and the waste of interruptions included",
}


def show_mix(found: CommitmentChoice, parts: pd.DataFrame) -> None:
    """Show what to commit to for how long, what that saves and what it loses when demand falls."""
    st.markdown(_sentence(found))
    tops = list(accumulate(layer.machines for layer in found.mix.layers))
    heights = formats.listing([formats.count(top) for top in tops]) or "none"
    st.altair_chart(
        economics_charts.hours_by_demand(duration_rows(found.machines), tops, "Machines wanted"),
        alt=f"Machines wanted in the hours from {formats.count(max(found.machines))} down, with the "
        f"recommended commitments up to {heights}",
    )
    st.caption(
        "Below each line machines are committed, the longest term lowest; above they are bought by the hour."
    )
    st.dataframe(
        parts, column_order=list(PART_COLUMNS)[:-1], column_config=column_config(PART_COLUMNS, HELP),
        hide_index=True, placeholder="", key=f"{KEY}mix", alt="The recommended mix",
    )  # fmt: skip


def mix_frame(found: CommitmentChoice, demand: str) -> pd.DataFrame:
    """Return the parts of the mix for ``demand``, one a row; their costs sum to the month's."""
    return pd.DataFrame([_row(part) for part in found.parts()]).assign(demand=demand)


def _row(part: MixPart) -> dict[str, object]:
    return {
        "part": option_title(part.offer.purchase_option),
        "machines": formats.significant(float(part.machines)),
        "usd_per_month": float(part.usd_per_month),
        "share": float(part.share_of_demand * 100),
        "usd_per_hour": float(part.usd_per_hour),
        "observed_on": part.offer.observed_on,
        "source": part.offer.source,
    }


def _sentence(found: CommitmentChoice) -> str:
    uncommitted = formats.usd(found.per_month(found.uncommitted.total_usd))
    mix = found.mix
    if not mix.layers:
        text = f"every hour by the hour costs {uncommitted} a month, no term costs less."
        return f"**Commit to nothing:** {text}".replace("$", "\\$")
    taken = formats.listing(
        [f"{formats.plural(one.machines, 'machine')} ({option_title(one.term.name)})" for one in mix.layers]
    )
    saved = formats.usd(found.per_month(mix.saved_usd))
    fallen = found.per_month(mix.saved_usd_if_demand_falls)
    then = f"it still saves {formats.usd(fallen)}" if fallen >= 0 else f"it loses {formats.usd(-fallen)}"
    regret = found.per_month(mix.regret_usd_if_demand_falls)
    later = found.per_month(mix.regret_usd_a_year_later)
    if not regret:
        then += " and is still the right mix"
    else:
        then += f", {formats.usd(regret)} less well than what would be right then"
        then += "" if later == regret else f" ({formats.usd(later)} once the shorter terms have ended)"
    text = f"**Commit to {taken}.** That saves {saved} of {uncommitted} a month. If demand falls by 30%, "
    return f"{text}{then}.".replace("$", "\\$")
