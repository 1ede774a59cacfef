"""What advice consists of: an action, what it rests on, what was rejected, what it is worth."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from inferplan.planner.confidence import Confidence
from inferplan.planner.request_latency import Basis

Action = Literal[
    "insufficient_history", "upsize", "terminate", "suspected_idle", "schedule", "reduce_replicas",
    "mig_slice", "consolidate", "downsize_type", "commitment", "keep",
]  # fmt: skip
Effort = Literal["none", "contract", "replica count", "schedule", "slice", "type", "architecture"]
SHRINKING: frozenset[Action] = frozenset(
    ("terminate", "schedule", "reduce_replicas", "mig_slice", "consolidate", "downsize_type")
)
NO_BILL = "no bill of these machines was imported"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One number that the advice rests on."""

    metric: str
    statistic: str
    """``p50`` to ``max``, ``share above 0``, ``sum`` ..."""
    value: float
    unit: str
    limit: float | None
    """What the value was compared with, ``times`` as high as it is; ``None`` for context."""
    samples: int
    coverage: float | None
    """Samples there are as a share of those expected (0-1)."""
    span_days: float
    entity: str
    """The series to draw beside the number."""
    low: float | None = None
    """Where a value is known only within bounds: above this ..."""
    high: float | None = None
    """... and at most this; ``None`` beside ``low``: no bound is known."""
    basis: Basis | None = None
    """Of what the latencies of requests are known: a log or a histogram."""
    last_at: datetime | None = None
    """The newest sample (naive UTC): advice is as old as that."""
    times: float = 1.0
    """How many times as high the value would be on the GPU or slice that is advised."""

    @property
    def then(self) -> float | None:
        """The value on the GPU or slice that is advised; ``None`` where it stays what was measured."""
        return None if self.times == 1 else self.value * self.times


@dataclass(frozen=True, slots=True)
class Rejected:
    """An alternative that was looked at, and why it is not the advice."""

    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class Savings:
    """USD per month (730 hours), before tax; negative when the advice costs money.

    ``low``, ``expected`` and ``high`` are at list prices. Findings on one machine never claim the same hour
    of the same GPU, so that the savings of all findings can be added.
    """

    low: Decimal
    expected: Decimal
    high: Decimal
    basis: str
    """Which prices, from where, of which day."""
    condition: str
    """What has to happen for the money to be saved."""
    effective: Decimal | None = None
    """At the effective (amortised) rate of the machines' own bill."""
    net: Decimal | None = None
    """Of that, what no commitment goes on being paid for: what the next bill is lower by."""
    billed: str = NO_BILL
    """Which bill, or why there is no effective and net saving."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Advice on one serving process, GPU or group of replicas."""

    action: Action
    entity: str
    entities: tuple[str, ...]
    """Everything that the advice is on."""
    title: str
    detail: str
    evidence: tuple[Evidence, ...]
    rejected: tuple[Rejected, ...]
    confidence: Confidence
    risk: int | None
    """0 none to 4 high; ``None`` where nothing would be taken away."""
    effort: Effort
    savings: Savings | None
    no_savings_reason: str | None
    gpu_count: int
    gpu_name: str | None
    host: str | None
    model: str | None
    team: str | None
    is_sample: bool = False
