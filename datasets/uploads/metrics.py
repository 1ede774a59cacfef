"""Canonical metrics and the names that exporters give them, each with the factor to our unit."""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

MIB = 1024.0**2
MB = 1000.0**2


@dataclass(frozen=True)
class Metric:
    """Something measured over time, in one unit."""

    name: str
    title: str
    unit: Literal["ratio", "bytes", "W", "°C", "tokens", "requests", "s", "cores", "count"]
    counter: bool = False
    """Only ever grows until the process restarts: what matters are its increases."""


_METRICS = (
    Metric("gpu_util_ratio", "GPU_UTIL (any kernel running)", "ratio"),
    Metric("mem_copy_util_ratio", "Memory bandwidth busy (nvidia-smi)", "ratio"),
    Metric("sm_active_ratio", "SM active", "ratio"),
    Metric("sm_occupancy_ratio", "SM occupancy", "ratio"),
    Metric("tensor_active_ratio", "Tensor pipe active", "ratio"),
    Metric("dram_active_ratio", "Memory bandwidth active", "ratio"),
    Metric("gr_engine_active_ratio", "Graphics engine active", "ratio"),
    Metric("fb_used_ratio", "GPU memory used, share", "ratio"),
    Metric("fb_used_bytes", "GPU memory used", "bytes"),
    Metric("fb_free_bytes", "GPU memory free", "bytes"),
    Metric("fb_reserved_bytes", "GPU memory reserved by the driver", "bytes"),
    Metric("fb_total_bytes", "GPU memory in all", "bytes"),
    Metric("power_w", "Power", "W"),
    Metric("temperature_c", "Temperature", "°C"),
    Metric("kv_cache_usage_ratio", "KV cache used", "ratio"),
    Metric("requests_running", "Requests running", "requests"),
    Metric("requests_waiting", "Requests waiting", "requests"),
    Metric("requests", "Requests finished", "requests", counter=True),
    Metric("preemptions", "Preemptions", "count", counter=True),
    Metric("prompt_tokens", "Prompt tokens", "tokens", counter=True),
    Metric("generation_tokens", "Generated tokens", "tokens", counter=True),
    Metric("prefix_cache_queries", "Prefix cache queries", "tokens", counter=True),
    Metric("prefix_cache_hits", "Prefix cache hits", "tokens", counter=True),
    Metric("ttft_s", "Time to first token", "s"),
    Metric("tpot_s", "Time per output token", "s"),
    Metric("e2e_s", "Time of a whole request", "s"),
    Metric("ttft_request_s", "Time to first token of single requests", "s"),
    Metric("tpot_request_s", "Time per output token of single requests", "s"),
    Metric("e2e_request_s", "Time of single requests", "s"),
    Metric("ttft_bucket", "Time to first token, requests within a bound", "requests", counter=True),
    Metric("tpot_bucket", "Time per output token, requests within a bound", "requests", counter=True),
    Metric("itl_bucket", "Time between tokens, tokens within a bound", "tokens", counter=True),
    Metric("e2e_bucket", "Time of a request, requests within a bound", "requests", counter=True),
    Metric("ttft_sum_s", "Time to first token, summed", "s", counter=True),
    Metric("ttft_count", "Time to first token, requests", "requests", counter=True),
    Metric("tpot_sum_s", "Time per output token, summed", "s", counter=True),
    Metric("tpot_count", "Time per output token, observations", "tokens", counter=True),
    Metric("e2e_sum_s", "Time of a whole request, summed", "s", counter=True),
    Metric("e2e_count", "Time of a whole request, requests", "requests", counter=True),
    Metric("queue_sum_s", "Time in queue, summed", "s", counter=True),
    Metric("queue_count", "Time in queue, requests", "requests", counter=True),
    Metric("idle_hours", "Hours of the week without work on the GPU", "count"),
    Metric("idle_request_hours", "Hours of the week without requests", "count"),
    Metric("cpu_util_ratio", "CPU used, share of the machine", "ratio"),
    Metric("cpu_used_cores", "CPU used", "cores"),
    Metric("ram_used_bytes", "RAM used", "bytes"),
    Metric("ram_used_ratio", "RAM used, share of the machine", "ratio"),
)
METRICS = {metric.name: metric for metric in _METRICS}
OF_THE_WEEK = {
    "idle_hours": ("sm_active_ratio", "gr_engine_active_ratio"),
    "idle_request_hours": ("requests_running", "requests_waiting"),
}
"""What a reduction counts by hour of the week, and the metrics that show an hour idle."""
BUCKETS = frozenset(name for name in METRICS if name.endswith("_bucket"))
"""Cumulative buckets of Prometheus histograms: how many observations were at most the bound ``le``."""
OF_REQUESTS = {f"{name}_s": f"{name}_request_s" for name in ("ttft", "tpot", "e2e")}
"""Latency -> the metric of its values one by one, of which percentiles count requests and not time."""

