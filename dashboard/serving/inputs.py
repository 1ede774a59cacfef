"""Widgets for what is served in which way: reasoning, chains of calls, drafts, pools of their own."""

import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.state import bound, case, change
from inferplan.planner.case import Case

TOGETHER, BEST = "every GPU does both", "apart, in the best split"
MOST_SPLITS = 64


def request_features() -> None:
    """Choose what makes a request more than one prompt and one answer."""
    current = case()
    with st.expander("Serving features"):
        _reasoning(current)
        _calls(current)


def all_features() -> None:
    """Choose those, and how the deployment serves them."""
    current = case()
    with st.expander("Serving features"):
        _reasoning(current)
        if current.request_rate is not None:
            _spread(current)
        _calls(current)
        _drafts(current)
        _pools(current)


def _reasoning(current: Case) -> None:
    st.number_input(
        "Reasoning tokens per visible token",
        min_value=0.0,
        max_value=1000.0,
        step=0.5,
        format="%g",
        help="Hidden tokens that the model generates before its answer. They take time and money too.",
        **bound("reasoning_multiple", current.reasoning_multiple),
    )


def _spread(current: Case) -> None:
    st.number_input(
        "Spread of lengths",
        min_value=0.0,
        max_value=10.0,
        step=0.25,
        format="%g",
        help="Standard deviation over mean: 0 is all alike, 1 is usual in chats. Lengthens queues.",
        **bound("length_variation", current.length_variation),
    )


def _calls(current: Case) -> None:
    st.number_input(
        "Calls per task",
        min_value=1,
        max_value=10_000,
        step=1,
        help="Agents call again with what their tools return. Input tokens are those of the first call.",
        **bound("calls_per_task", current.calls_per_task, write=_use_calls),
    )
    if current.calls_per_task == 1:
        return
    growth, wait = st.columns(2)
    growth.number_input(
        "Context added",
        min_value=0,
        step=100,
        value=None,
        placeholder="the answer",
        help="Tokens that each call adds to the next one's prompt: its answer and what the tools return.",
        **bound("context_growth_tokens", current.context_growth_tokens),
    )
    wait.number_input(
        "Tool time (s)",
        min_value=0.0,
        step=1.0,
        format="%g",
        help="Seconds between two calls, in which the GPU serves others.",
        **bound("tool_wait_s", current.tool_wait_s),
    )


def _drafts(current: Case) -> None:
    given = current.speculative
    drafted = given.draft_tokens if given else current.draft_tokens
    tokens, share = st.columns(2)
    tokens.number_input(
        "Drafted tokens",
        min_value=1,
        max_value=64,
        step=1,
        value=None,
        placeholder="no drafts",
        help="Speculative decoding: tokens proposed for each step, which the model checks at once.",
        **bound("speculative.draft_tokens", drafted, write=_use_drafts),
    )
    if given is not None:
        share.number_input(
            "Accepted (%)",
            min_value=0,
            max_value=100,
            step=5,
            help="Chance that a drafted token is right.",
            **bound("speculative.acceptance_rate", round(given.acceptance_rate * 100), write=_use_acceptance),
        )


def _pools(current: Case) -> None:
    splits = _splits(current)
    if not splits and current.prefill_gpus is None:
        return
    shown = BEST if current.prefill_gpus == "best" else current.prefill_gpus or TOGETHER
    options: list[str | int] = [TOGETHER, BEST, *splits]
    st.selectbox(
        "Prefill and decode",
        options if shown in options else [shown, *options],
        format_func=lambda gpus: (
            gpus if isinstance(gpus, str) else f"{formats.plural(gpus, 'GPU')} for prefill"
        ),
        help="Apart, some GPUs only read prompts and send the cache to others that only decode.",
        **bound("prefill_gpus", shown, write=_use_pools),
    )
    if current.prefill_gpus is None:
        return
    names = (("prefill_tp", "Prefill replica"), ("decode_tp", "Decode replica"))
    for column, (field, label), usual in zip(st.columns(2), names, current.pool_replicas(), strict=True):
        column.number_input(
            label,
            min_value=1,
            step=1,
            value=None,
            placeholder=f"{usual} GPUs",
            help="GPUs that share the model in one replica of this pool.",
            **bound(field, getattr(current, field)),
        )
    st.number_input(
        "Link between the pools (GB/s per GPU)",
        min_value=0.1,
        step=5.0,
        format="%g",
        value=None,
        placeholder="from the machine",
        help="Empty: NVLink if it reaches, else PCIe within a machine, else a network of 50 GB/s per GPU.",
        **bound("kv_transfer_gb_per_s", current.kv_transfer_gb_per_s),
    )


def _splits(current: Case) -> list[int]:
    """Return the numbers of prefill GPUs that leave whole replicas to decode."""
    total = current.tp * current.pp * current.dp
    prefill, decode = (gpus * current.pp for gpus in current.pool_replicas())
    found = [gpus for gpus in range(prefill, total, prefill) if (total - gpus) % decode == 0]
    return found[:MOST_SPLITS]


def _use_calls(calls: int) -> None:
    gone = {"context_growth_tokens": None, "tool_wait_s": 0.0} if calls == 1 else {}
    change(calls_per_task=calls, **gone)


def _use_drafts(tokens: int | None) -> None:
    """Take drafts of another length; at first 70 % of them are accepted."""
    given = case().speculative
    kept = given.model_dump(exclude_none=True) if given else {"acceptance_rate": 0.7}
    change(draft_tokens=None, speculative=None if tokens is None else {**kept, "draft_tokens": tokens})


def _use_acceptance(percent: int) -> None:
    given = case().speculative
    if given is not None:
        change(speculative={**given.model_dump(exclude_none=True), "acceptance_rate": percent / 100})


def _use_pools(choice: str | int) -> None:
    """Take another split; without one the other choices about pools go too."""
    if choice == TOGETHER:
        change(prefill_gpus=None, prefill_tp=None, decode_tp=None, kv_transfer_gb_per_s=None)
    else:
        change(prefill_gpus="best" if choice == BEST else choice)
