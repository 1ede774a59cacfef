"""Requests that arrive at random: how many run at once, and how long a first token waits.

Arrivals are Poisson. Requests that run share the GPU, each more slowly the more there are, so their number is
a birth-death chain whose distribution does not depend on how lengths vary (generalised processor sharing:
J. W. Cohen, Acta Informatica 12, 1979). A step reads the prompts that came during the one before, which is a
single server with gated vacations (H. Takagi, Queueing Analysis 1, 1991). Who finds all places taken waits as
in M/G/c: (1 + variation squared) / 2 of the wait with exponential lengths (Lee and Longton, 1959).
``tests/test_arrivals.py`` holds all of it against a simulation of every step.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from inferplan.planner.performance.work import Column

STATES = 96
"""Numbers of running requests that the chain is evaluated at: all of them up to here, then ever fewer."""
FULLEST = 1 - 1e-9
RUN_REQUESTS = 300
"""Near its capacity a queue grows for longer than anybody waits: it is told for a run of so many requests."""


def late(share: float, places: Column) -> Column:
    """Return how many requests stand before the one at ``share`` of a run that finds all GPUs idle.

    As many as there are places never wait: they fill the GPUs first.

    >>> late(0.5, np.array([13.0, 256.0])), late(0.99, np.array([13.0, 256.0]))
    (array([137.,   0.]), array([284.,  41.]))
    """
    return np.asarray(np.maximum(0.0, share * RUN_REQUESTS - places))


class Running(NamedTuple):
    """How many requests run at once, and how long those wait that find every place taken."""

    mean: Column
    p99: Column
    """What 99 of 100 arrivals find running at most."""
    full_share: Column
    """Share of the requests that wait for a place."""
    place_wait_s: Column
    """On average over all requests."""


class PromptWait(NamedTuple):
    """What passes before a prompt is read, beside the prompt's own time."""

    step_rest_s: Column
    """Of the step under way when a request comes: half of it on average, all of it at worst."""
    queue_s: Column
    """The prompts before, on average."""
    busy_share: Column
    """Of the time with prompts to be read."""


def running(
    rate_per_s: Column, places: Column, ends_per_s: Callable[[Column], Column], variation: Column
) -> Running:
    """Return how many requests run at once when ``rate_per_s`` arrive and ``places`` may run.

    Parameters
    ----------
    ends_per_s
        Requests that end per second with so many running; takes and returns one row per number.
    variation
        Standard deviation of the requests' lengths over their mean.
    """
    width, middle = _bins(places)
    last_middle = np.vstack([np.zeros_like(places), middle[:-1]])
    moved = np.where(width > 0, middle - last_middle, 0.0)
    logs = np.cumsum(moved * np.log(rate_per_s / ends_per_s((middle + last_middle + 1) / 2)), axis=0)
    largest = np.maximum(logs.max(axis=0), 0.0)
    mass = width * np.exp(logs - largest)
    most_per_s = ends_per_s(places[None, :])[0]
    load = np.minimum(rate_per_s / most_per_s, FULLEST)
    all_taken = np.exp(logs[-1] - largest + (places - middle[-1]) * np.log(load))
    waiting = all_taken * load / (1 - load)
    empty = np.exp(-largest)
    total = empty + mass.sum(axis=0) + waiting
    below = (empty + np.cumsum(mass, axis=0)) / total
    found = np.where(
        below[-1] >= 0.99, middle[np.argmax(below >= 0.99, axis=0), np.arange(places.size)], places
    )
    queue = waiting / (1 - load) / total * (1 + variation**2) / 2
    full_share = (waiting + all_taken) / total
    return Running(
        ((mass * middle).sum(axis=0) + waiting * places) / total,
        np.where(empty / total >= 0.99, 0.0, found),
        full_share,
        np.minimum(queue / rate_per_s, full_share * run_wait_s(most_per_s, variation)),
    )


def _bins(places: Column) -> tuple[Column, Column]:
    """Return width and middle of ranges of numbers from 1 to ``places``, a row per range.

    They widen with the number as its spread does, and are single numbers where there are few places.
    """
    steps = np.arange(1, STATES + 1)[:, None]
    reach = np.minimum(np.maximum(steps, np.rint(places * (steps / STATES) ** 2)), places)
    before = np.vstack([np.zeros_like(places), reach[:-1]])
    width = reach - before
    return width, np.where(width > 0, (before + 1 + reach) / 2, reach)


def run_wait_s(most_per_s: Column, variation: Column) -> Column:
    """Return the mean wait over a run of ``RUN_REQUESTS`` at exactly the capacity, which has no steady state.

    The work that piles up is a reflected Brownian motion whose mean is sqrt(2 x requests x variance / pi)
    (D. L. Iglehart and W. Whitt, Adv. Appl. Prob. 2, 1970); over the run it is two thirds of that at its end.
    """
    piled = np.sqrt(2 * RUN_REQUESTS * (1 + variation**2) / np.pi)
    return np.asarray(2 / 3 * piled / most_per_s)


def single_server_wait_s(rate_per_s: Column, service_s: Column, variation: Column) -> Column:
    """Return the mean wait at one server, first come first served (Pollaczek and Khinchine)."""
    load = np.minimum(rate_per_s * service_s, FULLEST)
    wait = rate_per_s * service_s**2 * (1 + variation**2) / 2 / (1 - load)
    return np.asarray(np.minimum(wait, run_wait_s(1 / service_s, variation)))


def prompt_wait(
    rate_per_s: Column, prompt_s: Column, step_s: Column, budget_share: Column, variation: Column
) -> PromptWait:
    """Return what passes before a prompt is read.

    Parameters
    ----------
    prompt_s, step_s
        Time of a prompt, and of a decode step without prompts.
    budget_share
        New tokens of a prompt over the most tokens of a step; above 1 a prompt takes several steps.
    """
    load = np.minimum(rate_per_s * prompt_s, FULLEST)
    squared = prompt_s**2 * (1 + variation**2)
    seen_step = step_s / (1 - load) + rate_per_s * squared / (1 - load**2)
    service = prompt_s + budget_share * step_s
    queue = np.maximum(load * seen_step, single_server_wait_s(rate_per_s, service, variation))
    return PromptWait(seen_step, queue, np.minimum(rate_per_s * service, FULLEST))
