"""The profile picker of the page Rightsizing: how careful advice is to be."""

import streamlit as st

from inferplan.dashboard.state import PREFIX
from inferplan.planner.rightsizing import PROFILES, Profile

KEY = f"{PREFIX}rightsizing.profile"
CUSTOM = "custom"
TITLES = {
    "production": "Production",
    "high-availability": "High availability",
    "development": "Development",
    CUSTOM: "Custom",
}
SHARES = {
    "sm_target": ("SM activity target", "Share of the SMs that may be active at the percentile"),
    "dram_target": ("Memory bandwidth target", "Share of the peak; about 80 % is the practical ceiling"),
    "kv_target": ("KV cache target", "P99 of the cache's use"),
}
COUNTS = {
    "min_replicas": ("Least replicas", "Never advise fewer than these"),
    "spare_replicas": ("Spare replicas", "Kept on top of what the load needs"),
}


def profile_picker() -> Profile:
    """Choose how careful advice is to be; a custom profile starts from production."""
    name = st.selectbox(
        "Profile",
        [*PROFILES, CUSTOM],
        format_func=lambda known: TITLES.get(known, known),
        key=KEY,
        persist_state="session",
        help="Sets headroom, spare replicas and which statistic counts.",
    )
    if name != CUSTOM:
        chosen = PROFILES[name]
        st.caption(
            f"SM {chosen.sm_target:.0%}, bandwidth {chosen.dram_target:.0%}, KV cache {chosen.kv_target:.0%} "
            f"at most; at least {chosen.min_replicas} replicas, {chosen.spare_replicas} of them spare."
        )
        return chosen
    return _custom(PROFILES["production"])


def _custom(base: Profile) -> Profile:
    given: dict[str, object] = {"name": CUSTOM}
    for field, (label, meaning) in SHARES.items():
        percent = st.number_input(
            f"{label} (%)",
            min_value=1,
            max_value=100,
            value=round(getattr(base, field) * 100),
            key=f"{KEY}.{field}",
            help=meaning,
            persist_state="session",
        )
        given[field] = percent / 100
    for field, (label, meaning) in COUNTS.items():
        given[field] = st.number_input(
            label,
            min_value=0 if field == "spare_replicas" else 1,
            max_value=100,
            value=getattr(base, field),
            key=f"{KEY}.{field}",
            help=meaning,
            persist_state="session",
        )
    return Profile.model_validate(base.model_dump() | given)
