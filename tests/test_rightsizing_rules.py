"""Rules beyond one GPU: sharing, latency targets, the model elsewhere, what does not count."""

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from measured_fleet import advise, idle_member, kept, member
from streamlit.testing.v1 import AppTest

from inferplan.dashboard import state
from inferplan.dashboard.__main__ import cli
from inferplan.dashboard.navigation import page_path
from inferplan.datasets.errors import InferplanError
from inferplan.datasets.uploads.landing import land_series, undo_import
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing import PROFILES
from inferplan.planner.rightsizing.evidence import series_together
from inferplan.planner.rightsizing.finding import SHRINKING
from inferplan.planner.rightsizing.profile import PRODUCTION, customised

STEPS = 28 * 288
HOUR = np.arange(STEPS) // 12 % 24
DAY = np.where((HOUR >= 8) & (HOUR < 20), 1.0, 0.05)
NIGHT = 1.05 - DAY


@pytest.fixture(scope="module")
def empty():
    with Warehouse.open(MEMORY) as warehouse:
        yield warehouse


def service(name: str, *, host: str = "", **given) -> list:
    stated = {"sm": 0.6, "dram": 0.4, "kv": None, "running": None, "fb": 20.0, "gpu_name": "NVIDIA A40"}
    stated["instance_type"] = "g6.xlarge"  # the cheapest: nothing smaller is on offer
    return member(pod=f"{name}-7c9d5b7f6c-aaaaa", uuid=name, host=host or f"host-{name}", **stated | given)


def test_work_by_day_and_work_by_night_share_a_gpu(empty: Warehouse) -> None:
    (found,) = advise(empty, service("day", load=DAY), service("night", load=NIGHT))
    assert found.action == "consolidate"
    assert len(found.entities) == found.gpu_count == 2
    shown = {one.metric: one for one in found.evidence}
    assert shown["sm_active_ratio"].value == pytest.approx(0.6 * 1.05)  # at the same moment, not 2 x P95
    assert shown["dram_active_ratio"].value == pytest.approx(0.4 * 1.05)
    assert shown["sm_active_ratio"].entity == found.entity
    assert "GPUs left of such processes' 2: 1; no packing needs fewer than 1" in found.detail
    assert found.risk is not None
    assert found.risk >= 2


def test_the_chart_of_a_group_is_of_all_of_it_at_the_same_time(empty: Warehouse) -> None:
    series = [*service("day", load=DAY), *service("night", load=NIGHT, days=14)]
    number = land_series(empty, "test", "test", "test", series)
    found = series_together(
        empty, ["prod/day-7c9d5b7f6c-aaaaa", "prod/night-7c9d5b7f6c-aaaaa"], "sm_active_ratio"
    )
    undo_import(empty, number)
    assert found["mean"].to_numpy() == pytest.approx(0.6 * 1.05 / 2)
    assert found["n"].sum() == 14 * 288  # only while both were measured


@pytest.mark.parametrize(
    ("services", "profile", "reason"),
    [
        ((("a", {"load": DAY}), ("b", {"load": DAY})), PRODUCTION, "stays alone"),
        ((("a", {"load": DAY, "fb": 45.0}), ("b", {"load": NIGHT, "fb": 45.0})), PRODUCTION, "over 77.6 GiB"),
        ((("a", {"load": DAY}), ("b", {"load": NIGHT})), PROFILES["high-availability"], "of its own"),
        ((("a", {"load": DAY}), ("standby", {"load": NIGHT})), PRODUCTION, "no other process"),
        ((("a", {"load": DAY}), ("b", {"load": NIGHT, "gpu_name": "NVIDIA L4"})), PRODUCTION, "no other"),
        ((("a", {"load": DAY, "dram": None}), ("b", {"load": NIGHT})), PRODUCTION, "must all have been"),
        ((("a", {"load": DAY, "sm": None}), ("b", {"load": NIGHT})), PRODUCTION, "must all have been"),
        ((("a", {"load": DAY, "keep": 0.6}), ("b", {"load": NIGHT})), PRODUCTION, "is missing: its P95"),
    ],
)
def test_what_must_not_share_a_gpu(empty: Warehouse, services, profile, reason: str) -> None:
    found = advise(empty, *(service(name, **given) for name, given in services), profile=profile)
    assert {one.action for one in found} <= {"keep"}
    reasons = [other.reason for one in found for other in one.rejected if other.action == "consolidate"]
    assert any(reason in other for other in reasons)


