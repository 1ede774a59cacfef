"""Bills joined with usage: what was paid for unused, idle, half-used and used GPUs, to the last cent.

A bill tells what was spent, not what was used. Every line's effective (amortised) cost is divided among the
parts of ``PARTS``, which sum to the bill exactly; what could not be joined is a part of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

from inferplan.datasets import catalog

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Warehouse

PARTS = (
    "unused_commitment", "unallocated", "allocated_idle", "loaded_headroom", "useful", "unknown", "shared",
)  # fmt: skip
SM_TARGET = 0.8
"""Activity that counts as fully used; the rest of a busy GPU is headroom."""
_DIGITS = Decimal("0.0000000001")
_ZERO = Decimal(0)


@dataclass(frozen=True)
class LineCost:
    """One bill line's effective cost, divided."""

    import_id: int
    line: int
    resource: str | None
    team: str | None
    currency: str
    effective_cost: Decimal
    parts: Mapping[str, Decimal]
    gpu_hours_observed: float
    gpu_hours_possible: float


@dataclass(frozen=True)
class Waterfall:
    """The bill by part, in one currency."""

    currency: str
    effective_cost: Decimal
    billed_cost: Decimal
    parts: Mapping[str, Decimal]
    """Sums to ``effective_cost`` exactly."""
    lines: tuple[LineCost, ...]
    unjoined: tuple[str, ...]
    """Machines on the bill that no telemetry is of."""


# GPU-seconds per bill line: how many there were to use, how many were seen, without a process, idle, and how
# much work was in them. A machine on the bill is joined by its instance id, else by its name.
_OBSERVED = """
WITH requests AS (
    SELECT u.replica, date_trunc('hour', s.measured_at) AS hour, max(s.value) AS running
    FROM usage_samples AS s JOIN usage_series AS u USING (series_id)
    WHERE u.metric = 'requests_running' AND u.replica IS NOT NULL GROUP BY ALL
),
hourly AS (
    SELECT u.entity, u.instance_id, u.host, u.replica, date_trunc('hour', s.measured_at) AS hour,
        least(3600, count(*) * any_value(u.step_s)) AS seen_s,
        least(3600, count(*) FILTER (s.value < 0.01) * any_value(u.step_s)) AS still_s,
        least(3600, sum(s.value) * any_value(u.step_s)) AS work_s
    FROM usage_samples AS s JOIN usage_series AS u USING (series_id)
    WHERE u.metric = 'sm_active_ratio' AND u.step_s IS NOT NULL GROUP BY ALL
),
judged AS (
    SELECT h.*, coalesce(r.running, 0) > 0 AS served
    FROM hourly AS h LEFT JOIN requests AS r ON r.replica = h.replica AND r.hour = h.hour
)
SELECT b.import_id, b.line, count(DISTINCT j.entity) AS gpus, sum(j.seen_s) AS seen_s,
    coalesce(sum(j.seen_s) FILTER (j.replica IS NULL), 0) AS without_process_s,
    coalesce(sum(j.still_s) FILTER (j.replica IS NOT NULL AND NOT j.served), 0) AS idle_s,
    coalesce(sum(j.work_s) FILTER (j.replica IS NOT NULL), 0) AS work_s
FROM bill_lines AS b JOIN judged AS j ON (j.instance_id = b.resource_id OR j.host = b.resource_name)
    AND j.hour >= b.period_start AND j.hour < b.period_end
WHERE ($imports IS NULL OR list_contains($imports::BIGINT[], b.import_id))
GROUP BY ALL
"""
_LINES = """
SELECT import_id, line, resource_id, resource_name, instance_type, team, currency, charge_category,
    commitment_status, effective_cost, billed_cost, epoch(period_end - period_start) AS period_s
FROM bill_lines WHERE ($imports IS NULL OR list_contains($imports::BIGINT[], import_id))
ORDER BY import_id, line
"""


