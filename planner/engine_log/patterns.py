"""What the start-up lines of each engine say, as one table of patterns.

A pattern's named groups are the facts it reads: ``<fact>_gib``, ``_mib`` and ``_bytes`` are sizes (a
printed GB is 2**30 bytes in every engine); other groups are counts, shares or words. Wording by version is
from the engines' own log statements (vllm worker.py, gpu_worker.py, kv_cache_utils.py; sglang
model_runner.py and memory_pool.py; TensorRT-LLM kvCacheManager.cpp; llama-context.cpp, llama-kv-cache.cpp).
"""

import re
from collections.abc import Mapping

_N = r"-?[\d.,]+"
_S = r"[\d,]*\.?\d+"
_Q = r"['\"]?"


def _compiled(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


_SETTINGS = (
    rf"\btensor[_-]parallel[_-]size{_Q}\s*[=: ]\s*(?P<tp>\d+)",
    rf"\bpipeline[_-]parallel[_-]size{_Q}\s*[=: ]\s*(?P<pp>\d+)",
    rf"\bdata[_-]parallel[_-]size{_Q}\s*[=: ]\s*(?P<dp>\d+)",
    rf"\bgpu[_-]memory[_-]utilization{_Q}\s*[=: ]\s*(?P<memory_share>0?\.\d+|1\.0)",
    rf"\benable[_-]expert[_-]parallel{_Q}\s*[=:]\s*(?P<expert_parallel>true|false)",
    r"--(?P<expert_parallel>enable-expert-parallel)\b(?!\s*[=:]\s*false)",
    rf"\benable[_-]prefix[_-]caching{_Q}\s*[=:]\s*(?P<prefix_caching>true|false)",
    rf"\bblock[_-]size{_Q}\s*[=:]\s*(?P<block_size>\d+)",
    rf"\bmax[_-](?:seq|model)[_-]len{_Q}\s*[=: ]\s*(?P<max_model_len>\d+)",
    rf"\bmax[_-]num[_-]batched[_-]tokens{_Q}\s*[=: ]\s*(?P<batch_tokens>\d+)",
    rf"\bmax[_-]num[_-]seqs{_Q}\s*[=: ]\s*(?P<sequences>\d+)",
    rf"\bkv[_-]cache[_-]dtype{_Q}\s*[=: ]\s*{_Q}(?:torch\.)?(?P<kv_dtype>[a-z]\w+)",
    rf"\benforce[_-]eager{_Q}\s*[=: ]\s*(?P<eager>true|false)",
)

PATTERNS: Mapping[str, tuple[re.Pattern[str], ...]] = {
    "vllm": _compiled(
        *_SETTINGS,
        rf"loading model weights took (?P<weights_gib>{_S}) Gi?B",
        rf"model loading took (?P<weights_gib>{_S}) Gi?B",
        rf"model weights take (?P<weights_gib>{_S}) ?GiB",
        rf"actual usage is (?P<weights_gib>{_S}) GiB for weight, (?P<activation_gib>{_S}) GiB for peak"
        rf" activation, (?P<non_torch_gib>{_S}) GiB for non-torch memory"
        rf"(?:, and (?P<cuda_graph_gib>{_N}) GiB for CUDAGraph)?",
        rf"non_torch_memory takes (?P<non_torch_gib>{_S}) ?GiB; PyTorch activation peak memory takes"
        rf" (?P<activation_gib>{_S}) ?GiB",
        rf"reserved for KV Cache is (?P<kv_gib>{_N}) ?GiB",
        rf"available KV cache memory: (?P<kv_gib>{_N}) GiB",
        rf"larger than the available KV cache memory \((?P<kv_gib>{_N}) Gi?B",
        rf"total_gpu_memory=(?P<total_gib>{_S})GiB.{{0,300}}?peak_torch_memory=(?P<peak_torch_gib>{_S})GiB"
        rf".{{0,300}}?non_torch_memory=(?P<non_torch_gib>{_S})GiB kv_cache_size=(?P<kv_gib>{_N})GiB"
        rf" gpu_memory_utilization=(?P<memory_share>{_S})",
        rf"total_gpu_memory \((?P<total_gib>{_S}) ?GiB\) x gpu_memory_utilization \((?P<memory_share>{_S})\)",
        rf"free memory on device \({_S}/(?P<total_gib>{_S}) GiB\) on startup\. Desired GPU memory utilization"
        rf" is \((?P<memory_share>{_S}),",
        rf"graph capturing finished in \S+ secs?, took (?P<cuda_graph_gib>{_N}) GiB",
        rf"estimated CUDA graph memory: (?P<cuda_graph_estimate_gib>{_S}) GiB",
        r"(?:GPU|CUDA) blocks: (?P<blocks>[\d,]+)",
        r"GPU KV cache size: (?P<kv_tokens>[\d,]+) tokens",
        rf"maximum concurrency for (?P<max_model_len>[\d,]+) tokens per request: (?P<concurrency>{_S})x",
        r"estimated maximum model length is (?P<estimated_max_len>\d+)",
        r"max(?:imum)? seq(?:uence)? len(?:gth)? \((?P<max_model_len>\d+)\)",
        r"setting attention block size to (?P<block_tokens>\d+) tokens",
        r"initializing an? (?:V\d )?LLM engine \(v(?P<version>[\w.+]+)\)",
        r"vLLM API server version (?P<version>[\w.+]+)",
        r"\bversion\s+(?P<version>\d+\.\d+\.[\w.+]+)",
        rf"with config: model={_Q}(?P<model>[^'\",\s]+)",
        rf"\bmodel_tag{_Q}\s*[=:]\s*{_Q}(?P<model>[^'\",\s]+)",
        r"vllm serve (?P<model>[\w./-]+)",
        rf"\bquantization{_Q}\s*[=:]\s*{_Q}(?P<weights_dtype>[a-z][\w-]+)",
    ),
    "sglang": _compiled(
        r"\btp[_-]size\s*[=: ]\s*(?P<tp>\d+)",
        r"\bpp[_-]size\s*[=: ]\s*(?P<pp>\d+)",
        r"\bdp[_-]size\s*[=: ]\s*(?P<dp>\d+)",
        r"\bep[_-]size\s*[=: ]\s*(?P<ep>\d+)",
        r"\bmem[_-]fraction[_-]static\s*[=: ]\s*(?P<memory_share>0?\.\d+)",
        r"\bcontext[_-]len(?:gth)?\s*[=: ]\s*(?P<max_model_len>\d+)",
        r"\bchunked[_-]prefill[_-]size\s*[=: ]\s*(?P<batch_tokens>\d+)",
        r"\bmax[_-]running[_-]requests\s*[=: ]\s*(?P<sequences>\d+)",
        rf"\bkv[_-]cache[_-]dtype\s*[=: ]\s*{_Q}(?:torch\.)?(?P<kv_dtype>[a-z]\w+)",
        rf"\bmodel[_-]path\s*[=: ]\s*{_Q}(?P<model>[\w./-]+)",
        rf"load weight begin\. avail mem=(?P<free_gib>{_S}) GB",
        rf"load weight end\..{{0,300}}?mem usage=(?P<weights_gib>{_S}) GB",
        rf"KV cache is allocated\..{{0,300}}?#tokens: (?P<kv_tokens>[\d,]+), K size: (?P<keys_gib>{_S}) GB,"
        rf" V size: (?P<values_gib>{_S}) GB",
        rf"KV cache is allocated\..{{0,300}}?#tokens: (?P<kv_tokens>[\d,]+), KV size: (?P<kv_gib>{_S}) GB",
        rf"mamba cache is allocated\..{{0,300}}?conv_state size: (?P<conv_states_gib>{_S}) ?GB"
        rf".{{0,300}}?ssm_state size: (?P<states_gib>{_S}) ?GB",
        r"max_total_num_tokens=(?P<kv_tokens>\d+)",
        rf"capture cuda graph end\..{{0,300}}?mem usage=(?P<cuda_graph_gib>{_S}) GB",
        r"sglang[- ]v?(?P<version>\d+\.\d+\.[\w.]+)",
    ),
    "tensorrt-llm": _compiled(
        rf"loaded engine size: (?P<weights_mib>{_S}) MiB",
        rf"memory usage when loading weights: (?P<weights_gib>{_S}) GiB",
        rf"after loading (?:model )?weights \(inside torch\)[\w ]*: (?P<weights_gib>{_S}) GiB",
        rf"dynamically allocated during inference \(inside torch\)[\w ]*: (?P<activation_gib>{_S}) GiB",
        rf"memory used outside torch[^:]*: (?P<non_torch_gib>{_S}) GiB",
        rf"available KV cache memory when calculating max tokens: (?P<kv_gib>{_S}) GiB",
        rf"fraction is set (?P<memory_share>{_S})",
        rf"device total memory (?P<total_gib>{_S}) GiB",
        r"allocate (?P<kv_bytes>\d+) bytes for k/v cache",
        r"using (?P<kv_tokens>\d+) tokens in paged KV cache",
        rf"allocated (?P<activation_mib>{_S}) MiB for execution context memory",
        rf"allocated (?P<kv_gib>{_S}) GiB for max tokens in paged KV cache \((?P<kv_tokens>\d+)\)",
        rf"calculating max tokens in paged kv cache: total: (?P<total_gib>{_S}) GiB",
        r"number of tokens per block: (?P<block_tokens>\d+)",
        r"max_seq_len=(?P<max_model_len>\d+)",
        r"max_num_requests=(?P<sequences>\d+)",
        r"max_num_tokens=(?P<batch_tokens>\d+)",
        r"TRTGptModel maxNumTokens: (?P<batch_tokens>\d+)",
        r"free_gpu_memory_fraction[=:]\s*(?P<memory_share>0?\.\d+)",
        r"\btensor_parallel_size'?[=:]\s*(?P<tp>\d+)",
        r"\bpipeline_parallel_size'?[=:]\s*(?P<pp>\d+)",
        r"\bmoe_expert_parallel_size'?[=:]\s*(?P<ep>\d+)",
        r"TensorRT[- ]LLM version:? (?P<version>\d+\.\d+[\w.]*)",
    ),
    "llama.cpp": _compiled(
        rf"(?:CUDA|ROCm|Vulkan|Metal)\d*\s+model buffer size\s*=\s*(?P<weights_sum_mib>{_S}) MiB",
        rf"(?:CUDA|ROCm|Vulkan|Metal)\d*\s+KV buffer size\s*=\s*(?P<kv_sum_mib>{_S}) MiB",
        rf"(?:CUDA|ROCm|Vulkan|Metal)\d*\s+RS buffer size\s*=\s*(?P<states_sum_mib>{_S}) MiB",
        rf"(?:CUDA|ROCm|Vulkan|Metal)\d*\s+compute buffer size\s*=\s*(?P<activation_sum_mib>{_S}) MiB",
        r"\bkv_size = (?P<kv_tokens>\d+)",
        r"\bn_ctx\s+= (?P<kv_tokens>\d+)",
        r"\bn_ubatch\s+= (?P<batch_tokens>\d+)",
        r"\bn_seq_max\s+= (?P<sequences>\d+)",
        r"\btype_k = '(?P<kv_dtype>\w+)'",
        r"general\.name\s+str\s+=\s+(?P<model>.+?)\s*$",
        r"\bbuild:? (?P<version>\d+)",
    ),
}

SIGNATURES: Mapping[str, tuple[re.Pattern[str], ...]] = {
    "sglang": _compiled(
        r"\bsglang\b", r"Load weight (?:begin|end)\.", r"KV Cache is allocated\.", r"max_total_num_tokens="
    ),
    "tensorrt-llm": _compiled(r"\[TensorRT-LLM\]", r"\[TRT-LLM\b", r"\[MemUsageChange\]"),
    "llama.cpp": _compiled(
        r"\bllama_(?:model|context|kv_cache|new_context)\w*[: ]", r"\bload_tensors:", r"KV self size"
    ),
    "vllm": _compiled(
        r"\bvllm\b", r"# (?:GPU|CUDA) blocks:", r"GPU KV cache size:", r"maximum concurrency for",
        r"gpu_worker\.py",
        r"desired GPU memory utilization",
        r"model weights take",
        r"reserved for KV cache is",
        r"loading model weights took", r"model loading took", r"available KV cache memory",
    ),
}  # fmt: skip
"""Words that only one engine prints; the engine with most of them wrote the log."""