PERCENT = 0.01
EITHER = 0.0
"""Exporters disagree whether this name carries a ratio or percents: decide by the values."""


class Naming(NamedTuple):
    """A foreign name's metric and the factor that turns its values into our unit."""

    metric: str
    factor: float


# One line per foreign name. DCGM field names and units: NVIDIA/DCGM dcgm_fields.h and dcgm-exporter's
# default-counters.csv; the second name of a field is its name from DCGM 4.6 on. vLLM:
# vllm/v1/metrics/loggers.py. SGLang: sglang metrics_collector.py. llama.cpp: tools/server README.
# Text Generation Inference: huggingface.co/docs/text-generation-inference/reference/metrics.
# nvidia_smi_*: amazon-cloudwatch-agent.
_GAUGES_AND_COUNTERS: tuple[tuple[str, str, float], ...] = (
    ("DCGM_FI_DEV_GPU_UTIL", "gpu_util_ratio", PERCENT),
    ("DCGM_FI_DEV_GPU_UTIL_RATIO", "gpu_util_ratio", EITHER),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", "mem_copy_util_ratio", PERCENT),
    ("DCGM_FI_DEV_MEM_COPY_UTIL_RATIO", "mem_copy_util_ratio", EITHER),
    ("DCGM_FI_PROF_SM_ACTIVE", "sm_active_ratio", 1),
    ("DCGM_FI_PROF_SM_UTIL_RATIO", "sm_active_ratio", 1),
    ("DCGM_FI_PROF_SM_OCCUPANCY", "sm_occupancy_ratio", 1),
    ("DCGM_FI_PROF_SM_OCCUPANCY_RATIO", "sm_occupancy_ratio", 1),
    ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "tensor_active_ratio", 1),
    ("DCGM_FI_PROF_TENSOR_UTIL_RATIO", "tensor_active_ratio", 1),
    ("DCGM_FI_PROF_PIPE_TENSOR_UTIL_RATIO", "tensor_active_ratio", 1),
    ("DCGM_FI_PROF_DRAM_ACTIVE", "dram_active_ratio", 1),
    ("DCGM_FI_PROF_DRAM_UTIL_RATIO", "dram_active_ratio", 1),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gr_engine_active_ratio", 1),
    ("DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO", "gr_engine_active_ratio", 1),
    ("DCGM_FI_DEV_FB_USED", "fb_used_bytes", MIB),
    ("DCGM_FI_DEV_FB_FREE", "fb_free_bytes", MIB),
    ("DCGM_FI_DEV_FB_RESERVED", "fb_reserved_bytes", MIB),
    ("DCGM_FI_DEV_FB_TOTAL", "fb_total_bytes", MIB),
    ("DCGM_FI_DEV_FB_USED_PERCENT", "fb_used_ratio", EITHER),
    ("DCGM_FI_DEV_POWER_USAGE", "power_w", 1),
    ("DCGM_FI_DEV_BOARD_POWER_WATTS", "power_w", 1),
    ("DCGM_FI_DEV_GPU_TEMP", "temperature_c", 1),
    # dcgmi dmon short names (dcgmlib/src/dcgm_fields.cpp)
    ("GPUTL", "gpu_util_ratio", PERCENT),
    ("MCUTL", "mem_copy_util_ratio", PERCENT),
    ("SMACT", "sm_active_ratio", 1),
    ("SMOCC", "sm_occupancy_ratio", 1),
    ("TENSO", "tensor_active_ratio", 1),
    ("DRAMA", "dram_active_ratio", 1),
    ("GRACT", "gr_engine_active_ratio", 1),
    ("FBUSD", "fb_used_bytes", MIB),
    ("FBFRE", "fb_free_bytes", MIB),
    ("FBTTL", "fb_total_bytes", MIB),
    ("FBRSV", "fb_reserved_bytes", MIB),
    ("POWER", "power_w", 1),
    ("TMPTR", "temperature_c", 1),
    # nvidia-smi --query-gpu; the unit stands in the header or in the cell
    ("utilization.gpu", "gpu_util_ratio", PERCENT),
    ("utilization.memory", "mem_copy_util_ratio", PERCENT),
    ("memory.used", "fb_used_bytes", MIB),
    ("memory.free", "fb_free_bytes", MIB),
    ("memory.reserved", "fb_reserved_bytes", MIB),
    ("memory.total", "fb_total_bytes", MIB),
    ("power.draw", "power_w", 1),
    ("power.draw.average", "power_w", 1),
    ("power.draw.instant", "power_w", 1),
    ("temperature.gpu", "temperature_c", 1),
    # Amazon CloudWatch agent and Container Insights
    ("nvidia_smi_utilization_gpu", "gpu_util_ratio", PERCENT),
    ("nvidia_smi_utilization_memory", "mem_copy_util_ratio", PERCENT),
    ("nvidia_smi_memory_used", "fb_used_bytes", MIB),
    ("nvidia_smi_memory_free", "fb_free_bytes", MIB),
    ("nvidia_smi_memory_total", "fb_total_bytes", MIB),
    ("nvidia_smi_power_draw", "power_w", 1),
    ("nvidia_smi_temperature_gpu", "temperature_c", 1),
    ("node_gpu_utilization", "gpu_util_ratio", PERCENT),
    ("pod_gpu_utilization", "gpu_util_ratio", PERCENT),
    ("container_gpu_utilization", "gpu_util_ratio", PERCENT),
    ("node_gpu_memory_utilization", "fb_used_ratio", PERCENT),
    ("pod_gpu_memory_utilization", "fb_used_ratio", PERCENT),
    ("container_gpu_memory_utilization", "fb_used_ratio", PERCENT),
    ("node_gpu_memory_used", "fb_used_bytes", 1),
    ("pod_gpu_memory_used", "fb_used_bytes", 1),
    ("container_gpu_memory_used", "fb_used_bytes", 1),
    ("node_gpu_memory_total", "fb_total_bytes", 1),
    ("pod_gpu_memory_total", "fb_total_bytes", 1),
    ("container_gpu_memory_total", "fb_total_bytes", 1),
    ("node_gpu_power_draw", "power_w", 1),
    ("pod_gpu_power_draw", "power_w", 1),
    ("container_gpu_power_draw", "power_w", 1),
    ("node_gpu_temperature", "temperature_c", 1),
    ("pod_gpu_temperature", "temperature_c", 1),
    ("container_gpu_temperature", "temperature_c", 1),
    ("node_gpu_tensor_core_utilization", "tensor_active_ratio", EITHER),
    ("pod_gpu_tensor_core_utilization", "tensor_active_ratio", EITHER),
    ("container_gpu_tensor_core_utilization", "tensor_active_ratio", EITHER),
    ("CPUUtilization", "cpu_util_ratio", PERCENT),
    ("cpu_usage_active", "cpu_util_ratio", PERCENT),
    ("mem_used_percent", "ram_used_ratio", PERCENT),
    # nvidia_gpu_exporter and Triton
    ("nvidia_smi_utilization_gpu_ratio", "gpu_util_ratio", 1),
    ("nvidia_smi_utilization_memory_ratio", "mem_copy_util_ratio", 1),
    ("nvidia_smi_memory_used_bytes", "fb_used_bytes", 1),
    ("nvidia_smi_memory_free_bytes", "fb_free_bytes", 1),
    ("nvidia_smi_memory_total_bytes", "fb_total_bytes", 1),
    ("nvidia_smi_power_draw_watts", "power_w", 1),
    ("nv_gpu_utilization", "gpu_util_ratio", 1),
    ("nv_gpu_memory_used_bytes", "fb_used_bytes", 1),
    ("nv_gpu_memory_total_bytes", "fb_total_bytes", 1),
    ("nv_gpu_power_usage", "power_w", 1),
    # vLLM
    ("vllm:kv_cache_usage_perc", "kv_cache_usage_ratio", 1),
    ("vllm:gpu_cache_usage_perc", "kv_cache_usage_ratio", 1),
    ("vllm:num_requests_running", "requests_running", 1),
    ("vllm:num_requests_waiting", "requests_waiting", 1),
    ("vllm:prompt_tokens", "prompt_tokens", 1),
    ("vllm:generation_tokens", "generation_tokens", 1),
    ("vllm:num_preemptions", "preemptions", 1),
    ("vllm:request_success", "requests", 1),
    ("vllm:prefix_cache_queries", "prefix_cache_queries", 1),
    ("vllm:prefix_cache_hits", "prefix_cache_hits", 1),
    # SGLang
    ("sglang:token_usage", "kv_cache_usage_ratio", 1),
    ("sglang:num_running_reqs", "requests_running", 1),
    ("sglang:num_queue_reqs", "requests_waiting", 1),
    ("sglang:prompt_tokens", "prompt_tokens", 1),
    ("sglang:generation_tokens", "generation_tokens", 1),
    ("sglang:num_requests", "requests", 1),
    # Text Generation Inference
    ("tgi_batch_current_size", "requests_running", 1),
    ("tgi_queue_size", "requests_waiting", 1),
    ("tgi_request_success", "requests", 1),
    ("tgi_request_input_length_sum", "prompt_tokens", 1),
    ("tgi_request_generated_tokens_sum", "generation_tokens", 1),
    # llama.cpp server
    ("llamacpp:kv_cache_usage_ratio", "kv_cache_usage_ratio", 1),
    ("llamacpp:requests_processing", "requests_running", 1),
    ("llamacpp:requests_deferred", "requests_waiting", 1),
    ("llamacpp:prompt_tokens", "prompt_tokens", 1),
    ("llamacpp:tokens_predicted", "generation_tokens", 1),
)
# Histograms of seconds: name, what its sum and count are of, what its buckets are of.
_HISTOGRAMS = (
    ("vllm:time_to_first_token_seconds", "ttft", "ttft"),
    ("vllm:time_per_output_token_seconds", "tpot", "itl"),
    ("vllm:inter_token_latency_seconds", "tpot", "itl"),
    ("vllm:request_time_per_output_token_seconds", None, "tpot"),
    ("vllm:e2e_request_latency_seconds", "e2e", "e2e"),
    ("vllm:request_queue_time_seconds", "queue", None),
    ("sglang:time_to_first_token_seconds", "ttft", "ttft"),
    ("sglang:time_per_output_token_seconds", "tpot", "itl"),
    ("sglang:inter_token_latency_seconds", "tpot", "itl"),
    ("sglang:e2e_request_latency_seconds", "e2e", "e2e"),
    ("tgi_request_duration", "e2e", "e2e"),
    ("tgi_request_mean_time_per_token_duration", "tpot", "tpot"),
    ("tgi_request_queue_duration", "queue", None),
)
_FOREIGN = (
    *_GAUGES_AND_COUNTERS,
    *((f"{name}_sum", f"{mean}_sum_s", 1.0) for name, mean, _ in _HISTOGRAMS if mean),
    *((f"{name}_count", f"{mean}_count", 1.0) for name, mean, _ in _HISTOGRAMS if mean),
    *((f"{name}_bucket", f"{counted}_bucket", 1.0) for name, _, counted in _HISTOGRAMS if counted),
)
_BY_NAME = {name.casefold(): Naming(metric, factor) for name, metric, factor in _FOREIGN}
_UNIT = re.compile(r"^(?P<name>.*?)\s*[\[(](?P<unit>[^\])]*)[\])]$")


