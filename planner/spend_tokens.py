"""What a model's tokens cost: everything paid for its GPUs over the tokens that it made on the same days."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inferplan.datasets.warehouse import Cursor

# Engine counters and request logs may tell the same tokens: of each model and day the larger source counts.
# Of exports of one counter that overlap, each hour's largest counts (each day's, with steps above an hour):
# an increase is of the time before its sample, as long as the steps of its export.
_TOKENS = """
WITH placed AS (
    SELECT u.series_id, u.metric, coalesce(p.model, u.model) AS model, coalesce(u.team, p.team) AS team,
        u.replica IS NULL AS is_log, u.step_s,
        hash(u.entity, u.variant, u.metric, u.model, CASE WHEN is_log THEN u.team END) AS counter,
        u.first_at <= max(u.last_at) OVER (
            PARTITION BY counter ORDER BY u.first_at, u.series_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS meets_another
    FROM usage_series AS u LEFT JOIN spend_processes AS p USING (replica)
    WHERE u.metric IN ('prompt_tokens', 'generation_tokens', 'requests')
),
repeated AS (
    SELECT counter, CASE WHEN max(step_s) > 3600 THEN 24 ELSE 1 END AS hours FROM placed
    GROUP BY counter HAVING bool_or(meets_another)
),
told AS (
    SELECT p.counter, p.series_id, (epoch_us(s.measured_at) - 1) // (r.hours * 3600000000) * r.hours AS hour,
        sum(s.value) AS value
    FROM usage_samples AS s JOIN placed AS p USING (series_id) JOIN repeated AS r USING (counter) GROUP BY ALL
),
once AS (
    SELECT p.model, p.team, p.is_log, p.metric, CAST(s.measured_at AS DATE) AS day, sum(s.value) AS value
    FROM usage_samples AS s JOIN (FROM placed ANTI JOIN repeated USING (counter)) AS p USING (series_id)
    GROUP BY ALL
    UNION ALL
    SELECT model, team, is_log, metric, DATE '1970-01-01' + CAST(hour // 24 AS INTEGER), sum(value) FROM (
        SELECT counter, hour, max(value) AS value FROM told GROUP BY ALL
    ) JOIN (SELECT counter, max(model) AS model, max(team) AS team, any_value(is_log) AS is_log,
        any_value(metric) AS metric FROM placed GROUP BY counter) USING (counter) GROUP BY ALL
),
sources AS (
    SELECT model, day, is_log FROM once WHERE metric = 'generation_tokens' GROUP BY model, day, is_log
    QUALIFY row_number() OVER (PARTITION BY model, day ORDER BY sum(value) DESC, is_log) = 1
),
costly AS (
    SELECT DISTINCT model, day FROM spend_chosen WHERE model IS NOT NULL
)
SELECT o.model, o.team, coalesce(sum(o.value) FILTER (o.metric = 'prompt_tokens'), 0),
    coalesce(sum(o.value) FILTER (o.metric = 'generation_tokens'), 0),
    coalesce(sum(o.value) FILTER (o.metric = 'requests'), 0)
FROM once AS o SEMI JOIN costly AS c USING (model, day) SEMI JOIN sources AS s USING (model, day, is_log)
GROUP BY o.model, o.team
"""

_GPU_HOURS = """
SELECT o.model, coalesce(o.team, b.team) AS team, sum(u.seen_s) / 3600, sum(u.measured_s) / 3600,
    sum(u.work_s) / 3600
FROM spend_use AS u JOIN spend_bundles AS b USING (bundle) JOIN spend_owners AS o USING (owner)
WHERE b.basis = $basis AND b.currency = $currency AND o.model IS NOT NULL
    AND u.day BETWEEN coalesce($first_day, u.day) AND coalesce($last_day, u.day)
GROUP BY ALL
"""

_COSTS = "SELECT model, team, sum(amount) FROM spend_chosen WHERE model IS NOT NULL GROUP BY model, team"
_PRICE_DIGITS = Decimal("0.000001")
Pair = tuple[str, str | None]
Counts = tuple[float, float, float]
_NONE: Counts = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class TokenCost:
    """What the tokens of a model cost a team, idle and headroom of its GPUs included."""

    model: str
    team: str | None
    effective_cost: Decimal
    prompt_tokens: float
    generated_tokens: float
    requests: float
    gpu_hours: float
    """GPU-hours of it that were seen."""
    activity: float | None
    """Mean activity (0-1) in those; ``None`` where no activity was measured."""
    split_by_tokens: bool
    """Whether teams share the model's GPUs, so that each bears the cost of its tokens."""

    @property
    def per_mtok_generated(self) -> Decimal | None:
        """Cost of a million generated tokens, prompts included; ``None`` where nothing was generated."""
        return _per_million(self.effective_cost, self.generated_tokens)

    @property
    def per_mtok(self) -> Decimal | None:
        """Cost of a million tokens, prompt and generated alike; ``None`` without tokens."""
        return _per_million(self.effective_cost, self.prompt_tokens + self.generated_tokens)

    @property
    def per_request(self) -> Decimal | None:
        """Cost of a finished request; ``None`` where none was counted."""
        found = _per_million(self.effective_cost, self.requests)
        return None if found is None else found / 1_000_000


def token_costs(cursor: "Cursor", parameters: Mapping[str, object]) -> tuple[TokenCost, ...]:
    """Return what each model's tokens cost each team, the dearest first, from the tables of the division.

    Where the tokens name no teams, those of the GPUs are taken together; where they name teams that the GPUs
    do not, the model's cost is split by its tokens.
    """
    costs: dict[Pair, Decimal] = {row[:2]: row[2] for row in cursor.execute(_COSTS).fetchall()}
    tokens = {row[:2]: row[2:] for row in cursor.execute(_TOKENS).fetchall() if row[0]}
    hours = {row[:2]: row[2:] for row in cursor.execute(_GPU_HOURS, parameters).fetchall()}
    found: list[TokenCost] = []
    for model in {model for model, _ in costs}:
        of_team = {team: cost for (name, team), cost in costs.items() if name == model}
        made = {team: counts for (name, team), counts in tokens.items() if name == model}
        seen = {team: hours[model, team] for team in of_team if (model, team) in hours}
        if made.keys() <= of_team.keys():
            found += [
                _cost(model, team, cost, made.get(team, _NONE), seen.get(team, _NONE), split=False)
                for team, cost in of_team.items()
            ]
            continue
        cost, all_seen = sum(of_team.values(), Decimal(0)), _summed(seen.values())
        if made.keys() == {None}:
            team = next(iter(of_team)) if len(of_team) == 1 else None
            found.append(_cost(model, team, cost, made[None], all_seen, split=False))
        else:
            found += _split(model, cost, made, all_seen)
    return tuple(sorted(found, key=lambda one: (-one.effective_cost, one.model, one.team or "")))


def _summed(rows: Iterable[Counts]) -> Counts:
    first, second, third = (sum(column) for column in zip(_NONE, *rows, strict=True))
    return first, second, third


def _split(
    model: str, cost: Decimal, tokens: Mapping[str | None, Counts], seen: Counts
) -> Iterator[TokenCost]:
    whole = sum(prompt + generated for prompt, generated, _ in tokens.values())
    left = cost
    for number, (team, made) in enumerate(sorted(tokens.items(), key=lambda item: item[0] or ""), start=1):
        share = (made[0] + made[1]) / whole if whole else 1 / len(tokens)
        part = left if number == len(tokens) else (cost * Decimal(repr(share))).quantize(Decimal("1E-10"))
        left -= part
        of_team = seen[0] * share, seen[1] * share, seen[2] * share
        yield _cost(model, team, part, made, of_team, split=True)


def _cost(
    model: str, team: str | None, cost: Decimal, made: Counts, seen: Counts, *, split: bool
) -> TokenCost:
    gpu_hours, measured, work = seen
    return TokenCost(model, team, cost, *made, gpu_hours, work / measured if measured else None, split)


def _per_million(cost: Decimal, count: float) -> Decimal | None:
    return (cost / Decimal(repr(count)) * 1_000_000).quantize(_PRICE_DIGITS) if count > 0 else None
