"""Why the first of a ranking is the first, and what would change that."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import pandas as pd

from inferplan.planner.compare.queries import FIGURES
from inferplan.planner.interval import Interval
from inferplan.planner.offer_search import RankBy

Role = Literal["the runner-up", "the best on another GPU", "an older price"]
_SAME_SPEED = ("gpu", "tp", "pp", "ep", "engine", "weights_dtype", "kv_dtype", "concurrency")
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Contest:
    """The first of a ranking against another row; figures are those that were ranked by, less is better."""

    role: Role
    other: "pd.Series[Any]"
    winner_figure: Interval
    other_figure: Interval
    same_speed: bool
    """Both run the same deployment under the same load: the price alone decides."""
    level_usd_per_hour: Decimal | None
    """Price of the other's machine at which both are level; ``None`` where the price does not matter."""

    @property
    def too_close(self) -> bool:
        """Whether the 80 % intervals overlap, so that the estimates do not tell who is better."""
        return not self.same_speed and self.other_figure.low <= self.winner_figure.high

    @property
    def lead(self) -> float:
        """How much worse the other's expected figure is, as a share of the winner's; negative if better."""
        return self.other_figure.expected / self.winner_figure.expected - 1


def contest(ranked: pd.DataFrame, rank_by: RankBy) -> tuple[Contest, ...]:
    """Return the first row of ``ranked`` against those that come near it, for the same case.

    The runner-up; the best on another GPU, where that is another row; and an older price that was set aside
    although it would have won.
    """
    if ranked.empty:
        return ()
    winner = ranked.iloc[0]
    rest = ranked.iloc[1:]
    rest = rest[rest["case_index"] == winner["case_index"]]
    return tuple(
        _against(winner, role, other, FIGURES[rank_by])
        for role, other in _others(winner, rest, FIGURES[rank_by])
    )


def _others(
    winner: "pd.Series[Any]", rest: pd.DataFrame, figure: str
) -> Iterator[tuple[Role, "pd.Series[Any]"]]:
    level = rest[rest["set_aside"] == winner["set_aside"]]
    if not level.empty:
        yield "the runner-up", level.iloc[0]
    elsewhere = level[level["gpu"] != winner["gpu"]]
    if not elsewhere.empty and elsewhere.index[0] != level.index[0]:
        yield "the best on another GPU", elsewhere.iloc[0]
    older = rest[rest["set_aside"] & (rest[figure] < winner[figure])]
    if not winner["set_aside"] and not older.empty:
        yield "an older price", older.iloc[0]


def _against(winner: "pd.Series[Any]", role: Role, other: "pd.Series[Any]", figure: str) -> Contest:
    ours, theirs = _interval(winner, figure), _interval(other, figure)
    level = None
    if figure.startswith("usd"):
        ratio = Decimal(repr(ours.expected / theirs.expected))
        level = (other["machine_usd_per_hour"] * ratio).quantize(_CENT)
    same_speed = all(winner[name] == other[name] for name in _SAME_SPEED)
    return Contest(role, other, ours, theirs, same_speed, level)


def _interval(row: "pd.Series[Any]", figure: str) -> Interval:
    """Return the 80 % interval of ``figure``: of a latency its own, of a cost or energy the throughput's."""
    expected = float(row[figure])
    if figure == "e2e_s":
        steps = row["output_tokens"] - 1
        low, high = (row[f"ttft_{end}_s"] + steps * row[f"tpot_{end}_s"] for end in ("low", "high"))
    elif figure in ("ttft_s", "tpot_s"):
        low, high = (row[f"{figure.removesuffix('_s')}_{end}_s"] for end in ("low", "high"))
    else:
        speed = row["output_tokens_per_s"]
        low, high = (expected * speed / row[f"output_tokens_per_s_{end}"] for end in ("high", "low"))
    return Interval(float(low), expected, float(high))
