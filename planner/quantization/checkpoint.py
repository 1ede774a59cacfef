"""How a checkpoint is stored, read from its ``quantization_config``."""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from inferplan.planner.architecture import Tensor
from inferplan.planner.architecture.fields import ConfigError, whole
from inferplan.planner.quantization.formats import FORMATS, Format, QuantizationError, with_group
from inferplan.planner.quantization.other_methods import METHODS
from inferplan.planner.quantization.overrides import overridden, skipped

_KEPT_KEYS: Final = (
    "modules_to_not_convert", "ignore", "ignored_layers", "exclude_modules", "exclude",
    "llm_int8_skip_modules",
    "unconverted_modules",
)  # fmt: skip
_RENAMED: Final = (
    ("language_model.", ""), ("model.model.", "model."), ("block_sparse_moe", "mlp"), ("feed_forward", "mlp"),
    ("backbone.", "model."), ("transformer.h.", "model.layers."), ("mlp.router", "mlp.gate"),
    ("mlp.shared_expert.", "mlp.shared_experts."), ("output_layer", "lm_head"),
)  # fmt: skip
_METHODS: Final = (
    "fp8", "fbgemm_fp8", "compressed-tensors", "awq", "gptq", "auto-round", "bitsandbytes", "mxfp4",
    "modelopt", *METHODS,
)  # fmt: skip
_RISKY = re.compile(r"\([^()]*[*+|{][^()]*\)\s*[*+{]")
"""A repeated group that repeats or branches inside: its matching time can explode."""
MAX_PATTERNS = 5_000
MAX_REPEATS = 5


def _renamed(name: str) -> str:
    for old, new in _RENAMED:
        name = name.replace(old, new)
    return name


class ModuleList:
    """Modules that a config lists: whole names, parts of names, ``*`` patterns or ``re:`` expressions."""

    def __init__(self, entries: Sequence[object]) -> None:
        """Sort the entries by how they are matched; entries that are not text are ignored."""
        names = [entry for entry in entries if isinstance(entry, str) and entry]
        if sum("*" in name or name.startswith("re:") for name in names) > MAX_PATTERNS:
            msg = f"quantization_config lists more than {MAX_PATTERNS:,} patterns of modules."
            raise QuantizationError(msg)
        self._plain = frozenset(
            _renamed(n).strip(".") for n in names if not n.startswith("re:") and "*" not in n
        )
        self._globs = tuple(_renamed(n) for n in names if "*" in n and not n.startswith("re:"))
        self._expressions = tuple(self._compiled(n[3:]) for n in names if n.startswith("re:"))

    @staticmethod
    def _compiled(expression: str) -> re.Pattern[str]:
        if _RISKY.search(expression) or len(re.findall(r"[*+{]", expression)) > MAX_REPEATS:
            msg = f"quantization_config lists the pattern {expression!r:.80}, which is too involved to match."
            raise QuantizationError(msg)
        try:
            return re.compile(expression)
        except (re.error, RecursionError, OverflowError):
            msg = f"quantization_config lists the pattern {expression!r}, which is not a regular expression."
            raise QuantizationError(msg) from None

    def __contains__(self, module: object) -> bool:
        """Return whether the dotted name ``module`` is listed, itself or by a module around it."""
        if not isinstance(module, str):
            return False
        steps = module.split(".")
        if self._plain:
            for start in range(len(steps)):
                for end in range(start + 1, len(steps) + 1):
                    if ".".join(steps[start:end]) in self._plain:
                        return True
        if any(
            fnmatch.fnmatchcase(module, glob) or fnmatch.fnmatchcase(module, f"{glob}.*")
            for glob in self._globs
        ):
            return True
        return any(expression.match(module) for expression in self._expressions)


