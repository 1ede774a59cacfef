"""Amounts of money as people write them."""

from decimal import Decimal


def trimmed(amount: Decimal) -> Decimal:
    """Return the same ``amount`` without trailing zeros and without an exponent.

    >>> trimmed(Decimal("55.0400")), trimmed(Decimal("1E+2"))
    (Decimal('55.04'), Decimal('100'))
    """
    shortest = amount.normalize()
    return (
        shortest if shortest == 0 or int(shortest.as_tuple().exponent) <= 0 else shortest.quantize(Decimal(1))
    )
