"""The model of the current plan: picked from the catalog, or read from an uploaded config.json."""

import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.inputs import ENGINE_TITLES
from inferplan.dashboard.state import bound, case, change, refuse, widget_key
from inferplan.datasets import catalog
from inferplan.datasets.errors import InferplanError
from inferplan.planner.architecture import LARGEST_CONFIG_BYTES, parse, read_config
from inferplan.planner.case import Case

UPLOADED = "Uploaded config.json"


def model_picker() -> None:
    """Pick a model of the catalog, or upload its config.json."""
    current = case()
    options = [*([UPLOADED] if current.config is not None else []), *catalog.models()]
    shown = current.model or UPLOADED
    st.selectbox(
        "Model",
        options if shown in options else [shown, *options],
        format_func=lambda name: f"{UPLOADED}: {_config_name(current)}" if name == UPLOADED else name,
        help="Type to search the catalog by organisation or name.",
        **bound("model", shown, write=_use_model),
    )
    with st.popover("Use another config.json", icon=":material/upload_file:", width="stretch"):
        st.file_uploader(
            "A Hugging Face config.json",
            type="json",
            key=widget_key("config"),
            on_change=_use_upload,
            max_upload_size=LARGEST_CONFIG_BYTES // 1024**2,
            help="The file beside the model's weights. It is read here and sent nowhere.",
        )


def summary(current: Case) -> str:
    """Return one line that says what is being looked at, for screens where the inputs are folded away."""
    gpus = current.tp * current.pp * current.dp
    weights = current.weights_dtype or "weights as shipped"
    parts = (
        f"**{formats.plain(current.model or _config_name(current))}**",
        weights,
        f"{gpus} × {current.gpu}",
        " ".join(filter(None, (ENGINE_TITLES[current.engine], current.engine_version))),
    )
    return " · ".join(parts)


def workload_summary(current: Case) -> str:
    """Return one line that says what is served."""
    parts = (
        f"**{formats.plain(current.model or _config_name(current))}**",
        current.weights_dtype or "weights as shipped",
        load_summary(current),
    )
    return " · ".join(parts)


def load_summary(current: Case) -> str:
    """Return what a request is and how many come, in a few words."""
    tokens = (("in", current.input_tokens), ("out", current.output_tokens))
    sizes = " and ".join(f"{formats.count(count)} tokens {way}" for way, count in tokens if count is not None)
    if isinstance(current.concurrency, int):
        load = f"{formats.plural(current.concurrency, 'request')} at once"
    elif current.request_rate is not None:
        load = f"{formats.significant(current.request_rate)} requests per second"
    else:
        load = "as many requests as fit"
    reasoning = current.reasoning_multiple
    calls = current.calls_per_task
    parts = (
        sizes,
        f"{formats.significant(reasoning)} reasoning tokens for each" if reasoning else "",
        f"{formats.count(calls)} calls per task" if calls > 1 else "",
        load,
    )
    return " · ".join(filter(None, parts))


def _config_name(current: Case) -> str:
    return str((current.config or {}).get("_name_or_path", "without a name"))


def _use_model(name: str) -> None:
    if name != UPLOADED:
        change(model=name, config=None)


def _use_upload() -> None:
    upload = st.session_state[widget_key("config")]
    if upload is None:
        return
    try:
        config = read_config(upload.getvalue(), source=upload.name)
        named = {"_name_or_path": upload.name.removesuffix(".json"), **config}
        parse(named, name=str(named["_name_or_path"]))
    except InferplanError as error:
        refuse(error)
        return
    change(model=None, config=named)