@dataclass(frozen=True, slots=True)
class Rule:
    """A format and the modules that it is for; ``None`` is every linear layer."""

    format: Format
    modules: ModuleList | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a ``quantization_config`` says: rules in order, and the modules that stay as they were."""

    rules: tuple[Rule, ...]
    kept: ModuleList

    def format_of(self, tensor: Tensor, module: str) -> Format | None:
        """Return the format of ``tensor``, or ``None`` when it is kept in 16 bit."""
        if module in self.kept:
            return None
        for rule in self.rules:
            if rule.modules is None:
                return rule.format if tensor.role in rule.format.roles else None
            if module in rule.modules:
                return rule.format
        return None


def read_checkpoint(config: Mapping[str, Any]) -> Checkpoint:
    """Return what ``quantization_config`` says about each matrix.

    Raises
    ------
    QuantizationError
        When the method is not known or states no bits.
    """
    kept: list[object] = []
    for key in _KEPT_KEYS:
        listed = config.get(key)
        if isinstance(listed, list):
            kept.extend(listed)
    rules = _rules(config)
    if config.get("expert_dtype") in ("fp4", "mxfp4"):  # DeepSeek V4: e2m1, e8m0 per 32, experts only
        rules = (Rule(FORMATS["mxfp4"], ModuleList(["mlp.experts"])), *rules)
    return Checkpoint(rules, ModuleList([*kept, *skipped(config)]))


def _by_layer(layers: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Return a rule for each algorithm of ModelOpt's list of modules and their algorithms."""
    modules: dict[str, list[object]] = {}
    for module, stated in layers.items():
        algorithm = str(stated.get("quant_algo", "") if isinstance(stated, Mapping) else stated).upper()
        modules.setdefault(algorithm, []).append(module)
    return tuple(Rule(_by_algorithm(name, config), ModuleList(listed)) for name, listed in modules.items())


def _rules(config: Mapping[str, Any]) -> tuple[Rule, ...]:
    method = str(config.get("quant_method") or "").lower().replace("_", "-")
    algorithm = str(config.get("quant_algo") or "").upper()
    layers = config.get("quantized_layers")
    if isinstance(layers, Mapping) and layers:
        return _by_layer(layers, config)
    groups = config.get("config_groups")
    if isinstance(groups, Mapping) and groups:
        return tuple(_grouped_rule(group, config) for group in groups.values() if isinstance(group, Mapping))
    if isinstance(config.get("weights"), Mapping):
        return (Rule(_by_arguments(config["weights"], str(config.get("format", "")))),)
    if algorithm:
        return (Rule(_by_algorithm(algorithm, config)),)
    own = [Rule(_by_method(method, other), ModuleList([module])) for module, other in overridden(config)]
    return (*own, Rule(_by_method(method, config)))


def _grouped_rule(group: Mapping[str, Any], config: Mapping[str, Any]) -> Rule:
    arguments = group.get("weights")
    if not isinstance(arguments, Mapping):
        msg = "quantization_config has a config group without weights; nothing says how they are stored."
        raise QuantizationError(msg)
    found = _by_arguments(arguments, str(group.get("format") or config.get("format", "")))
    targets = group.get("targets")
    everything = not isinstance(targets, list) or any(
        t in ("Linear", "LinearBase", "FusedMoE") for t in targets
    )
    return Rule(found, None if everything else ModuleList(targets or []))


def _by_arguments(arguments: Mapping[str, Any], layout: str) -> Format:
    """Return the format of compressed-tensors' arguments: bits, kind, strategy, group."""
    bits = _bits(arguments, "num_bits", 0)
    group = arguments.get("group_size")
    if str(arguments.get("type", "")) == "float" and bits == 4:
        small = "nvfp4" in layout or group == 16
        return _everywhere(FORMATS["nvfp4" if small else "mxfp4"])
    strategy = str(arguments.get("strategy") or ("group" if group else "channel"))
    if bits == 8:
        floating = str(arguments.get("type", "int")) == "float"
        if strategy == "block":
            return FORMATS["fp8-block"]
        if strategy == "group" and isinstance(group, int) and group > 0:
            return with_group(FORMATS["mxfp8" if floating else "gptq-int8"], group)
        if floating:
            return FORMATS["fp8" if strategy == "tensor" else "fp8-channel"]
        return FORMATS["int8"]
    if not 1 <= bits <= 8:
        msg = f"quantization_config states {bits} bits per weight; 1 to 8 are understood."
        raise QuantizationError(msg)
    zero = 0 if arguments.get("symmetric", True) else bits
    per_row = strategy == "channel" or not isinstance(group, int) or group < 1
    return Format(
        f"int{bits}", bits, 0 if per_row else 16 + zero, 0 if per_row else whole("group_size", group),
        16 + zero if per_row else 0,
    )  # fmt: skip


