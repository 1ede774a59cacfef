"""Our pages inside somebody else's app: they mount, work, and leave everything of the host as it was."""

import ast
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import inferplan.dashboard
from inferplan.dashboard.connection import WarehouseConnection
from inferplan.dashboard.navigation import PAGES
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import plan_store
from inferplan.planner.case import Case
from inferplan.planner.plan import Plan

HOST = Path(__file__).parent / "foreign_host"
OURS = Path(inferplan.dashboard.__file__).parent
HOST_KEYS = {"n", "host_modules"}
OF_THE_HOST = {"set_page_config", "logo", "navigation"}


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """The host application, run once; ``streamlit run`` puts a script's folder on the path as here."""
    monkeypatch.syspath_prepend(str(HOST))
    yield AppTest.from_file(str(HOST / "dashboard.py"), default_timeout=60).run()
    st.cache_resource.clear()  # lets go of the connection and its file


def test_the_host_keeps_its_own_modules_and_home_page(host: AppTest) -> None:
    assert not host.exception
    assert host.session_state["host_modules"] == ("Acme planner", "Dataset")
    assert [title.value for title in host.title] == ["Acme home"]
    host.number_input(key="n").set_value(21).run()
    assert "Twice is 42" in [markdown.value for markdown in host.markdown]


@pytest.mark.parametrize("filled", ["own_warehouse", "sample_fleet"])
def test_every_page_works_in_the_host_and_every_key_is_ours(
    filled: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(filled)
    host: AppTest = request.getfixturevalue("host")
    host.number_input(key="n").set_value(21).run()
    for page in PAGES:
        host.switch_page(str(page.path)).run()
        assert not host.exception, page.title
        assert host.title, page.title
    keys = set(host.session_state)
    assert any(key.startswith("inferplan.") for key in keys)
    assert {key for key in keys if not key.startswith("inferplan.")} <= HOST_KEYS
    host.switch_page(str(HOST / "home.py")).run()
    assert host.number_input(key="n").value == 21


def test_a_host_may_take_some_of_the_pages(sample_fleet: Path) -> None:
    def host() -> None:
        import streamlit as st

        from inferplan.dashboard import pages

        overview, *_, plans = pages()
        st.navigation([overview, plans]).run()

    app = AppTest.from_function(host, default_timeout=60).run()
    assert not app.exception
    assert [link.label for link in app.get("page_link")] == ["6. Plans"]
    st.cache_resource.clear()


def test_every_address_is_ours_and_no_page_is_the_default() -> None:
    assert len({page.url_path for page in PAGES}) == len(PAGES)
    assert all(page.url_path.startswith("inferplan-") for page in PAGES)
    assert all(page.path.is_absolute() and page.path.is_file() for page in PAGES)


@pytest.mark.parametrize(
    "path", sorted(OURS.rglob("*.py")), ids=lambda path: path.relative_to(OURS).as_posix()
)
def test_nothing_but_our_own_app_touches_what_is_the_hosts(path: Path) -> None:
    called = {
        node.func.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert path == OURS / "app.py" or called.isdisjoint(OF_THE_HOST)


def test_every_literal_widget_key_is_prefixed() -> None:
    for path in OURS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "key" and isinstance(node.value, ast.Constant):
                assert str(node.value.value).startswith("inferplan."), f"{path}:{node.value.lineno}"


def test_the_host_reads_our_tables_through_its_connection(host: AppTest, own_warehouse: Path) -> None:
    at = datetime(2026, 11, 21)
    case = Case(model="Qwen/Qwen3-8B", gpu="L40S")
    with Warehouse.open(own_warehouse) as warehouse:
        plan_store.save(
            warehouse, Plan(id="p", name="Chat", author="ada", created_at=at, updated_at=at, case=case)
        )
    host.run()
    shown = host.dataframe[0].value
    assert shown.to_dict("records") == [{"name": "Chat", "author": "ada"}]


def test_a_connection_takes_its_path_and_remembers_results_for_as_long_as_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.duckdb"
    connection = WarehouseConnection("inferplan", path=str(path))
    try:
        assert connection.warehouse.path == path
        count = "SELECT count(*) AS n FROM price_refreshes WHERE source_name = ?"
        columns, values = "source_name, refreshed_at, report", "'mine', '2026-01-01', '{}'"
        insert = f"INSERT INTO price_refreshes ({columns}) VALUES ({values})"
        first = connection.query(count, ["mine"], ttl=600)
        connection.warehouse.execute(insert)
        assert connection.query(count, ["mine"], ttl=600)["n"].tolist() == first["n"].tolist() == [0]
        assert connection.query(count, ["mine"], ttl=0)["n"].tolist() == [1]
        first["n"] = -1
        pd.testing.assert_frame_equal(connection.query(count, ["mine"], ttl=600), pd.DataFrame({"n": [0]}))
    finally:
        connection.close()


def test_a_closed_connection_opens_again(tmp_path: Path) -> None:
    connection = WarehouseConnection("inferplan", path=str(tmp_path / "w.duckdb"))
    connection.close()
    assert connection.query("SELECT 1 AS one", ttl=0)["one"].tolist() == [1]
    connection.close()