@dataclass(frozen=True)
class _Seen:
    gpus: int
    seen_s: float
    without_process_s: float
    idle_s: float
    work_s: float


def waterfalls(warehouse: "Warehouse", import_ids: Sequence[int] | None = None) -> tuple[Waterfall, ...]:
    """Return the bill divided by what became of the money, one waterfall per currency."""
    parameters = {"imports": list(import_ids) if import_ids is not None else None}
    seen = {
        (import_id, line): _Seen(int(gpus), float(seen_s), float(alone), float(idle), float(work))
        for import_id, line, gpus, seen_s, alone, idle, work in warehouse.rows(_OBSERVED, parameters)
    }
    lines: dict[str, list[LineCost]] = {}
    billed: dict[str, Decimal] = {}
    for row in warehouse.rows(_LINES, parameters):
        import_id, line, resource_id, resource_name, kind, team, currency, category, status = row[:9]
        cost, paid, period_s = row[9:]
        found = seen.get((import_id, line))
        possible_s = float(period_s) * max(_gpus_of(kind), found.gpus if found else 0)
        lines.setdefault(currency, []).append(
            LineCost(
                import_id=import_id,
                line=line,
                resource=resource_name or resource_id,
                team=team,
                currency=currency,
                effective_cost=cost,
                parts=_divide(cost, category, status, bool(resource_id), found, possible_s),
                gpu_hours_observed=found.seen_s / 3600 if found else 0.0,
                gpu_hours_possible=possible_s / 3600,
            )
        )
        billed[currency] = billed.get(currency, _ZERO) + paid
    return tuple(_sum(currency, billed[currency], found) for currency, found in sorted(lines.items()))


def _sum(currency: str, billed: Decimal, lines: Sequence[LineCost]) -> Waterfall:
    return Waterfall(
        currency=currency,
        effective_cost=sum((line.effective_cost for line in lines), _ZERO),
        billed_cost=billed,
        parts={part: sum((line.parts.get(part, _ZERO) for line in lines), _ZERO) for part in PARTS},
        lines=tuple(lines),
        unjoined=tuple(
            dict.fromkeys(
                line.resource
                for line in lines
                if line.resource and line.parts.get("unknown") == line.effective_cost
            )
        ),
    )


def _divide(
    cost: Decimal,
    category: str,
    status: str | None,
    has_resource: bool,
    seen: _Seen | None,
    possible_s: float,
) -> dict[str, Decimal]:
    """Return the parts of one line's cost; they sum to it exactly, the rest of rounding is unknown."""
    if status == "unused":
        return {"unused_commitment": cost}
    if category != "Usage" or not has_resource:
        return {"shared": cost}
    if seen is None or possible_s <= 0:
        return {"unknown": cost}
    loaded_s = max(0.0, seen.seen_s - seen.without_process_s - seen.idle_s)
    useful_s = min(loaded_s, seen.work_s / SM_TARGET)
    scale = max(possible_s, seen.seen_s)
    shares = {
        "unallocated": seen.without_process_s / scale,
        "allocated_idle": seen.idle_s / scale,
        "loaded_headroom": (loaded_s - useful_s) / scale,
        "useful": useful_s / scale,
    }
    parts = {part: (cost * Decimal(repr(share))).quantize(_DIGITS) for part, share in shares.items()}
    parts["unknown"] = cost - sum(parts.values(), _ZERO)
    return parts


def _gpus_of(instance_type: str | None) -> float:
    """Return how many GPUs a machine type has; one where it is not in the catalog."""
    return _machines().get((instance_type or "").casefold(), 1.0)


@cache
def _machines() -> Mapping[str, float]:
    return {offer.instance_type.casefold(): offer.gpu_count for offer in catalog.offers()}


def used_hour_usd(usd_per_hour: Decimal, used: float) -> Decimal:
    """Return what an hour of used GPU costs when only the share ``used`` (0-1] of the paid hours is used.

    >>> used_hour_usd(Decimal("4.00"), 0.25)
    Decimal('16.00')
    """
    if not 0 < used <= 1:
        msg = f"the used share must be above 0 and at most 1, not {used}"
        raise ValueError(msg)
    return (usd_per_hour / Decimal(repr(used))).quantize(Decimal("0.01"))


