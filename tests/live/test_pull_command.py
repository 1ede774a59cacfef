"""`inferplan pull`, from the address to what lands."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from inferplan.dashboard.__main__ import cli
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.exports import list_imports
from inferplan.datasets.warehouse import Warehouse

GPU = {"UUID": "GPU-1", "gpu": "0", "Hostname": "n1"}
WHEN = ("--last", "2h", "--until", "2026-11-20", "--step", "30s")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["pull", "prometheus", *arguments, *WHEN], catch_exceptions=False)


def test_a_pull_is_reported_and_imported_once(prometheus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERPLAN_PULL_SECRET", "t0ken")
    prometheus.credentials = "Bearer t0ken"
    prometheus.series = [({"__name__": "DCGM_FI_PROF_SM_ACTIVE", **GPU}, lambda at: "0.5")]
    said = json.loads(run(prometheus.url, "--dry-run", "--json").output)
    assert (said["import_id"], said["values_kept"]) == (None, 241)
    done = json.loads(run(prometheus.url, "--json").output)
    assert (done["import_id"], done["already_imported"], done["step_s"]) == (1, False, 30.0)
    assert "already import 1" in run(prometheus.url).output
    with Warehouse.open() as warehouse:
        [landed] = list_imports(warehouse)
    assert landed.file_name == f"Prometheus {prometheus.url.removeprefix('http://')}"
    assert (landed.first_at, landed.last_at) == (datetime(2026, 11, 19, 22), datetime(2026, 11, 20))


def test_a_query_of_ones_own_is_told_what_it_measures(prometheus: Any) -> None:
    prometheus.series = [({"Hostname": "n1", "gpu": "0"}, lambda at: "0.25")]
    query = 'avg by (Hostname, gpu) (x{Hostname="n1"})'
    done = run(prometheus.url, "--query", query, "--metric", "sm_active_ratio", "--json")
    assert json.loads(done.output)["metrics"] == [["sm_active_ratio", 241]]
    assert [asked["query"] for asked in prometheus.asked] == [query]
    asked_from = datetime.fromtimestamp(float(prometheus.asked[0]["start"]), UTC)
    assert asked_from == datetime(2026, 11, 19, 22, tzinfo=UTC)


def test_what_cannot_be_pulled_lands_nothing(prometheus: Any) -> None:
    with pytest.raises(InferplanError, match="nothing of this"):
        run(prometheus.url, "--preset", "sglang")
    with Warehouse.open() as warehouse:
        assert list_imports(warehouse) == ()
