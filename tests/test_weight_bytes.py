"""Bytes of weights: file sizes that were published, formats, padding, copies and sharding."""

from decimal import Decimal

import pytest
from catalog_models import model

from inferplan.datasets import catalog
from inferplan.datasets.errors import UnknownNameError
from inferplan.datasets.schema import GIB
from inferplan.planner.architecture import Architecture, parse
from inferplan.planner.quantization import QuantizationError, storage
from inferplan.planner.weights import weights


@pytest.mark.parametrize(
    ("name", "expected_bytes"),
    [("openai/gpt-oss-20b", 13_761_264_768), ("openai/gpt-oss-120b", 65_248_815_744)],
)
def test_mxfp4_checkpoints_are_reproduced_to_the_byte(name: str, expected_bytes: int) -> None:
    assert weights(model(name), engine="llama.cpp").checkpoint_bytes == expected_bytes


@pytest.mark.parametrize(
    ("name", "dtype", "gib"),
    [
        ("moonshotai/Kimi-K2.5", None, 554.27),  # KAITO's catalog lists 554.32
        ("Qwen/Qwen3-8B", "awq-int4", 5.680),  # the file of Qwen3-8B-AWQ
        ("meta-llama/Llama-3.3-70B-Instruct", None, 131.42),
        ("microsoft/phi-4", None, 27.31),
        ("google/gemma-3-27b-it", None, 51.10),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", None, 58.82),
    ],
)
def test_file_sizes(name: str, dtype: str | None, gib: float) -> None:
    found = weights(model(name), dtype, engine="llama.cpp", mtp=True)
    assert found.checkpoint_bytes / GIB == pytest.approx(gib, abs=0.006)


def test_the_files_of_deepseek_v3_hold_its_tables_twice() -> None:
    # KAITO's catalog lists 641.30 GiB: the block for multi-token prediction ships with copies of both tables
    found = weights(model("deepseek-ai/DeepSeek-V3"), engine="llama.cpp", mtp=True)
    tables = 2 * 129280 * 7168 * 2
    assert (found.checkpoint_bytes + tables) / GIB == pytest.approx(641.28, abs=0.006)


# Bits per weight of Llama-3.1-8B by file mix: ggml-org/llama.cpp tools/quantize/README.md
GGUF_BITS = {
    "IQ1_S": 2.0042, "IQ1_M": 2.1460, "IQ2_XXS": 2.3824, "IQ2_XS": 2.5882, "IQ2_S": 2.7403, "IQ2_M": 2.9294,
    "Q2_K_S": 2.9697, "Q2_K": 3.1593, "IQ3_XXS": 3.2548, "IQ3_XS": 3.4977, "Q3_K_S": 3.6429, "IQ3_S": 3.6606,
    "IQ3_M": 3.7628, "Q3_K_L": 4.2979, "IQ4_XS": 4.4597, "Q4_K_S": 4.6672, "IQ4_NL": 4.6818, "Q4_K_M": 4.8944,
    "Q5_K_S": 5.5704, "Q5_K_M": 5.7036, "Q6_K": 6.5633, "Q8_0": 8.5008, "F16": 16.0005,
}  # fmt: skip


@pytest.mark.parametrize("mix", GGUF_BITS)
def test_gguf_mixes_weigh_what_the_quantizer_printed(mix: str) -> None:
    found = weights(model("meta-llama/Llama-3.1-8B"), f"gguf-{mix.lower()}", engine="llama.cpp")
    assert found.checkpoint_bytes * 8 / 8030261248 == pytest.approx(GGUF_BITS[mix], abs=0.0001)


def effective_bits() -> list[tuple[str, str]]:
    """Return (model, bits) of the facts' rows that state bits per parameter of whole AWQ checkpoints."""
    prefix = "effective bits: "
    rows = [row for row in catalog.quantization_formats() if row.format.startswith(prefix)]
    named = {known.rsplit("/", 1)[-1]: known for known in catalog.models()}
    found = [(named.get(row.format.removeprefix(prefix)), str(row.bits_per_value)) for row in rows]
    return [(name, bits) for name, bits in found if name]


@pytest.mark.parametrize(("name", "bits"), effective_bits())
def test_effective_bits_of_whole_checkpoints(name: str, bits: str) -> None:
    architecture = model(name)
    elements = sum(tensor.elements for tensor in architecture.tensors)
    found = weights(architecture, "awq-int4", engine="llama.cpp").checkpoint_bytes * 8 / elements
    assert found == pytest.approx(float(Decimal(bits)), abs=0.0011)


