"""Parts of the page Speed: the latency, the task that it is part of, the pools, and the curve."""

import pandas as pd
import streamlit as st

from inferplan.dashboard import cached, formats
from inferplan.dashboard.figures import show_figure
from inferplan.dashboard.serving.charts import MEAN, SLOW, TOKEN, Point, latency_against_rate
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.case import Case
from inferplan.planner.interval import Interval
from inferplan.planner.performance import Disaggregated, Estimate, Task, delivered
from inferplan.planner.workload import Slo

SHARES_OF_CAPACITY = (0.05, 0.2, 0.35, 0.5, 0.65, 0.75, 0.85, 0.92, 0.96)
STAGES = {"prefill": "Prefill", "kv_transfer": "Cache transfer", "decode": "Decode"}


def show_verdict(current: Case, found: Estimate) -> None:
    """Say whether the load is carried, and how much could be."""
    most = found.largest_request_rate_per_s or 0.0
    rate = current.request_rate
    has_target = current.slo != Slo()
    within = " within the latency target" if has_target else ""
    up_to = f"{formats.significant(most)} requests per second{within}"
    if rate is None:
        served = formats.significant(found.requests_per_s)
        why = f": {formats.plain(found.saturated_reason)}" if found.saturated else ""
        sustained = f"{up_to} can be sustained" if most else "no rate keeps the latency target"
        text = (
            f"**{served} requests per second** with {formats.significant(found.running_sequences)} running "
            f"at once{why}. Arriving at random, {sustained}."
        )
        if missed := _missed(current, found):
            text = f"**It misses the latency target:** {formats.listing(missed)}. {text}"
            st.error(text, icon=":material/cancel:")
        elif has_target:
            st.success(f"**It keeps the latency target:** {text}", icon=":material/check_circle:")
        else:
            st.info(text, icon=":material/speed:")
    elif rate <= most:
        st.success(
            f"**It keeps up:** {formats.percent(rate / most)} of the {up_to} that can be sustained.",
            icon=":material/check_circle:",
        )
    else:
        why = f" {formats.sentence(found.saturated_reason)}" if found.saturated else ""
        st.error(
            f"**It does not keep up:** only {up_to} can be sustained.{why}",
            icon=":material/cancel:",
        )


def _missed(current: Case, found: Estimate) -> list[str]:
    """Return each latency that is expected to miss its target, with both."""
    later_tokens = current.workload().output_tokens - 1
    whole_s = found.ttft_s.expected + later_tokens * found.tpot_s.expected
    latencies = (
        ("time to first token", found.ttft_s.expected, current.slo.ttft_s),
        ("time per output token", found.tpot_s.expected, current.slo.tpot_s),
        ("time of a whole request", whole_s, current.slo.e2e_s),
    )
    return [
        f"{name} {formats.duration(expected)} instead of {formats.duration(target)}"
        for name, expected, target in latencies
        if target is not None and expected > target
    ]


def show_latency(current: Case, found: Estimate) -> None:
    """Show what a user waits for, with intervals."""
    gets = delivered(found, current.workload())
    with st.container(horizontal=True, gap="medium"):
        _latency("Time to first token", found.ttft_s)
        _latency("Time to first token, P99", found.ttft_p99_s)
        if current.reasoning_multiple:
            _latency("First visible token", gets.first_visible_token_s)
        _latency("Time per output token", found.tpot_s)
        _latency("Time per output token, P99", found.tpot_p99_s)
        _rate("Output tokens/s", found.output_tokens_per_s)
        if current.reasoning_multiple:
            _rate("Visible tokens/s", gets.visible_output_tokens_per_s)
    if found.p99_reason:
        st.caption(formats.plain(found.p99_reason))
    if current.calls_per_task > 1:
        _show_task(gets.task)


