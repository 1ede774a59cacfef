"""Advice: the lesson of every GPU of the sample fleet, and what must never be advised."""

from decimal import Decimal

import pytest
from measured_fleet import OFFERS, advise, idle_member, member

from inferplan.datasets import samples
from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.uploads.reading import Labels, Series
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.rightsizing import PROFILES, profile_named, recommend
from inferplan.planner.rightsizing.finding import SHRINKING


@pytest.fixture(scope="module")
def fleet():
    with Warehouse.open(MEMORY) as warehouse:
        samples.load(warehouse)
        yield warehouse


@pytest.fixture(scope="module")
def findings(fleet: Warehouse):
    return {finding.entity: finding for finding in recommend(fleet, offers=OFFERS)}


def of(findings, part: str):
    return next(finding for entity, finding in findings.items() if part in entity)


def test_each_gpu_of_the_sample_fleet_teaches_its_lesson(findings) -> None:
    lessons = {
        "llama70b": "upsize", "mixtral-trial": "terminate", "qwen14b": "keep", "embed-bge": "downsize_type",
        "llama8b": "reduce_replicas", "nightly-eval": "schedule", "reranker": "mig_slice",
        "classify": "downsize_type", "gemma-pilot": "insufficient_history",
    }  # fmt: skip
    assert {part: of(findings, part).action for part in lessons} == lessons
    assert len(findings) == len(lessons)
    assert all(finding.is_sample for finding in findings.values())
    assert sum(finding.gpu_count for finding in findings.values()) == 13


def test_a_saturated_process_shows_what_is_used_up(findings) -> None:
    found = of(findings, "llama70b")
    shown = {(one.metric, one.statistic): one for one in found.evidence}
    assert shown["kv_cache_usage_ratio", "p95"].value > 0.95
    assert shown["requests_waiting", "share above 0"].value > 0.9
    assert found.gpu_count == 2
    assert found.savings is None


def test_idle_with_full_memory_is_worth_its_share_of_the_machine(findings) -> None:
    found = of(findings, "mixtral-trial")
    assert "memory is full" in found.title
    assert found.savings.expected == Decimal("2503.90")  # 27.44 / 8 x 730
    assert found.savings.low == 0, "seven other GPUs keep the machine"
    assert "whole machine of 8" in found.savings.condition
    assert "observed 2026-11-01 in test price list" in found.savings.basis


def test_replicas_are_counted_on_the_sum_at_the_same_time(findings) -> None:
    found = of(findings, "llama8b")
    assert found.title == "Run 3 replicas instead of 4"
    assert len(found.entities) == 4
    assert found.savings.expected == Decimal("1358.53")  # 1.861 x 730
    # 4 x P95 of DRAM (0.27 x 0.95 with 3 % noise) / 0.65
    needed = 4 * next(one.value for one in found.evidence if one.metric == "dram_active_ratio") / 0.65
    assert needed == pytest.approx(1.56, abs=0.03)


def test_idle_hours_are_nights_and_weekends(findings) -> None:
    found = of(findings, "nightly-eval")
    assert "118 idle hours" in found.title  # 168 - 5 x 10
    assert "Fri 18:00 to Mon 08:00" in found.detail
    assert found.savings.expected == (Decimal("27.44") / 8 * 118 / 168 * 730).quantize(Decimal("0.01"))


def test_a_commitment_lowers_what_can_be_saved(findings) -> None:
    found = of(findings, "classify")
    assert found.savings.expected == ((Decimal("6.88") - Decimal("1.861")) * 730).quantize(Decimal("0.01"))
    assert found.savings.low == ((Decimal("4.40") - Decimal("1.861")) * 730).quantize(Decimal("0.01"))


def test_busy_kernels_on_idle_sms_mislead_nobody(fleet: Warehouse) -> None:
    cheap = tuple(one for one in OFFERS if one.gpu != "L4")
    found = of({one.entity: one for one in recommend(fleet, offers=cheap)}, "embed-bge")
    assert found.action == "keep"
    assert "GPU_UTIL of 94%" in found.detail


