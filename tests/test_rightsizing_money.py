"""What advice is worth: commitments on what remains, and savings by the bill."""

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest
from measured_fleet import OFFERS, advise, kept, offer

from inferplan.datasets.exports import import_file
from inferplan.datasets.uploads.landing import undo_import
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.rightsizing import Profile


@pytest.fixture(scope="module")
def empty():
    with Warehouse.open(MEMORY) as warehouse:
        yield warehouse


def commitment(found):
    return next((one for one in found if one.action == "commitment"), None)


def test_what_remains_is_committed_to(empty: Warehouse) -> None:
    found = advise(empty, kept("a"), kept("b"), kept("c", sm=0.0, dram=0.0, kv=0.0, running=0.0, power=60.0))
    assert sorted(one.action for one in found) == ["commitment", "keep", "keep", "terminate"]
    advice = commitment(found)
    assert advice.title == "Commit to 2 x p5.4xlarge (reserved 1y)"  # not 3: one is about to be left
    assert advice.savings.expected == (2 * (Decimal("6.88") - Decimal("4.40")) * 730).quantize(
        Decimal("0.01")
    )
    # With 30 % less demand 1.4 machines are used on 2 that are paid for.
    fallen = (Decimal("1.4") * Decimal("6.88") - 2 * Decimal("4.40")) * 730
    assert advice.savings.low == fallen.quantize(Decimal("0.01"))


def test_a_commitment_is_the_quantile_of_the_machines_in_use(empty: Warehouse) -> None:
    """One of two machines came in the last ten of 28 days: used less than 64 % of the time, it never pays."""
    found = advise(empty, kept("a"), kept("b", days=10, begin_day=18))
    assert commitment(found).title.startswith("Commit to 1 x")
    assert commitment(advise(empty, kept("a", days=5))) is None


def focus(folder: Path, *lines: dict[str, str]) -> Path:
    columns = {
        "ChargePeriodStart": "2026-10-05T00:00:00Z", "ChargePeriodEnd": "2026-11-02T00:00:00Z",
        "ChargeCategory": "Usage", "BillingCurrency": "USD", "BilledCost": "0", "EffectiveCost": "0",
        "CommitmentDiscountStatus": "", "ResourceId": "", "ResourceName": "", "Tags": "",
        "SkuPriceDetails": "", "RegionId": "", "ConsumedQuantity": "672", "ConsumedUnit": "Hours",
    }  # fmt: skip
    path = folder / "focus.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(columns | line for line in lines)
    return path


def test_savings_by_the_bill_and_net_of_commitments(empty: Warehouse, tmp_path: Path) -> None:
    """At 2 USD an hour instead of 6.88, half of it under a commitment that goes on being paid."""
    usage = {"ResourceId": "i-1", "ResourceName": "host-c", "EffectiveCost": "672.00"}
    path = focus(tmp_path, usage, {**usage, "CommitmentDiscountStatus": "Used"})
    bill = import_file(empty, path).import_id
    try:
        (found,) = advise(empty, kept("c", sm=0.0, dram=0.0, kv=0.0, running=0.0, power=60.0), bills=(bill,))
    finally:
        undo_import(empty, bill)
    assert found.savings.expected == (Decimal("6.88") * 730).quantize(Decimal("0.01"))
    spent_per_month = Decimal(1344) / 672 * 730
    assert found.savings.effective == pytest.approx(spent_per_month, abs=Decimal("0.1"))
    assert found.savings.net == pytest.approx(spent_per_month / 2, abs=Decimal("0.1"))


def test_a_machine_under_a_commitment_is_not_committed_to_again(empty: Warehouse, tmp_path: Path) -> None:
    lines = [
        {"ResourceId": f"i-{name}", "ResourceName": f"host-{name}", "EffectiveCost": "2956.80",
         "CommitmentDiscountStatus": status}
        for name, status in (("a", "Used"), ("b", ""))
    ]  # fmt: skip
    bill = import_file(empty, focus(tmp_path, *lines)).import_id
    try:
        found = advise(empty, kept("a"), kept("b"), bills=(bill,))
    finally:
        undo_import(empty, bill)
    assert commitment(found).title.startswith("Commit to 1 x")
    assert commitment(found).entities == ("prod/b-7c9d5b7f6c-aaaaa",)


