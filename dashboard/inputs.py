"""Widgets that build the fields of a ``Case``; each shows the current plan and writes back to it."""

from functools import partial
from typing import get_args

import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.state import bound, case, change, problem
from inferplan.datasets import catalog
from inferplan.planner.deployment import EngineName
from inferplan.planner.quantization import FORMATS

AS_SHIPPED = "as the checkpoint says"
GGUF_EXAMPLES = ("gguf-q8_0", "gguf-q6_k", "gguf-q5_k_m", "gguf-q4_k_m")
ENGINE_TITLES = {"vllm": "vLLM", "sglang": "SGLang", "tensorrt-llm": "TensorRT-LLM", "llama.cpp": "llama.cpp"}
KV_DTYPES = ("auto", "bf16", "fp16", "fp8")
MILLISECONDS = 1000
IN_FLIGHT, AT_A_RATE = "in flight", "at a rate"
LOADS = (IN_FLIGHT, AT_A_RATE)


def show_problem() -> None:
    """Tell why the last change, or the address, was refused, where the user is looking."""
    case()  # reads the address of a session that begins
    if found := problem():
        st.error(formats.sentence(found), icon=":material/error:")


def gpu_picker() -> None:
    """Pick a GPU of the catalog, with its memory beside the name."""
    labels = {gpu.name: f"{gpu.name} · {formats.gib(gpu.memory_total_bytes, 0)}" for gpu in catalog.gpus()}
    shown = case().gpu
    if shown not in labels:
        labels = {shown: f"{shown} (not in the catalog by this name)", **labels}
    st.selectbox(
        "GPU",
        list(labels),
        format_func=lambda name: labels[name],
        help="Memory as the driver reports it, which is less than the marketed number.",
        **bound("gpu", shown),
    )


def parallelism() -> None:
    """Choose how the model is spread over GPUs."""
    current = case()
    names = (("tp", "Tensor"), ("pp", "Pipeline"), ("dp", "Replicas"))
    for column, (field, label) in zip(st.columns(3), names, strict=True):
        column.number_input(
            label, min_value=1, max_value=1024, step=1, **bound(field, getattr(current, field))
        )
    total = current.tp * current.pp * current.dp
    st.caption(f"{formats.plural(total, 'GPU')} in all: tensor × pipeline × data-parallel replicas")


def precision() -> None:
    """Choose the types of weights and KV cache."""
    current = case()
    weights, kv_cache = st.columns(2)
    formats_known = [AS_SHIPPED, *FORMATS, *GGUF_EXAMPLES]
    shown = current.weights_dtype or AS_SHIPPED
    weights.selectbox(
        "Weights",
        formats_known if shown in formats_known else [shown, *formats_known],
        accept_new_options=True,
        help="How the weights are stored. Others may be typed, such as awq-int4-g64 or gguf-iq4_xs.",
        **bound("weights_dtype", shown, lambda value: None if value == AS_SHIPPED else value),
    )
    kv_cache.selectbox(
        "KV cache",
        KV_DTYPES if current.kv_dtype in KV_DTYPES else (current.kv_dtype, *KV_DTYPES),
        help="auto: the type of the model's activations",
        **bound("kv_dtype", current.kv_dtype),
    )


def context_and_concurrency() -> None:
    """Choose tokens per sequence and sequences at once, side by side."""
    left, right = st.columns(2)
    with left:
        context()
    with right:
        concurrency()


def context() -> None:
    """Choose the tokens of one sequence."""
    st.number_input(
        "Context",
        min_value=1,
        max_value=100_000_000,
        step=1024,
        value=None,
        placeholder="model's own",
        help="Tokens of prompt and answer together. Empty: the most that the model was made for.",
        **bound("max_model_len", case().max_model_len),
    )


def concurrency() -> None:
    """Choose the requests in flight."""
    shown = case().concurrency
    st.number_input(
        "Sequences",
        min_value=1,
        max_value=1_000_000,
        step=1,
        value=None,
        placeholder="as many as fit",
        help="Requests in flight over the whole deployment. Empty: as many as the KV cache holds.",
        **bound("concurrency", shown if isinstance(shown, int) else None),
    )