def test_an_unknown_format_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="awq-int4"):
        weights(model("meta-llama/Llama-3.1-8B"), "awq-int5")
    with pytest.raises(UnknownNameError, match="gguf-q4_k_m"):
        weights(model("meta-llama/Llama-3.1-8B"), "gguf-q4_k_x")


def quantized(config: dict[str, object]) -> Architecture:
    return parse({**catalog.model_config("meta-llama/Llama-3.1-8B"), "quantization_config": config})


@pytest.mark.parametrize(
    ("config", "name", "linear_bits"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}, "awq-int4", 4.15625),
        ({"quant_method": "gptq", "bits": 4, "group_size": 32}, "gptq-int4-g32", 4.625),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, "gptq-int8-channel", 8.0),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bnb-4bit", 4.5),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bnb-8bit", 8.0),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8-block", 8.00195),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"]}, "nvfp4", 4.5),
        ({"quant_method": "torchao", "quant_type": {"default": {
            "_type": "Int4WeightOnlyConfig", "_data": {"group_size": 32}}}}, "awq-int4-g32", 4.625),
        ({"quant_method": "quark", "global_quant_config": {"weight": {
            "dtype": "fp4", "qscheme": "per_group", "group_size": 32}}}, "mxfp4", 4.25),
        ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}}},
         "hqq-int4", 4.5),
        (
            {"quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head"],
             "config_groups": {"group_0": {"targets": ["Linear"], "weights": {
                 "num_bits": 4, "type": "int", "strategy": "group", "group_size": 128, "symmetric": True}}}},
            "int4", 4.125,
        ),
        (
            {"quant_method": "compressed-tensors", "format": "float-quantized", "ignore": ["lm_head"],
             "config_groups": {"group_0": {"targets": ["Linear"], "weights": {
                 "num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True}}}},
            "fp8-channel", 8.0,
        ),
    ],
)  # fmt: skip
def test_checkpoints_are_read_as_their_config_says(
    config: dict[str, object], name: str, linear_bits: float
) -> None:
    architecture = quantized(config)
    stored = storage(architecture)
    assert stored.name == name
    by_name = {tensor.name: tensor for tensor in architecture.tensors}
    up = by_name["model.layers.7.mlp.up_proj.weight"]
    bits = stored.stored_bytes(up, up.out_features, up.in_features, 1) * 8 / up.elements
    assert bits == pytest.approx(linear_bits, abs=0.012)
    head = by_name["lm_head.weight"]
    assert stored.stored_bytes(head, head.out_features, head.in_features, 1) == head.elements * 2


def test_listed_modules_stay_in_16_bit() -> None:
    kept = ["re:.*self_attn.*", "model.layers.0.mlp", "model.layers.3.*", "lm_head"]
    architecture = quantized({"quant_method": "fp8", "modules_to_not_convert": kept})
    names = {t.name: storage(architecture).format_of(t).name for t in architecture.tensors}
    assert names["model.layers.5.self_attn.q_proj.weight"] == "bf16"
    assert names["model.layers.0.mlp.up_proj.weight"] == "bf16"
    assert names["model.layers.3.mlp.down_proj.weight"] == "bf16"
    assert names["model.layers.5.mlp.down_proj.weight"] == "fp8"
    assert names["model.layers.13.mlp.down_proj.weight"] == "fp8"


@pytest.mark.parametrize(
    "config",
    [
        {"quant_method": "magic"},
        {"quant_method": "torchao", "quant_type": "int5"},
        {"quant_method": "quark", "global_quant_config": None},
        {"quant_method": "gptq", "bits": "four"},
        {"quant_method": "compressed-tensors", "config_groups": {"a": {"targets": []}}},
        {"quant_method": "fp8", "ignore": ["re:(("]},
        {"quant_method": "fp8", "ignore": ["re:(.*)*x"]},  # matching it would take longer than the universe
        {"quant_method": "fp8", "ignore": ["re:(.|m)*x"]},
        {"quant_method": "fp8", "ignore": ["re:.*" * 9]},
        {"quant_method": "fp8", "ignore": ["re:" + ".*" * 12 + "x"]},
        {"quant_method": "fp8", "ignore": [f"layer{i}*" for i in range(6000)]},
    ],
)
def test_quantizations_that_are_not_understood_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(QuantizationError, match="quantization_config"):
        weights(quantized(config))


def test_modules_may_have_algorithms_of_their_own() -> None:
    layers = {f"model.layers.{i}.mlp.down_proj": {"quant_algo": "NVFP4"} for i in range(32)}
    layers["model.layers.4.self_attn.q_proj"] = {"quant_algo": "FP8"}
    config = {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers}
    architecture = quantized(config)
    names = {t.name: storage(architecture).format_of(t).name for t in architecture.tensors}
    assert names["model.layers.9.mlp.down_proj.weight"] == "nvfp4"
    assert names["model.layers.4.self_attn.q_proj.weight"] == "fp8"
    assert names["model.layers.5.self_attn.q_proj.weight"] == "bf16"


def test_asking_for_16_bit_of_an_fp8_checkpoint_gives_16_bit() -> None:
    architecture = model("Qwen/Qwen3-32B-FP8")
    elements = sum(t.elements for t in architecture.tensors)
    assert weights(architecture, "bf16", engine="llama.cpp").checkpoint_bytes == elements * 2
    assert weights(architecture, "fp8").format == "fp8-block"


def _elements_on_the_hub(architecture: Architecture, dtype: str) -> int:
    """Elements of an NVFP4 checkpoint as the Hub counts them: packed bytes, scales, two scalars a matrix."""
    stored = storage(architecture, dtype)
    total = 0
    for tensor in architecture.tensors:
        values = tensor.out_features * tensor.in_features
        packed = values // 2 + values // 16 + 2
        total += tensor.count * (packed if stored.format_of(tensor).name.startswith("nvfp4") else values)
    return total


def test_nvfp4_of_latent_attention_keeps_what_nvidia_keeps() -> None:
    """The Hub's count of nvidia/DeepSeek-V3.1-NVFP4, whose MTP block brings its own embedding and head."""
    architecture = model("deepseek-ai/DeepSeek-V3")
    copies = 2 * 129_280 * 7168
    assert _elements_on_the_hub(architecture, "nvfp4") + copies == pytest.approx(393_632_819_968, rel=5e-7)
    assert _elements_on_the_hub(architecture, "nvfp4-all") + copies < 0.99 * 393_632_819_968


def test_nvfp4_of_plain_attention_reaches_every_linear_layer() -> None:
    """The Hub's count of nvidia/Qwen3-235B-A22B-NVFP4."""
    architecture = model("Qwen/Qwen3-235B-A22B")
    assert _elements_on_the_hub(architecture, "nvfp4") == pytest.approx(132_806_618_624, rel=1e-6)


def test_nvfp4_of_mamba_hybrids_keeps_attention_and_the_layer_before_it() -> None:
    """vLLM printed 18.21 GiB for the build of NVIDIA (start-up log MT040)."""
    architecture = model("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16")
    assert weights(architecture, "nvfp4").per_gpu_bytes / GIB == pytest.approx(18.21, rel=0.015)


def test_an_ending_says_what_a_format_reaches() -> None:
    architecture = model("Qwen/Qwen3-235B-A22B")
    sizes = [
        weights(architecture, f"int4-g32{end}").per_gpu_bytes for end in ("", "-all", "-mlp", "-experts")
    ]
    assert sizes[0] == sizes[1] < sizes[2] == sizes[3]
    attention = 94 * (2 * 64 + 2 * 4) * 128 * 4096  # layers x (q, o and k, v heads) x head size x hidden
    assert sizes[2] - sizes[1] == attention * (16 - 4.5) / 8
    gpt_oss = weights(model("openai/gpt-oss-20b"), "fp8-mlp", engine="llama.cpp")
    assert gpt_oss.format == "fp8-mlp"


MLP, QUERY, HEAD = 36 * 3 * 4096 * 12288, 36 * 4096 * 4096, 151936 * 4096  # Qwen3-8B: 36 layers
FOUR, EIGHT = 4 + 0.15625, 8 + 0.1875  # a 16-bit scale and a zero point as wide as an element per 128 inputs


@pytest.mark.parametrize(
    ("stated", "more_bits"),
    [
        ({"lm_head": True}, HEAD * (FOUR - 16)),
        ({"dynamic": {"+:.*mlp.*": {"bits": 8}}}, MLP * (EIGHT - FOUR)),
        (
            {"dynamic": {".*mlp.*": {"bits": 8}, "-:.*q_proj.*": {}}},
            MLP * (EIGHT - FOUR) + QUERY * (16 - FOUR),
        ),
        ({"dynamic": ["+:.*"], "lm_head": "yes"}, 0),
    ],
)
def test_modules_with_bits_of_their_own(stated: dict[str, object], more_bits: float) -> None:
    config = catalog.model_config("Qwen/Qwen3-8B")
    plain = {"quant_method": "gptq", "bits": 4, "group_size": 128}

    def size(quantization: dict[str, object]) -> int:
        read = parse({**config, "quantization_config": quantization})
        return weights(read, engine="llama.cpp").checkpoint_bytes

    # GPTQ's order of inputs, 4 bytes each, comes and goes with a matrix: 0.02 % at most
    assert 8 * (size({**plain, **stated}) - size(plain)) == pytest.approx(more_bits, rel=2e-4)