def test_replicas_of_one_workload_never_meet(empty: Warehouse) -> None:
    replicas = [
        member(
            pod=f"svc-7c9d5b7f6c-{name}aaaa", uuid=name, host=f"h-{name}", sm=0.1, dram=0.1, kv=None,
            running=None, gpu_name="NVIDIA A40", fb=10.0, instance_type="g6.xlarge",
        )
        for name in "ab"
    ]  # fmt: skip
    assert {one.action for one in advise(empty, *replicas)} == {"keep"}


def test_who_misses_the_latency_target_is_never_shrunk(empty: Warehouse) -> None:
    replicas = [
        member(
            sm=0.1, dram=0.1, kv=0.1, pod=f"svc-7c9d5b7f6c-{name}aaaa", uuid=name, ttft_s=late, tpot_s=0.02
        )
        for name, late in (("a", 0.5), ("b", 0.5), ("c", 2.5), ("d", 0.5))
    ]
    assert {one.action for one in advise(empty, *replicas)} == {"reduce_replicas"}
    strict = customised(PRODUCTION, ["ttft_target_s=2", "tpot_target_s=0.05"])
    found = advise(empty, *replicas, profile=strict)
    assert sorted(one.action for one in found) == ["keep", "keep", "keep", "upsize"]
    late = next(one for one in found if one.action == "upsize")
    assert [(one.metric, one.value, one.limit) for one in late.evidence] == [("ttft_s", 2.5, 2.0)]
    assert "first token comes later" in late.detail


SLOW, FAST = (customised(PRODUCTION, [f"tpot_target_s={target}"]) for target in (0.2, 0.012))


def test_the_model_is_checked_where_it_would_move(empty: Warehouse) -> None:
    """Qwen3-8B fits an L40S: its 16 GiB and the cache that was used, not the memory that vLLM took."""
    one = {"sm": 0.1, "dram": 0.1, "fb": 72.0, "model": "Qwen/Qwen3-8B"}
    found = advise(empty, kept("a", kv=0.2, **one))[0]
    assert found.title.startswith("Move it to 1 x L40S")
    assert "14.4 GiB per GPU" in found.detail  # 0.2 x 72
    unknown = advise(empty, kept("a", kv=0.2, **one | {"model": "m"}))
    assert {found.action for found in unknown} == {"keep", "commitment"}
    for changed in ({"kv": 0.6}, {"kv": 0.1, "model": "Qwen/Qwen3-32B"}):
        found = advise(empty, kept("a", **one | changed | {"instance_type": "p5.48xlarge"}))[0]
        assert found.title.startswith("Move it to 1 x A100 SXM 80GB"), changed
    served = {"prompt_tokens_per_s": 1000.0, "requests_per_s": 2.0}
    found = advise(empty, kept("a", kv=0.2, running=20.0, rates=served, **one), profile=SLOW)[0]
    assert "L40S" in found.title
    assert "Estimated for each token" in found.detail
    found = advise(empty, kept("a", kv=0.2, running=20.0, rates=served, **one), profile=FAST)[0]
    assert "L40S" not in found.title


