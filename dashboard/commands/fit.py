"""`inferplan fit`: does this model fit this GPU?"""

import json
import sys
from typing import Any

import click

from inferplan.dashboard.command_line.case_options import (
    answer_cases,
    case_from_options,
    case_options,
    read_lines,
)
from inferplan.dashboard.command_line.printing import print_facts
from inferplan.datasets.schema import GIB
from inferplan.planner.case import Case
from inferplan.planner.memory import Fit, fit
from inferplan.planner.parameters import count


def answer(case: Case) -> dict[str, Any]:
    """Return the contract's answer to ``fit`` for one case."""
    deployment = case.deployment()
    found, counted = fit(deployment), count(deployment.architecture)
    memory = found.memory
    overhead_bytes = memory.non_torch_bytes + memory.cuda_graph_bytes
    return {
        "parameters": found.parameters,
        "language_model_parameters": counted.language_model,
        "mtp_parameters": counted.mtp,
        "tower_parameters": counted.vision + counted.audio,
        "active_parameters": found.active_parameters,
        "weights_gib_per_gpu": memory.weights_bytes / GIB,
        "activation_gib_per_gpu": memory.activation_bytes / GIB,
        "overhead_gib_per_gpu": overhead_bytes / GIB,
        "adapter_gib_per_gpu": memory.adapter_bytes / GIB,
        "draft_gib_per_gpu": memory.draft_bytes / GIB,
        "state_pool_gib_per_gpu": memory.state_pool_bytes / GIB,
        "unused_gib_per_gpu": memory.unused_bytes / GIB,
        "total_gib_per_gpu": memory.total_bytes / GIB,
        "kv_pool_gib_per_gpu": memory.kv_pool_bytes / GIB,
        "kv_bytes_per_token_per_gpu": found.kv_bytes_per_token_per_gpu,
        "kv_window_bytes_per_sequence_per_gpu": found.kv_window_bytes_per_sequence_per_gpu,
        "state_bytes_per_sequence_per_gpu": found.state_bytes_per_sequence_per_gpu,
        "kv_pool_tokens": found.kv_pool_tokens,
        "max_concurrency": found.max_concurrency,
        "fits": found.fits,
        "reason": found.reason,
        "engine_profile": memory.engine_profile,
        "notes": list(memory.notes),
    }


def _facts(case: Case, found: Fit) -> list[tuple[str, str]]:
    memory = found.memory
    gpus = case.tp * case.pp * case.dp
    total_gib = memory.total_bytes / GIB
    return [
        ("answer", ("fits: " if found.fits else "does not fit: ") + found.reason),
        ("deployment", f"{case.model or 'config'} on {gpus} x {case.gpu}, {memory.engine_profile}"),
        ("parameters", f"{found.parameters:,} ({found.active_parameters:,} active per token)"),
        ("memory per GPU", f"{total_gib:.2f} GiB that the engine sees"),
        *((f"  {name}", f"{size / GIB:.2f} GiB") for name, size in memory.parts().items() if size),
        ("KV cache", f"{found.kv_bytes_per_token_per_gpu:,} bytes per token and GPU"),
        ("pool holds", f"{found.kv_pool_tokens:,} tokens as the engine prints it"),
        ("concurrency", f"{found.max_concurrency:,.2f} sequences of {found.max_model_len:,} tokens"),
        *(("note", note) for note in memory.notes),
    ]


@click.command()
@case_options(load=False)
@click.option("--cases", metavar="FILE|-", help="Answer JSON lines, one case each.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
@click.option("--check", is_flag=True, help="Exit with 1 when it does not fit.")
def command(cases: str | None, as_json: bool, check: bool, **given: Any) -> None:
    """Say whether a model fits a GPU, and where the memory goes.

    \b
    inferplan fit --model meta-llama/Llama-3.3-70B-Instruct --weights-dtype fp8 \\
        --gpu "H200 SXM" --max-model-len 32768
    """
    if cases:
        answer_cases(read_lines(cases), answer, click.echo)
        return
    case = case_from_options(given)
    if as_json:
        result = answer(case)
        click.echo(json.dumps({"id": case.id, **result}, allow_nan=False))
        fits = result["fits"]
    else:
        found = fit(case.deployment())
        print_facts(_facts(case, found))
        fits = found.fits
    if check and not fits:
        sys.exit(1)
