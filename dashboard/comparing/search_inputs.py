"""What to compare: which offers, which ways to serve, and by what to rank."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

import streamlit as st

from inferplan.dashboard.inputs import ENGINE_TITLES, GGUF_EXAMPLES, KV_DTYPES
from inferplan.dashboard.prices.tables import option_title
from inferplan.dashboard.state import PREFIX, case
from inferplan.datasets.schema import Offer
from inferplan.planner.compare import RankBy, Search
from inferplan.planner.deployment import EngineName
from inferplan.planner.quantization import FORMATS

KEY = f"{PREFIX}compare."
STALE_KEY = f"{KEY}stale"
RANKINGS: Mapping[RankBy, str] = {
    "usd_per_request": "cost of a request",
    "usd_per_mtok": "cost of a million tokens",
    "usd_per_mtok_output": "cost of output tokens",
    "tokens_per_usd": "tokens per dollar",
    "ttft_s": "time to first token",
    "tpot_s": "time per token",
    "e2e_s": "time of a whole request",
    "kwh_per_mtok": "energy of a million tokens",
}
PARALLEL_SIZES = (1, 2, 3, 4, 5, 6, 8, 16)
STAGES = (1, 2, 3, 4, 8)
T = TypeVar("T")


def ranking_input() -> RankBy:
    """Ask by what to rank."""
    return st.selectbox(
        "Rank by", list(RANKINGS), format_func=RANKINGS.__getitem__, key=f"{KEY}rank", persist_state="session"
    )


def offer_inputs(offers: Sequence[Offer]) -> dict[str, Any]:
    """Ask which offers to compare; returns fields of a ``Search``."""
    options = sorted({offer.purchase_option for offer in offers})
    return {
        "gpus": _several("GPUs", "gpus", sorted({offer.gpu for offer in offers})),
        "providers": _several("Providers", "providers", sorted({offer.provider for offer in offers})),
        "regions": _several("Regions", "regions", sorted({offer.region for offer in offers})),
        "purchase_options": tuple(
            st.multiselect(
                "Purchase options",
                options,
                default=[option for option in options if option == "on_demand"],
                format_func=option_title,
                placeholder="every one",
                key=f"{KEY}options",
                persist_state="session",
                help="A spot price and a three-year commitment are not the same thing: compare like with "
                "like.",
            )
        ),
        "partial_prices": st.toggle(
            "Include prices without CPU and memory",
            key=f"{KEY}partial",
            persist_state="session",
            help="Some hosts bill CPU and memory on top of the GPU: such prices look lower than they are.",
        ),
        "stale_prices": bool(st.session_state.get(STALE_KEY, False)),
    }


def deployment_inputs() -> dict[str, Any]:
    """Ask which ways to serve to try; returns fields of a ``Search``. Empty is the plan's own setting."""
    current = case()
    own = f"the plan's own: {ENGINE_TITLES[current.engine]}"
    engines = _several("Engines", "engines", list(get_args(EngineName)), own, ENGINE_TITLES)
    weights = _several(
        "Formats of the weights", "weights", [*FORMATS, *GGUF_EXAMPLES], current.weights_dtype or "as shipped"
    )
    kv_dtypes = _several("Formats of the KV cache", "kv", list(KV_DTYPES), current.kv_dtype)
    tensor = _several("Tensor parallel sizes", "tp", list(PARALLEL_SIZES), "1, 2, 4, 8")
    stages = _several("Pipeline stages", "pp", list(STAGES), str(current.pp))
    experts = _several("Expert parallel sizes", "ep", list(PARALLEL_SIZES), str(current.ep))
    given = {
        "engines": engines,
        "weights_dtypes": weights,
        "kv_dtypes": kv_dtypes,
        "tensor_parallel": tensor,
        "pipeline_parallel": stages,
        "expert_parallel": experts,
    }
    return {name: values for name, values in given.items() if values}


def take_search(search: Search) -> None:
    """Fill the inputs with a search; what is tried anyway is left out, as the inputs leave it."""
    tried = {
        "engines": search.engines, "weights": search.weights_dtypes, "kv": search.kv_dtypes,
        "tp": () if search.tensor_parallel == Search().tensor_parallel else search.tensor_parallel,
        "pp": search.pipeline_parallel, "ep": search.expert_parallel,
    }  # fmt: skip
    found = {name: [value for value in values if value is not None] for name, values in tried.items()}
    found |= {"gpus": [*search.gpus], "providers": [*search.providers], "regions": [*search.regions]}
    for name, values in {**found, "options": [*search.purchase_options]}.items():
        st.session_state[KEY + name] = values
    st.session_state[f"{KEY}partial"] = search.partial_prices
    st.session_state[STALE_KEY] = search.stale_prices


def search_of(ranking: RankBy, *fields: Mapping[str, Any]) -> Search:
    """Return the search that the inputs describe."""
    return Search.model_validate(
        {"rank_by": ranking} | {name: value for part in fields for name, value in part.items()}
    )


def praise(search: Search) -> str:
    """Return what the first row of the ranking is."""
    money = search.rank_by.startswith("usd") or search.rank_by == "tokens_per_usd"
    return "Cheapest" if money else f"Best by {RANKINGS[search.rank_by]}"


def _several(
    label: str,
    name: str,
    options: list[T],
    placeholder: str = "every one",
    titles: Mapping[T, str] | None = None,
) -> tuple[T, ...]:
    if chosen := st.session_state.get(KEY + name):
        st.session_state[KEY + name] = [value for value in chosen if value in options]
    found = st.multiselect(
        label,
        options,
        format_func=lambda value: (titles or {}).get(value, str(value)),
        placeholder=placeholder,
        key=KEY + name,
        persist_state="session",
    )
    return tuple(found)