def test_savings_never_add_up_to_more_than_is_spent(empty: Warehouse, tmp_path: Path) -> None:
    """One idle, one to move, two to stay: at list, and on a bill of 3 USD an hour each."""
    fleet = [kept("a"), kept("b"), kept("c", sm=0.05, dram=0.05, fb=20.0, kv=0.05, model="Qwen/Qwen3-8B"),
             kept("d", sm=0.0, dram=0.0, kv=0.0, running=0.0, power=60.0)]  # fmt: skip
    names = ((f"i-{name}", f"host-{name}") for name in "abcd")
    lines = [{"ResourceId": one, "ResourceName": host, "EffectiveCost": "2016"} for one, host in names]
    bill = import_file(empty, focus(tmp_path, *lines)).import_id
    try:
        found = advise(empty, *fleet, bills=(bill,))
    finally:
        undo_import(empty, bill)
    assert sorted(one.action for one in found) == ["commitment", "downsize_type", "keep", "keep", "terminate"]
    worth = [one.savings for one in found if one.savings]
    assert sum(one.expected for one in worth) < 4 * Decimal("6.88") * 730
    assert sum(one.effective for one in worth if one.effective is not None) < 4 * 3 * 730
    assert next(one.savings.effective for one in found if one.action == "terminate") == Decimal("2190.00")


def test_type_and_region_of_a_machine_are_its_bills(empty: Warehouse, tmp_path: Path) -> None:
    """DCGM names neither: the prices are those of the machine on the bill, where it stands."""
    dear = offer("p5.4xlarge", "H100 SXM", 1, "9.10", region="ap-northeast-1")
    committed = offer("p5.4xlarge", "H100 SXM", 1, "7.00", "reserved_1y", region="ap-northeast-1")
    elsewhere = offer("g6e.xlarge", "L40S", 1, "2.70", region="ap-northeast-1")
    prices = (*OFFERS, dear, committed, elsewhere)
    idle = {"sm": 0.0, "dram": 0.0, "kv": 0.0, "running": 0.0, "power": 60.0, "instance_type": None}
    small = {"sm": 0.05, "dram": 0.05, "fb": 20.0, "kv": 0.05, "instance_type": None}
    small["model"] = "Qwen/Qwen3-8B"
    fleet = (kept("c", **idle), kept("d", **small), kept("e", instance_type=None))

    def bought(region: str) -> dict[str, Decimal]:
        details = json.dumps({"InstanceType": "p5.4xlarge", "GpuCount": 1})
        lines = [
            {"ResourceId": f"i-{name}", "ResourceName": f"host-{name}", "EffectiveCost": "2688",
             "RegionId": region, "SkuPriceDetails": details} for name in "cde"
        ]  # fmt: skip
        bill = import_file(empty, focus(tmp_path, *lines)).import_id
        try:
            found = advise(empty, *fleet, bills=(bill,), offers=prices)
        finally:
            undo_import(empty, bill)
        assert all(f"p5.4xlarge {region}" in one.savings.basis for one in found if one.savings)
        return {one.action: one.savings.expected / 730 for one in found if one.savings}

    cent = Decimal("0.01")
    near = bought("us-east-1")
    assert near["terminate"] == pytest.approx(Decimal("6.88"), abs=cent)
    assert near["commitment"] == pytest.approx(Decimal("6.88") - Decimal("4.40"), abs=cent)
    assert near["downsize_type"] == pytest.approx(Decimal("6.88") - Decimal("1.861"), abs=cent)
    far = bought("ap-northeast-1")
    assert far["terminate"] == pytest.approx(Decimal("9.10"), abs=cent)
    assert far["commitment"] == pytest.approx(Decimal("9.10") - Decimal("7.00"), abs=cent)
    assert far["downsize_type"] == pytest.approx(Decimal("9.10") - Decimal("2.70"), abs=cent)
    (unnamed,) = advise(empty, kept("c", **idle | {"instance_type": "p5.4xlarge"}), offers=prices)
    assert "cheapest of 2 regions" in unnamed.savings.basis


def test_a_whole_machine_is_changed_for_a_whole_machine(empty: Warehouse) -> None:
    """One GPU of its own is not changed for an eighth of eight; an eighth is, where others take the rest."""
    small = {"sm": 0.1, "dram": 0.1, "fb": 40.0, "kv": 0.05, "model": "Qwen/Qwen3-8B"}
    eight = offer("p4de.24xlarge", "A100 SXM 80GB", 8, "27.44")
    own = advise(empty, kept("a", **small), offers=(offer("p5.4xlarge", "H100 SXM", 1, "6.88"), eight))
    assert [one.action for one in own] == ["keep"]
    machine = offer("p5.48xlarge", "H100 SXM", 8, "55.04")
    fleet = (kept("b", **small | {"instance_type": "p5.48xlarge"}),)
    (found,) = advise(empty, *fleet, profile=Profile(slice_target=0.01), offers=(machine, eight))
    assert found.action == "downsize_type"
    assert found.savings.expected == ((Decimal("55.04") - Decimal("27.44")) / 8 * 730).quantize(
        Decimal("0.01")
    )
    assert found.savings.low == (-Decimal("27.44") * 730).quantize(Decimal("0.01"))
    assert "The other GPUs of p4de.24xlarge must serve somebody too." in found.savings.condition