def _show_task(task: Task) -> None:
    st.subheader(f"A task of {formats.plural(task.calls, 'call')}")
    with st.container(horizontal=True, gap="medium"):
        _latency("Whole task", task.duration_s)
        st.metric("Input tokens", formats.count(task.input_tokens))
        cached_share = task.cached_input_tokens / task.input_tokens
        st.metric(
            "Found in the prefix cache",
            formats.percent(cached_share),
            help=f"{formats.count(task.cached_input_tokens)} tokens that earlier calls have left there",
        )
        st.metric("Output tokens", formats.count(task.output_tokens), help="Reasoning included")
        st.metric("Tasks per hour", formats.significant(task.tasks_per_s * 3600))
        st.metric("Tasks under way", formats.significant(task.tasks_in_flight))


def show_pools(pools: Disaggregated, found: Estimate) -> None:
    """Show both pools, what binds, and the same GPUs without the split."""
    st.subheader("Prefill and decode apart")
    busy = dict(pools.busy)
    rows = {
        "Prefill": (pools.prefill_gpus, pools.prefill_replicas, busy["prefill"]),
        "Cache transfer": (None, None, busy["kv_transfer"]),
        "Decode": (pools.decode_gpus, pools.decode_replicas, busy["decode"]),
    }
    st.dataframe(
        pd.DataFrame.from_dict(rows, orient="index", columns=["GPUs", "Replicas", "Busy"]).rename_axis(
            "Stage"
        ),
        column_config={"Busy": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)},
        placeholder="",
        alt="The stages that a request passes, with the share of each that is used",
    )
    best = (
        "That is the best split of these GPUs"
        if pools.best_prefill_gpus == pools.prefill_gpus
        else f"With {formats.plural(pools.best_prefill_gpus, 'GPU')} for prefill more could be served"
    )
    st.caption(
        f"{STAGES[pools.bound_by]} fills first. Each request sends {formats.size(pools.kv_transfer_bytes)} "
        f"of cache in {formats.duration(pools.kv_transfer_s)} ({formats.plain(pools.kv_link)}). {best}."
    )
    if (together := pools.aggregated) is not None:
        both = {"Apart": found, "Every GPU does both": together}
        table = {name: _compared(estimate) for name, estimate in both.items()}
        st.table(pd.DataFrame(table), border="horizontal")


def show_curve(current: Case, warehouse: Warehouse) -> None:
    """Draw how latency grows with the rate, up to where queues grow for ever."""
    free = current.model_copy(update={"slo": Slo(), "concurrency": None, "request_rate": 1.0})
    most = cached.speed(free, warehouse).largest_request_rate_per_s
    if not most:
        return
    points = []
    for share in SHARES_OF_CAPACITY:
        rate = most * share
        found = cached.speed(free.model_copy(update={"request_rate": rate}), warehouse)
        points += [Point(rate, found.ttft_s.expected, MEAN), Point(rate, found.tpot_s.expected, TOKEN)]
        if found.ttft_p99_s is not None:
            points.append(Point(rate, found.ttft_p99_s.expected, SLOW))
    st.subheader("Latency against the rate of requests")
    st.altair_chart(
        latency_against_rate(points, current.request_rate),
        alt=f"Latency of first tokens and of each token up to {formats.significant(most)} requests per "
        "second, beyond which the queue grows for ever",
    )
    st.caption(
        "Requests arrive at random (Poisson). Near the right end the queue, not the GPU, decides what a user "
        "waits for: plan to stay left of the bend."
    )


def _latency(label: str, value: Interval | None) -> None:
    if value is not None:
        low, expected, high = map(formats.duration, value)
        show_figure(label, expected, low, high)


def _rate(label: str, value: Interval) -> None:
    low, expected, high = map(formats.count, value)
    show_figure(label, expected, low, high)


def _compared(found: Estimate) -> dict[str, str]:
    most = found.largest_request_rate_per_s
    return {
        "Time to first token": formats.duration(found.ttft_s.expected),
        "Time per output token": formats.duration(found.tpot_s.expected),
        "Output": f"{formats.count(found.output_tokens_per_s.expected)} tokens/s",
        "Most sustained": "unknown" if most is None else f"{formats.significant(most)} requests/s",
    }
