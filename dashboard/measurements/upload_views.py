"""Part of own measurements: take a result file in, ask what it does not say, land it whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.inputs import ENGINE_TITLES
from inferplan.dashboard.measurements.importing import bring, doubts, preview
from inferplan.dashboard.measurements.tables import show_runs
from inferplan.dashboard.once import once
from inferplan.dashboard.spooled import spooled
from inferplan.dashboard.state import PREFIX, now
from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError, UnknownNameError
from inferplan.datasets.measurements import (
    CHECKPOINT,
    NEEDED,
    Deployed,
    MeasurementFile,
    ResultFile,
    Run,
    UnansweredError,
    agreed,
    answered,
    read_file,
    remove,
    template,
    varied,
)
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.quantization import FORMATS

KEY = f"{PREFIX}measurements."
ROUND = f"{KEY}round"
MESSAGES = f"{KEY}messages"
LIMIT_MB = 200
TITLES = {
    "model": "Model", "gpu": "GPU", "engine": "Engine", "engine_version": "Engine version",
    "tp": "Tensor parallel", "pp": "Pipeline parallel", "dp": "Replicas", "ep": "Expert parallel",
    "weights_dtype": "Weights", "kv_dtype": "KV cache",
}  # fmt: skip
RARE = tuple(name for name in TITLES if name not in NEEDED)
SHOWN_PROBLEMS = 5
KEPT_FILES = 100


def show_messages() -> None:
    """Show what came of the last import or removal, once."""
    for kind, text in st.session_state.pop(MESSAGES, []):
        (st.success if kind == "success" else st.error)(formats.plain(text))


def show_upload(warehouse: Warehouse) -> None:
    """Take result files of one deployment, tell what is in them, ask what they do not say, and import."""
    uploads = st.file_uploader(
        "Drop result files of one deployment",
        accept_multiple_files=True,
        key=f"{KEY}file.{st.session_state.setdefault(ROUND, 0)}",
        max_upload_size=LIMIT_MB,
        help="JSON of vllm bench serve (also appended or of a sweep), JSON lines of SGLang's bench_serving, "
        "the summary that either prints, JSON or CSV of GuideLLM, AIPerf and GenAI-Perf, or a table of your "
        "own; gzip too. Recognised by content. Nothing is imported before you confirm.",
    )
    if not uploads:
        st.download_button(
            "CSV to fill in",
            template(),
            file_name="measurements.csv",
            mime="text/csv",
            icon=":material/download:",
            key=f"{KEY}template",
            on_click="ignore",
        )
        return
    found = [one for upload in uploads if (one := _shown(upload)) is not None]
    if found:
        runs = [run for one in found for run in one.runs]
        _show_import(warehouse, found, _ask(runs, "".join(upload.file_id for upload in uploads)))


def _shown(upload: Any) -> ResultFile | None:
    """Show what is in a file; ``None`` for one that is refused."""
    try:
        found = _read(upload)
    except InferplanError as error:
        st.error(formats.sentence(error), icon=":material/error:")
        return None
    st.markdown(
        f"**{formats.plain(found.file_name)}** · {formats.plain(found.tool)} · "
        f"{formats.plural(len(found.runs), 'run')}"
    )
    for problem in found.refused[:SHOWN_PROBLEMS]:
        st.caption(formats.plain(f"Line {problem.line} is left out: {problem.reason}."))
    for note in found.notes:
        st.caption(formats.plain(note))
    return found


def _read(upload: Any) -> ResultFile:
    """Read a file once for each upload."""
    known: dict[str, ResultFile] = st.session_state.setdefault(f"{KEY}read", {})
    if upload.file_id not in known:
        while len(known) >= KEPT_FILES:
            known.pop(next(iter(known)))
        with spooled(upload.getbuffer()) as path:
            known[upload.file_id] = read_file(path, upload.name)
    return known[upload.file_id]


def _ask(runs: Sequence[Run], key: str) -> dict[str, Any]:
    """Ask what was measured, filled in with what the files say; return the answers by field."""
    said, differing = agreed(runs), varied(runs)
    names = sorted({run.published_model for run in runs if run.published_model})
    st.caption("What was measured? The files' own words are filled in; correct them where they are wrong.")
    if names and said.model is None and "model" not in differing:
        st.caption(formats.plain(str(UnknownNameError("model", names[0], catalog.models()))))
    answers: dict[str, Any] = {}
    for column, name in zip(st.columns([3, 2, 2, 2, 2]), NEEDED, strict=True):
        with column:
            answers[name] = _field(name, getattr(said, name), name in differing, f"{KEY}{key}.{name}")
    with st.expander("More of the deployment"):
        for column, name in zip(st.columns(len(RARE)), RARE, strict=True):
            with column:
                answers[name] = _field(name, getattr(said, name), name in differing, f"{KEY}{key}.{name}")
    return answers


def _field(name: str, said: Any, differs: bool, key: str) -> Any:
    label, hint = TITLES[name], "as the files say" if differs else "not said"
    if name in ("tp", "pp", "dp", "ep"):
        empty = hint if differs or name == "tp" else "1"
        return st.number_input(
            label, min_value=1, max_value=4096, step=1, value=said, key=key, placeholder=empty
        )
    if name in ("engine_version", "kv_dtype"):
        return st.text_input(label, value=said or "", key=key, placeholder=hint) or None
    options = {
        "model": list(catalog.models()),
        "gpu": [gpu.name for gpu in catalog.gpus()],
        "engine": list(ENGINE_TITLES),
        "weights_dtype": [CHECKPOINT, *FORMATS],
    }[name]
    if said is not None and said not in options:
        options = [said, *options]
    return st.selectbox(
        label,
        options,
        index=None if said is None else options.index(said),
        key=key,
        placeholder=hint,
        accept_new_options=name == "weights_dtype",
        format_func=lambda value: ENGINE_TITLES.get(value, value),
        help="checkpoint: as the model is published" if name == "weights_dtype" else None,
    )


def _show_import(warehouse: Warehouse, found: Sequence[ResultFile], given: dict[str, Any]) -> None:
    """Show the runs beside their estimates, and the button once nothing is left to ask."""
    try:
        answers = answered(given)
        runs = [run for one in found for run in preview(one, answers, now())]
    except UnansweredError as error:
        missing = formats.listing([TITLES[name] for name in error.fields])
        st.info(
            f"Still open: {missing}. Then the runs are shown beside their estimates.", icon=":material/help:"
        )
        return
    except InferplanError as error:
        st.error(formats.sentence(error), icon=":material/error:")
        return
    show_runs(runs, f"{KEY}preview", with_file=len(found) > 1 or bool(varied(found[0].runs)))
    for doubt in doubts(runs):
        st.warning(formats.plain(doubt), icon=":material/warning:")
    st.button(
        f"Import {formats.plural(len(runs), 'run')}",
        type="primary",
        key=f"{KEY}import",
        on_click=_import,
        args=(warehouse, found, answers),
    )


def _import(warehouse: Warehouse, found: Sequence[ResultFile], answers: Deployed) -> None:
    action = ("import measurements", *(one.digest for one in found), answers.model_dump_json())
    outcomes = once(action, lambda: [_outcome(warehouse, one, answers) for one in found])
    st.session_state[MESSAGES] = outcomes
    st.session_state[ROUND] += 1


def _outcome(warehouse: Warehouse, found: ResultFile, answers: Deployed) -> tuple[str, str]:
    try:
        done = bring(warehouse, found, answers, now())
    except InferplanError as error:
        return "error", str(error)
    if done.already_there:
        return "success", (
            f"{found.file_name} was imported before, as {done.already_there.file_name}: nothing changed. "
            "To say something else about it, remove it first."
        )
    count = formats.plural(len(done.runs), "run")
    return "success", f"Imported {count} of {found.file_name}: estimates near them are drawn to them."


def show_files(warehouse: Warehouse, files: tuple[MeasurementFile, ...]) -> None:
    """Show the imported files, each with its undo."""
    for one in files:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            with st.container(width="stretch"):
                st.markdown(f"**{formats.plain(one.file_name)}**")
                st.caption(
                    f"{formats.plain(one.tool)} · {formats.plural(one.measurements, 'run')} · "
                    f"imported {one.imported_at:%Y-%m-%d %H:%M} UTC"
                )
            st.button(
                "Remove",
                icon=":material/undo:",
                key=f"{KEY}remove.{one.file_id}",
                on_click=_remove,
                args=(warehouse, one),
            )


def _remove(warehouse: Warehouse, one: MeasurementFile) -> None:
    try:
        remove(warehouse, one.file_id)
    except InferplanError as error:
        st.session_state[MESSAGES] = [("error", str(error))]
        return
    st.session_state[MESSAGES] = [
        ("success", f"Took {one.file_name} out again, whole: estimates are as they were.")
    ]
