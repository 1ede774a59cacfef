"""Sizes that a language model nested in a multimodal config may leave out, as LLaVA and Gemma 3 do.

Such a config was saved with only what differs from its class; the class fills the rest. Source: the config
classes of huggingface/transformers v5.23.0. A config of its own must state its sizes.
"""

from collections.abc import Mapping


def _sizes(hidden: int, layers: int, heads: int, kv: int, width: int, vocab: int) -> dict[str, int]:
    return {
        "hidden_size": hidden,
        "layers": layers,
        "heads": heads,
        "kv_heads": kv,
        "intermediate_size": width,
        "vocab_size": vocab,
    }


NESTED_SIZES: Mapping[str, Mapping[str, int]] = {
    "llama": _sizes(4096, 32, 32, 32, 11008, 32000),
    "mistral": _sizes(4096, 32, 32, 8, 14336, 32000),
    "ministral3": _sizes(4096, 34, 32, 8, 14336, 131072),
    "mixtral": _sizes(4096, 32, 32, 8, 14336, 32000),
    "qwen2": _sizes(4096, 32, 32, 32, 22016, 151936),
    "qwen3": _sizes(4096, 32, 32, 32, 22016, 151936),
    "phi3": _sizes(3072, 32, 32, 32, 8192, 32064),
    "gemma": _sizes(3072, 28, 16, 16, 24576, 256000),
    "gemma2": _sizes(2304, 26, 8, 4, 9216, 256000),
    "gemma3_text": _sizes(2304, 26, 8, 4, 9216, 262208),
    "gemma4_text": _sizes(2304, 30, 8, 4, 9216, 262144),
    "granite": _sizes(4096, 32, 32, 32, 11008, 32000),
    "cohere2": _sizes(8192, 40, 64, 64, 22528, 256000),
    "glm4": _sizes(4096, 40, 32, 2, 13696, 151552),
    "smollm3": _sizes(2048, 36, 16, 4, 11008, 128256),
}