def _everywhere(found: Format) -> Format:
    return Format(
        found.name, found.element_bits, found.group_bits, found.group_inputs, matrix_bits=found.matrix_bits
    )


def _by_algorithm(algorithm: str, config: Mapping[str, Any]) -> Format:
    if "NVFP4" in algorithm or algorithm == "FP4":
        return FORMATS["nvfp4"]
    if "MXFP8" in algorithm:
        return FORMATS["mxfp8"]
    if "MXFP4" in algorithm:
        return _everywhere(FORMATS["mxfp4"])
    if "FP8" in algorithm:
        return FORMATS["fp8-block"] if "BLOCK" in algorithm or "PB" in algorithm else FORMATS["fp8"]
    if algorithm.startswith("W4A"):
        return with_group(FORMATS["awq-int4"], _bits(config, "group_size", 128))
    if "INT8" in algorithm or algorithm.startswith("W8A8"):
        return FORMATS["int8"]
    msg = (
        f"quantization_config states quant_algo {algorithm!r}, which is not understood; "
        "known are FP8, NVFP4, MXFP4, MXFP8, W4A16, INT8."
    )
    raise QuantizationError(msg)


def _by_method(method: str, config: Mapping[str, Any]) -> Format:
    if method == "fp8":
        return FORMATS["fp8-block" if config.get("weight_block_size") else "fp8"]
    if method == "fbgemm-fp8":
        return FORMATS["fp8-channel"]
    if method in ("awq", "gptq", "auto-round", "autoround", "intel/auto-round", "gptq-marlin", "awq-marlin"):
        return _by_bits(method, config)
    if method == "bitsandbytes":
        if config.get("load_in_8bit"):
            return FORMATS["bnb-8bit"]
        return FORMATS["bnb-4bit-double" if config.get("bnb_4bit_use_double_quant") else "bnb-4bit"]
    if method == "mxfp4":
        return FORMATS["mxfp4"]
    if method in ("modelopt-fp4", "nvfp4"):
        return FORMATS["nvfp4"]
    if method == "modelopt":
        return FORMATS["fp8"]
    if method in METHODS:
        return METHODS[method](config)
    if method == "compressed-tensors":
        return _by_layout(str(config.get("format", "")))
    msg = (
        f"quantization_config states the method {method or None!r}, which is not understood; known are "
        f"{', '.join(_METHODS)}. Ask for a weights type such as bf16 or awq-int4 instead."
    )
    raise QuantizationError(msg)


def _by_layout(layout: str) -> Format:
    named = {
        "float-quantized": "fp8", "int-quantized": "int8", "pack-quantized": "int4",
        "nvfp4-pack-quantized": "nvfp4",
        "mxfp4-pack-quantized": "mxfp4", "naive-quantized": "int8",
    }  # fmt: skip
    if layout not in named:
        known = ", ".join(named)
        msg = f"quantization_config states the format {layout!r} without config_groups; known are {known}."
        raise QuantizationError(msg)
    return _everywhere(FORMATS[named[layout]]) if "fp4" in layout else FORMATS[named[layout]]


def _by_bits(method: str, config: Mapping[str, Any]) -> Format:
    """Return the format of AWQ, GPTQ and AutoRound: packed integers, scales and zeros by group."""
    bits = _bits(config, "bits", _bits(config, "w_bit", 4))
    group = config.get("group_size", config.get("q_group_size", 128))
    size = group if isinstance(group, int) and not isinstance(group, bool) else 128
    base = Format(
        f"{method}-int{bits}", bits, 16 + bits, 128, input_bits=0 if method.startswith("awq") else 32
    )
    return with_group(base, size)


def _bits(config: Mapping[str, Any], key: str, default: int) -> int:
    value = config.get(key)
    try:
        return default if value is None else whole(f"quantization_config.{key}", value, 1, 4096)
    except ConfigError as error:
        raise QuantizationError(str(error)) from None
