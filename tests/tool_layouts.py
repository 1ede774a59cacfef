"""Layouts of tools on a machine and of tables for people, each as small as it can be, and what is in them."""

import json

from real_layouts import MIB, UTC, Case

CASES: dict[str, Case] = {
    "decimal commas, and thousands with points": (
        "time;gpu;power_w;memory_used_mib\n01.05.2024 12:00;0;61,5;70.312\n"
        "01.05.2024 12:01;0;0,125;7.031,5\n",
        UTC,
        {("power_w", "0"): [61.5, 0.125], ("fb_used_bytes", "0"): [70312 * MIB, 7031.5 * MIB]},
    ),
    "semicolons and decimal points": (
        "time;gpu;power_w;memory_used_mib\n01.05.2024 12:00;0;61.5;70.312\n",
        UTC,
        {("power_w", "0"): [61.5], ("fb_used_bytes", "0"): [70.312 * MIB]},
    ),
    "columns kept apart by spaces": (
        "time                  gpu    gpu_util_pct  power_w\n2024-05-01T12:00:00Z  0      45            61\n"
        "2024-05-01T12:00:00Z  1      5             62\n2024-05-01T12:00:00Z  Total  50            123\n",
        {},
        {
            ("gpu_util_ratio", "0"): [0.45],
            ("gpu_util_ratio", "1"): [0.05],
            ("power_w", "0"): [61],
            ("power_w", "1"): [62],
        },
    ),
    "columns kept apart by spaces, without times": (
        "index  name        utilization.gpu  memory.used\n0      NVIDIA A10  45 %             1024 MiB\n"
        "0      NVIDIA A10  46 %             1024 MiB\n",
        {"start": "2024-05-01T12:00:00", "interval_s": 5.0},
        {("gpu_util_ratio", "0"): [0.45, 0.46], ("fb_used_bytes", "0"): [1024 * MIB, 1024 * MIB]},
    ),
    "gpustat": (
        "\n".join(
            json.dumps(
                {
                    "hostname": "n",
                    "query_time": f"2024-05-01T12:00:0{second}.123456",
                    "gpus": [
                        {"index": gpu, "uuid": f"GPU-{gpu}", "utilization.gpu": 45 + gpu, "memory.used": None}
                        for gpu in range(2)
                    ],
                },
                indent=4,
            )
            for second in range(2)
        ),
        UTC,
        {("gpu_util_ratio", "n/GPU-0/0"): [0.45, 0.45], ("gpu_util_ratio", "n/GPU-1/1"): [0.46, 0.46]},
    ),
    "nvidia-smi dmon with GPM": (
        "# gpu    sm   smutil  smocc  mmaact\n# Idx     %    GPM:%  GPM:%   GPM:%\n"
        "    0   100      62     31      18\n",
        {"start": "2024-05-01T12:00:00", "interval_s": 1.0},
        {
            ("gpu_util_ratio", "0"): [1],
            ("sm_active_ratio", "0"): [0.62],
            ("sm_occupancy_ratio", "0"): [0.31],
            ("tensor_active_ratio", "0"): [0.18],
        },
    ),
    "rocm-smi": (
        "device,GPU use (%),Average Graphics Package Power (W),VRAM Total Memory (B),"
        "VRAM Total Used Memory (B)\n"
        "card0,45,38.0,68702699520,2048000\ncard1,5,39.0,68702699520,2048000\n",
        {"start": "2024-05-01T12:00:00", "interval_s": 5.0},
        {
            **{("gpu_util_ratio", f"card{n}"): [value] for n, value in enumerate((0.45, 0.05))},
            **{("power_w", f"card{n}"): [38.0 + n] for n in range(2)},
            **{("fb_total_bytes", f"card{n}"): [68702699520] for n in range(2)},
            **{("fb_used_bytes", f"card{n}"): [2048000] for n in range(2)},
        },
    ),
    "amd-smi": (
        "timestamp,gpu,gfx,umc,socket_power,used_vram,total_vram\n1714564800,0,45,3,120,24,196592\n",
        {},
        {
            ("gpu_util_ratio", "0"): [0.45],
            ("mem_copy_util_ratio", "0"): [0.03],
            ("power_w", "0"): [120],
            ("fb_used_bytes", "0"): [24 * MIB],
            ("fb_total_bytes", "0"): [196592 * MIB],
        },
    ),
    "NVIDIA NIM": (
        "num_requests_running 4.0\ngpu_cache_usage_perc 0.4\nprompt_tokens_total 7.0\n",
        {"start": "2024-05-01T12:00:00"},
        {("requests_running", ""): [4], ("kv_cache_usage_ratio", ""): [0.4]},
    ),
}
