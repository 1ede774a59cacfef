"""Parts of the page Fit: arithmetic, launch command, a start-up log beside the prediction, training."""

from __future__ import annotations

from typing import Any, get_args

import streamlit as st

from inferplan.dashboard import cached, charts, formats
from inferplan.dashboard.state import PREFIX, change
from inferplan.datasets.errors import InferplanError
from inferplan.planner.case import Case
from inferplan.planner.engine_log import EngineLog, differences, read_log
from inferplan.planner.launch import kserve_yaml, kubernetes_yaml, launch_line, launch_notes
from inferplan.planner.memory import Fit
from inferplan.planner.training import (
    OPTIMIZER_BYTES,
    Checkpointing,
    Method,
    Precision,
    Training,
    TrainingMemory,
    training_memory,
)

LOG_KEY = f"{PREFIX}fit.log"
TRAINING_KEY = f"{PREFIX}training."
LOG_EXAMPLE = "Paste what the engine printed while starting: weights, KV cache size, concurrency."
METHODS = {"full": "Full fine-tuning", "lora": "LoRA", "qlora": "QLoRA (4-bit base)"}
PRECISIONS = {"mixed": "16-bit, fp32 master copy", "bf16": "bf16 throughout", "fp32": "fp32 throughout"}
SHARDING = {0: "none", 1: "optimizer (ZeRO 1)", 2: "+ gradients (ZeRO 2)", 3: "+ weights (ZeRO 3, FSDP)"}


def show_arithmetic(found: Fit) -> None:
    """Show each step of the budget with its numbers filled in."""
    steps = [
        (
            "Parameters",
            f"{formats.count(found.parameters)}, of which {formats.count(found.active_parameters)}"
            " work on each token",
        ),
        *found.formulas,
        ("KV cache", f"{formats.count(found.kv_bytes_per_token_per_gpu)} bytes per token and GPU"),
    ]
    if found.kv_window_bytes_per_sequence_per_gpu:
        window = formats.size(found.kv_window_bytes_per_sequence_per_gpu)
        steps.append(("Sliding windows", f"{window} per sequence and GPU at the full context"))
    if found.state_bytes_per_sequence_per_gpu:
        state = formats.size(found.state_bytes_per_sequence_per_gpu)
        steps.append(("Recurrent state", f"{state} per sequence and GPU"))
    lines = ["|Step|With the numbers filled in|", "|:--|:--|"]
    lines += [f"|{formats.plain(name)}|{formats.plain(text)}|" for name, text in steps]
    st.markdown("\n".join(lines))


def show_launch(current: Case, found: Fit) -> None:
    """Show the command and the manifest that start this deployment."""
    deployment = cached.deployment(current)
    try:
        command = launch_line(deployment, max_model_len=found.max_model_len)
        manifest = kubernetes_yaml(deployment, max_model_len=found.max_model_len)
        service = kserve_yaml(deployment, max_model_len=found.max_model_len)
    except InferplanError as error:
        st.info(formats.plain(str(error)), icon=":material/info:")
        return
    if not found.fits:
        st.caption("As it stands this would not start: see what must change above.")
    for note in launch_notes(deployment):
        st.caption(formats.plain(note))
    st.code(command, language="bash", wrap_lines=True)
    with st.expander("Kubernetes manifest"):
        st.code(manifest, language="yaml")
    with st.expander("KServe InferenceService"):
        st.code(service, language="yaml")


