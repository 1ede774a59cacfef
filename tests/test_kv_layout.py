"""Cache per token, per window and per sequence: published figures, sharding and number types."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from catalog_models import model

from inferplan.datasets import catalog
from inferplan.datasets.errors import UnknownNameError
from inferplan.planner.architecture import ConfigError, parse
from inferplan.planner.kv_cache import ShardError, layout, stages

BUILT = json.loads((Path(__file__).parent / "data" / "transformers_counts.json").read_text())
ANSWERED = [name for name in catalog.models() if catalog.model_facts(name).kv_cache_16bit]


def test_a_hundred_models_state_their_cache() -> None:
    assert len(ANSWERED) >= 100


@pytest.mark.parametrize("name", ANSWERED)
def test_stated_16_bit_cache_is_reproduced(name: str) -> None:
    stated = catalog.model_facts(name).model_dump()["kv_cache_16bit"]
    found = layout(model(name), kv_dtype="bf16")
    assert found.growing_bytes_per_token == stated["bytes_per_token"]
    windows = {int(tokens): size for tokens, size in stated["window_bytes_per_token"].items()}
    assert found.window_bytes_per_token == windows
    assert found.state_bytes_per_sequence == stated["state_bytes_per_sequence"]


# vllm v0.33.0 config/model.py get_num_kv_heads: max(1, kv // tp), so it stops shrinking at tp = kv heads
@pytest.mark.parametrize(("tp", "expected"), [(1, 327680), (2, 163840), (4, 81920), (8, 40960), (16, 40960)])
def test_grouped_heads_divide_until_each_gpu_has_one(tp: int, expected: int) -> None:
    assert layout(model("meta-llama/Llama-3.3-70B-Instruct"), tp=tp).growing_bytes_per_token == expected


@pytest.mark.parametrize("tp", [1, 2, 8, 16])
def test_the_latent_cache_is_copied_to_every_gpu(tp: int) -> None:
    found = layout(model("deepseek-ai/DeepSeek-R1"), tp=tp)
    assert found.growing_bytes_per_token == 70272
    assert found.copies == tp


def test_decode_context_parallel_divides_the_latent_cache() -> None:
    # vllm-project/vllm issue 28893's log: eight times the tokens with decode-context-parallel 8
    assert layout(model("deepseek-ai/DeepSeek-R1"), tp=8, dcp=8).growing_bytes_per_token == 8784


@pytest.mark.parametrize(
    ("name", "kv_dtype", "expected"),
    [
        ("deepseek-ai/DeepSeek-V3", "fp8", 35136),
        ("deepseek-ai/DeepSeek-V3.2", "bf16", 61 * (1152 + 132)),
        ("deepseek-ai/DeepSeek-V3.2", "fp8", 61 * (656 + 132)),  # fp8_ds_mla record and index key
        ("meta-llama/Llama-3.1-8B", "fp8", 65536),
        ("meta-llama/Llama-3.1-8B", "fp8_per_token_head", 65536 + 32 * 8 * 2 * 4),
        ("meta-llama/Llama-3.1-8B", "nvfp4", 65536 * 4.5 / 8),
    ],
)
def test_number_types_and_their_scales(name: str, kv_dtype: str, expected: float) -> None:
    assert layout(model(name), kv_dtype=kv_dtype).growing_bytes_per_token == expected


def test_without_a_hybrid_manager_every_layer_keeps_everything() -> None:
    scout = model("meta-llama/Llama-4-Scout-17B-16E-Instruct")
    assert layout(scout).growing_bytes_per_token == 49152
    assert layout(scout, chunks=False).growing_bytes_per_token == 196608  # vllm v0.33.0's default for Llama 4
    gemma = model("google/gemma-3-27b-it")
    assert layout(gemma).growing_bytes_per_token == 81920
    assert layout(gemma).window_bytes_per_sequence(131072) == 416 * 1024**2
    assert layout(gemma, windows=False).growing_bytes_per_token == 2 * 62 * 16 * 128 * 2


def test_state_divides_by_heads_and_groups_are_copied() -> None:
    # vllm v0.33.0 mamba_utils.py: 8 groups on 16 GPUs are 1 on each, twice the memory of a plain division
    nemotron = model("nvidia/Nemotron-H-56B-Base-8K")
    one = layout(nemotron).state_bytes_per_sequence
    assert layout(nemotron, tp=8).state_bytes_per_sequence == one // 8
    layers, conv, groups, state = 54, 3, 8, 256
    shared = layers * conv * 2 * groups * state * 2
    assert layout(nemotron, tp=16).state_bytes_per_sequence == (one - shared) // 16 + shared // 8


def test_whisper_keeps_the_encoder_once_per_sequence() -> None:
    found = layout(model("openai/whisper-large-v3"))
    assert found.growing_bytes_per_token == 163840
    assert found.state_bytes_per_sequence == 163840 * 1500


def test_a_float32_checkpoint_is_served_in_16_bit() -> None:
    assert model("state-spaces/mamba-2.8b-hf").dtype == "float32"
    assert layout(model("state-spaces/mamba-2.8b-hf")).state_bytes_per_sequence == 12451840


def test_stages_split_as_the_engine_splits() -> None:
    # vllm v0.33.0 distributed/utils.py get_pp_indices: the remainder goes to the stages before the last
    assert [len(stage) for stage in stages(61, 2)] == [31, 30]
    assert [len(stage) for stage in stages(62, 4)] == [15, 16, 16, 15]
    assert [layer for stage in stages(62, 4) for layer in stage] == list(range(62))


def test_pipeline_stages_report_the_fullest() -> None:
    found = layout(model("deepseek-ai/DeepSeek-V3"), pp=2)
    assert (found.growing_bytes_per_token, found.stage) == (31 * 1152, 0)


def test_more_stages_than_layers_is_refused() -> None:
    with pytest.raises(ShardError, match="pp is 99 but the model has 32 layers"):
        layout(model("meta-llama/Llama-3.1-8B"), pp=99)


def test_auto_takes_the_cache_type_of_a_modelopt_checkpoint() -> None:
    # vllm v0.33.0 utils/torch_utils.py resolve_kv_cache_dtype_string
    config = catalog.model_config("meta-llama/Llama-3.1-8B")
    stated = {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}
    assert layout(parse({**config, "quantization_config": stated})).growing_bytes_per_token == 65536
    other = {"quant_method": "fp8", "kv_cache_quant_algo": "FP8"}
    assert layout(parse({**config, "quantization_config": other})).growing_bytes_per_token == 131072


def test_an_unknown_cache_type_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="fp8_e4m3"):
        layout(model("meta-llama/Llama-3.1-8B"), kv_dtype="fp8_e4m4")


@pytest.mark.parametrize("name", catalog.models())
def test_more_gpus_never_cost_more_each(name: str) -> None:
    architecture = model(name)
    sizes = [layout(architecture, tp=tp).bytes_per_sequence(4096) for tp in (1, 2, 4, 8, 16)]
    assert sizes == sorted(sizes, reverse=True)
    groups = layout(architecture).groups
    assert all(group.layers > 0 and group.entry_bytes > Fraction(0) for group in groups)


def test_what_a_config_lists_by_layer_is_taken_by_layer() -> None:
    # DeciLM-7B's field: ggml-org/llama.cpp convert_hf_to_gguf.py, class DeciModel
    config = {**catalog.model_config("meta-llama/Llama-2-7b-hf"), "model_type": "deci"}
    heads = [4] * 8 + [2] * 16 + [1] * 8
    grouped = layout(parse({**config, "num_key_value_heads_per_layer": heads}), kv_dtype="bf16")
    assert grouped.growing_bytes_per_token == sum(heads) * 2 * 128 * 2
    with pytest.raises(ConfigError, match="num_key_value_heads_per_layer has 2 entries but there are 32"):
        parse({**config, "num_key_value_heads_per_layer": [4, 4]})


def test_sliding_layers_with_latent_attention_hold_their_windows() -> None:
    # openPangu 2.0's fields (vllm-project/vllm models/openpangu.py): layers and their windows by number
    config = {
        **catalog.model_config("deepseek-ai/DeepSeek-V2-Lite"),
        "swa_layers": [1, 2, 3],
        "sliding_window_list": [0, 512, 2048, 512, *[0] * 23],
    }
    found = layout(parse(config), kv_dtype="bf16")
    entry = (512 + 64) * 2
    assert found.window_bytes_per_token == {512: 2 * entry, 2048: entry}
    assert found.growing_bytes_per_token == 24 * entry


def test_latents_that_layers_share_are_kept_once() -> None:
    # Mistral Large 4: a layer whose source is another one keeps no latent, but its indexer's keys
    built = next(entry for entry in BUILT if entry["config"]["model_type"] == "mistral_large4_text")
    alone = layout(parse(built["config"]), kv_dtype="bf16").growing_bytes_per_token
    sources = [i - i % 2 for i in range(72)]
    shared = layout(parse({**built["config"], "kv_source_layers": sources}), kv_dtype="bf16")
    # the 36 odd layers: 18 of them without positions (512 values), 18 with (576)
    assert alone - shared.growing_bytes_per_token == 18 * 512 * 2 + 18 * 576 * 2
