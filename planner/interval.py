"""An estimate with its uncertainty."""

from typing import NamedTuple


class Interval(NamedTuple):
    """An 80 % interval: the truth lies below ``low`` in one case of ten and above ``high`` in one of ten."""

    low: float
    expected: float
    high: float

    def scaled(self, factor: float) -> "Interval":
        """Return the interval with each end times ``factor`` (>= 0)."""
        return Interval(self.low * factor, self.expected * factor, self.high * factor)

    def inverse(self) -> "Interval":
        """Return 1 / x with the ends in order.

        >>> Interval(1.0, 2.0, 4.0).inverse()
        Interval(low=0.25, expected=0.5, high=1.0)
        """
        return Interval(1 / self.high, 1 / self.expected, 1 / self.low)