def show_log(found: Fit) -> None:
    """Let people paste a start-up log and show it beside the prediction."""
    text = st.text_area("Start-up log", key=LOG_KEY, placeholder=LOG_EXAMPLE, persist_state="session")
    if not text.strip():
        st.caption("vLLM, SGLang, TensorRT-LLM and llama.cpp are understood. Nothing leaves this machine.")
        return
    try:
        log = read_log(text)
    except InferplanError as error:
        st.error(formats.sentence(error), icon=":material/error:")
        return
    st.markdown(f"**{formats.plain(' '.join(filter(None, (log.engine, log.version, log.model))))}**")
    lines = ["|Per GPU|Log|Predicted|Difference|Why|", "|:--|--:|--:|--:|:--|"]
    for term in differences(log, found):
        relative = "" if term.relative is None else formats.percent(term.relative, 1)
        figures = (formats.significant(value, 4) for value in (term.logged, term.predicted))
        name = f"{term.term} ({term.unit})" if term.unit else term.term
        lines.append(f"|{name}|{'|'.join(figures)}|{relative}|{formats.plain(term.explanation)}|")
    st.markdown("\n".join(lines))
    if fields := log.case_fields():
        st.button(
            "Plan with the log's settings",
            icon=":material/input:",
            key=f"{LOG_KEY}.take",
            on_click=_take,
            args=(log,),
            help="Takes over " + formats.listing([name.replace("_", " ") for name in fields]),
        )


def _take(log: EngineLog) -> None:
    fields = log.case_fields()
    change(**fields, **({"config": None} if "model" in fields else {}))


def show_training(current: Case, total_bytes: int) -> None:
    """Show the memory that training this model takes on one such GPU."""
    left, middle, right = st.columns(3)
    method = left.selectbox("Method", get_args(Method), format_func=METHODS.__getitem__, **_kept("method"))
    gpus = middle.number_input("GPUs", min_value=1, step=1, value=8, **_kept("gpus"))
    stage = right.selectbox(
        "Divided among GPUs", list(SHARDING), index=3, format_func=SHARDING.__getitem__, **_kept("stage")
    )
    tokens = left.number_input("Tokens per sequence", min_value=1, step=512, value=2048, **_kept("tokens"))
    batch = middle.number_input("Sequences per GPU", min_value=1, step=1, value=1, **_kept("batch"))
    rank = right.number_input(
        "LoRA rank", min_value=1, step=8, value=16, disabled=method == "full", **_kept("rank")
    )
    optimizer = left.selectbox("Optimizer", list(OPTIMIZER_BYTES), **_kept("optimizer"))
    precision = middle.selectbox(
        "Precision", get_args(Precision), format_func=PRECISIONS.__getitem__, **_kept("precision")
    )
    checkpointing = right.selectbox(
        "Activation checkpointing", get_args(Checkpointing), index=1, **_kept("checkpointing")
    )
    try:
        needed = training_memory(
            Training(
                architecture=cached.deployment(current).architecture,
                method=method,
                gpus=int(gpus),
                zero_stage=stage,
                sequence_tokens=int(tokens),
                micro_batch=int(batch),
                optimizer=optimizer,
                precision=precision,
                checkpointing=checkpointing,
                lora_rank=int(rank),
            )
        )
    except InferplanError as error:
        st.error(formats.sentence(error), icon=":material/error:")
        return
    _show_training_memory(needed, current.gpu, total_bytes)


def _show_training_memory(needed: TrainingMemory, gpu: str, total_bytes: int) -> None:
    fits = needed.total_bytes <= total_bytes
    verdict = "fits" if fits else "does not fit"
    text = (
        f"**Training {verdict}:** {formats.gib(needed.total_bytes)} of {formats.gib(total_bytes)} on each "
        f"{formats.plain(gpu)}; {formats.parameters(needed.trainable_parameters)} parameters are trained."
    )
    if fits:
        st.success(text, icon=":material/check_circle:")
    else:
        st.error(text, icon=":material/cancel:")
    st.altair_chart(
        charts.memory_parts(needed.parts(), total_bytes, charts.TRAINING_PARTS),
        alt=f"Memory of one {gpu} in training: "
        + formats.listing([f"{name} {formats.gib(size)}" for name, size in needed.parts().items()]),
    )


def _kept(name: str) -> dict[str, Any]:
    return {"key": TRAINING_KEY + name, "persist_state": "session"}
