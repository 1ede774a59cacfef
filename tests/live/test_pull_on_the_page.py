"""Pulling on the page Rightsizing: asked, shown, confirmed, imported."""

from collections.abc import Iterator
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from inferplan.dashboard.navigation import page_path
from inferplan.datasets.exports import list_imports
from inferplan.datasets.warehouse import Warehouse

KEY = "inferplan.rightsizing."
GPU = {"UUID": "GPU-1", "gpu": "0", "Hostname": "n1", "cluster": "a"}


@pytest.fixture(autouse=True)
def let_go_of_connections() -> Iterator[None]:
    yield
    st.cache_resource.clear()


def asking(url: str) -> AppTest:
    app = AppTest.from_file(str(page_path("rightsizing")), default_timeout=60).run()
    app.text_input(f"{KEY}pull.url").input(url)
    app.text_input(f"{KEY}pull.match").input('cluster="a"')
    app.button(f"{KEY}pull.go").click()
    app.run()
    assert [error.message for error in app.exception] == []
    return app


def test_what_was_pulled_is_shown_and_imported_on_confirmation(prometheus: Any) -> None:
    prometheus.series = [({"__name__": "DCGM_FI_DEV_GPU_UTIL", **GPU}, lambda at: "40")]
    app = asking(prometheus.url)
    said = " ".join(caption.value for caption in app.caption)
    assert "10,081 values kept" in said
    assert not app.error
    app.button(f"{KEY}import").click().run()
    assert any("Imported Prometheus" in one.value for one in app.success)
    st.cache_resource.clear()
    with Warehouse.open() as warehouse:
        assert [one.format for one in list_imports(warehouse)] == ["prometheus-json"]


def test_a_server_that_refuses_is_said_and_nothing_lands(prometheus: Any) -> None:
    prometheus.credentials = "Bearer t0ken"
    app = asking(prometheus.url)
    assert "refuses the credentials" in app.error[0].value
    assert not [button for button in app.button if button.key == f"{KEY}import"]


def test_what_was_pulled_can_be_discarded(prometheus: Any) -> None:
    prometheus.series = [({"__name__": "DCGM_FI_DEV_GPU_UTIL", **GPU}, lambda at: "40")]
    app = asking(prometheus.url)
    app.button(f"{KEY}pull.discard").click().run()
    assert not [button for button in app.button if button.key in (f"{KEY}import", f"{KEY}pull.discard")]