def named(name: str) -> Naming | None:
    """Return the metric of a foreign name, or ``None`` for one that we do not use.

    >>> named("DCGM_FI_DEV_GPU_UTIL")
    Naming(metric='gpu_util_ratio', factor=0.01)
    >>> named("vllm:prompt_tokens_total").metric
    'prompt_tokens'
    >>> named("memory.used [MiB]").factor
    1048576.0
    """
    folded = name.strip().casefold()
    if folded in METRICS:
        return Naming(folded, 1.0)
    found = _BY_NAME.get(folded) or _BY_NAME.get(folded.removesuffix("_total"))
    if found is None and (match := _UNIT.match(folded)):
        found = named(match["name"])
        factor = UNITS.get(match["unit"].strip())
        if found is not None and factor is not None:
            return Naming(found.metric, factor)
    return found


def foreign_names(start: str) -> tuple[str, ...]:
    """Return every name that begins with ``start``, as its exporter writes it.

    >>> foreign_names("nv_")[0]
    'nv_gpu_utilization'
    """
    return tuple(name for name, _, _ in _FOREIGN if name.startswith(start))


UNITS = {
    "%": PERCENT, "percent": PERCENT,
    "b": 1.0, "bytes": 1.0, "kib": 1024.0, "mib": MIB, "gib": 1024.0**3, "tib": 1024.0**4,
    "kb": 1000.0, "mb": MB, "gb": 1000.0**3, "tb": 1000.0**4,
    "w": 1.0, "mw": 0.001, "kw": 1000.0, "°c": 1.0, "c": 1.0, "s": 1.0, "ms": 0.001,
}  # fmt: skip
"""Factor from a unit as it is printed beside a number (case-folded) to ours. ``mw`` is milliwatts."""
