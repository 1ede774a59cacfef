"""The names under which configs state the same thing: canonical name -> names as written, best first.

A dot is a nested object. The canonical names are those that the rest of the package asks for; a name that is
not listed is written as it is asked for.
"""

from typing import Final

NAMES: Final[dict[str, tuple[str, ...]]] = {
    # sizes
    "hidden_size": ("hidden_size", "n_embd", "d_model", "model_dim", "n_embed", "dim"),
    "layers": (
        "num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "num_decoder_layers",
        "num_transformer_layers", "num_blocks",
    ),
    "heads": (
        "num_attention_heads", "n_head", "n_heads", "num_heads", "num_query_heads", "attention_heads",
        "decoder_attention_heads",
    ),
    "kv_heads": (
        "num_key_value_heads", "num_kv_heads", "n_head_kv", "n_kv_heads", "attn_config.kv_n_heads", "kv_n_heads",
        "multi_query_group_num", "num_attention_groups", "num_query_groups", "kv_heads",
    ),
    "head_dim": ("head_dim", "attention_head_dim", "kv_channels", "attn_head_dim", "head_size"),
    "value_head_dim": ("v_head_dim", "value_head_dim"),
    "intermediate_size": (
        "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "ffn_config.ffn_hidden_size", "d_ff",
        "decoder_ffn_dim", "inner_size", "mlp_hidden_size", "feed_forward_size",
    ),
    "expansion_ratio": ("expansion_ratio", "ffn_config.expansion_ratio"),
    "vocab_size": ("vocab_size", "padded_vocab_size", "n_vocab"),
    "positions": (
        "max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length", "n_ctx",
        "model_max_length", "max_target_positions", "context_length", "max_context_length", "max_seq_length",
        "seq_len",
    ),
    "dtype": ("dtype", "torch_dtype", "params_dtype"),
    "hidden_act": (
        "hidden_act", "hidden_activation", "activation_function", "mlp_hidden_act", "activation", "hidden_activation_fn",
        "ffn_config.ffn_act_fn.name", "act_fn",
    ),
    # layers by kind
    "layer_types": ("layer_types", "layers_block_type", "block_types", "attention_layers", "attn_layer_types"),
    "layer_pattern": ("hybrid_override_pattern", "hybrid_pattern", "layer_pattern"),
    "linear_or_full": ("attn_type_list",),
    "full_or_window": ("hybrid_layer_pattern",),
    "full_attention_interval": ("full_attention_interval", "layer_group_size"),
    "full_attention_layers": ("linear_attn_config.full_attn_layers",),
    "recurrent_layers": ("linear_attn_config.kda_layers",),
    "attention_layer_indices": ("attn_layer_indices", "full_attn_idxs", "attn_layer_idx", "hybrid_layer_ids"),
    "attention_layer_period": ("attn_layer_period",),
    "attention_layer_offset": ("attn_layer_offset",),
    "window": ("sliding_window", "sliding_window_size", "attention_window_size", "window_size"),
    "window_pattern": (
        "sliding_window_pattern", "global_attn_every_n_layers", "_sliding_window_pattern", "global_attn_every_n",
    ),
    "use_window": ("use_sliding_window", "use_swa"),
    "chunk": ("attention_chunk_size",),
    "rope_layers": ("no_rope_layers",),
    "rope_layer_interval": ("no_rope_layer_interval",),
    "window_heads": ("swa_num_attention_heads",),
    "window_kv_heads": ("swa_num_key_value_heads",),
    "window_head_dim": ("swa_head_dim",),
    "window_value_head_dim": ("swa_v_head_dim",),
    "global_head_dim": ("global_head_dim",),
    "global_kv_heads": ("num_global_key_value_heads",),
    "shared_kv_layers": ("num_kv_shared_layers",),
    "block_configs": ("block_configs",),
    "per_layer": ("per_layer_config",),
    # attention
    "multi_query": ("multi_query",),
    "qkv_bias": (
        "qkv_bias", "use_qkv_bias", "add_qkv_bias", "attention_qkv_bias", "attention_bias", "attn_bias", "use_bias",
        "enable_bias", "bias", "attn_config.qkv_bias", "no_bias",
    ),
    "o_bias": (
        "o_bias", "attention_out_bias", "attn_output_bias", "attention_bias", "attn_bias", "use_bias", "enable_bias",
        "bias", "no_bias",
    ),
    "qk_norm": ("use_qk_norm", "qk_norm", "qk_layernorm", "use_qk_layernorm", "attn_config.qk_ln", "use_qk_ln"),
    "output_gate": ("attn_output_gate", "attention_output_gate", "mla_use_output_gate", "use_attention_gate"),
    "sinks_in_window": ("add_swa_attention_sink_bias",),
    "sinks_in_full": ("add_full_attention_sink_bias",),
    "kv_lora_rank": ("kv_lora_rank",),
    "nope_head_dim": ("qk_nope_head_dim",),
    "rope_head_dim": ("qk_rope_head_dim",),
    "index_heads": ("index_n_heads", "sparse_attention_config.sparse_num_index_heads"),
    "index_head_dim": ("index_head_dim", "sparse_attention_config.sparse_index_dim"),
    "index_layers": ("sparse_attention_config.sparse_attention_freq",),
    "index_types": ("indexer_types",),
    # feed-forward and experts
    "mlp_bias": ("mlp_bias", "ffn_bias", "add_bias_linear", "use_mlp_bias", "use_bias", "enable_bias", "bias", "no_bias"),
    "dense_intermediate_size": ("dense_intermediate_size", "intermediate_size_mlp", "dense_ffn_hidden_size"),
    "experts": (
        "num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts", "ffn_config.moe_num_experts",
        "n_experts", "num_moe_experts", "num_routed_experts", "moe_num_primary_experts",
    ),
    "experts_per_token": (
        "num_experts_per_tok", "num_experts_per_token", "moe_top_k", "ffn_config.moe_top_k", "moe_topk", "moe_k",
        "top_k_experts", "experts_per_token", "num_selected_experts", "router_topk", "num_activated_experts",
    ),
    "expert_intermediate_size": (
        "moe_intermediate_size", "moe_ffn_hidden_size", "expert_ffn_hidden_size", "expert_intermediate_size",
        "moe_hidden_size",
    ),
    "shared_experts": (
        "n_shared_experts", "num_shared_experts", "num_shared_expert", "moe_num_shared_experts",
        "n_shared_expert", "moe_n_shared_experts",
    ),
    "shared_intermediate_size": (
        "shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "shared_intermediate_size",
        "share_expert_dim", "shared_expert_ffn_hidden_size", "shared_d_ff",
    ),
    "first_dense_layers": (
        "first_k_dense_replace", "num_dense_layers", "n_dense_layers", "moe_layer_start_index",
        "num_initial_dense_layers", "first_num_dense_layers",
    ),
    "last_moe_layer": ("moe_layer_end_index",),
    "moe_frequency": ("moe_layer_freq", "moe_layer_interval"),
    "moe_step": ("decoder_sparse_step", "interleave_moe_layer_step", "moe_every_n_layers", "moe_interleave_step"),
    "moe_period": ("expert_layer_period",),
    "moe_offset": ("expert_layer_offset",),
    "moe_layers": ("moe_layers", "moe_layers_enum", "moe_layer_indices"),
    "dense_layers": ("mlp_only_layers",),
    "feed_forward_types": ("mlp_layer_types", "ffn_layer_types"),
    "correction_bias": (
        "use_routing_bias", "moe_router_enable_expert_bias", "use_expert_bias", "moe_use_aux_free",
        "use_moe_router_bias", "moe_router_enable_bias",
    ),
    "latent_expert_size": ("moe_latent_size", "routed_expert_hidden_size"),
    "latent_expert_norm": ("latent_moe_use_norm",),
    # recurrent state
    "mamba_heads": ("mamba_n_heads", "mamba_num_heads", "n_mamba_heads"),
    "mamba_head_dim": ("mamba_d_head", "mamba_head_dim", "mamba_headdim"),
    "mamba_inner": ("mamba_d_ssm", "d_inner"),
    "mamba_groups": ("mamba_n_groups", "mamba_ngroups", "n_groups"),
    "mamba_state": ("mamba_d_state", "ssm_state_size", "state_size", "d_state"),
    "mamba_conv": ("mamba_d_conv", "conv_kernel", "d_conv"),
    "mamba_expand": ("mamba_expand", "expand"),
    "mamba_dt_rank": ("mamba_dt_rank", "time_step_rank", "dt_rank"),
    "mamba_conv_bias": ("mamba_conv_bias", "use_conv_bias"),
    "mamba_proj_bias": ("mamba_proj_bias", "use_bias"),
    "mamba_norm": ("mamba_rms_norm",),
    "state_dtype": ("mamba_ssm_cache_dtype", "mamba_ssm_dtype", "ssm_cache_dtype"),
    "delta_key_heads": ("linear_num_key_heads",),
    "delta_value_heads": ("linear_num_value_heads",),
    "delta_key_dim": ("linear_key_head_dim",),
    "delta_value_dim": ("linear_value_head_dim",),
    "delta_conv": ("linear_conv_kernel_dim",),
    "kda_heads": ("linear_attn_config.num_heads", "linear_num_heads"),
    "kda_head_dim": ("linear_attn_config.head_dim", "linear_head_dim"),
    "kda_conv": ("linear_attn_config.short_conv_kernel_size", "linear_conv_kernel_dim", "short_conv_kernel_size"),
    "kda_full_gate": ("linear_attn_config.use_full_rank_gate",),
    "short_conv": ("conv_L_cache",),
    "lru_width": ("lru_width",),
    # outside of the layers
    "tied": ("tie_word_embeddings", "tie_embeddings", "use_shared_embedding"),
    "lm_head_bias": ("lm_head_bias",),
    "embedding_width": ("word_embed_proj_dim", "embedding_dim"),
    "mtp_layers": (
        "num_nextn_predict_layers", "mtp_num_hidden_layers", "mtp_num_layers", "num_mtp_layers", "num_mtp_modules",
    ),
    "mtp_block_types": ("mtp_layers_block_type", "mtp_hybrid_override_pattern"),
}  # fmt: skip
