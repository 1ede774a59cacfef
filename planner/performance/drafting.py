"""Speculative decoding: what drafts cost, and up to how many sequences they help."""

from dataclasses import replace
from math import nan

import numpy as np

from inferplan.planner.memory_options import NO_OPTIONS
from inferplan.planner.performance.batching import (
    DRAFTER_LAYERS,
    Load,
    room,
    steady_state,
    tokens_per_step,
)
from inferplan.planner.performance.constants import constants
from inferplan.planner.performance.estimating import Served
from inferplan.planner.performance.result import Drafting
from inferplan.planner.performance.roofline import decode_step
from inferplan.planner.performance.work import work
from inferplan.planner.workload import Speculative

TRIED_LOADS = 64


def draft_step_share(served: Served, given: Speculative | None, context_tokens: float) -> float:
    """Return the time of drafting one token over that of a step of the model; NaN is that of one layer.

    A draft model runs on the same GPUs, split like the model; both times are those of one sequence.

    Raises
    ------
    InferplanError
        If the draft model's format is not known.
    """
    draft = served.deployment.options.draft
    if given is not None and given.draft_step_share is not None:
        return given.draft_step_share
    if given is None or draft is None:
        return nan
    alone = replace(
        served.deployment,
        architecture=draft,
        weights_dtype=served.deployment.options.draft_weights_dtype,
        options=NO_OPTIONS,
        ep=1,
    )
    own = work(alone, float(served.work.pool_bytes[0]), 1, int(served.work.batch_tokens[0]))
    one, context = np.ones(1), np.array([context_tokens])
    drafted_s = decode_step(own, constants(alone), one, context).total_s
    checked_s = decode_step(served.work, served.constants, one, context).total_s
    return float(drafted_s[0] / checked_s[0])


def drafting(served: Served, load: Load, running: float) -> Drafting | None:
    """Return what the drafts of ``load`` (one row) do with ``running`` sequences in all; ``None`` if none."""
    if not load.draft_tokens[0]:
        return None
    dp, most = float(served.work.dp[0]), float(room(served.work, load).sequences[0])
    here = min(max(1.0, running / dp), most)
    loads = np.unique(np.append(np.geomspace(1, most, TRIED_LOADS).round(), here))
    rows = np.zeros(len(loads), dtype=np.intp)
    drafted = replace(load.take(rows), concurrency=loads * dp)
    plain = replace(drafted, draft_tokens=np.zeros(len(loads)))
    table, fitted = served.work.take(rows), served.constants.take(rows)
    times = [steady_state(table, fitted, asked).tpot_s for asked in (plain, drafted)]
    helps = times[1] < times[0]
    first_loss = len(loads) if helps.all() else int(np.argmin(helps))
    share = float(load.draft_step_share[0])
    return Drafting(
        tokens_per_step=float(tokens_per_step(load)[0]),
        step_share=DRAFTER_LAYERS / float(served.work.layers[0]) if np.isnan(share) else share,
        speedup=float((times[0] / times[1])[np.searchsorted(loads, here)]),
        break_even_sequences=None if helps.all() else int(loads[first_loss - 1]) if first_loss else 0,
    )
