"""What a comparison says in sentences, for the page and the command line alike."""

from collections.abc import Iterator, Sequence

import pandas as pd

from inferplan.dashboard import formats
from inferplan.planner.compare import Comparison, Contest, RankBy

CANNOT_RUN = "cannot be run"
PLURALS = {"does not fit": "do not fit", "serves it": "serve it"}


def why(contests: Sequence[Contest], rank_by: RankBy) -> Iterator[str]:
    """Yield a sentence or two for each contest of the winner: how far the other is, what would change it."""
    for one in contests:
        other = one.other
        name = f"{int(other['gpus'])} x {other['gpu']} at {other['provider']} ({other['instance_type']})"
        if one.role == "an older price":
            yield (
                f"A price of {formats.day(other['observed_on'])}, set aside as too old, would win: {name}, "
                f"by {formats.percent(-one.lead)}. Refresh it, or include older prices."
            )
            continue
        said = f"{one.role[0].upper()}{one.role[1:]}: {name} is {_distance(one, rank_by)}"
        if one.level_usd_per_hour is not None and one.lead > 0:
            said += (
                f"; level at {formats.usd(one.level_usd_per_hour)} per machine-hour "
                f"instead of {formats.usd(other['machine_usd_per_hour'])}"
            )
        yield f"{said}. {_certainty(one)}"


def _distance(one: Contest, rank_by: RankBy) -> str:
    if abs(one.lead) < 0.0005:
        return "level"
    if rank_by == "kwh_per_mtok":
        return f"{formats.percent(one.lead, 1)} higher in energy"
    money = rank_by.startswith("usd") or rank_by == "tokens_per_usd"
    return f"{formats.percent(one.lead, 1)} {'dearer' if money else 'slower'}"


def _certainty(one: Contest) -> str:
    if one.same_speed:
        return "It runs the same deployment at the same speed: nothing but the price differs."
    if one.too_close:
        return "The 80% intervals overlap: too close to call before both are measured."
    return "The 80% intervals do not overlap."


def counted(found: Comparison) -> str:
    """Return what became of the configurations, such as "12 serve it and 30 do not fit"."""
    counts = zip(found.outcomes["outcome"], found.outcomes["configurations"], strict=True)
    return formats.listing(
        [f"{formats.count(int(count))} {_they(found, outcome)}" for outcome, count in counts]
    )


def _they(found: Comparison, outcome: str) -> str:
    """Return an outcome of many; what cannot be run at all comes with a reason as an example."""
    if outcome == CANNOT_RUN:
        example = found.tried.loc[found.tried["outcome"] == outcome, "reason"].mode().iloc[0]
        return f"{outcome} ({example})"
    return PLURALS.get(outcome, outcome.replace("misses", "miss", 1))


def set_aside(ranked: pd.DataFrame) -> int:
    """Return how many ranked offers stand behind because of their price's age."""
    return int(ranked.loc[ranked["set_aside"], "offer_id"].nunique())
