"""A fleet and its bill at random: every figure of the spend is recomputed here from the definitions alone."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from inferplan.datasets.uploads.landing import land_series
from inferplan.datasets.uploads.reading import BillLine, Labels, Series
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.spend import PARTS, spend
from inferplan.planner.spend_showback import showback

START = datetime(2026, 10, 5)
START_S = round(START.replace(tzinfo=UTC).timestamp())
DAYS, STEP_S, PER_HOUR = 3, 300, 12
STEPS = DAYS * 24 * PER_HOUR
GPUS = {"node-0": 4, "node-1": 2, "node-2": 1, "node-3": 2}
BY_GPU_UTIL = "node-3"


class Fleet:
    """Samples and bill, and what follows from them by hand."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.series, self.lines = [], []
        self.hours = defaultdict(list)  # by host: hour, team, model, seconds by part, seen, work
        self.parts, self.teams = dict.fromkeys(PARTS, 0.0), defaultdict(float)
        self.models, self.tokens = defaultdict(float), defaultdict(float)
        self.paid_s = self.machines_cost = self.seen_s = self.work_s = self.measured_s = 0.0
        for host, gpus in GPUS.items():
            for gpu in range(gpus):
                self.measure(host, gpu)
        self.bill()

    def measure(self, host: str, gpu: int) -> None:
        """Half of the time one process (or none) is on the GPU, then another; a twentieth is not sampled."""
        moved = int(self.random.integers(100, STEPS - 100))
        levels = self.random.choice([0.0, 0.005, 0.3, 0.7, 0.95], STEPS, p=[0.3, 0.1, 0.3, 0.2, 0.1])
        there = self.random.random(STEPS) > 0.05
        for turn, steps in enumerate((np.arange(moved), np.arange(moved, STEPS))):
            pod = f"pod-{host}-{gpu}-{turn}" if self.random.random() < 0.7 else None
            team = str(self.random.choice(["red", "blue"])) if pod else None
            model = str(self.random.choice(["small", "large"])) if pod else None
            place = {"pod": pod, "namespace": pod and "ns", "team": team, "model": model}
            running = self.random.random(len(steps)) < 0.25
            if pod:
                self.serve(Labels(**place), steps, running)
            seen = steps[there[steps]]
            metric = "gpu_util_ratio" if host == BY_GPU_UTIL else "sm_active_ratio"
            at = Labels(gpu_uuid=f"GPU-{host}-{gpu}", host=host, **place)
            self.series.append((Series(metric, at), self.times(seen), levels[seen]))
            for hour in np.unique(seen // PER_HOUR):
                values = levels[seen[seen // PER_HOUR == hour]]
                is_serving = bool(pod) and running[steps // PER_HOUR == hour].any()
                self.judge(host, int(hour), pod, team, model, values, is_serving)

    def serve(self, place: Labels, steps: np.ndarray, running: np.ndarray) -> None:
        made = self.random.integers(0, 1000, len(steps)).astype(float)
        self.tokens[place.model, place.team] += made.sum()
        self.series.append((Series("requests_running", place), self.times(steps), running.astype(float)))
        self.series.append((Series("generation_tokens", place), self.times(steps), made))

    def judge(self, host, hour, pod, team, model, values, is_serving) -> None:
        seen, still, work = (STEP_S * float(x) for x in (len(values), (values < 0.01).sum(), values.sum()))
        spent = dict.fromkeys(PARTS, 0.0)
        if not pod:
            spent["unallocated"] = still
        elif not is_serving:
            spent["allocated_idle"] = still
        busy = seen - sum(spent.values())
        if host == BY_GPU_UTIL:
            spent["unknown"] = busy
        else:
            spent["useful"] = min(busy, work / 0.8)
            spent["loaded_headroom"] = busy - spent["useful"]
        self.hours[host].append((hour, team, model, spent, seen, work))

    def bill(self) -> None:
        for hour in range(DAYS * 24):
            if self.random.random() > 0.05:
                self.machine("node-0", hour, 1, 1)
        for day in range(DAYS):
            self.machine("node-1", day * 24, 24, 24)
            self.machine("node-3", day * 24, 24, 20)
            if day < 2:
                self.machine("node-2", day * 24, 24, 24)
        self.line(7.5, 0, 24, resource_id="node-0", commitment_status="unused")
        self.line(20.0, 0, 24, resource_id="ghost", quantity=Decimal(24), quantity_unit="Hours")
        self.line(12.34, 0, DAYS * 24, charge_category="Tax")
        self.line(-3.21, 0, DAYS * 24, charge_category="Credit")
        self.parts["unused_commitment"] += 7.5
        self.parts["unknown"] += 20.0
        self.parts["shared"] += 12.34 - 3.21

    def machine(self, host: str, first: int, hours: int, quantity: int) -> None:
        cost = round(float(self.random.uniform(3, 5)) * hours, 4)
        self.line(cost, first, hours, resource_id=host, quantity=Decimal(quantity), quantity_unit="Hours")
        met = [one for one in self.hours[host] if first <= one[0] < first + hours]
        seen = sum(one[4] for one in met)
        paid = max(seen, quantity * 3600.0 * GPUS[host])
        self.parts["unknown"] += cost * (paid - seen) / paid
        for _, team, model, spent, _, work in met:
            for part, seconds in spent.items():
                self.parts[part] += cost * seconds / paid
                self.teams[team] += cost * seconds / paid
                self.models[model, team] += cost * seconds / paid
            self.work_s += 0.0 if host == BY_GPU_UTIL else work
        self.measured_s += 0.0 if host == BY_GPU_UTIL else seen
        self.seen_s += seen
        self.paid_s += quantity * 3600.0 * GPUS[host]
        self.machines_cost += cost

    def line(self, cost: float, first: int, hours: int, **more) -> None:
        at, amount = START + timedelta(hours=first), Decimal(str(cost))
        self.lines.append(BillLine(
            **{"line": len(self.lines) + 1, "period_start": at, "period_end": at + timedelta(hours=hours),
               "charge_category": "Usage", "currency": "USD", "effective_cost": amount, "billed_cost": amount,
               **more}
        ))  # fmt: skip

    def times(self, steps: np.ndarray) -> np.ndarray:
        return (START_S + steps * STEP_S) * 1_000_000


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_figure_follows_from_the_definitions(seed: int) -> None:
    by_hand = Fleet(seed)
    with Warehouse.open(MEMORY) as warehouse:
        land_series(warehouse, "fleet", "fleet", "focus", by_hand.series, by_hand.lines)
        (found, *_) = spend(warehouse).statements
    near = {"rel": 1e-9, "abs": 1e-6}
    assert {part: float(cost) for part, cost in found.parts.items()} == pytest.approx(by_hand.parts, **near)
    assert found.effective_cost == sum(line.effective_cost for line in by_hand.lines)
    assert sum(day.cost for day in found.days) == found.effective_cost
    rows = {row.name: row for row in showback(found.costs["team"])}
    for team in ("red", "blue"):
        assert float(rows[team].direct) == pytest.approx(by_hand.teams[team], **near)
    assert sum(row.total for row in rows.values()) == found.effective_cost
    common = Decimal("12.34") - Decimal("3.21") + Decimal("7.5")
    assert rows["red"].shared_out + rows["blue"].shared_out == common
    assert float(rows["red"].shared_out / common) == pytest.approx(
        by_hand.teams["red"] / (by_hand.teams["red"] + by_hand.teams["blue"]), **near
    )
    made = {(one.model, one.team): one for one in found.tokens}
    assert made.keys() == {pair for pair, cost in by_hand.models.items() if cost and pair[0]}
    for pair, one in made.items():
        assert float(one.effective_cost) == pytest.approx(by_hand.models[pair], **near)
        assert one.generated_tokens == pytest.approx(by_hand.tokens[pair])
        price = by_hand.models[pair] / by_hand.tokens[pair] * 1e6
        assert float(one.per_mtok_generated) == pytest.approx(price, abs=2e-6)
    hours, activity = found.gpu_hours, by_hand.work_s / by_hand.measured_s
    assert (hours.paid, hours.seen) == pytest.approx((by_hand.paid_s / 3600, by_hand.seen_s / 3600))
    assert hours.activity == pytest.approx(activity)
    used = by_hand.machines_cost / (by_hand.paid_s / 3600) / activity
    assert float(hours.per_used_hour) == pytest.approx(used, abs=0.006)