def load() -> None:
    """Choose how requests come: so many in flight, or so many per second."""
    rate = case().request_rate
    kinds, number = st.columns(2)
    kinds.selectbox(
        "Requests",
        LOADS,
        help="At a rate, requests arrive at random and may queue; else as many as this are always in flight.",
        **bound("load", AT_A_RATE if rate is not None else IN_FLIGHT, write=_use_load),
    )
    if rate is None:
        with number:
            concurrency()
        return
    number.number_input(
        "Rate",
        min_value=0.0001,
        step=0.5,
        format="%g",
        help="Requests offered to the whole deployment; each call of an agent is one.",
        **bound("request_rate", rate),
    )


def _use_load(kind: str) -> None:
    """Take the other way to state the load, beginning with a rate of one or with as many as fit."""
    change(concurrency=None, request_rate=1.0 if kind == AT_A_RATE else None)


def engine() -> None:
    """Choose the serving engine and its version."""
    current = case()
    name, version = st.columns(2)
    name.selectbox(
        "Engine",
        get_args(EngineName),
        format_func=ENGINE_TITLES.__getitem__,
        **bound("engine", current.engine),
    )
    version.text_input(
        "Version",
        placeholder="newest known",
        **bound("engine_version", current.engine_version or "", lambda text: text.strip() or None),
    )


def engine_settings() -> None:
    """Choose the engine's limits, which most people leave alone."""
    current = case()
    with st.expander("Engine settings"):
        st.number_input(
            "Share of GPU memory",
            min_value=0.01,
            max_value=1.0,
            step=0.01,
            value=None,
            placeholder="engine's default",
            **bound("gpu_memory_utilization", current.gpu_memory_utilization),
        )
        st.number_input(
            "Tokens per step",
            min_value=1,
            step=512,
            value=None,
            placeholder="engine's default",
            help="max_num_batched_tokens: prompts are cut into chunks of this size",
            **bound("max_num_batched_tokens", current.max_num_batched_tokens),
        )
        st.number_input(
            "Most sequences per step",
            min_value=1,
            step=8,
            value=None,
            placeholder="engine's default",
            help="max_num_seqs",
            **bound("max_num_seqs", current.max_num_seqs),
        )
        st.number_input(
            "Expert parallel",
            min_value=1,
            step=1,
            help="GPUs that share out the experts of a mixture; 1 splits experts like every other matrix",
            **bound("ep", current.ep),
        )
        st.toggle(
            "Eager mode (no CUDA graphs)",
            **bound("enforce_eager", current.enforce_eager),
        )


def workload() -> None:
    """Describe one request and how many run at once."""
    current = case()
    prompt, answer = st.columns(2)
    prompt.number_input("Input tokens", min_value=1, step=100, **bound("input_tokens", current.input_tokens))
    answer.number_input(
        "Output tokens",
        min_value=1,
        step=50,
        help="What the user sees; hidden reasoning is asked for under Serving features",
        **bound("output_tokens", current.output_tokens),
    )
    load()
    st.slider(
        "Prompt found in the prefix cache",
        min_value=0,
        max_value=100,
        step=5,
        format="%d%%",
        **bound(
            "prefix_cache_hit_rate",
            round(current.prefix_cache_hit_rate * 100),
            lambda share: share / 100,
        ),
    )


def latency_target() -> None:
    """Choose the latencies that must be kept, in milliseconds; an empty one is no target."""
    current = case().slo
    targets = (
        ("ttft_s", "TTFT (ms)", "Time to first token, at most"),
        ("tpot_s", "TPOT (ms)", "Time per output token after the first, at most"),
        ("e2e_s", "Whole request (ms)", "From arrival to the last token, at most"),
    )
    for column, (field, label, meaning) in zip((*st.columns(2), st.container()), targets, strict=True):
        value = getattr(current, field)
        column.number_input(
            label,
            min_value=1.0,
            step=10.0 if field == "tpot_s" else 100.0,
            format="%g",
            value=None,
            placeholder="no target",
            help=meaning,
            **bound(
                f"slo.{field}",
                None if value is None else value * MILLISECONDS,
                write=partial(_set_target, field),
            ),
        )


def _set_target(field: str, milliseconds: float | None) -> None:
    targets = case().slo.model_dump(exclude_none=True)
    targets.pop(field, None)
    if milliseconds is not None:
        targets[field] = milliseconds / MILLISECONDS
    change(slo=targets)
