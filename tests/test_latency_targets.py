"""Latency targets are judged by percentiles of requests where there are any, and never guessed from means."""

import numpy as np
from measured_fleet import OFFERS, member

from inferplan.datasets.uploads.landing import land_series, undo_import
from inferplan.datasets.uploads.reading import Series
from inferplan.datasets.warehouse import Warehouse
from inferplan.planner.rightsizing import Finding, recommend
from inferplan.planner.rightsizing.profile import PRODUCTION, customised

REPLICAS = ("a", "b", "c", "d")


def fleet(share_late: float) -> list:
    """Four idle-ish replicas; ``share_late`` of the requests of one take 2 to 2.5 s, the others up to 1 s."""
    found = []
    for name in REPLICAS:
        series = member(
            sm=0.1, dram=0.1, kv=0.1, fb=60.0, pod=f"svc-7c9d5b7f6c-{name}aaaa", uuid=name, ttft_s=0.5
        )
        late = share_late if name == "c" else 0.0
        times = series[0][1]
        for bound, share in (("1.0", 1 - late), ("2.5", 1.0), ("+Inf", 1.0)):
            counts = np.full(len(times), 100 * share)
            found.append((Series("ttft_bucket", series[0][0].labels, bound), times, counts))
        found += series
    return found


def advised(warehouse: Warehouse, series: list, *changes: str) -> tuple[Finding, ...]:
    number = land_series(warehouse, "test", "test", "test", series)
    found = recommend(warehouse, customised(PRODUCTION, changes), [number], OFFERS)
    undo_import(warehouse, number)
    return found


def test_the_targets_are_judged_on_requests_where_they_were_timed(warehouse: Warehouse) -> None:
    """On average each replica needs 0.5 s, which hides that one in ten of one takes more than 1 s."""
    found = advised(warehouse, fleet(0.1), "ttft_target_s=1")
    assert sorted(one.action for one in found) == ["keep", "keep", "keep", "upsize"]
    [late] = (one for one in found if one.action == "upsize")
    [sign] = late.evidence
    assert (sign.low, sign.high, sign.limit, sign.statistic) == (1.0, 2.5, 1.0, "p95")
    assert sign.basis == "histogram of requests"
    assert sign.samples == 28 * 288 * 100
    assert "P95 by histogram of requests, 806,400 of them" in late.detail
    relaxed = advised(warehouse, fleet(0.1), "ttft_target_s=1", "latency_percentile=p90")
    assert {one.action for one in relaxed} == {"reduce_replicas"}


def test_a_target_within_the_bucket_is_not_decided_and_nothing_is_taken_away(warehouse: Warehouse) -> None:
    found = advised(warehouse, fleet(0.1), "ttft_target_s=2")
    assert {one.action for one in found} == {"keep"}
    reasons = {other.reason for one in found for other in one.rejected if other.action == "upsize"}
    assert any("P95 of the first token is between 1 and 2.5 s" in reason for reason in reasons)
    reasons = {other.reason for one in found for other in one.rejected if other.action == "reduce_replicas"}
    assert all("the target is 2 s" in reason for reason in reasons)
    assert {one.action for one in advised(warehouse, fleet(0.1), "ttft_target_s=2.5")} == {"reduce_replicas"}


def test_means_within_the_target_decide_nothing_and_say_so(warehouse: Warehouse) -> None:
    series = [one for one in fleet(0.1) if one[0].metric != "ttft_bucket"]
    found = advised(warehouse, series, "ttft_target_s=1")
    assert {one.action for one in found} == {"reduce_replicas"}
    reasons = [other.reason for one in found for other in one.rejected if other.action == "upsize"]
    assert all("on average of five minutes" in reason for reason in reasons)
    assert all("shows no percentile" in reason for reason in reasons)


def test_too_few_requests_show_no_percentile(warehouse: Warehouse) -> None:
    few = [
        (series, times[:1], values[:1] * 0.5) if series.metric == "ttft_bucket" else (series, times, values)
        for series, times, values in fleet(0.5)
    ]
    assert {one.action for one in advised(warehouse, few, "ttft_target_s=1")} == {"reduce_replicas"}
