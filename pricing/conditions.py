"""What changes a list price before it is paid: negotiated discounts, support, interruptions."""

from decimal import Decimal
from typing import NamedTuple

from inferplan.datasets.errors import InferplanError


class NegotiatedTerms(NamedTuple):
    """Percentages of a contract, applied to list prices; taxes and egress are not in any price here."""

    discount_percent: Decimal = Decimal(0)
    """Off every price, as in an enterprise discount programme."""
    support_percent: Decimal = Decimal(0)
    """On top of what is paid."""

    def applied_to(self, usd_per_hour: Decimal) -> Decimal:
        """Return what an hour at list price ``usd_per_hour`` costs.

        >>> NegotiatedTerms(Decimal(12), Decimal(5)).applied_to(Decimal(100))
        Decimal('92.4000')
        """
        if not 0 <= self.discount_percent < 100 or self.support_percent < 0:
            msg = (
                f"a discount lies between 0 and 100 % and support above 0 "
                f"(found {self.discount_percent} % and {self.support_percent} %)"
            )
            raise InferplanError(msg)
        return usd_per_hour * (1 - self.discount_percent / 100) * (1 + self.support_percent / 100)


def useful_spot_usd_per_hour(
    spot_usd_per_hour: Decimal, interruptions_per_hour: Decimal, lost_hours_per_interruption: Decimal
) -> Decimal:
    """Return what a useful hour on spot costs when each interruption wastes some hours.

    price / (1 - interruptions x lost hours): the waste is paid but serves nothing.

    >>> useful_spot_usd_per_hour(Decimal(3), Decimal("0.05"), Decimal(5))
    Decimal('4')
    """
    wasted = interruptions_per_hour * lost_hours_per_interruption
    if not 0 <= wasted < 1:
        msg = (
            f"{interruptions_per_hour} interruptions per hour that lose {lost_hours_per_interruption} hours "
            f"each waste {wasted} of every hour: nothing useful is left. Use on-demand machines."
        )
        raise InferplanError(msg)
    return spot_usd_per_hour / (1 - wasted)
