"""The profile picker of the page Rightsizing: how careful advice is to be, and what it must leave alone."""

from typing import Any

import streamlit as st
from pydantic import ValidationError

from inferplan.dashboard.state import PREFIX
from inferplan.planner.rightsizing import PROFILES, Profile
from inferplan.planner.rightsizing.profile import TAGS

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
    "dram_target": ("Memory bandwidth target", "Share of the peak; about 80% is the practical ceiling"),
    "kv_target": ("KV cache target", "P99 of the cache's use"),
    "slice_target": ("MIG slice target", "Share of a slice that may be used at the percentile"),
}
COUNTS = {
    "min_replicas": ("Least replicas", "Never advise fewer than these"),
    "spare_replicas": ("Spare replicas", "Kept on top of what the load needs"),
    "lookback_days": ("Lookback (days)", "Before the newest sample; older ones do not count"),
    "warm_up_minutes": ("Warm-up (minutes)", "Left out of activity after a GPU or process came up"),
}
SWITCHES = {
    "may_schedule": ("May be stopped by calendar", "Where the same hours are idle week after week"),
    "may_share_gpus": ("May share GPUs", "Several processes on one GPU, in time slices"),
}
TARGETS = {
    "ttft_target_s": "First token within (ms)",
    "tpot_target_s": "Each token within (ms)",
    "e2e_target_s": "Whole request within (ms)",
}
PERCENTILES = ("p90", "p95", "p99")
MS_PER_S = 1000
MOST_MS = 600_000


def profile_picker() -> Profile:
    """Choose how careful advice is to be; a custom profile starts from production."""
    name = st.selectbox(
        "Profile",
        [*PROFILES, CUSTOM],
        format_func=lambda known: TITLES.get(known, known),
        key=KEY,
        persist_state="session",
        help="Sets headroom, spare replicas, lookback and which statistic counts.",
    )
    chosen = _custom(PROFILES["production"]) if name == CUSTOM else PROFILES[name]
    if name != CUSTOM:
        st.caption(
            f"{chosen.activity_percentile.upper()} of use may reach: SM {chosen.sm_target:.0%}, bandwidth "
            f"{chosen.dram_target:.0%}, KV cache {chosen.kv_target:.0%}: {1 - chosen.sm_target:.0%} of the "
            f"SMs stay free. At least {chosen.min_replicas} replicas, {chosen.spare_replicas} of them spare. "
            f"The last {chosen.lookback_days:g} days count."
        )
    with st.expander("Latency targets and exclusions"):
        given: dict[str, Any] = {field: _target(label, field) for field, label in TARGETS.items()}
        given["latency_percentile"] = st.segmented_control(
            "Requests that must keep them",
            PERCENTILES,
            default=chosen.latency_percentile,
            required=True,
            format_func=lambda name: f"{name[1:]}%",
            key=f"{KEY}.latency_percentile",
            persist_state="session",
        )
        st.caption("A process that misses its target is never shrunk and is offered more capacity.")
        exclude = st.text_input(
            "Take nothing from",
            key=f"{KEY}.exclude",
            persist_state="session",
            placeholder="team=search, namespace=prod-*",
            help=f"Pairs of a tag ({', '.join(TAGS)}) and a pattern, separated by commas",
        )
        patterns = tuple(part.strip() for part in exclude.split(",") if part.strip())
        try:
            return Profile.model_validate(chosen.model_dump() | given | {"exclude": patterns})
        except ValidationError as error:
            st.error(str(error.errors()[0]["msg"]).removeprefix("Value error, "), icon=":material/error:")
    return chosen


def _target(label: str, field: str) -> float | None:
    found = st.number_input(
        label, min_value=1, max_value=MOST_MS, value=None, key=f"{KEY}.{field}", persist_state="session",
        placeholder="not judged",
        help="Against single requests, by a log or the engine's histograms; where only their sums were "
        "measured, against the mean of five minutes in 95% of the time",
    )  # fmt: skip
    return None if found is None else found / MS_PER_S


def _custom(base: Profile) -> Profile:
    given: dict[str, Any] = {"name": CUSTOM}
    given["activity_percentile"] = st.segmented_control(
        "Statistic that counts",
        PERCENTILES,
        default=base.activity_percentile,
        required=True,
        format_func=str.upper,
        key=f"{KEY}.activity_percentile",
        persist_state="session",
    )
    for field, (label, meaning) in SHARES.items():
        percent = st.number_input(
            f"{label} (%)", 1, 100, round(getattr(base, field) * 100), key=f"{KEY}.{field}", help=meaning,
            persist_state="session",
        )  # fmt: skip
        given[field] = percent / 100
    given["memory_factor"] = st.number_input(
        "Memory factor", 1.0, 10.0, base.memory_factor, 0.05, key=f"{KEY}.memory_factor",
        persist_state="session", help="The largest memory use ever seen, times this, must fit",
    )  # fmt: skip
    for field, (label, meaning) in COUNTS.items():
        given[field] = st.number_input(
            label,
            min_value=1 if field in ("min_replicas", "lookback_days") else 0,
            max_value=1000,
            value=int(getattr(base, field)),
            key=f"{KEY}.{field}",
            help=meaning,
            persist_state="session",
        )
    for field, (label, meaning) in SWITCHES.items():
        given[field] = st.toggle(
            label, getattr(base, field), key=f"{KEY}.{field}", help=meaning, persist_state="session"
        )
    return Profile.model_validate(base.model_dump() | given)
