"""Nothing is taken away on measurements that do not stand for a process as it is now."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from measured_fleet import OFFERS, START_S, advise, idle_member, member, offer

from inferplan.datasets.uploads.landing import land_series, undo_import
from inferplan.datasets.uploads.reading import Labels, Series
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner import usage
from inferplan.planner.rightsizing import PROFILES, Profile
from inferplan.planner.rightsizing.finding import SHRINKING

STEPS = 8064
PEAK = np.where(np.arange(STEPS) % 288 < 26, 1.0, 0.25)
"""Nine percent of the day."""
GPU_METRICS = ("sm_active_ratio", "dram_active_ratio")
ENGINE_METRICS = ("requests_running", "requests_waiting", "generation_tokens_per_s", "kv_cache_usage_ratio")


@pytest.fixture(scope="module")
def empty():
    with Warehouse.open(MEMORY) as warehouse:
        yield warehouse


def quiet(name: str = "svc", *, uuid: str = "GPU-1", **given) -> list:
    """A process that fits a slice of its GPU."""
    return member(pod=f"{name}-7c9d5b7f6c-aaaaa", uuid=uuid, sm=0.05, dram=0.05, fb=10.0, kv=0.05, **given)


def busy(name: str, **given) -> list:
    return member(pod=f"{name}-7c9d5b7f6c-bbbbb", uuid=f"GPU-{name}", sm=0.7, dram=0.6, fb=70.0, **given)


def without(measured: list, *metrics: str) -> list:
    return [one for one in measured if one[0].metric not in metrics]


def first_only(measured: list, samples: int, *metrics: str) -> list:
    return [
        (series, times[:samples], values[:samples]) if series.metric in metrics else (series, times, values)
        for series, times, values in measured
    ]


def at(measured: list, chosen: np.ndarray) -> list:
    return [(series, times[chosen], values[chosen]) for series, times, values in measured]


def peaky(number: int) -> list:
    return member(
        pod=f"svc-7c9d5b7f6c-{number}aaaa", uuid=f"GPU-{number}", sm=0.78, dram=0.6, kv=0.5, load=PEAK
    )


def on(found, part: str):
    return next(one for one in found if part in one.entity)


def test_what_is_measured_well_is_advised_on(empty: Warehouse) -> None:
    found = on(advise(empty, quiet(), busy("other")), "svc")
    assert (found.action, found.risk) == ("mig_slice", 2)  # that it answers in time there is not shown


@pytest.mark.parametrize(
    ("fleet", "reason"),
    [
        ((quiet(days=14), busy("other")), "ends 14 days before the newest sample"),
        ((idle_member(days=14), busy("other")), "ends 14 days before"),
        (
            (first_only(quiet(), 3000, "sm_active_ratio"), busy("other")),
            "sm_active_ratio of GPU-1 ends 18 days",
        ),
        ((first_only(quiet(), 4000, *ENGINE_METRICS),), "ends 14 days before"),
        ((at(quiet(), np.arange(STEPS) % 12 == 0),), "a value each 60 minutes"),
        ((quiet(days=14), quiet(begin_day=14, days=14, uuid="GPU-2")), "of GPU-1 ends 14 days before"),
        ((quiet(), quiet(uuid="GPU-2", gpu_name="NVIDIA H100 80GB HBM3")), "different GPUs: NVIDIA A100"),
        ((quiet(), without(quiet(uuid="GPU-2"), *GPU_METRICS)), "sm_active_ratio was measured on 1 of its 2"),
        ((at(quiet(), np.arange(STEPS) % 12 != 0),), "8.3% of sm_active_ratio is missing: its P95"),
        ((at(peaky(1), PEAK < 1),), "is missing: its P95 is not known"),
        (tuple(at(peaky(number), PEAK < 1) for number in range(6)), "is missing: its P95 is not known"),
        ((quiet(power=396.0),), "at its power limit: 396 W of 400 W"),
    ],
)
def test_nothing_is_taken_away_on_less(empty: Warehouse, fleet, reason: str) -> None:
    found = [one for one in advise(empty, *fleet) if "other" not in one.entity]
    assert not {one.action for one in found} & SHRINKING
    assert any(reason in other.reason for one in found for other in one.rejected)
    assert any(reason in one.detail for one in found), "the advice itself says why"


def test_half_of_the_replicas_missing_the_peak_take_nothing_away(empty: Warehouse) -> None:
    whole, cut = [peaky(number) for number in range(3)], [at(peaky(n), PEAK < 1) for n in range(3, 6)]
    assert {one.action for one in advise(empty, *whole, *cut)} == {"keep"}


def test_the_busiest_gpu_of_a_group_decides_on_replicas(empty: Warehouse) -> None:
    """Of two GPUs that work together one is at 75 %: four replicas cannot be three, whatever their mean."""

    def replica(number: int, second: float) -> list:
        pod = f"svc-7c9d5b7f6c-{number}aaaa"
        hot = member(pod=pod, uuid=f"hot-{number}", sm=0.5, dram=0.3, kv=0.2)
        return hot + without(
            member(pod=pod, uuid=f"cold-{number}", sm=second, dram=0.05, kv=None, running=None), "power_w"
        )

    even = advise(empty, *(replica(number, 0.5) for number in range(6)))
    uneven = advise(empty, *(replica(number, 0.05) for number in range(6)))
    assert even[0].title == uneven[0].title == "Run 5 replicas instead of 6"  # 6 x 0.5 / 0.8 x 29 / 28, spare
    shown = {one.metric: one.value for one in uneven[0].evidence}
    assert shown["sm_active_ratio"] == pytest.approx(0.5)


def test_a_gpu_is_judged_with_the_process_that_runs_on_it_now(empty: Warehouse) -> None:
    """After a deployment the new pod is used up; the old one is not there any more."""
    old = quiet(days=14)
    new = member(pod="svc-8d9d5b7f6c-zzzzz", begin_day=14, days=14, sm=0.05, dram=0.05, fb=10.0, kv=0.99)
    found = advise(empty, old, new)
    assert on(found, "zzzzz").action == "upsize"
    assert on(found, "zzzzz").gpu_count == 1
    assert on(found, "aaaaa").action == "keep"


def test_a_process_without_a_gpu_that_is_used_up_may_run_on_any(empty: Warehouse) -> None:
    gpu = [
        (replace(series, labels=replace(series.labels, namespace=None, pod=None)), times, values)
        for series, times, values in without(idle_member(), *ENGINE_METRICS)
    ]
    engine = [one for one in member(kv=0.99, pod="engine-0") if one[0].metric in ENGINE_METRICS]
    engine = [(replace(one, labels=Labels(pod="engine-0")), *rest) for one, *rest in engine]
    assert on(advise(empty, gpu), "GPU-1").action == "suspected_idle"
    found = on(advise(empty, gpu, engine), "GPU-1")
    assert found.action == "keep"
    assert any("no GPU is known: it may run here" in other.reason for other in found.rejected)


def test_gpus_of_a_machine_may_work_together_where_no_process_is_known(empty: Warehouse) -> None:
    def bare(uuid: str, host: str) -> list:
        return [
            (replace(series, labels=replace(series.labels, namespace=None, pod=None)), times, values)
            for series, times, values in without(quiet(uuid=uuid, host=host), *ENGINE_METRICS)
        ]

    found = advise(empty, bare("a", "n1"), bare("b", "n1"), bare("c", "n2"))
    assert {one.entity: one.action for one in found} == {"a": "keep", "b": "keep", "c": "mig_slice"}


@pytest.mark.parametrize(("profile", "working", "action"), [
    ("production", 0, "terminate"), ("production", 1, "suspected_idle"), ("production", 2, "terminate"),
    ("high-availability", 2, "suspected_idle"), ("high-availability", 3, "terminate"),
])  # fmt: skip
def test_idle_replicas_go_down_to_the_floor(
    empty: Warehouse, profile: str, working: int, action: str
) -> None:
    idle = idle_member(pod="svc-7c9d5b7f6c-zzzzz", uuid="idle", host="n9")
    others = [
        member(pod=f"svc-7c9d5b7f6c-{number}bbbb", uuid=f"GPU-{number}", sm=0.55, dram=0.45, fb=70.0)
        for number in range(working)
    ]
    assert on(advise(empty, idle, *others, profile=PROFILES[profile]), "zzzzz").action == action


def test_idle_needs_requests_of_a_week_and_no_moment_of_work(empty: Warehouse) -> None:
    moments = np.where(np.arange(STEPS) % 288 < 2, 1.0, 0.0)  # ten minutes a day: P99 is 0
    given = {"sm": 1.0, "dram": 0.5, "kv": 0.0, "running": 0.0, "power": 60.0, "load": moments}
    assert advise(empty, member(**given))[0].action == "terminate"
    gauge = without(member(**given), "generation_tokens_per_s")
    assert "for moments" in advise(empty, gauge)[0].detail
    late = [one for one in idle_member() if one[0].metric in ENGINE_METRICS]
    late = [(series, times[-600:], values[-600:]) for series, times, values in late]
    found = advise(empty, without(idle_member(), *ENGINE_METRICS), late)[0]
    assert found.action == "keep"
    assert "measured for 2.1 days only" in found.detail


def test_memory_that_is_full_as_a_share_is_full(empty: Warehouse) -> None:
    full = [
        (replace(series, metric="fb_used_ratio"), times, np.full(len(times), 0.99))
        if series.metric == "fb_used_bytes" else (series, times, values)
        for series, times, values in member(kv=None)
    ]  # fmt: skip
    found = advise(empty, full)[0]
    assert found.action == "upsize"
    assert (found.evidence[0].metric, found.evidence[0].limit) == ("fb_used_ratio", 0.97)


def test_a_slice_keeps_the_latency_targets(empty: Warehouse) -> None:
    """A slice makes tokens at a share of the speed: that requests stay within the target is not shown."""
    found = on(advise(empty, quiet(), busy("other"), profile=Profile(tpot_target_s=0.04)), "svc")
    assert found.action == "keep"
    assert any("was not measured, and it may take" in other.reason for other in found.rejected)


def test_slices_are_worth_their_share_of_the_gpu(empty: Warehouse) -> None:
    """Seven slices that are idle ten hours a day: together ten hours of one GPU at 27.44 / 8 USD."""
    rests = np.where((np.arange(STEPS) // 12) % 24 < 10, 0.0, 1.0)
    slices = [
        (replace(series, metric="gr_engine_active_ratio"), times, values)
        if series.metric == "sm_active_ratio" else (series, times, values)
        for number in range(7)
        for series, times, values in without(
            member(sm=0.5, dram=0.3, kv=None, running=None, load=rests, pod=f"m{number}-7c9d5b7f6c-aaaaa",
                   mig_id=str(number), mig_profile="1g.10gb"), "gpu_util_ratio", "power_w")
    ]  # fmt: skip
    found = advise(empty, slices)
    assert {one.action for one in found} == {"schedule"}
    worth = sum(one.savings.expected for one in found)
    assert worth == pytest.approx(Decimal("27.44") / 8 * 730 * 70 / 168, abs=Decimal("0.05"))
    assert all(one.savings.low == 0 for one in found)


def test_a_machine_that_loses_processes_is_not_committed_to(empty: Warehouse) -> None:
    """Seven of eight GPUs idle: a commitment does not save the hours of the machine a second time."""
    place = {"host": "m", "gpu_name": "NVIDIA H100 80GB HBM3", "instance_type": "p5.48xlarge"}
    fleet = [idle_member(uuid=f"g{n}", pod=f"s{n}-7c9d5b7f6c-aaaaa", **place) for n in range(7)]
    fleet.append(member(uuid="g7", pod="s7-7c9d5b7f6c-aaaaa", sm=0.7, dram=0.6, fb=70.0, **place))
    offers = (*OFFERS, offer("p5.48xlarge", "H100 SXM", 8, "35.00", "reserved_1y"))
    found = advise(empty, *fleet, offers=offers)
    assert [one.action for one in found].count("terminate") == 7
    assert sum(one.savings.expected for one in found if one.savings) == 7 * Decimal("5022.40")


def test_exports_with_different_steps_weigh_time_not_samples(empty: Warehouse) -> None:
    """Two weeks of a value an hour, busy; then a day of one each 15 seconds, idle, in ten files."""
    place, random = Labels(gpu_uuid="a", host="h"), np.random.default_rng(3)
    eras = [(0.0, 14.0, 3600, 0.85), *((14 + part / 10, 0.1, 15, 0.02) for part in range(10))]
    numbers, every_second = [], []
    for index, (begin_day, days, step_s, level) in enumerate(eras):
        values = level + random.uniform(-0.01, 0.01, round(days * 86400 / step_s))
        times = round((START_S + begin_day * 86400) * 1e6) + np.arange(len(values)) * step_s * 1_000_000
        series = [(Series("sm_active_ratio", place), times, values)]
        numbers.append(land_series(empty, f"t{index}", f"t{index}", "test", series))
        every_second.append(np.repeat(values, step_s))
    found = usage.by_entity(empty, numbers).iloc[0]
    for number in numbers:
        undo_import(empty, number)
    wanted = np.concatenate(every_second)
    assert found["mean"] == pytest.approx(wanted.mean(), abs=1e-4)
    assert found[["p50", "p90", "p95"]].tolist() == pytest.approx(
        np.quantile(wanted, [0.5, 0.9, 0.95]), abs=1e-3
    )
    assert found["coverage"] == pytest.approx(1, abs=0.01)
    assert found["days"] == pytest.approx(15, abs=0.01)


def test_the_floor_is_the_services_whatever_its_gpus(empty: Warehouse) -> None:
    idle = idle_member(pod="svc-7c9d5b7f6c-zzzzz", uuid="idle", host="n9")
    other = member(pod="svc-7c9d5b7f6c-bbbbb", uuid="b", sm=0.7, dram=0.6, fb=70.0, gpu_name="NVIDIA L40S")
    assert on(advise(empty, idle, other), "zzzzz").action == "suspected_idle"


def test_a_replica_is_no_smaller_than_the_busiest_of_them_needs(empty: Warehouse) -> None:
    """Whoever spreads requests may send the quiet one as much as the other gets."""
    hot = member(pod="svc-7c9d5b7f6c-bbbbb", uuid="GPU-2", sm=0.7, dram=0.6, fb=70.0)
    assert on(advise(empty, quiet(), busy("other")), "svc").action == "mig_slice"
    assert {one.action for one in advise(empty, quiet(), hot)} == {"keep"}


def test_a_calendar_keeps_the_floor(empty: Warehouse) -> None:
    """Of two replicas one rests at night: the other would be alone then. Where both rest, both may stop."""
    night = np.where((np.arange(STEPS) // 12) % 24 < 10, 0.0, 1.0)
    rests = [
        member(pod=f"svc-7c9d5b7f6c-{name}", uuid=name, sm=0.7, dram=0.6, fb=70.0, load=night)
        for name in ("aaaaa", "bbbbb")
    ]
    works = member(pod="svc-7c9d5b7f6c-ccccc", uuid="ccccc", sm=0.7, dram=0.6, fb=70.0)
    assert {one.action for one in advise(empty, *rests)} == {"schedule"}
    assert {one.action for one in advise(empty, rests[0], works)} == {"keep"}


def test_a_clock_that_runs_ahead_does_not_blind_the_fleet(empty: Warehouse) -> None:
    """One machine is four years ahead: what the others did in the last month counts all the same."""
    ahead = [
        (series, times + 4 * 365 * 86_400_000_000, values)
        for series, times, values in member(pod="ahead-7c9d5b7f6c-aaaaa", uuid="GPU-2", sm=0.05, dram=0.05)
    ]
    past = -60 * 86_400_000_000
    fleet = [[(series, times + past, values) for series, times, values in quiet()], ahead]
    found = advise(empty, *fleet, busy("other", begin_day=-60))
    assert on(found, "svc").action == "mig_slice"


def test_processes_that_share_a_gpu_are_not_told_apart(empty: Warehouse) -> None:
    """One is idle, the other works: the GPU is neither's alone, whichever of them it is said to belong to."""
    work = without(quiet("works"), *ENGINE_METRICS)
    engine = [one for one in idle_member(pod="rests-7c9d5b7f6c-aaaaa") if one[0].metric in ENGINE_METRICS]
    same_gpu = [(replace(series, labels=replace(series.labels, pod="rests-7c9d5b7f6c-aaaaa")), times, values)
                for series, times, values in work]  # fmt: skip
    found = advise(empty, work, same_gpu, engine, busy("other"))
    assert not {one.action for one in found} & SHRINKING
    assert any("2 processes were on one of its GPUs" in one.detail for one in found)
