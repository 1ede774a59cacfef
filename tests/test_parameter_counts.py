"""Parameters to the last one: against published totals, and against models that were built and counted."""

import json
from math import prod
from pathlib import Path

import pytest

from inferplan.datasets import catalog
from inferplan.planner.architecture import Architecture, LatentAttention, parse
from inferplan.planner.architecture.latent import INDEX_SCALE_BYTES
from inferplan.planner.kv_cache import layout
from inferplan.planner.parameters import count
from inferplan.planner.quantization import storage

BUILT = json.loads((Path(__file__).parent / "data" / "transformers_counts.json").read_text())


def facts(model: str) -> dict[str, object]:
    """Return the published figures beside a model's config, as written."""
    return catalog.model_facts(model).model_dump()


ANSWERED = [model for model in catalog.models() if facts(model)["language_model_parameters"]]


def test_every_model_of_the_catalog_is_read() -> None:
    for model in catalog.models():
        architecture = parse(catalog.model_config(model), name=model)
        assert count(architecture).language_model > 0
        assert architecture.basis != "by shape", f"{model} is not known by its family"


def test_a_hundred_models_state_their_parameters() -> None:
    assert len(ANSWERED) >= 100


@pytest.mark.parametrize("model", ANSWERED)
def test_stated_parameters_are_reproduced(model: str) -> None:
    stated = facts(model)
    found = count(parse(catalog.model_config(model), name=model))
    assert found.language_model == stated["language_model_parameters"]
    assert found.active == stated["active_parameters"]
    assert found.mtp == (stated["mtp_parameters"] or 0)
    assert found.vision + found.audio == (stated["vision_parameters"] or 0)


