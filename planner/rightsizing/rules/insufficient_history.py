"""Too little was measured to advise anything but "add"."""

from inferplan.planner.confidence import Confidence
from inferplan.planner.rightsizing.finding import Action
from inferplan.planner.rightsizing.judging import Context, Judgement
from inferplan.planner.rightsizing.saturation import saturated
from inferplan.planner.rightsizing.unit import Unit

order = 10
action: Action = "insufficient_history"
ENOUGH_FOR_UPSIZE_DAYS = 0.25


def judge(unit: Unit, context: Context) -> Judgement | str:
    """Fit where confidence is none, unless a resource was used up for six hours and more."""
    if unit.confidence > Confidence.NONE:
        return f"enough was measured: confidence {unit.confidence.name.lower()}"
    days = max((one.days for one in unit.statistics.values()), default=0.0)
    signs = saturated(unit, context.profile)
    if signs and days >= ENOUGH_FOR_UPSIZE_DAYS:
        return "too little was measured to take anything away, enough to see a resource used up"
    widest = max(unit.statistics.values(), key=lambda one: one.days)
    now = " It looks used up now: add capacity if that lasts." if signs else ""
    return Judgement(
        action=action,
        title="Not enough history",
        detail=(
            f"{days * 24:.2g} hours of samples. Advice needs at least 30 hours, half of the samples "
            f"and 100 of them; 14 days with a weekend are better.{now}"
        ),
        evidence=(*signs, widest.evidence("max")),
        no_savings_reason="nothing can be advised on this little",
    )
