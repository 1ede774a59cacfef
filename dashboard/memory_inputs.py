"""Widgets for what rides along with a model: adapters, drafts, prefixes, towers, context parallelism."""

from typing import get_args

import streamlit as st

from inferplan.dashboard.state import bound, case, change
from inferplan.datasets import catalog
from inferplan.planner.case import LoraTarget
from inferplan.planner.memory_options import Lora

NO_DRAFTS = "none"
OWN_LAYERS = "the model's own MTP layers"
CACHING = {None: "engine's default", True: "on", False: "off"}


def adapters_and_drafts() -> None:
    """Choose LoRA slots and what drafts tokens."""
    with st.expander("Adapters and drafts"):
        _adapters()
        _drafts()


def cache_settings() -> None:
    """Choose how the cache is kept and what is not loaded."""
    current = case()
    with st.expander("Cache and towers"):
        st.selectbox(
            "Prefix caching",
            list(CACHING),
            format_func=CACHING.__getitem__,
            help="Models with recurrent states hold a second state per sequence while it is on",
            **bound("enable_prefix_caching", current.enable_prefix_caching, write=_use_caching),
        )
        st.number_input(
            "Shared prefix (tokens)",
            min_value=0,
            step=256,
            disabled=current.enable_prefix_caching is False,
            help="Tokens that all requests begin with, such as a system prompt: held once",
            **bound("shared_prefix_tokens", current.shared_prefix_tokens),
        )
        st.number_input(
            "Decode context parallel",
            min_value=1,
            step=1,
            help="GPUs that share the copies of one cache; it divides the tensor-parallel size",
            **bound("decode_context_parallel_size", current.decode_context_parallel_size),
        )
        st.number_input(
            "Tokens per page",
            min_value=1,
            step=16,
            value=None,
            placeholder="engine's default",
            help="block_size",
            **bound("block_size", current.block_size),
        )
        st.toggle(
            "Full length for sliding windows",
            help="As with a KV connector: the hybrid cache manager is off",
            **bound("disable_hybrid_kv_cache_manager", current.disable_hybrid_kv_cache_manager),
        )
        st.toggle(
            "Language model only",
            help="Vision and audio towers are not loaded",
            **bound("language_model_only", current.language_model_only),
        )


def _adapters() -> None:
    current = case()
    st.number_input(
        "LoRA rank",
        min_value=1,
        step=8,
        value=None,
        placeholder="no adapters",
        **bound("lora_rank", current.lora_rank, write=_use_rank),
    )
    if current.lora_rank is None:
        return
    st.number_input(
        "Adapters at once", min_value=1, step=1, **bound("max_loras", current.max_loras or Lora(1).slots)
    )
    st.multiselect(
        "Adapted matrices",
        get_args(LoraTarget),
        format_func=lambda target: target.replace("_", " "),
        **bound("lora_targets", list(current.lora_targets or Lora(1).roles), lambda found: found or None),
    )


def _drafts() -> None:
    current = case()
    shown = OWN_LAYERS if current.mtp else current.draft_model or NO_DRAFTS
    options = [NO_DRAFTS, OWN_LAYERS, *catalog.models()]
    st.selectbox(
        "Drafts by",
        options if shown in options else [shown, *options],
        help="Speculative decoding: what drafts takes weights and a cache of its own",
        **bound("draft_model", shown, write=_use_drafts),
    )
    if shown != NO_DRAFTS:
        drafted = current.speculative.draft_tokens if current.speculative else current.draft_tokens
        st.number_input(
            "Tokens per draft",
            min_value=1,
            max_value=64,
            step=1,
            value=None,
            placeholder="not given",
            **bound("draft_tokens", drafted, write=_use_draft_tokens),
        )


def _use_caching(kept: bool | None) -> None:
    change(enable_prefix_caching=kept, **({"shared_prefix_tokens": 0} if kept is False else {}))


def _use_rank(rank: int | None) -> None:
    """Take another rank; without one the other choices about adapters go too."""
    change(lora_rank=rank, **({"max_loras": None, "lora_targets": None} if rank is None else {}))


def _use_drafts(name: str) -> None:
    """Take what drafts; without it the other choices about drafts go too."""
    chosen = {"mtp": name == OWN_LAYERS, "draft_model": None if name in (NO_DRAFTS, OWN_LAYERS) else name}
    gone = {"draft_tokens": None, "speculative": None, "draft_weights_dtype": None}
    change(**chosen, **(gone if name == NO_DRAFTS else {"draft_weights_dtype": None}))


def _use_draft_tokens(tokens: int | None) -> None:
    """Take another length of drafts; a rate of acceptance that was given stays."""
    given = case().speculative
    if given is None or tokens is None:
        change(draft_tokens=tokens, speculative=None)
    else:
        change(draft_tokens=None, speculative={**given.model_dump(), "draft_tokens": tokens})
