"""The slowest hundredth of requests that arrive at random: quantiles of one fixed, evenly spread sample.

A request draws its length, the part of a step that it comes in, and each of its waits apart from the others,
so that the slowest are not those that are unlucky in everything at once. ``tests/test_arrivals.py`` holds
both quantiles against a simulation of every step.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from inferplan.planner.performance.queueing import FULLEST
from inferplan.planner.performance.work import Column

SAMPLED = 1024
NORMAL_P99 = 2.326  # standard normal quantile of 0.99
LEAST_VARIATION = 1e-6
"""Lengths that vary less are all alike."""
DRAWS = 5


class Wait(NamedTuple):
    """A wait that ``share`` of the requests have, whose rest is exponential.

    Waits in heavy traffic are (J. F. C. Kingman, J. R. Stat. Soc. B 24, 1962).
    """

    mean_s: Column
    """Over all requests."""
    share: Column


def slowest_first_tokens_s(
    own_s: Column, prompt_s: Column | float, variation: Column, rest_s: Column, waits: Sequence[Wait]
) -> Column:
    """Return the time to first token of the slowest hundredth of the requests.

    Parameters
    ----------
    own_s
        What passes without any wait, the request's own prompt of ``prompt_s`` included.
    variation
        Standard deviation of the requests' lengths over their mean.
    rest_s
        Of the step under way, at worst.
    waits
        Up to three of them.
    """
    shares = _shares()
    length = np.where(variation > 0, _lengths(np.maximum(variation, LEAST_VARIATION)), 1.0)
    total = own_s + prompt_s * (length - 1) + rest_s * shares[1]
    for drawn, wait in zip(shares[2:], waits, strict=False):
        held = np.maximum(wait.share, 1e-9)
        total = total + wait.mean_s / held * np.maximum(0.0, np.log(held / (1 - drawn)))
    return np.asarray(np.quantile(total, 0.99, axis=0))


def slowest_tokens_s(
    mean_s: Column,
    crowded_s: Column,
    prompts_per_s: Column,
    prompt_s: Column,
    output_tokens: Column,
    variation: Column,
) -> Column:
    """Return the time per token of the slowest hundredth of the requests.

    With lengths all alike it is that among the most other requests. Where lengths vary, a short answer also
    meets few prompts or many for each of its tokens: those that came while its own was read, those that come
    while it runs, and those that come while these are read (busy periods of M/G/1). Their work is taken for a
    gamma variable of the same mean and variance, lengths for gamma variables too, and the quantile is that of
    a fixed sample of lengths, prompts met and requests around.

    Parameters
    ----------
    mean_s
        Time per token on average.
    crowded_s
        Time per token among as many others as 99 of 100 requests meet at most.
    prompts_per_s, prompt_s
        Prompts that come to a replica, and how long each holds the others up.
    """  # fmt: skip
    varied = np.maximum(variation, LEAST_VARIATION)
    _, met, crowd = _normals()[:3]
    gaps = np.rint(output_tokens * _lengths(varied)) - 1
    tokens = np.maximum(1.0, gaps)
    busy = prompts_per_s * prompt_s
    free_share = 1 - np.minimum(busy, FULLEST)
    work_s = busy * (tokens * mean_s + prompt_s / free_share)
    scale_s = prompt_s * (1 + varied**2) / free_share**2
    prompts_s = scale_s * _gamma(work_s / scale_s, met) - busy * tokens * mean_s
    others_s = crowd / NORMAL_P99 * (crowded_s - mean_s)
    sampled_s = np.where(gaps > 0, mean_s + others_s + prompts_s / tokens, 0.0)  # a lone token has no gap
    varying = np.quantile(sampled_s, 0.99, axis=0)
    return np.where(variation > 0, varying, crowded_s)


def _gamma(shape: Column, normal: Column) -> Column:
    """Return gamma variables of scale 1 where a standard normal one is ``normal`` (Wilson, Hilferty 1931).

    It is too small where both are: there (share x Gamma(shape + 1)) ** (1 / shape) is the least it can be.
    """
    cube_root = np.maximum(0.0, 1 - 1 / (9 * shape) + normal / (3 * np.sqrt(shape)))
    return np.asarray(shape * cube_root**3)


def _lengths(variation: Column) -> Column:
    """Return the sample's lengths over their mean, as gamma variables."""
    shape = 1 / variation**2
    least = np.log(_shares()[0]) + np.array([math.lgamma(one + 1) for one in shape])
    return np.asarray(np.maximum(_gamma(shape, _normals()[0]), np.exp(least / shape)) / shape)


@lru_cache(maxsize=1)
def _shares() -> Column:
    """Return points that fill a unit cube evenly, a row each draw: the sequence R5 (M. Roberts 2018)."""
    ratio = 1.1347241384015194  # root of x^6 = x + 1
    steps = np.arange(SAMPLED) / ratio ** np.arange(1, DRAWS + 1)[:, None]
    return np.asarray(np.clip((steps + 0.5) % 1, 1e-9, 1 - 1e-9)[:, :, None])


@lru_cache(maxsize=1)
def _normals() -> Column:
    return np.asarray(np.vectorize(NormalDist().inv_cdf)(_shares()))
