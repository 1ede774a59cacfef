"""Why did the cost change? Price, volume, utilization and model mix, in that order, summing to the cent."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from inferplan.datasets.errors import InferplanError

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class ServedModel:
    """How one model was served: its part of the tokens, and what a machine for it does and costs."""

    tokens: Decimal
    """Served in the period."""
    tokens_per_machine_hour: Decimal
    """At full load."""
    usd_per_machine_hour: Decimal
    utilization: Decimal
    """Share of that full load that was really used (0-1]."""


Period = Mapping[str, ServedModel]
"""Models by name: a plan, or what happened up to a date."""


class Step(NamedTuple):
    """One bar of the waterfall."""

    label: str
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Waterfall:
    """From ``before_usd`` through the steps to ``after_usd``, each a whole number of cents."""

    before_usd: Decimal
    steps: tuple[Step, ...]
    after_usd: Decimal


def cost_usd(period: Period) -> Decimal:
    """Return what serving ``period`` costs: tokens / (tokens per machine-hour x utilization) x price."""
    return sum((_model_usd(model) for model in period.values()), Decimal(0))


def explain_change(before: Period, after: Period) -> Waterfall:
    """Return how the cost of ``before`` became that of ``after``.

    One driver after the other is set from its old to its new value, the others being what they have become
    by then: price, volume (all models grow alike), utilization with speed, model mix (parts of the tokens,
    models that came and went). A different order would share joint effects differently, so it is fixed.
    """
    for name, model in (*before.items(), *after.items()):
        if min(model.tokens_per_machine_hour, model.utilization) <= 0 or model.tokens < 0:
            msg = f"{name}: speed and utilization must be above 0 and tokens not below (found {model})"
            raise InferplanError(msg)
    total_before = sum((model.tokens for model in before.values()), Decimal(0))
    total_after = sum((model.tokens for model in after.values()), Decimal(0))
    growth = total_after / total_before if total_before else Decimal(1)
    stages = (
        ("price", {name: _changed(model, after.get(name), price=True) for name, model in before.items()}),
        (
            "volume",
            {
                name: _changed(model, after.get(name), price=True, growth=growth)
                for name, model in before.items()
            },
        ),
        (
            "utilization",
            {
                name: _changed(model, after.get(name), price=True, growth=growth, use=True)
                for name, model in before.items()
            },
        ),
        ("model mix", after),
    )
    reached = start = cost_usd(before).quantize(CENT)
    steps: list[Step] = []
    for label, stage in stages:
        now = cost_usd(stage).quantize(CENT)
        steps.append(Step(label, now - reached))
        reached = now
    return Waterfall(start, tuple(steps), reached)


def _model_usd(model: ServedModel) -> Decimal:
    machine_hours = model.tokens / (model.tokens_per_machine_hour * model.utilization)
    return machine_hours * model.usd_per_machine_hour


def _changed(
    model: ServedModel,
    after: ServedModel | None,
    *,
    price: bool = False,
    growth: Decimal = Decimal(1),
    use: bool = False,
) -> ServedModel:
    """Return ``model`` with some drivers at their later values; one that is gone keeps its own."""
    later = after or model
    return ServedModel(
        tokens=model.tokens * growth,
        tokens_per_machine_hour=later.tokens_per_machine_hour if use else model.tokens_per_machine_hour,
        usd_per_machine_hour=later.usd_per_machine_hour if price else model.usd_per_machine_hour,
        utilization=later.utilization if use else model.utilization,
    )