def test_every_finding_says_what_was_rejected_and_why(findings) -> None:
    for finding in findings.values():
        assert finding.evidence or finding.action == "keep"
        assert finding.savings or finding.no_savings_reason
        assert all(one.reason for one in finding.rejected)
        if finding.action == "keep":
            assert {one.action for one in finding.rejected} >= {
                "terminate",
                "reduce_replicas",
                "downsize_type",
            }


def test_profiles_are_more_or_less_careful(fleet: Warehouse) -> None:
    careful = {
        one.entity: one.action for one in recommend(fleet, PROFILES["high-availability"], offers=OFFERS)
    }
    loose = {one.entity: one for one in recommend(fleet, PROFILES["development"], offers=OFFERS)}
    assert of(loose, "llama8b").title == "Run 2 replicas instead of 4"
    assert "schedule" not in careful.values()
    assert not any("llama8b on" in entity for entity in careful)
    with pytest.raises(UnknownNameError, match="production"):
        profile_named("prodution")


@pytest.fixture(scope="module")
def empty():
    with Warehouse.open(MEMORY) as warehouse:
        yield warehouse


def test_a_protected_name_is_only_suspected(empty: Warehouse) -> None:
    (found,) = advise(empty, idle_member(pod="mixtral-canary-7c9d5b7f6c-aaaaa"))
    assert (found.action, found.savings) == ("suspected_idle", None)
    assert "canary" in found.detail
    (found,) = advise(empty, idle_member())
    assert found.action == "terminate"


def test_idle_without_request_metrics_is_only_suspected(empty: Warehouse) -> None:
    (found,) = advise(empty, member(sm=0.0, dram=0.0, running=None, kv=None, power=60.0))
    assert found.action == "suspected_idle"


def test_six_days_do_not_terminate(empty: Warehouse) -> None:
    (found,) = advise(empty, member(sm=0.0, dram=0.0, kv=0.0, running=0.0, power=60.0, days=6))
    assert found.action not in SHRINKING


def test_one_saturated_replica_blocks_the_reduction_of_the_others(empty: Warehouse) -> None:
    calm = [
        member(sm=0.1, dram=0.1, kv=0.1, pod=f"svc-7c9d5b7f6c-{name}", uuid=name)
        for name in ("aaaaa", "bbbbb", "ccccc")
    ]
    (found,) = advise(empty, *calm)
    assert found.action == "reduce_replicas"
    hot = member(sm=0.1, dram=0.1, kv=0.95, pod="svc-7c9d5b7f6c-ddddd", uuid="hot")
    found = advise(empty, *calm, hot)
    assert sorted(one.action for one in found) == ["keep", "keep", "keep", "upsize"]


def test_a_tensor_parallel_group_is_one_unit(empty: Warehouse) -> None:
    first, second = member(uuid="GPU-1"), member(uuid="GPU-2", sm=0.0, dram=0.0)
    (found,) = advise(empty, first, second)
    assert found.gpu_count == 2
    assert found.action != "terminate"


def test_gpus_without_a_pod_are_not_one_process_for_sharing_an_exporter(empty: Warehouse) -> None:
    bare = [member(pod="", uuid=uuid, kv=None, running=None, endpoint="10.0.0.1:9400") for uuid in ("A", "B")]
    found = advise(empty, *bare)
    assert sorted(one.entity for one in found) == ["A", "B"]


def test_a_pod_named_without_its_namespace_is_the_same_pod(empty: Warehouse) -> None:
    gpu_only = member(kv=None, running=None)
    engine = [one for one in member() if one[0].metric == "requests_running"]
    bare = [(Series(one.metric, Labels(pod=one.labels.pod)), times, level) for one, times, level in engine]
    (found,) = advise(empty, gpu_only, bare)
    assert (found.entity, found.gpu_count) == ("prod/svc-7c9d5b7f6c-aaaaa", 1)
