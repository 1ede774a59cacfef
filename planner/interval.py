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
