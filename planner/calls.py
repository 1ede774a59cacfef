"""The call that an engine sees of a task: reasoning counted as output, the context grown on the way.

A task of k calls is served as k requests, so the engine's load is that of the mean call. Each call sends the
context of the one before and what was added since; the engine finds the old part in its prefix cache.
"""

from itertools import pairwise
from typing import NamedTuple


class Call(NamedTuple):
    """The mean call of a task, as the engine sees it."""

    input_tokens: int
    output_tokens: int
    """Reasoning included."""
    cached_share: float
    longest_input_tokens: int


def mean_call(
    first_input_tokens: int,
    visible_output_tokens: int,
    *,
    reasoning_multiple: float = 0.0,
    calls: int = 1,
    growth_tokens: int | None = None,
    first_cached_share: float = 0.0,
    prefix_caching: bool = True,
) -> Call:
    """Return the mean of ``calls`` calls whose context grows by ``growth_tokens`` each.

    Parameters
    ----------
    reasoning_multiple
        Reasoning tokens per visible one. They are left out of the next call's context, so what the engine
        cached behind them cannot be found again: only the last prompt is, else last prompt and answer.
    growth_tokens
        What a call adds to the context: its answer and what tools returned. ``None``: the answer alone.
    first_cached_share
        Share of the first call's prompt that is found in the cache, such as a system prompt.

    Examples
    --------
    >>> mean_call(1000, 100, calls=3, growth_tokens=500)
    Call(input_tokens=1500, output_tokens=100, cached_share=0.6, longest_input_tokens=2000)
    """
    growth = visible_output_tokens if growth_tokens is None else growth_tokens
    inputs = [first_input_tokens + call * growth for call in range(calls)]
    kept = 0 if reasoning_multiple else visible_output_tokens
    reused = [min(before + kept, now) for before, now in pairwise(inputs)]
    cached = first_cached_share * first_input_tokens + (sum(reused) if prefix_caching else 0)
    return Call(
        round(sum(inputs) / calls),
        max(1, round(visible_output_tokens * (1 + reasoning_multiple))),
        min(1.0, cached / sum(inputs)),
        inputs[-1],
    )
