"""What to ask for: every name of an exporter whose meaning ``uploads.metrics`` knows."""

from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.uploads.metrics import foreign_names

PROMETHEUS = {
    "dcgm": ("NVIDIA dcgm-exporter", "DCGM_FI_"),
    "vllm": ("vLLM", "vllm:"),
    "vllm-latency": ("vLLM, latency by bucket", "vllm:"),
    "sglang": ("SGLang", "sglang:"),
    "sglang-latency": ("SGLang, latency by bucket", "sglang:"),
    "tgi": ("Text Generation Inference", "tgi_"),
    "tgi-latency": ("Text Generation Inference, latency by bucket", "tgi_"),
    "llama.cpp": ("llama.cpp server", "llamacpp:"),
    "triton": ("Triton", "nv_"),
    "nvidia-gpu-exporter": ("nvidia_gpu_exporter", "nvidia_smi_"),
}
"""Title and the start of the metrics' names, by preset. Buckets of histograms are presets of their own: some
sixty series of each process."""
_LATENCY = "-latency"
CLOUDWATCH = {
    "gpu": ("GPUs, by the CloudWatch agent", "CWAgent", "nvidia_smi_"),
    "memory": ("RAM, by the CloudWatch agent", "CWAgent", "mem_used_percent"),
    "cpu": ("CPU of EC2 instances", "AWS/EC2", "CPUUtilization"),
}
"""Title, namespace and the start of the metrics' names, by preset."""


def prometheus_queries(preset: str, matchers: str = "") -> tuple[str, ...]:
    """Return one PromQL selector per metric of ``preset``, narrowed by label ``matchers``.

    Counters are asked for with and without the ending that client libraries add.

    >>> prometheus_queries("triton", 'cluster="a"')[0]
    '{__name__=~"nv_gpu_utilization(_total)?",cluster="a"}'
    """
    if preset not in PROMETHEUS:
        raise UnknownNameError("preset", preset, PROMETHEUS)
    narrowed = f",{matchers}" if matchers else ""
    return tuple(
        f'{{__name__=~"{name}(_total)?"{narrowed}}}'
        for name in foreign_names(PROMETHEUS[preset][1])
        if name.endswith("_bucket") == preset.endswith(_LATENCY)
    )


def cloudwatch_metrics(preset: str) -> tuple[tuple[str, str], ...]:
    """Return namespace and name of each metric of ``preset``."""
    if preset not in CLOUDWATCH:
        raise UnknownNameError("preset", preset, CLOUDWATCH)
    _, namespace, start = CLOUDWATCH[preset]
    return tuple((namespace, name) for name in foreign_names(start))
