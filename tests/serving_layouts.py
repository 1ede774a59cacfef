"""Layouts of request logs, traces and engines' logs, each as small as it can be, and what is in them."""

import json

from real_layouts import UTC, Case

CASES: dict[str, Case] = {
    "answers of an OpenAI server": (
        "\n".join(
            json.dumps({"created": 1714564801 + n, "model": "m", "choices": [],
                        "usage": {"prompt_tokens": 10, "completion_tokens": 20}})
            for n in range(2)
        ),
        {},
        {("requests", "m"): [2], ("prompt_tokens", "m"): [20], ("generation_tokens", "m"): [40]},
    ),
    "vLLM's log": (
        "INFO 12-31 23:59:51 [config.py:1] starting\n"
        + "".join(
            f"(APIServer pid=1) INFO {at} [loggers.py:111] Engine 001: Avg prompt throughput: 1.5 tokens/s, "
            "Avg generation throughput: 30.0 tokens/s, Running: 3 reqs, Waiting: 1 reqs, "
            "GPU KV cache usage: 12.5%, Prefix cache hit rate: 40.0%\n"
            for at in ("12-31 23:59:55", "01-01 00:00:05")
        ),
        {**UTC, "start": "2024-12-31T12:00:00", "host": "n"},
        {
            ("requests_running", "n/1"): [3, 3],
            ("requests_waiting", "n/1"): [1, 1],
            ("kv_cache_usage_ratio", "n/1"): [0.125, 0.125],
            ("prompt_tokens", "n/1"): [15, 15],
            ("generation_tokens", "n/1"): [300, 300],
        },
    ),
    "SGLang's log": (
        "[2025-01-15 12:00:05 DP1 TP0] Decode batch. #running-req: 1, #token: 9, token usage: 0.02, "
        "gen throughput (token/s): 45.67, #queue-req: 2\n",
        UTC,
        {
            ("requests_running", "1"): [1],
            ("requests_waiting", "1"): [2],
            ("kv_cache_usage_ratio", "1"): [0.02],
        },
    ),
    "LiteLLM's spend logs": (
        "request_id,prompt_tokens,completion_tokens,startTime,endTime,completionStartTime,model\n"
        "r,10,20,2024-05-01 12:00:00.123,2024-05-01 12:00:04.123,2024-05-01 12:00:00.623,m\n"
        "s,1,2,2024-05-01 12:00:09,2024-05-01 12:00:10,,m\n",
        UTC,
        {
            ("requests", "m"): [2],
            ("prompt_tokens", "m"): [11],
            ("generation_tokens", "m"): [22],
            ("e2e_request_s", "m"): [4, 1],
            ("ttft_request_s", "m"): [0.5],
        },
    ),
    "Langfuse's observations": (
        '[{"startTime":"2024-05-01T12:00:00.000Z","endTime":"2024-05-01T12:00:04.000Z","model":"m",'
        '"completionStartTime":null,"usageDetails":{"input":10,"output":20}}]',
        {},
        {
            ("requests", "m"): [1],
            ("prompt_tokens", "m"): [10],
            ("generation_tokens", "m"): [20],
            ("e2e_request_s", "m"): [4],
        },
    ),
    "BurstGPT": (
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,API log\n"
        "65,ChatGPT,1087,230,1317,API log\n",
        {"start": "2024-05-01T12:00:00", "elapsed_unit": "s"},
        {
            ("requests", "ChatGPT"): [1, 1],
            ("prompt_tokens", "ChatGPT"): [472, 1087],
            ("generation_tokens", "ChatGPT"): [18, 230],
        },
    ),
    "Mooncake": (
        '{"timestamp": 0, "input_length": 7, "output_length": 5, "hash_ids": [1]}\n'
        '{"timestamp": 60000, "input_length": 9, "output_length": 6, "hash_ids": [2]}\n',
        {"start": "2024-05-01T12:00:00", "elapsed_unit": "ms"},
        {("requests", ""): [1, 1], ("prompt_tokens", ""): [7, 9], ("generation_tokens", ""): [5, 6]},
    ),
}  # fmt: skip
