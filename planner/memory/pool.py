"""How an engine cuts its pool into pages, and how many tokens and sequences the pages hold.

vLLM gives every layer's cache pages of one size, so that any page can serve any layer (kv_cache_utils.py):

- equal kinds of layers form one group, whose block is a page of each layer;
- with several kinds, layers are dealt into groups of equal size (that of the rarest kind; the last group of a
  kind is padded), and a block is one page in each of a group's layers;
- attention pages hold 16 tokens, more where another kind's page is larger: with recurrent states, the
  smallest multiple of 16 whose page is at least one state.

A sequence of T tokens takes ``ceil(T / page)`` blocks per group of full layers,
``ceil(min(W - 1 + batch, T) / page) + 1`` per group of windows (tokens of one scheduler step are in flight,
since 0.26 of two), and one block per group of states (one more with prefix caching, one per draft token).
"""

from collections import Counter
from dataclasses import dataclass
from math import ceil

from inferplan.planner.memory.caches import Cache
from inferplan.planner.memory.settings import Settings
from inferplan.planner.memory_options import MemoryOptions

PACKED_PAGE_BYTES = (
    576  # pages of packed layers are whole multiples: 64 x 584 bytes take 37,440 (vllm #54703)
)
STATE_PAGES_WITH_PREFIX_CACHING = 2  # MambaSpec.max_memory_usage_bytes, mode "align": LOGS MT096 MT098


@dataclass(frozen=True, slots=True)
class Group:
    """Layers of one kind that are allocated together."""

    cache: Cache
    layers: int
    page_tokens: int
    page_bytes: int