def block_scales(architecture: Architecture) -> int:
    """Return how many fp32 scales an fp8 checkpoint stores, one for each 128 x 128 block."""
    stored = storage(architecture, None)
    return sum(
        tensor.count * -(-tensor.out_features // 128) * -(-tensor.in_features // 128)
        for tensor in architecture.tensors
        if stored.format_of(tensor).name == "fp8-block"
    )


PUBLISHED = [model for model in ANSWERED if facts(model)["total_parameters"] and facts(model)["total_check"]]


@pytest.mark.parametrize("model", PUBLISHED)
def test_published_totals_are_explained(model: str) -> None:
    """The Hub counts every array of a checkpoint; the formula names which of them are no weights of ours."""
    stated = facts(model)
    architecture = parse(catalog.model_config(model), name=model)
    found = count(architecture)
    formula, difference = stated["total_check"]["formula"], stated["total_check"]["difference"]
    table = architecture.vocab_size * architecture.hidden_size
    parts = {
        "lm": found.language_model,
        "mtp": found.mtp,
        "vision": found.vision + found.audio,
        "copies": 2 * table,
        "stored copy of tied head": table,
    }
    named = formula.split("+")
    explained = sum(parts[part] for part in named if part in parts)
    remainder = stated["total_parameters"] - explained
    if "extra" not in named:
        assert remainder == difference
    elif architecture.quantization and architecture.model_type != "deepseek_v4":
        assert abs(remainder - block_scales(architecture)) <= abs(remainder) * 0.03
    else:
        assert 0 < remainder < found.language_model * 0.05


def test_fp8_totals_count_the_scales_of_the_main_model_exactly() -> None:
    for model in ("Qwen/Qwen3-32B-FP8", "Qwen/Qwen3-30B-A3B-FP8"):
        architecture = parse(catalog.model_config(model))
        assert facts(model)["total_parameters"] - count(architecture).total == block_scales(architecture)


def test_gpt2_totals_count_a_causal_mask_for_each_layer() -> None:
    model = "openai-community/gpt2-xl"
    masks = 48 * 1024 * 1024
    assert facts(model)["total_parameters"] == count(parse(catalog.model_config(model))).total + masks


@pytest.mark.parametrize(
    "built", BUILT, ids=[entry["source"].split(" with ")[0] + f"-{i}" for i, entry in enumerate(BUILT)]
)
def test_counts_agree_with_the_built_model(built: dict[str, object]) -> None:
    found = count(parse(built["config"]))
    assert (found.language_model, found.vision + found.audio) == (built["language_model"], built["towers"])


CACHED = [entry for entry in BUILT if "cache_elements_per_token" in entry]


@pytest.mark.parametrize(
    "built", CACHED, ids=[entry["source"].split(" with ")[0] + f"-{i}" for i, entry in enumerate(CACHED)]
)
def test_caches_agree_with_the_built_model(built: dict[str, object]) -> None:
    architecture = parse(built["config"])
    found = layout(architecture, kv_dtype="bf16")
    held = found.growing_bytes_per_token + sum(found.window_bytes_per_token.values())
    mixers = [mixer for layer in architecture.layers for mixer in layer.mixers]
    keys = [m.index_key_bytes_per_token - INDEX_SCALE_BYTES for m in mixers if _indexed(m)]
    in_fp8 = sum(keys) + INDEX_SCALE_BYTES * len(keys)  # transformers keeps index keys in 16 bit
    assert held - in_fp8 + 2 * sum(keys) == 2 * built["cache_elements_per_token"]


def _indexed(mixer: object) -> bool:
    return isinstance(mixer, LatentAttention) and mixer.index_key_bytes_per_token > 0


# Element counts that the Hub states (safetensors.total) for models that are not in the catalog: from memory,
# and each is reached to the last parameter, which a wrong memory would not be.
OUTSIDE = {
    "microsoft/phi-2": (2779683840, {
        "model_type": "phi", "hidden_size": 2560, "num_hidden_layers": 32, "num_attention_heads": 32,
        "intermediate_size": 10240, "vocab_size": 51200,
    }),
    "EleutherAI/pythia-6.9b": (6857302016, {
        "model_type": "gpt_neox", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "intermediate_size": 16384, "vocab_size": 50432, "tie_word_embeddings": False,
    }),
    "bigscience/bloom-560m": (559214592, {
        "model_type": "bloom", "n_embed": 1024, "n_layer": 24, "num_attention_heads": 16,
        "vocab_size": 250880,
    }),
    "tiiuae/falcon-40b": (41303293952, {
        "model_type": "falcon", "hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128,
        "num_kv_heads": 8, "new_decoder_architecture": True, "vocab_size": 65024,
    }),
    "bigcode/starcoder": (15517456384, {
        "model_type": "gpt_bigcode", "n_embd": 6144, "n_layer": 40, "n_head": 48, "n_inner": 24576,
        "n_positions": 8192, "vocab_size": 49152, "multi_query": True,
    }),
    "Qwen/Qwen-7B": (7721324544, {
        "model_type": "qwen", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "intermediate_size": 22016, "vocab_size": 151936, "kv_channels": 128, "no_bias": True,
        "tie_word_embeddings": False,
    }),
    "google/gemma-2-9b": (9241705984, {
        "model_type": "gemma2", "hidden_size": 3584, "num_hidden_layers": 42, "num_attention_heads": 16,
        "num_key_value_heads": 8, "head_dim": 256, "intermediate_size": 14336, "vocab_size": 256000,
    }),
    "stabilityai/stablelm-2-1_6b": (1644515328, {
        "model_type": "stablelm", "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32,
        "num_key_value_heads": 32, "intermediate_size": 5632, "vocab_size": 100352, "use_qkv_bias": True,
        "tie_word_embeddings": False,
    }),
    "THUDM/chatglm3-6b": (6243584000, {
        "model_type": "chatglm", "hidden_size": 4096, "num_layers": 28, "num_attention_heads": 32,
        "multi_query_attention": True, "multi_query_group_num": 2, "ffn_hidden_size": 13696,
        "padded_vocab_size": 65024, "kv_channels": 128, "add_bias_linear": False, "add_qkv_bias": True,
    }),
    "internlm/internlm2-7b": (7737708544, {
        "model_type": "internlm2", "bias": False, "hidden_size": 4096, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 92544,
        "tie_word_embeddings": False,
    }),
    "baichuan-inc/Baichuan2-13B-Chat": (13896668160, {
        "model_type": "baichuan", "hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40,
        "intermediate_size": 13696, "vocab_size": 125696, "tie_word_embeddings": False,
    }),
    "deepseek-ai/deepseek-moe-16b-base": (16375728128, {
        "model_type": "deepseek", "hidden_size": 2048, "num_hidden_layers": 28, "num_attention_heads": 16,
        "num_key_value_heads": 16, "intermediate_size": 10944, "moe_intermediate_size": 1408,
        "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1,
        "moe_layer_freq": 1, "vocab_size": 102400,
    }),
}  # fmt: skip


@pytest.mark.parametrize("model", OUTSIDE)
def test_models_outside_of_the_catalog(model: str) -> None:
    total, config = OUTSIDE[model]
    assert count(parse(config, name=model)).total == total


def test_an_unknown_type_with_a_known_shape_is_counted_by_shape() -> None:
    config = dict(catalog.model_config("meta-llama/Llama-3.1-8B"), model_type="brand_new")
    architecture = parse(config)
    assert architecture.basis == "by shape"
    assert count(architecture).total == 8030261248
    (note,) = architecture.notes
    assert note.startswith("the model_type 'brand_new' is not known here")


def test_sizes_that_nothing_asked_for_are_told() -> None:
    config = dict(
        catalog.model_config("Qwen/Qwen3-30B-A3B"),
        memory_layer_ids=[2, 6],
        memory_table_rows=20_000_000,
        memory_table_width=3,
        initializer_range=0.02,
        rope_theta=1_000_000,
        indexer_budget=2048,
    )
    unread = next(note for note in parse(config).notes if "not understood" in note)
    assert "memory_layer_ids ([2, 6]), memory_table_rows (20000000), memory_table_width (3);" in unread


def test_tables_of_hashed_n_grams_are_counted_in_the_layers_that_have_them() -> None:
    # 149,329,106,048 by transformers 5.23.0 with primes for rows; a token reads few of the tables' 81.9 B
    config = {
        "model_type": "qwen4_exp_text", "hidden_size": 2048, "num_hidden_layers": 40, "vocab_size": 248320,
        "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 256, "num_experts": 512,
        "num_experts_per_tok": 10, "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512,
        "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_key_head_dim": 128,
        "linear_value_head_dim": 128, "linear_conv_kernel_dim": 4, "tie_word_embeddings": False,
        "layer_types": (["linear_attention"] * 3 + ["indexed_attention"]) * 10, "hc_count": 4,
        "hc_lowrank": 320, "ple_layer_ids": [2, 7], "ple_embed_dim": 2048, "ple_conv_kernel_size": 4,
        "ngram_size": 3, "heads_per_ngram": 8, "ngram_vocab_size_base": 20_000_000, "indexer_n_heads": 16,
        "indexer_kv_heads": 1, "indexer_head_dim": 128, "indexer_budget": 2048, "indexer_compress_ratio": 16,
    }  # fmt: skip
    architecture = parse(config)
    found = count(architecture)
    assert found.total == pytest.approx(149_329_106_048, rel=1e-5)
    assert found.active < 5e9
    assert architecture.notes == ()
    assert layout(architecture, kv_dtype="bf16").growing_bytes_per_token == 10 * 2 * 2 * 256 * 2


def test_nothing_that_the_catalog_states_is_unread() -> None:
    for model in catalog.models():
        notes = parse(catalog.model_config(model), name=model).notes
        assert not [note for note in notes if "not understood" in note], model


def test_a_nested_language_model_may_leave_its_sizes_to_its_class() -> None:
    # llava-hf/llava-1.5-7b-hf and google/gemma-3-4b-it state little more than this; totals as on the Hub
    vision = {
        "model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096,
        "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 336, "patch_size": 14,
    }  # fmt: skip
    llava = {
        "model_type": "llava",
        "text_config": {"model_type": "llama", "vocab_size": 32064},
        "vision_config": vision,
        "tie_word_embeddings": False,
    }
    assert count(parse(llava)).total == 7063427072
    siglip = {
        "model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304,
        "num_hidden_layers": 27, "num_attention_heads": 16, "image_size": 896, "patch_size": 14,
    }  # fmt: skip
    text = {
        "model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240,
        "num_hidden_layers": 34, "sliding_window": 1024,
    }  # fmt: skip
    gemma = {"model_type": "gemma3", "text_config": text, "vision_config": siglip}
    assert count(parse(gemma)).total == 4300079472


def test_parts_sum_to_the_tensors() -> None:
    for model in catalog.models():
        architecture = parse(catalog.model_config(model))
        found = count(architecture)
        assert found.total == sum(
            prod((t.out_features, t.in_features, t.count)) for t in architecture.tensors
        )
        assert found.active <= found.language_model


@pytest.mark.parametrize(
    "built", BUILT, ids=[f"{entry['config']['model_type']}-{i}" for i, entry in enumerate(BUILT)]
)
def test_nothing_of_a_model_that_is_counted_exactly_is_unread(built: dict[str, object]) -> None:
    assert not [note for note in parse(built["config"]).notes if "not understood" in note]
