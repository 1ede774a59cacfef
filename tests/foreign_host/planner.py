"""The host's own module of that name."""

NAME = "Acme planner"


def twice(number: float) -> float:
    """Return twice the number."""
    return 2 * number
