"""The families' facts: one entry per ``model_type``; ``families`` says what the switches mean."""

from collections.abc import Mapping
from typing import Any

from inferplan.planner.architecture.families import Family


def _family(base: Family | None = None, fixed: Mapping[str, Any] | None = None, **defaults: Any) -> Family:
    base = base or Family()
    return Family({**base.fixed, **(fixed or {})}, {**base.defaults, **defaults})


LLAMA = _family()
UNKNOWN = _family(guess_gate=True)
"""A model_type that is not listed: a block like Llama's, gated unless activation or width say not."""
ENCODER = _family(fixed={"layout": "encoder"}, tied=True)
_CLASSIC = _family(  # GPT-2's block: LayerNorm and biases everywhere, two matrices in the MLP
    fixed={"norm": "layer", "gated_mlp": False, "qkv_bias": True, "o_bias": True, "mlp_bias": True},
    expansion_ratio=4, tied=True,
)  # fmt: skip
_GPT2 = _family(_CLASSIC, {"learned_positions": True})
_GPTJ = _family(
    _CLASSIC, {"qkv_bias": False, "o_bias": False, "parallel_block": True}, lm_head_bias=True, tied=False
)
_QKV_BIAS_ONLY = _family(fixed={"o_bias": False})
_QWEN2 = _family(fixed={"qkv_bias": True, "o_bias": False, "mlp_bias": False}, use_window=False)
_QWEN2_MOE = _family(fixed={"o_bias": False, "shared_expert_gate": True}, qkv_bias=True, use_window=False)
_QWEN3 = _family(fixed={"qk_norm": True}, use_window=False)
_QWEN3_NEXT = _family(
    fixed={"qk_norm": True, "gate": "query", "recurrent": "delta", "shared_expert_gate": True},
    full_attention_interval=4, use_window=False, mtp_layers=1,
)  # fmt: skip
_COHERE = _family(
    fixed={"norm": "layer_without_bias", "parallel_block": True}, tied=True, qk_norm_shape="projection"
)
_COHERE2 = _family(_COHERE, window_pattern=4, window=4096)
_OLMO2 = _family(fixed={"qk_norm": True, "qk_norm_shape": "projection"})
_OLMO3 = _family(_OLMO2, window_pattern=4, window=4096)
_GEMMA = _family(fixed={"gated_mlp": True}, tied=True, head_dim=256)
_GEMMA2 = _family(_GEMMA, {"norms_per_sublayer": 2}, window_pattern=2, window=4096)
_GEMMA3 = _family(_GEMMA2, {"qk_norm": True}, window_pattern=6)
_GEMMA4 = _family(
    _GEMMA3, {"parallel_experts": True, "layer_scalar": True, "narrow_router_scale": True},
    global_head_dim=512, window=512,
)  # fmt: skip
_GLM = _family(_QKV_BIAS_ONLY, qkv_bias=True, head_dim=128)
_DEEPSEEK_V2 = _family()
_DEEPSEEK_V3 = _family(correction_bias=True)
_GLM_MOE = _family(_QKV_BIAS_ONLY, {"correction_bias": True})
_EXAONE4 = _family(fixed={"qk_norm": True}, window_pattern=4, window=4096)
_NEMOTRON_H = _family(
    fixed={"gated_mlp": False, "recurrent": "mamba2", "correction_bias": True},
    state_dtype="float32",
    head_dim=128,
)
_MINIMAX = _family(fixed={"recurrent": "lightning", "mlp_bias": False})
_MINIMAX_M2 = _family(
    fixed={"qk_norm": True, "mtp_layers": 0}, qk_norm_shape="projection", correction_bias=True
)
_HUNYUAN = _family(fixed={"qk_norm": True})
_MAMBA1 = _family(fixed={"recurrent": "mamba1", "attention_free": True}, tied=True)
_BAILING = _family(fixed={"qkv_bias": False, "o_bias": False, "mlp_bias": False}, correction_bias=False)
_CORRECTED = _family(fixed={"correction_bias": True})

