"""The commands that read and write the warehouse, on real files."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inferplan.dashboard.__main__ import cli
from inferplan.datasets import samples
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import plan_store
from inferplan.planner.case import Case
from inferplan.planner.plan import Plan

PLAN = Plan(
    id="first",
    name="Chat on H200",
    created_at=datetime(2026, 11, 1),
    updated_at=datetime(2026, 11, 2),
    case=Case(model="meta-llama/Llama-3.3-70B-Instruct", weights_dtype="fp8", gpu="H200 SXM"),
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


@pytest.fixture
def exports(tmp_path: Path) -> list[str]:
    paths = []
    for name, content in samples.files().items():
        (tmp_path / name).write_bytes(content)
        paths.append(str(tmp_path / name))
    return paths


def test_import_reports_lands_once_and_is_undone_whole(exports: list[str]) -> None:
    looked = json.loads(run("import", "--dry-run", "--json", exports[0]).output)
    assert looked["import_id"] is None
    assert looked["values_kept"] > 1000
    first = json.loads(run("import", "--json", exports[0]).output)
    again = json.loads(run("import", "--json", exports[0]).output)
    assert first["import_id"] == again["import_id"]
    assert (first["already_imported"], again["already_imported"]) == (False, True)
    assert (
        run("import", "--undo", str(first["import_id"])).output
        == f"Import {first['import_id']} was taken out.\n"
    )
    with Warehouse.open() as warehouse:
        assert warehouse.rows("SELECT count(*) FROM usage_samples") == [(0,)]


def test_one_refused_file_does_not_stop_the_others(exports: list[str], tmp_path: Path) -> None:
    bad = tmp_path / "holiday.csv"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    done = run("import", str(bad), exports[0])
    assert done.exit_code == 2
    assert f"Error: {bad}: " in done.output
    assert "import 1" in done.output


def test_a_file_that_asks_a_question_names_the_option(tmp_path: Path) -> None:
    log = tmp_path / "smi.csv"
    log.write_text(
        "timestamp, uuid, name, utilization.gpu [%], memory.used [MiB], memory.total [MiB]\n"
        "2024/05/01 12:00:00.003, GPU-1, NVIDIA L4, 45 %, 1024 MiB, 23034 MiB\n"
        "2024/05/01 12:01:00.003, GPU-1, NVIDIA L4, 47 %, 1024 MiB, 23034 MiB\n",
        encoding="utf-8",
    )
    assert "Answer with --time-zone." in run("import", str(log)).output
    assert run("import", "--time-zone", "Europe/Berlin", str(log)).exit_code == 0
    with Warehouse.open() as warehouse:
        first = warehouse.rows("SELECT min(measured_at) FROM usage_samples")
    assert first[0][0].replace(microsecond=0) == datetime(2024, 5, 1, 10)  # Berlin is two hours ahead in May


def test_rightsize_needs_an_import_and_finds_what_the_sample_fleet_hides() -> None:
    with pytest.raises(InferplanError, match="nothing was imported yet"):
        run("rightsize")
    done = run("rightsize", "--sample", "--json", "--check")
    assert done.exit_code == 1
    findings = json.loads(done.output)
    actions = {finding["action"] for finding in findings}
    assert {"upsize", "terminate", "keep", "insufficient_history"} <= actions
    assert all(finding["is_sample"] for finding in findings)
    trust = {finding["action"]: finding["confidence"] for finding in findings}
    assert (trust["terminate"], trust["insufficient_history"]) == ("high", "none")
    assert all(finding["rejected"] and finding["evidence"] for finding in findings if finding["savings"])
    assert "8,064 samples over 28.0 days to 2026-" in run("rightsize").output


def test_one_day_of_data_never_shrinks_anything(exports: list[str]) -> None:
    run("import", *exports)
    findings = json.loads(run("rightsize", "--json").output)
    assert findings
    assert {finding["action"] for finding in findings} <= {"insufficient_history", "upsize"}


def test_plans_travel_as_files(tmp_path: Path) -> None:
    assert run("plans", "list").output.startswith("No plans yet")
    with Warehouse.open() as warehouse:
        plan_store.save(warehouse, PLAN)
    path = tmp_path / "plan.json"
    assert run("plans", "export", "first", str(path)).output == f"Wrote {path}.\n"
    assert "H200 SXM" in run("plans", "show", "first").output
    assert "already saved as revision 1" in run("plans", "import", str(path)).output
    with Warehouse.open() as warehouse:
        plan_store.delete(warehouse, "first", author="", at=datetime(2026, 11, 3))
    assert "as revision 3" in run("plans", "import", str(path)).output
    (listed,) = json.loads(run("plans", "list", "--json").output)
    assert (listed["id"], listed["name"], listed["revision"]) == ("first", "Chat on H200", 3)


def test_a_broken_plan_file_names_itself(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text('{"schema_version": 99}', encoding="utf-8")
    with pytest.raises(InferplanError, match=r"plan\.json: .*newer Inferplan"):
        run("plans", "import", str(path))


def test_prices_are_listed_with_source_and_date() -> None:
    offers = json.loads(run("prices", "list", "--gpu", "H200", "--json").output)
    assert len(offers) > 20
    assert {offer["gpu"] for offer in offers} == {"H200 SXM"}
    assert all(offer["source"] and offer["observed_on"] for offer in offers)
    again = run("prices", "refresh", "--source", "bundled").output
    assert "0 new, 0 changed" in again


def test_compare_prices_one_model_on_every_offer() -> None:
    arguments = ["compare", "--model", "Qwen/Qwen3-32B", "--weights-dtype", "fp8"]
    arguments += ["--input-tokens", "2000", "--output-tokens", "300"]
    answer = json.loads(run(*arguments, "--json").output)
    listed = json.loads(run("prices", "list", "--json").output)
    assert len(answer["ranked"]) + len(answer["refused"]) == len(listed)
    table = run(*arguments, "--limit", "3").output
    assert answer["ranked"][0]["offer_id"] in table
    assert run(*arguments, "--slo-tpot-ms", "0.001", "--check").exit_code == 1


def test_estimate_and_compare_take_an_offer_s_price_from_one_place(tmp_path: Path) -> None:
    sheet = tmp_path / "contract.csv"
    sheet.write_text(
        "provider,instance_type,gpu,gpu_count,region,purchase_option,usd_per_hour,observed_on\n"
        "acme,hal-9000,H100 SXM,8,mars,negotiated,11.11,2026-11-20\n",
        encoding="utf-8",
    )
    load = ["--model", "Qwen/Qwen3-8B", "--input-tokens", "500", "--output-tokens", "100"]
    alone = ["estimate", *load, "--gpu", "H100 SXM", "--tp", "8", "--offer", "hal-9000", "--json"]
    with pytest.raises(InferplanError, match="hal-9000"):
        run(*alone)
    assert run("prices", "import", str(sheet)).exit_code == 0
    compared = ["compare", *load, "--tp", "8", "--provider", "acme", "--in-flight", "64", "--json"]
    (row,) = json.loads(run(*compared).output)["ranked"]
    estimated = json.loads(run(*alone, "--concurrency", "64").output)
    assert estimated["price"].startswith("acme/hal-9000/mars/negotiated/H100 SXM: 11.11 USD per hour for 8 x")
    assert estimated["usd_per_mtok_output"] == pytest.approx(row["usd_per_mtok_output"], abs=1e-6)