@dataclass(frozen=True, slots=True)
class PageLayout:
    """Groups of layers over one pool of equal blocks."""

    groups: tuple[Group, ...]
    """One per kind of cache; ``copies`` of each are allocated separately."""
    copies: tuple[int, ...]
    block_bytes: int

    def blocks(self, pool_bytes: int) -> int:
        """Return the blocks that a pool holds."""
        return max(0, pool_bytes) // self.block_bytes if self.block_bytes else 0

    def blocks_per_sequence(self, tokens: int, settings: Settings, options: MemoryOptions) -> int:
        """Return blocks of one sequence of ``tokens``."""
        return sum(
            copies * group_pages(group, tokens, settings, options)
            for group, copies in zip(self.groups, self.copies, strict=True)
        )

    def shared_blocks(self, tokens: int) -> int:
        """Return blocks of a prefix of ``tokens`` that sequences can share: whole pages of full layers."""
        return sum(
            copies * (tokens // group.page_tokens)
            for group, copies in zip(self.groups, self.copies, strict=True)
            if group.cache.kind == "full"
        )


def group_pages(group: Group, tokens: int, settings: Settings, options: MemoryOptions) -> int:
    """Return pages that one sequence takes in each layer of ``group``."""
    cache = group.cache
    if cache.kind == "state":
        profile = settings.profile
        kept = profile.state_prefix_caching if options.prefix_caching is None else options.prefix_caching
        drafts = options.draft_tokens if profile.state_draft_pages else 0
        return (STATE_PAGES_WITH_PREFIX_CACHING if kept else 1) + drafts
    if cache.kind == "source":
        return -(-cache.state_bytes // group.page_bytes)
    if cache.kind == "window":
        in_flight = min(cache.window_tokens - 1 + settings.in_flight_tokens, tokens)
        return -(-in_flight // group.page_tokens) + 1
    return -(-tokens // group.page_tokens)


def page_layout(counts: Counter[Cache], settings: Settings, options: MemoryOptions) -> PageLayout:
    """Return how the pages of caches (with their layers) are laid out; a model without any has no pages."""
    if any(cache.packed for cache in counts):
        return _packed_groups(counts, options)
    kinds = {(cache.kind, cache.window_tokens) for cache in counts}
    if len(kinds) <= 1:
        return _one_group(counts, settings, options)
    return _many_groups(counts, settings, options)


def _page_tokens(cache: Cache, settings: Settings, options: MemoryOptions) -> int:
    return options.block_tokens or cache.page_tokens or settings.profile.block_tokens


def _one_group(counts: Counter[Cache], settings: Settings, options: MemoryOptions) -> PageLayout:
    groups = tuple(_group(cache, layers, settings, options) for cache, layers in counts.items())
    block_bytes = sum(group.page_bytes * group.layers for group in groups)
    return PageLayout(groups, (1,) + (0,) * (len(groups) - 1) if groups else (), block_bytes)


def _group(cache: Cache, layers: int, settings: Settings, options: MemoryOptions) -> Group:
    if cache.state_bytes:
        return Group(cache, layers, 1, cache.state_bytes)
    tokens = _page_tokens(cache, settings, options)
    return Group(cache, layers, tokens, round(tokens * cache.bytes_per_token))


def _many_groups(counts: Counter[Cache], settings: Settings, options: MemoryOptions) -> PageLayout:
    page_bytes = _shared_page_bytes(counts, settings, options)
    fewest, most = min(counts.values()), max(counts.values())
    size = most if most < fewest * settings.profile.group_padding_ratio else fewest
    groups = []
    for cache, layers in counts.items():
        tokens = 1
        if cache.bytes_per_token:
            own = _page_tokens(cache, settings, options)
            tokens = max(own, int(page_bytes / cache.bytes_per_token) // own * own)
        groups.append(Group(cache, layers, tokens, page_bytes))
    copies = tuple(-(-group.layers // size) for group in groups)
    return PageLayout(tuple(groups), copies, page_bytes * size)


def _packed_groups(counts: Counter[Cache], options: MemoryOptions) -> PageLayout:
    """Return groups of as many layers as fit into a block, which holds a page of every compressed cache.

    vLLM's groups for DeepSeek-V4-Flash in fp8 (vllm #54703, 2026-09-06): compressed 1,002,240 bytes, windows
    823,680 and 786,240, partial sums 870,912 and 656,640; one block size for all.
    """
    alike: dict[tuple[str, int, int], list[Group]] = {}
    for cache, layers in counts.items():
        tokens = cache.page_tokens
        if cache.kind == "full":
            tokens = options.block_tokens or tokens
        page = -(-ceil(tokens * cache.bytes_per_token) // PACKED_PAGE_BYTES) * PACKED_PAGE_BYTES
        group = Group(cache, layers, tokens, page)
        alike.setdefault((cache.kind, cache.window_tokens, tokens), []).append(group)
    sizes = {key: sum(group.layers * group.page_bytes for group in groups) for key, groups in alike.items()}
    block = max(size for (kind, _, _), size in sizes.items() if kind == "full")
    groups = [group for members in alike.values() for group in members]
    copies = []
    for key, members in alike.items():
        copies += [-(-sizes[key] // block)] + [0] * (len(members) - 1)
    return PageLayout(tuple(groups), tuple(copies), block)


def _shared_page_bytes(counts: Counter[Cache], settings: Settings, options: MemoryOptions) -> int:
    """Return the page size that serves every kind: the largest, rounded up to whole attention tokens."""
    attention = [cache for cache in counts if cache.bytes_per_token]
    states = [cache.state_bytes for cache in counts if cache.kind == "state"]
    pages = [round(_page_tokens(cache, settings, options) * cache.bytes_per_token) for cache in attention]
    if not states and pages:
        return max(pages)
    if not attention:
        return max(cache.state_bytes for cache in counts)
    per_token = max(cache.bytes_per_token for cache in attention)
    alignment = max(
        settings.profile.state_block_alignment_tokens,
        max(_page_tokens(cache, settings, options) for cache in attention),
    )
    tokens = alignment * -(-max(states) // int(alignment * per_token))
    return max(round(tokens * per_token), *pages)
