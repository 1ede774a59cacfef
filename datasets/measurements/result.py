"""What a tool's module returns for each run of a file."""

from dataclasses import dataclass
from typing import Any

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.measurements.run import Deployed

MOST_FAILED = 0.1
KEPT_UP = 0.9


class RefusedRunError(InferplanError):
    """A run that cannot be compared with an estimate; the message says why."""


@dataclass(frozen=True)
class Result:
    """A run, not yet checked."""

    load: dict[str, Any]
    """Fields of ``Load``."""
    deployed: Deployed
    published_model: str | None


def refuse_failures(completed: float | None, failed: float) -> None:
    """Raise ``RefusedRunError`` when nothing completed or more than a tenth failed: the load was another."""
    if not completed:
        msg = "no request completed"
        raise RefusedRunError(msg)
    if failed > MOST_FAILED * (completed + failed):
        msg = f"{failed:,.0f} of {completed + failed:,.0f} requests failed"
        raise RefusedRunError(msg)


def at_rate(rate: float, served: float | None, most: float | None = None) -> dict[str, Any]:
    """Return the load of requests that came at ``rate`` per second, of which ``served`` were answered.

    A deployment that fell behind had ``most`` in flight, where that was limited.

    Raises
    ------
    RefusedRunError
        If it fell behind without a limit: a queue without end has no latency to compare.
    """
    if served is None or served >= KEPT_UP * rate:
        return {"request_rate_per_s": rate}
    if most is None:
        msg = f"{rate:.3g} requests per second were sent and {served:.3g} answered: a queue without end"
        raise RefusedRunError(msg)
    return {"concurrency": most}