@dataclass(frozen=True)
class TokenCost:
    """What the tokens of a model cost, everything paid for its GPUs included."""

    model: str
    team: str | None
    effective_cost: Decimal
    prompt_tokens: float
    generated_tokens: float
    usd_per_mtok_generated: Decimal | None
    """``None`` where nothing was generated."""


_TOKENS = """
WITH processes AS (
    SELECT replica, any_value(model) AS model, any_value(team) AS team
    FROM usage_series WHERE replica IS NOT NULL GROUP BY replica HAVING any_value(model) IS NOT NULL
),
seconds AS (
    SELECT b.import_id, b.line, p.model, p.team, sum(least(3600, n)) AS seen_s FROM (
        SELECT u.entity, u.instance_id, u.host, u.replica, date_trunc('hour', s.measured_at) AS hour,
            count(*) * any_value(u.step_s) AS n
        FROM usage_samples AS s JOIN usage_series AS u USING (series_id)
        WHERE u.metric = 'sm_active_ratio' AND u.step_s IS NOT NULL GROUP BY ALL
    ) AS j JOIN processes AS p USING (replica)
    JOIN bill_lines AS b ON (j.instance_id = b.resource_id OR j.host = b.resource_name)
        AND j.hour >= b.period_start AND j.hour < b.period_end
    WHERE b.charge_category = 'Usage' GROUP BY ALL
),
tokens AS (
    SELECT p.model, p.team, sum(s.value) FILTER (u.metric = 'prompt_tokens') AS prompt,
        sum(s.value) FILTER (u.metric = 'generation_tokens') AS generated
    FROM usage_samples AS s JOIN usage_series AS u USING (series_id) JOIN processes AS p USING (replica)
    WHERE u.metric IN ('prompt_tokens', 'generation_tokens')
        AND s.measured_at >= (SELECT min(period_start) FROM bill_lines)
        AND s.measured_at < (SELECT max(period_end) FROM bill_lines)
    GROUP BY ALL
)
SELECT s.model, s.team, s.import_id, s.line, s.seen_s, coalesce(t.prompt, 0), coalesce(t.generated, 0)
FROM seconds AS s LEFT JOIN tokens AS t ON t.model = s.model AND t.team IS NOT DISTINCT FROM s.team
ORDER BY s.model, s.team
"""


def token_costs(warehouse: "Warehouse") -> tuple[TokenCost, ...]:
    """Return what each model's tokens cost: its GPUs' share of the effective cost over the tokens it made.

    A machine's cost is divided by the GPU-hours that were seen of each model; unused commitments, tax and
    machines without telemetry are in no model's cost (``waterfalls`` shows them).
    """
    by_line = {(line.import_id, line.line): line for one in waterfalls(warehouse) for line in one.lines}
    sums: dict[tuple[str, str | None], tuple[Decimal, float, float]] = {}
    for model, team, import_id, line, seen_s, prompt, generated in warehouse.rows(_TOKENS):
        cost = by_line[import_id, line]
        share = min(1.0, float(seen_s) / 3600 / max(cost.gpu_hours_possible, 1e-9))
        before = sums.get((model, team), (_ZERO, 0.0, 0.0))[0]
        part = (cost.effective_cost * Decimal(repr(share))).quantize(_DIGITS)
        sums[model, team] = (before + part, float(prompt), float(generated))
    return tuple(
        TokenCost(
            model=model,
            team=team,
            effective_cost=cost,
            prompt_tokens=prompt,
            generated_tokens=generated,
            usd_per_mtok_generated=(cost / Decimal(repr(generated)) * 1_000_000).quantize(Decimal("0.000001"))
            if generated
            else None,
        )
        for (model, team), (cost, prompt, generated) in sums.items()
    )
