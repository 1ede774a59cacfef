"""Part of the page Rightsizing: asking Prometheus or CloudWatch instead of uploading their export."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING

import streamlit as st

from inferplan.dashboard import formats
from inferplan.dashboard.state import PREFIX
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.live.presets import CLOUDWATCH, PROMETHEUS, cloudwatch_metrics, prometheus_queries
from inferplan.datasets.live.pulling import pull
from inferplan.datasets.live.window import MOST_SAMPLES, Window, duration_s, last
from inferplan.datasets.scratch import scratch_folder

if TYPE_CHECKING:
    from inferplan.datasets.live.pulling import LiveSource

KEY = f"{PREFIX}rightsizing.pull."
PULLED = f"{KEY}files"
SERVERS = ("Prometheus", "CloudWatch")
SPANS = {"1d": "1 day", "7d": "7 days", "14d": "14 days", "28d": "28 days", "63d": "9 weeks"}
STEPS = {"30s": "30 seconds", "1m": "1 minute", "5m": "5 minutes", "1h": "1 hour"}


@dataclass(frozen=True)
class PulledFile:
    """What a server answered, as the upload it would be."""

    name: str
    content: bytes

    @property
    def file_id(self) -> str:
        """A name for this very content."""
        return blake2b(self.content, digest_size=12).hexdigest()

    def getbuffer(self) -> bytes:
        """Return the content."""
        return self.content


def show_pull(upload_round: int) -> list[PulledFile]:
    """Ask which server to pull from; return what came in this round of uploads."""
    files: dict[str, PulledFile] = st.session_state.get(PULLED, {}).get(upload_round, {})
    st.session_state[PULLED] = {upload_round: files}
    with st.expander("Pull from Prometheus or CloudWatch", icon=":material/cloud_download:"):
        server = st.segmented_control(
            "Server", SERVERS, default=SERVERS[0], key=f"{KEY}server", required=True,
            label_visibility="collapsed",
        )  # fmt: skip
        with st.form(f"{KEY}form", border=False):
            asked = _prometheus() if server == SERVERS[0] else _cloudwatch()
            window = _window()
            pressed = st.form_submit_button("Pull", key=f"{KEY}go", type="primary")
        st.caption(
            "Nothing is imported before you confirm. The machine of this dashboard does the asking; what you "
            "enter to sign in stays in this browser session only."
        )
        if pressed:
            _pull_into(files, asked, window)
        if files:
            st.button("Discard what was pulled", key=f"{KEY}discard", on_click=files.clear)
    return list(files.values())


def _prometheus() -> LiveSource:
    url = st.text_input("Address", key=f"{KEY}url", placeholder="https://prometheus.example:9090")
    presets = st.multiselect(
        "Metrics of", list(PROMETHEUS), default=["dcgm", "vllm"], key=f"{KEY}presets",
        format_func=lambda preset: PROMETHEUS[preset][0],
    )  # fmt: skip
    match = st.text_input("Only series with", key=f"{KEY}match", placeholder='cluster="a",namespace=~"llm.*"')
    left, right = st.columns(2)
    user = left.text_input("User", key=f"{KEY}user", placeholder="none: the secret is a token")
    secret = right.text_input("Password or token", type="password", key=f"{KEY}secret")
    from inferplan.datasets.live.prometheus import Prometheus

    queries = tuple(query for preset in presets for query in prometheus_queries(preset, match.strip()))
    return Prometheus(url, queries, user.strip() or None, secret or None)


def _cloudwatch() -> LiveSource:
    region = st.text_input("Region", key=f"{KEY}region", placeholder="as configured for the AWS CLI")
    presets = st.multiselect(
        "Metrics of", list(CLOUDWATCH), default=["gpu"], key=f"{KEY}cloudwatch",
        format_func=lambda preset: CLOUDWATCH[preset][0],
    )  # fmt: skip
    from inferplan.datasets.live.cloudwatch import CloudWatch

    metrics = tuple(metric for preset in presets for metric in cloudwatch_metrics(preset))
    return CloudWatch(metrics, region.strip() or None)


def _window() -> Window:
    left, right = st.columns(2)
    span = left.selectbox("Time", list(SPANS), index=1, key=f"{KEY}span", format_func=SPANS.__getitem__)
    step = right.selectbox(
        "Step", list(STEPS), index=1, key=f"{KEY}step", format_func=STEPS.__getitem__,
        help=f"One value of each series per step. At most {MOST_SAMPLES:,} values come at once.",
    )  # fmt: skip
    return last(timedelta(seconds=duration_s(span)), duration_s(step), datetime.now(UTC))


def _pull_into(files: dict[str, PulledFile], source: LiveSource, window: Window) -> None:
    try:
        with st.spinner("Asking the server"), scratch_folder() as folder:
            path = folder / "pulled.json.gz"
            pull(source, window, path)
            found = PulledFile(source.title, path.read_bytes())
    except InferplanError as error:
        st.error(formats.sentence(error), icon=":material/error:")
        return
    files[found.name] = found