def test_exclusions_lookback_and_warm_up(empty: Warehouse) -> None:
    team = idle_member(team="search")
    assert advise(empty, team)[0].action == "terminate"
    excluded = customised(PRODUCTION, ["exclude=team=sea*"])
    (found,) = advise(empty, team, profile=excluded)
    assert (found.action, "excluded by the profile" in found.detail) == ("suspected_idle", True)
    with pytest.raises(InferplanError, match="TAG being one of"):
        customised(PRODUCTION, ["exclude=colour=red"])
    busy_once = np.where(np.arange(STEPS) < 5 * 288, 1.0, 0.0)
    was_busy = member(sm=0.5, dram=0.3, kv=0.3, running=1.0, power=60.0, load=busy_once)
    quiet = [one for one in was_busy if one[0].metric != "generation_tokens_per_s"]
    assert advise(empty, quiet)[0].action != "terminate"
    assert advise(empty, quiet, profile=customised(PRODUCTION, ["lookback_days=14"]))[0].action == "terminate"
    loading = np.where(np.arange(STEPS) < 6, 1.0, 0.0)
    late = member(sm=1.0, dram=0.0, kv=0.0, running=0.0, power=60.0, load=loading, begin_day=1, uuid="late",
                  pod="late-7c9d5b7f6c-aaaaa", days=27)  # fmt: skip
    found = {one.entities[0]: one for one in advise(empty, idle_member(), late)}
    loaded = found["prod/late-7c9d5b7f6c-aaaaa"]
    assert loaded.action == "terminate"
    assert next(one.value for one in loaded.evidence if one.metric == "sm_active_ratio") == 0


@pytest.mark.parametrize(
    ("named", "changes", "is_kept"),
    [
        ({"host": "gpu-standby2"}, [], True),
        ({"host": "drums"}, [], False),
        ({"host": "rack7-gpu"}, ["protected_words=rack7"], True),
        ({"host": "do_not_touch1"}, ["protected_words=do-not-touch"], True),
        ({"host": "gpu-standby2"}, ["protected_words=none"], False),
        ({"uuid": "GPU-7"}, ["exclude=entity=GPU-7"], True),
        ({"instance_id": "i-0a"}, ["exclude=host=i-0*"], True),
        ({"host": "a"}, ["exclude=team=*"], False),
        ({"team": "x"}, ["exclude=team=*"], True),
    ],
)
def test_what_is_protected_and_excluded(empty: Warehouse, named, changes, is_kept: bool) -> None:
    (found,) = advise(empty, idle_member(**named), profile=customised(PRODUCTION, changes))
    assert found.action == ("suspected_idle" if is_kept else "terminate")


