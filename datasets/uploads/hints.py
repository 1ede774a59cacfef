"""What a file that holds no usage and no bill looks like, and where it belongs."""

import re
from typing import NamedTuple


class _Look(NamedTuple):
    pattern: re.Pattern[str]
    hint: str


_LOOKS = tuple(
    _Look(re.compile(pattern, re.IGNORECASE | re.MULTILINE), hint)
    for pattern, hint in (
        (
            r'\A\s*\{(?=[\s\S]*"(?:model_type|architectures)"\s*:)'
            r'[\s\S]*"(?:hidden_size|text_config|n_embd|d_model)"\s*:',
            "looks like a model's config.json: upload it on the page Fit",
        ),
        (
            r"\A\s*<(?:!doctype|html)",
            "is a web page, perhaps a login page that was saved instead of the export",
        ),
        (
            r"^\s*#\s*gpu\s+pid\b",
            "is nvidia-smi pmon, which tells of processes: record 'nvidia-smi dmon' instead",
        ),
        (
            r"\bNVIDIA-SMI\b.*\bDriver Version",
            "is the screen of nvidia-smi: record 'nvidia-smi --query-gpu=timestamp,index,... --format=csv'",
        ),
        (
            r'\A\s*\{[\s\S]*"(?:mean_ttft_ms|median_ttft_ms|request_throughput)"\s*:',
            "is the result of a load generator: take it in with 'inferplan measurements import' or on the "
            "page Tokens per dollar",
        ),
        (
            r"<nvidia_smi_log|NVSMI LOG",
            "is nvidia-smi -q, which tells of one moment: record 'nvidia-smi --query-gpu=timestamp,index,... "
            "--format=csv -l 5'",
        ),
        (r'\A\s*\{\s*"code"\s*:\s*[45]\d\d\b', "is an API's answer that something went wrong: ask it again"),
        (
            r'\A\s*\{\s*"code"\s*:\s*200\b[^\[{]*"data"\s*:\s*(?:null|\[\s*(?:null|\{\s*\})?\s*\])',
            "is an answer of OpenCost without any allocation: ask for a window with data",
        ),
        (
            r'"organization\.usage\.\w+\.result"',
            "holds OpenAI's sums of usage, no single requests: export the requests of your own gateway",
        ),
        (
            r"\A(?=[^\n]*\bGPU Cost\b)[^\n]*\bTotal Cost\b",
            "is a cost table without dates: export it by day, or save the answer of the allocation API",
        ),
        (r"\A\s*<\?xml", "is XML: export it as CSV or JSON"),
        (
            r"\A(?:---\s*)?(?:apiVersion|kind)\s*:",
            "looks like a Kubernetes manifest: it holds no measurements",
        ),
        (
            r"\A[^\n]*\b(?:usd_per_(?:gpu_)?hour|price_per_hour|hourly_price|usd/h)\b",
            "looks like a price sheet: import it on the page Prices, or with 'inferplan prices import'",
        ),
        (r'\A\s*\{[\s\S]*"(?:plan|inputs)"\s*:\s*\{', "looks like a saved plan: open it on the page Plans"),
        (
            r"(?:GPU KV cache size|KV cache is allocated|model weights take|Loading weights)",
            "looks like the log of an inference engine, not its metrics over time",
        ),
        (r"\A\s*[{\[]", "is JSON of a kind that we do not know"),
    )
)


def looks_like(head: str) -> str:
    """Return what a file that begins with ``head`` is, as the end of a sentence about it.

    >>> looks_like("<!DOCTYPE html><html>")
    'is a web page, perhaps a login page that was saved instead of the export'
    """
    text = head.lstrip("\ufeff")
    return next(
        (look.hint for look in _LOOKS if look.pattern.search(text)),
        "is plain text without a table of samples",
    )


def belongs_elsewhere(head: str) -> bool:
    """Return whether a file is known to be something else than a table of samples."""
    text = head.lstrip("\ufeff")
    return any(look.pattern.search(text) for look in _LOOKS[:-2])