FAMILIES: Mapping[str, Family] = {
    # Llama's block as it is
    **dict.fromkeys(
        (
            "llama", "mistral", "ministral3", "mixtral", "phi3", "granite", "granitemoe", "internlm2",
            "internlm3", "baichuan", "yi", "xverse", "aquila", "solar", "exaone", "deepseek",
            "helium", "iquestcoder", "mistral4", "phi4mm", "aria", "hyperclovax", "telechat2", "teleflm",
            "skywork",
        ),
        LLAMA,
    ),
    "seed_oss": _family(_QKV_BIAS_ONLY, {"o_bias": None}, qkv_bias=True, head_dim=128),
    **dict.fromkeys(("smollm3", "youtu"), _family(tied=True)),
    "cwm": _family(window_pattern=4, window=8192, full_layers_first=True),
    "internlm": _family(fixed={"mlp_bias": False}),
    "minicpm": _family(tied=True),
    "minicpm3": _family(fixed={"value_heads_share_hidden": True}, tied=True),
    "arcee": _family(fixed={"gated_mlp": False}),
    "orion": _family(fixed={"norm": "layer"}),
    "bitnet": _family(fixed={"sub_norms": True, "gated_mlp": True}),
    "diffllama": _family(fixed={"lambda_vectors": 4}),
    "mllama": _family(fixed={"extra_embedding_rows": 8}),
    "granitemoeshared": LLAMA,
    "granitemoehybrid": _family(fixed={"recurrent": "mamba2"}, shared_intermediate_size=1024),
    "granitemoe_swa": _family(fixed={"sinks": "all"}, window_pattern=4, full_layers_first=True),
    "granite_swa": _family(
        fixed={"sinks": "all"}, tied=True, window_pattern=4, full_layers_first=True
    ),
    "nemotron": _family(fixed={"norm": "layer", "gated_mlp": False}),
    "nemotron-nas": LLAMA,
    "deci": LLAMA,
    "apertus": _family(fixed={"qk_norm": True, "gated_mlp": False, "activation_parameters": 2}),
    "nanochat": _family(fixed={"norm": "none", "gated_mlp": False}),
    "jais2": _family(fixed={"norm": "layer", "gated_mlp": False}, qkv_bias=True, o_bias=True, mlp_bias=True),
    "grok-1": _family(fixed={"norms_per_sublayer": 2}),
    "arctic": _family(fixed={"residual_experts": True}),
    "dbrx": _family(fixed={"norm": "layer_without_bias"}),
    "openelm": _family(fixed={"qk_norm": True}, tied=True),
    # GPT-2 and after
    "gpt2": _GPT2,
    "gpt-sw3": _GPT2,
    "openai-gpt": _family(_GPT2, {"do_layer_norm_before": False}),
    "gpt_bigcode": _family(_GPT2, multi_query=True),
    "gpt_neo": _family(_GPT2, {"qkv_bias": False}, window=256),
    "gptj": _GPTJ,
    "codegen": _GPTJ,
    "gpt_neox": _family(_CLASSIC, {"qkv_bias": None, "o_bias": None}, qkv_bias=True, o_bias=True, tied=False),
    "bloom": _family(_CLASSIC, {"embedding_norms": 1}),
    "opt": _family(
        fixed={"norm": "layer", "gated_mlp": False, "learned_positions": True, "position_offset": 2},
        qkv_bias=True, o_bias=True, mlp_bias=True, tied=True,
    ),
    "biogpt": _family(_GPT2, {"position_offset": 2}),
    "xglm": _CLASSIC,
    "mpt": _family(
        fixed={"norm": "layer_without_bias", "gated_mlp": False}, expansion_ratio=4, tied=True,
        qkv_bias=False, o_bias=False, mlp_bias=False,
    ),
    "falcon": _family(
        fixed={"norm": "layer", "gated_mlp": False, "falcon_block": True}, expansion_ratio=4, tied=True,
        multi_query=True
    ),
    "phi": _family(
        fixed={"norm": "layer", "gated_mlp": False, "parallel_block": True, "qkv_bias": True, "o_bias": True,
               "mlp_bias": True, "qk_norm_shape": "head_biased"},
        lm_head_bias=True,
    ),
    "phimoe": _family(fixed={"norm": "layer"}),
    "stablelm": _family(fixed={"norm": "layer", "o_bias": False, "qk_norm_shape": "projection",
    "stablelm_block": True}),
    "persimmon": _family(
        fixed={"norm": "layer", "gated_mlp": False, "qkv_bias": True, "o_bias": True, "mlp_bias": True},
        qk_norm=True, qk_norm_shape="head_biased",
    ),
    "starcoder2": _family(
        fixed={"norm": "layer", "gated_mlp": False}, qkv_bias=True, o_bias=True, mlp_bias=True, tied=True
    ),
    "olmo": _family(fixed={"norm": "none"}),
    "olmo2": _OLMO2,
    "olmo3": _OLMO3,
    "olmoe": _OLMO2,
    "flex_olmo": _OLMO2,
    "olmo_hybrid": _family(_OLMO2, {"recurrent": "delta"}),
    "cohere": _COHERE,
    "cohere2": _COHERE2,
    "cohere2_moe": _COHERE2,
    # Qwen
    "qwen": _family(_QWEN2, {"half_intermediate": True}),
    "qwen2": _QWEN2,
    "qwen2_moe": _QWEN2_MOE,
    "qwen3": _family(_QWEN3, head_dim=128),
    "qwen3_moe": _QWEN3,
    "qwen3_next": _QWEN3_NEXT,
    "qwen3_5": _family(_QWEN3_NEXT, {"split_projections": True}),
    "qwen3_5_moe": _family(_QWEN3_NEXT, {"split_projections": True}),
    "qwen4_exp": _family(
        _QWEN3_NEXT,
        {"split_projections": True, "indexed": True, "norms_per_sublayer": 0, "do_layer_norm_before": False,
         "mtp_layers": 0},
    ),
    "mimo": _family(_QWEN2, mtp_layers=1),
    "mimo_v2_flash": _family(
        _CORRECTED, {"mimo_mtp": True, "window_kv_multiple": 2}, sinks="window", mtp_layers=3
    ),
    # Gemma
    "gemma": _GEMMA,
    "gemma2": _GEMMA2,
    "gemma3": _GEMMA3,
    "gemma3n": _family(_GEMMA3, {"altup": True}, window_pattern=5, window=512),
    "gemma4": _GEMMA4,
    "vaultgemma": _family(_GEMMA, window_pattern=2, window=4096),
    "recurrent_gemma": _family(
        _GEMMA, {"recurrent": "rglru", "o_bias": True, "mlp_bias": True, "half_intermediate": True},
        window=2048, layer_cycle=("recurrent", "recurrent", "attention"),
    ),
    # GLM, DeepSeek and relatives
    "glm": _GLM,
    "glm4": _family(_GLM, {"norms_per_sublayer": 2}),
    "chatglm": _family(
        fixed={"o_bias": False, "mlp_bias": False}, norm="rms", gated_mlp=True, qkv_bias=True,
        multi_query=False
    ),
    "glm4_moe": _GLM_MOE,
    "glm4_moe_lite": _DEEPSEEK_V3,
    "glm_moe_dsa": _DEEPSEEK_V3,
    "deepseek_v2": _DEEPSEEK_V2,
    "deepseek_v3": _family(_DEEPSEEK_V3, first_dense_layers=3),
    "deepseek_v32": _family(_DEEPSEEK_V3, first_dense_layers=3),
    "deepseek_v4": _DEEPSEEK_V3,
    "kimi_k2": _DEEPSEEK_V3,
    "kimi_linear": _family(_DEEPSEEK_V3, {"recurrent": "kda"}),
    "axk1": _family(_DEEPSEEK_V3, {"expert_norms": 1}, first_dense_layers=1),
    "dots1": _family(_CORRECTED, {"qk_norm": True}),
    "longcat_flash": _family(_CORRECTED, {"twin_sublayers": True}),
    "exaone4": _EXAONE4,
    "exaone_moe": _family(_EXAONE4, {"correction_bias": True}, first_dense_layers=1),
    "solar_open": _CORRECTED,
    "hy_v3": _family(_CORRECTED, {"qk_norm": True}, head_dim=128),
    "afmoe": _family(_CORRECTED, {"qk_norm": True, "gate": "projection", "norms_per_sublayer": 2},
    window_pattern=4),
    "hy_v4": _family(
        _CORRECTED, {"sinks": "all", "output_gate": True, "hc_without_mixing": True}
    ),
    "axk2": _family(_CORRECTED, {"gate": "fused"}),
    "dots3_note": _family(_CORRECTED, {"gate": "head", "rope_key_norm": True}, window=512),
    "glm5_next": _family(_DEEPSEEK_V3, {"recurrent": "kda", "hc_without_head": True}),
    "mistral_large4": _family(fixed={"scales_per_head": 2, "rope_joins_nope": True}),
    "muse_glimmer": _family(fixed={"gate": "projection", "norms_per_sublayer": 2}),
    "muse_spark": _family(
        _CORRECTED, {"gate": "projection", "latent_expert_norms": 2, "layer_vectors": 3}
    ),
    "step3p5": _family(_CORRECTED, {"qk_norm": True, "gate": "head"}),
    "molmo2": _family(fixed={"qk_norm": True}),
    "laguna": _family(_CORRECTED, {"qk_norm": True, "gate": "head"}),
    "mellum": _QWEN3,
    "beam": _family(
        _CORRECTED, {"qk_norm": True, "gate": "projection", "gate_bias": True, "norms_per_sublayer": 2},
        window_pattern=6
    ),
    "flint": _family(fixed={"qk_norm": True, "sinks": "all"}),
    "kolibri1": _family(_CORRECTED, {"qk_norm": True, "norms_per_sublayer": 2}),
    "ernie4_5": _family(tied=True, head_dim=128),
    "ernie4_5_moe": _family(tied=True, correction_bias=True),
    "ernie4_5_vl_moe": _family(fixed={"paired_experts": True}, tied=True, correction_bias=True),
    "bailing_moe": _BAILING,
    "bailing_moe_v2": _family(_BAILING, qk_norm=True, correction_bias=True),
    "bailing_moe_linear": _family(_BAILING, {"recurrent": "bailing_lightning"}, qk_norm=True,
    correction_bias=True),
    "bailing_hybrid": _family(
        _DEEPSEEK_V3, {"recurrent": "kda", "kda_full_gate": True, "kda_full_forget_gate": True,
        "gate": "head"}
    ),
    "step3": _family(fixed={"step3_query": True}),
    "minimax": _MINIMAX,
    "minimax_text_01": _MINIMAX,
    "minimax_m1": _MINIMAX,
    "minimax_m2": _MINIMAX_M2,
    "minimax_m3": _family(_MINIMAX_M2, qk_norm_shape="head"),
    "hunyuan": _HUNYUAN,
    "hunyuan_v1_dense": _HUNYUAN,
    "hunyuan_v1_moe": _HUNYUAN,
    "gpt_oss": _family(
        fixed={"sinks": "all", "router_bias": True, "expert_bias": True}, qkv_bias=True, o_bias=True,
        window_pattern=2,
        window=128,
    ),
    "llama4": _family(
        fixed={"qk_norm_shape": "none", "llama4_experts": True}, chunk=8192, rope_layer_interval=4, moe_step=1
    ),
    # encoders
    **dict.fromkeys(
        ("bert", "roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "electra", "ernie"),
        ENCODER,
    ),
    "whisper": _family(fixed={"layout": "whisper"}, tied=True),
    # recurrent and hybrid
    "mamba": _MAMBA1,
    "falcon_mamba": _MAMBA1,
    "mamba2": _family(fixed={"recurrent": "mamba2", "attention_free": True}),
    "jamba": _family(
        fixed={"recurrent": "mamba1", "mamba_inner_norms": True}, attention_layer_period=8,
        attention_layer_offset=4,
        moe_period=2, moe_offset=1,
    ),
    "zamba2": _family(fixed={"layout": "zamba2", "recurrent": "mamba2"}, tied=True),
    "bamba": _family(fixed={"recurrent": "mamba2"}),
    "falcon_h1": _family(fixed={"recurrent": "mamba2", "parallel_mixers": True}, mamba_norm=False),
    "nemotron_h": _NEMOTRON_H,
    "lfm2": _family(fixed={"recurrent": "short_conv", "qk_norm": True, "lfm2_width": True}, tied=True),
    "lfm3": _family(
        fixed={"recurrent": "short_conv", "qk_norm": True, "gate": "head"}, tied=True, norms_per_sublayer=2
    ),
    "lfm2_moe": _family(
        fixed={"recurrent": "short_conv", "qk_norm": True}, tied=True, correction_bias=True
    ),
}  # fmt: skip
