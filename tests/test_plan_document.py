"""A plan's document: canonical, upgradable, refused when it is not whole; and the link that carries it."""

import base64
import json
import zlib
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferplan.datasets import catalog
from inferplan.datasets.schema import Offer
from inferplan.planner import plan as plan_module
from inferplan.planner.case import Case
from inferplan.planner.plan import Plan, PlanError, canonical_json, plan_file, read_plan
from inferplan.planner.plan_link import MAX_SHARE_CHARACTERS, plan_of_link, share_value

NOON = datetime(2026, 11, 21, 12, 0, 0)
OFFER = Offer(
    provider="aws",
    instance_type="p5en.48xlarge",
    gpu="H200 SXM",
    gpu_count=8,
    region="us-east-1",
    purchase_option="on_demand",
    usd_per_hour=Decimal("63.2960"),
    observed_on=date(2026, 7, 20),
    date_basis="stated",
    source="price list",
)


def make_plan(**changes: Any) -> Plan:
    case = {"model": "meta-llama/Llama-3.3-70B-Instruct", "gpu": "H200 SXM", "tp": 2, "offer": OFFER.offer_id}
    case |= {"input_tokens": 2000, "output_tokens": 300, "concurrency": 16} | changes.pop("case", {})
    fields = {"id": "p1", "name": "Chat", "created_at": NOON, "updated_at": NOON, "prices": (OFFER,)}
    return Plan.model_validate(fields | changes | {"case": Case.read(case)})


def test_canonical_json_is_sorted_and_says_defaults_and_exact_money() -> None:
    text = canonical_json(make_plan())
    document = json.loads(text)
    assert text == json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert document["case"]["pp"] == 1, "a default is written out, so that a later default changes nothing"
    assert document["case"]["engine"] == "vllm"
    assert document["prices"][0]["usd_per_hour"] == "63.296"
    assert document["created_at"] == "2026-11-21T12:00:00"
    assert "notes" in document
    assert "max_model_len" not in document["case"]


def test_equal_plans_have_one_digest_and_any_input_changes_it() -> None:
    plan = make_plan()
    same_price = OFFER.model_copy(update={"usd_per_hour": Decimal("63.296")})
    in_sydney = NOON.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=11)))
    assert make_plan(prices=(same_price,), created_at=in_sydney).digest == plan.digest
    dearer = OFFER.model_copy(update={"usd_per_hour": Decimal("63.297")})
    others = (make_plan(name="Chat 2"), make_plan(case={"tp": 4}), make_plan(prices=(dearer,)))
    assert len({plan.digest, *(other.digest for other in others)}) == 4


def test_a_file_comes_back_as_the_same_plan() -> None:
    plan = make_plan(notes="first line\nsecond — π", case={"slo": {"ttft_s": 0.5}, "speculative": None})
    assert read_plan(plan_file(plan)) == plan
    assert read_plan(plan_file(plan).encode()) == plan


def test_an_inline_config_keeps_its_nulls() -> None:
    config = {"model_type": "llama", "sliding_window": None, "rope_scaling": {"factor": None}}
    plan = make_plan(case={"model": None, "config": config})
    assert read_plan(canonical_json(plan)).case.config == config


def test_a_file_changed_after_export_is_refused_until_its_digest_is_deleted() -> None:
    changed = plan_file(make_plan()).replace('"tp": 2', '"tp": 8')
    with pytest.raises(PlanError, match="changed after it was exported"):
        read_plan(changed)
    document = json.loads(changed)
    del document["digest"]
    assert read_plan(json.dumps(document)).case.tp == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("\x00\x01", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"a": NaN}', "not JSON"),
        ("[1, 2]", "schema_version"),
        ('{"name": "x"}', "schema_version"),
        ('{"schema_version": 99}', "newer Inferplan.*pip install --upgrade"),
        ('{"schema_version": 0}', "no version of Inferplan wrote"),
        ('{"schema_version": 1, "id": "a"}', "name: Field required"),
    ],
)
def test_what_is_no_plan_is_refused_with_the_reason(text: str | bytes, message: str) -> None:
    with pytest.raises(PlanError, match=f"(?s){message}"):
        read_plan(text)


def test_a_wrong_value_is_named() -> None:
    document = json.loads(canonical_json(make_plan()))
    document["case"]["tp"] = 0
    with pytest.raises(PlanError, match=r"case\.tp: Input should be greater than or equal to 1"):
        read_plan(json.dumps(document))
    document["case"] = {"gpu": "H200 SXM", "modle": "x"}
    with pytest.raises(PlanError, match="modle"):
        read_plan(json.dumps(document))
    with pytest.raises(PlanError, match="larger than 4 MiB"):
        read_plan(" " * 5_000_000)


def test_infinity_in_an_inline_config_is_refused() -> None:
    with pytest.raises(PlanError, match="NaN or an infinite"):
        canonical_json(make_plan(case={"model": None, "config": {"rope_theta": float("inf")}}))


def test_an_older_document_is_upgraded_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def first_to_second(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "schema_version": 0, "name": document["title"]}

    def second_to_third(document: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in document.items() if name != "title"} | {"schema_version": 1}

    monkeypatch.setattr(plan_module, "UPGRADES", {-1: first_to_second, 0: second_to_third})
    document = json.loads(canonical_json(make_plan()))
    document |= {"schema_version": -1, "title": document.pop("name")}
    assert read_plan(json.dumps(document)) == make_plan()


def test_a_plan_of_any_catalog_model_fits_a_link() -> None:
    longest = max(catalog.models(), key=len)
    plan = make_plan(case={"model": longest}, name="Assistant for support, EU", author="someone@example.org")
    value = share_value(plan)
    assert value is not None
    assert len(value) < 1000
    assert set(value) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert plan_of_link(value) == plan


def test_a_plan_too_long_for_a_link_has_none() -> None:
    config = {f"key_{number}": f"{number * 7919 % 10007}" for number in range(900)}
    assert share_value(make_plan(case={"model": None, "config": config})) is None


def test_a_damaged_link_is_refused() -> None:
    value = share_value(make_plan())
    assert value is not None
    with pytest.raises(PlanError, match="newer version"):
        plan_of_link("9" + value[1:])
    for broken in (value[:-3], value[:50], value + "AAAA", "1", "1!!!", value[:80] + "é" + value[81:]):
        with pytest.raises(PlanError, match="incomplete or was altered"):
            plan_of_link(broken)


def test_a_link_cannot_blow_up_memory() -> None:
    bomb = zlib.compress(b" " * 200_000_000, 9)[2:-4]
    value = "1" + base64.urlsafe_b64encode(b"\0\0\0\0" + bomb).decode().rstrip("=")
    with pytest.raises(PlanError):
        plan_of_link(value)


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0, 2000), letter=st.sampled_from("ABab01-_"))
def test_no_single_changed_letter_gives_another_plan(position: int, letter: str) -> None:
    plan = make_plan()
    value = share_value(plan)
    assert value is not None
    position %= len(value)
    altered = value[:position] + letter + value[position + 1 :]
    try:
        assert plan_of_link(altered) == plan
    except PlanError:
        assert altered != value


@settings(max_examples=100, deadline=None)
@given(name=st.text(min_size=1, max_size=120), notes=st.text(max_size=300))
def test_any_text_survives_the_file(name: str, notes: str) -> None:
    if not name.split():
        with pytest.raises(ValueError, match="name has 1 to 120 characters, this one has 0"):
            make_plan(name=name)
        return
    plan = make_plan(name=name, notes=notes)
    assert read_plan(plan_file(plan)) == plan
    assert MAX_SHARE_CHARACTERS < 2048