level = st.sampled_from([None, 0.0, 0.02, 0.2, 0.5, 0.85, 0.99])
shape = st.sampled_from([None, DAY, NIGHT, np.where(np.arange(STEPS) % 100 == 0, 1.0, 0.01)])
one_service = st.fixed_dictionaries(
    {
        "sm": level, "dram": level, "kv": level, "running": st.sampled_from([None, 0.0, 8.0]),
        "waiting": st.sampled_from([0.0, 0.0, 3.0]), "fb": st.sampled_from([2.0, 20.0, 72.0]),
        "util": st.sampled_from([0.0, 0.99]), "days": st.sampled_from([0.5, 6.0, 15.0, 28.0]),
        "keep": st.sampled_from([0.5, 1.0, 1.0]), "load": shape, "ttft_s": st.sampled_from([None, 0.2, 9.0]),
        "power": st.sampled_from([60.0, 300.0]),
    }
)  # fmt: skip
KINDS = (("NVIDIA H100 80GB HBM3", "p5.4xlarge"), ("NVIDIA A100-SXM4-80GB", "p4de.24xlarge"))
MEMORY_MIB = {"L40S": 46068, "L4": 23034, "A10G": 23028, "A100 SXM 80GB": 81920}
PRICE = {"p5.4xlarge": Decimal("6.88"), "p4de.24xlarge": Decimal("27.44") / 8}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    services=st.lists(
        st.tuples(one_service, st.sampled_from(KINDS), st.integers(1, 3)), min_size=1, max_size=3
    ),
    name=st.sampled_from(sorted(PROFILES)), target=st.sampled_from([None, 1.0]),
)  # fmt: skip
def test_no_rule_takes_away_what_is_unknown_used_up_or_taken_already(
    empty: Warehouse, services, name: str, target: float | None
) -> None:
    profile = PROFILES[name].model_copy(update={"ttft_target_s": target})
    measured, fleet = {}, []
    for number, (levels, (gpu, machine), replicas) in enumerate(services):
        for replica in range(replicas):
            pod = f"svc{number}-7c9d5b7f6c-{replica}aaaa"
            labels = {"gpu_name": gpu, "instance_type": machine, "host": f"host-{number}-{replica}"}
            fleet.append(member(pod=pod, uuid=f"GPU-{number}-{replica}", **levels, **labels))
            measured[f"prod/{pod}"] = levels | {"machine": machine}
    found = advise(empty, *fleet, profile=profile)
    advice = [one for one in found if one.action != "commitment"]
    assert sorted(key for one in advice for key in one.entities) == sorted(measured)
    for one in advice:
        if one.action not in SHRINKING:
            assert one.savings is None
            continue
        assert one.confidence >= Confidence.MEDIUM
        assert one.risk is not None
        for key in one.entities:
            assert_may_shrink(measured[key], target)
        held = [measured[key]["fb"] * profile.memory_factor for key in one.entities]
        if one.action == "downsize_type":
            gpu = next(gpu for gpu in MEMORY_MIB if f" {gpu} " in one.title)
            assert held[0] * 1024 <= MEMORY_MIB[gpu]
        elif one.action == "mig_slice":
            assert held[0] < 40
        elif one.action == "consolidate":
            assert sum(held) <= 80
            assert profile.may_share_gpus
        elif one.action == "reduce_replicas":
            assert len(one.entities) > profile.min_replicas
    listed = sum(PRICE[one["machine"]] * 730 for one in measured.values())
    assert sum(one.savings.expected for one in found if one.savings) <= listed + Decimal("0.05")


def assert_may_shrink(levels: dict, target: float | None) -> None:
    """Nothing is known too little of, nothing is used up for 5 % of the time, no target is missed."""
    assert levels["sm"] is not None, "GPU_UTIL alone takes nothing away"
    assert levels["days"] >= 7
    assert levels["keep"] > 0.8
    assert not (levels["running"] is not None and levels["waiting"])
    assert not (target is not None and levels["ttft_s"] == 9.0)
    if levels["load"] is None or levels["load"].mean() > 0.1:
        assert levels["sm"] < 0.9
        assert (levels["dram"] or 0) < 0.75
        assert (levels["kv"] or 0) < 0.9


def test_a_profile_is_changed_on_the_command_line_and_on_the_page() -> None:
    def told(*options: str) -> list[dict]:
        found = CliRunner().invoke(cli, ["rightsize", "--sample", "--json", *options])
        assert found.exit_code == 0, found.output
        return json.loads(found.output)

    wanted = {"search", "assist"}
    assert {one["team"] for one in told() if one["savings"]} >= wanted
    kept = told("--profile", "custom", "--set", "exclude=team=search,team=assist")
    assert not {one["team"] for one in kept if one["action"] in SHRINKING} & wanted
    wrong = CliRunner().invoke(cli, ["rightsize", "--sample", "--set", "sm_targt=0.7"])
    assert "sm_target" in str(wrong.exception)
    app = AppTest.from_file(str(Path(state.__file__).with_name("app.py")), default_timeout=60).run()
    app.switch_page(str(page_path("rightsizing"))).run()
    before = {one.label for one in app.main.expander}
    app.text_input(key="inferplan.rightsizing.profile.exclude").set_value("team=search, team=assist").run()
    assert not app.exception
    headlines = {one.label for one in app.main.expander}
    assert any("Run 3 replicas" in one for one in before)
    assert not any("Run 3 replicas" in one or "slice" in one for one in headlines)
    app.text_input(key="inferplan.rightsizing.profile.exclude").set_value("colour=red").run()
    assert "TAG=PATTERN" in app.error[0].value
