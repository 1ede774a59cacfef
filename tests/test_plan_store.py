"""Saved plans: nobody's work is lost, whoever saves, deletes or refreshes at the same time."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from inferplan.datasets.schema import Offer
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner import plan_store
from inferplan.planner.case import Case
from inferplan.planner.plan import Plan, PlanError
from inferplan.planner.plan_store import Draft, PlanConflictError

NOON = datetime(2026, 11, 21, 12, 0, 0)
CASE = Case(model="meta-llama/Llama-3.3-70B-Instruct", gpu="H200 SXM", tp=2)
DRAFT = Draft(case=CASE)
OFFER = Offer(
    provider="own",
    instance_type="node",
    gpu="H200 SXM",
    gpu_count=8,
    region="here",
    purchase_option="owned",
    usd_per_hour=Decimal("20.5"),
    observed_on=NOON.date(),
    date_basis="contract",
    source="contract",
)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with Warehouse.open(tmp_path / "plans.duckdb") as opened:
        yield opened


def make_plan(plan_id: str = "p1", name: str = "Chat", author: str = "ada", minutes: int = 0) -> Plan:
    at = NOON + timedelta(minutes=minutes)
    return Plan(id=plan_id, name=name, author=author, created_at=NOON, updated_at=at, case=CASE)


def test_what_is_saved_is_listed_and_loaded(warehouse: Warehouse) -> None:
    plan = make_plan()
    entry = plan_store.save(warehouse, plan)
    assert entry.revision == 1
    assert plan_store.entries(warehouse) == (entry,)
    assert (entry.model, entry.gpu, entry.digest) == (CASE.model, "H200 SXM", plan.digest)
    assert plan_store.load(warehouse, "p1") == plan


def test_a_plan_is_still_there_after_the_process_let_go_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "plans.duckdb"
    with Warehouse.open(path) as first:
        plan_store.save(first, make_plan())
    with Warehouse.open(path) as second:
        assert plan_store.load(second, "p1") == make_plan()


def test_the_second_of_two_who_saved_is_told_and_both_stay(warehouse: Warehouse) -> None:
    plan_store.save(warehouse, make_plan())
    plan_store.save(warehouse, make_plan(name="Ada's", minutes=1), based_on=1)
    with pytest.raises(
        PlanConflictError, match=r"\"Ada's\" was saved by ada on 2026-11-21 at 12:01 UTC"
    ) as told:
        plan_store.save(warehouse, make_plan(name="Bob's", author="bob", minutes=2), based_on=1)
    assert plan_store.load(warehouse, "p1").name == "Ada's"
    plan_store.save(warehouse, make_plan(name="Bob's", author="bob"), based_on=told.value.latest.revision)
    assert [entry.name for entry in plan_store.history(warehouse, "p1")] == ["Bob's", "Ada's", "Chat"]
    assert plan_store.load(warehouse, "p1", revision=2).name == "Ada's"


def test_of_many_who_save_at_once_one_gets_the_revision_and_all_others_are_told(warehouse: Warehouse) -> None:
    plan_store.save(warehouse, make_plan())
    start = threading.Barrier(8)
    outcomes: list[str] = []

    def save(number: int) -> None:
        start.wait()
        try:
            plan_store.save(warehouse, make_plan(name=f"By {number}"), based_on=1)
            outcomes.append("saved")
        except PlanConflictError:
            outcomes.append("told")

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["saved"] + ["told"] * 7
    assert [entry.revision for entry in plan_store.history(warehouse, "p1")] == [2, 1]


def test_pressing_save_twice_keeps_one_plan(warehouse: Warehouse) -> None:
    plan_store.save(warehouse, make_plan())
    with pytest.raises(PlanConflictError):
        plan_store.save(warehouse, make_plan())
    assert len(plan_store.entries(warehouse)) == 1


def test_delete_takes_it_off_the_list_and_undo_brings_it_back_as_it_was(warehouse: Warehouse) -> None:
    plan_store.save(warehouse, make_plan())
    plan_store.delete(warehouse, "p1", author="bob", at=NOON)
    assert plan_store.entries(warehouse) == ()
    assert [entry.plan_id for entry in plan_store.entries(warehouse, deleted=True)] == ["p1"]
    with pytest.raises(PlanError, match='"Chat" was deleted on 2026-11-21; restore it'):
        plan_store.load(warehouse, "p1")
    plan_store.delete(warehouse, "p1", author="bob", at=NOON)
    plan_store.restore(warehouse, "p1", author="ada", at=NOON)
    assert plan_store.load(warehouse, "p1") == make_plan()
    assert [entry.deleted for entry in plan_store.history(warehouse, "p1")] == [False, True, False]


def test_saving_over_a_deletion_is_told_and_not_silently_undone(warehouse: Warehouse) -> None:
    plan_store.save(warehouse, make_plan())
    plan_store.delete(warehouse, "p1", author="bob", at=NOON)
    with pytest.raises(PlanConflictError, match="was deleted by bob"):
        plan_store.save(warehouse, make_plan(), based_on=1)


def test_copies_get_names_and_ids_of_their_own(warehouse: Warehouse) -> None:
    plan_store.save(warehouse, make_plan(name="x" * 120))
    copies = [plan_store.duplicate(warehouse, "p1", author="bob", at=NOON) for _ in range(3)]
    assert [copy.name for copy in copies] == [
        "x" * 100 + suffix for suffix in (" (copy)", " (copy 2)", " (copy 3)")
    ]
    assert len({"p1", *(copy.plan_id for copy in copies)}) == 4
    assert plan_store.load(warehouse, copies[0].plan_id).case == CASE


def test_an_unknown_plan_and_revision_are_named(warehouse: Warehouse) -> None:
    with pytest.raises(PlanError, match="no saved plan with the id 'nope'"):
        plan_store.load(warehouse, "nope")
    plan_store.save(warehouse, make_plan())
    with pytest.raises(PlanError, match="has no revision 7; the latest is 1"):
        plan_store.load(warehouse, "p1", revision=7)


def test_a_plan_of_a_newer_version_does_not_spoil_the_list(warehouse: Warehouse) -> None:
    plan_store.save(warehouse, make_plan())
    warehouse.execute("UPDATE plan_revisions SET document = '{\"schema_version\": 99}'")
    assert len(plan_store.entries(warehouse)) == 1
    with pytest.raises(PlanError, match="newer Inferplan"):
        plan_store.load(warehouse, "p1")


def test_a_draft_is_replaced_and_old_ones_go(warehouse: Warehouse) -> None:
    other = Draft(case=Case.read(CASE.model_dump() | {"tp": 4}), prices=(OFFER,))
    plan_store.save_draft(warehouse, "old", DRAFT, at=NOON - plan_store.KEEP_DRAFTS - timedelta(days=1))
    plan_store.save_draft(warehouse, "d1", DRAFT, at=NOON)
    plan_store.save_draft(warehouse, "d1", other, at=NOON + timedelta(minutes=1))
    assert plan_store.load_draft(warehouse, "d1") == other
    assert plan_store.load_draft(warehouse, "old") is None
    assert plan_store.load_draft(warehouse, "never") is None
    warehouse.execute("UPDATE plan_drafts SET document = '{\"cas\": 1}'")
    assert plan_store.load_draft(warehouse, "d1") is None


def test_many_sessions_save_their_drafts_at_once(warehouse: Warehouse) -> None:
    def work(number: int) -> None:
        for minute in range(10):
            plan_store.save_draft(warehouse, f"d{number // 2}", DRAFT, at=NOON + timedelta(minutes=minute))

    with ThreadPoolExecutor(6) as sessions:
        assert list(sessions.map(work, range(6))) == [None] * 6
    assert warehouse.rows("SELECT count(*), min(saved_at) FROM plan_drafts") == [
        (3, NOON + timedelta(minutes=9))
    ]
