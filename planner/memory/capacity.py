"""What a pool of bytes is worth: tokens as the engine prints them, sequences, the longest context."""

import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from inferplan.planner.memory.caches import Cache
from inferplan.planner.memory.pool import PageLayout, page_layout
from inferplan.planner.memory.settings import Settings
from inferplan.planner.memory_options import MemoryOptions


@dataclass(frozen=True)
class Pool:
    """The caches of one GPU and the settings that say how they are held."""

    caches: Counter[Cache]
    """Layers by the cache that they keep."""
    settings: Settings
    options: MemoryOptions

    @cached_property
    def growing_bytes_per_token(self) -> int:
        """Bytes that every further token of a sequence takes, however long it is."""
        return math.ceil(self._per_token("full"))

    @cached_property
    def window_bytes_per_token(self) -> Fraction:
        """Bytes of a token while it is inside of the windows."""
        return self._per_token("window")

    @cached_property
    def state_bytes_per_sequence(self) -> int:
        """Bytes that one sequence takes whatever its length: states and an encoder's output."""
        return sum(layers * cache.state_bytes for cache, layers in self.caches.items())

    def window_bytes_per_sequence(self, tokens: int) -> int:
        """Bytes that the windows of one sequence of ``tokens`` hold, as this engine holds them."""
        by_blocks = self.settings.profile.concurrency == "blocks_per_request"
        held = Fraction(0)
        for cache, layers in self.caches.items():
            if cache.kind != "window":
                continue
            kept = min(cache.window_tokens, tokens)
            if by_blocks:
                page = cache.page_tokens or max(self.settings.profile.block_tokens, 1)
                kept = min(cache.window_tokens - 1 + self.settings.in_flight_tokens, tokens)
                kept = (-(-kept // page) + 1) * page
            held += layers * kept * cache.bytes_per_token
        return round(held)

    def _per_token(self, kind: str) -> Fraction:
        found = (
            layers * cache.bytes_per_token for cache, layers in self.caches.items() if cache.kind == kind
        )
        return sum(found, Fraction(0))

    @cached_property
    def recurrent_bytes(self) -> int:
        """Bytes of the states alone, without an encoder's output."""
        return sum(n * cache.state_bytes for cache, n in self.caches.items() if cache.kind == "state")

    @cached_property
    def states_apart(self) -> bool:
        """Return whether the engine keeps states out of the pool of pages."""
        profile = self.settings.profile
        has_pool = not profile.hybrid_manager and profile.printed_tokens == "blocks"
        attends = any(cache.bytes_per_token for cache in self.caches)
        return attends and (has_pool or profile.state_pool_ratio is not None)

    def state_pool_bytes(self, free_bytes: int) -> int:
        """Return bytes of ``free_bytes`` that go to a pool of states of its own."""
        state = self.recurrent_bytes
        if not state or not self.states_apart:
            return 0
        ratio = self.settings.profile.state_pool_ratio
        if ratio is None:
            return state * self.settings.sequences
        slots = int(max(0, free_bytes) * ratio / (1 + ratio)) // state
        return slots * state

    @cached_property
    def layout(self) -> PageLayout:
        """Return the pages of everything that shares the pool."""
        shared = Counter(
            {
                cache: layers
                for cache, layers in self.caches.items()
                if not (self.states_apart and cache.kind == "state")
            }
        )
        return page_layout(shared, self.settings, self.options)


@dataclass(frozen=True)
class Capacity:
    """What a pool holds."""

    tokens: int
    concurrency: float
    steps: tuple[tuple[str, str], ...]


def capacity(pool: Pool, kv_bytes: int, state_bytes: int, context_tokens: int) -> Capacity:
    """Return what ``kv_bytes`` (and ``state_bytes`` kept apart) hold at ``context_tokens`` a sequence."""
    if pool.settings.profile.printed_tokens == "pool":
        return _by_bytes(pool, kv_bytes, state_bytes, context_tokens)
    return _by_blocks(pool, kv_bytes, context_tokens)


def largest_context(
    pool: Pool, kv_bytes: int, state_bytes: int, limit_tokens: int, sequences: int = 1
) -> int | None:
    """Return the most tokens at which ``sequences`` fit at once, ``None`` if not even one token does."""
    low, high = 0, limit_tokens
    while low < high:
        middle = (low + high + 1) // 2
        if capacity(pool, kv_bytes, state_bytes, middle).concurrency >= sequences:
            low = middle
        else:
            high = middle - 1
    return low or None


def _by_blocks(pool: Pool, kv_bytes: int, context_tokens: int) -> Capacity:
    settings, options = pool.settings, pool.options
    layout = pool.layout
    blocks = layout.blocks(kv_bytes)
    if not layout.groups:
        return Capacity(0, float(settings.sequences), (("Sequences", "no cache: the batch limit decides"),))
    page_tokens = min(
        (group.page_tokens for group in layout.groups if group.cache.bytes_per_token), default=1
    )
    copies = sum(layout.copies)
    tokens = blocks // copies * page_tokens
    steps = [
        (
            "Blocks",
            f"{kv_bytes:,} B of pool / {layout.block_bytes:,} B a block = {blocks:,}",
        )
    ]
    if settings.profile.concurrency == "tokens":
        shared = min(options.shared_prefix_tokens, context_tokens - 1)
        concurrency = max(0, tokens - shared) / (context_tokens - shared)
        steps.append(("Sequences", f"{tokens:,} tokens / {context_tokens:,} = {concurrency:,.2f}"))
    else:
        shared = layout.shared_blocks(min(options.shared_prefix_tokens, context_tokens - 1))
        each = layout.blocks_per_sequence(context_tokens, settings, options)
        concurrency = max(0, blocks - shared) / (each - shared)
        steps.append(
            (
                "Sequences",
                f"{blocks:,} blocks / {each:,} per {context_tokens:,} tokens = {concurrency:,.2f}",
            )
        )
    if settings.profile.printed_tokens == "concurrency":
        tokens = int(concurrency * context_tokens)
    return Capacity(tokens, concurrency, tuple(steps))


def _by_bytes(pool: Pool, kv_bytes: int, state_bytes: int, context_tokens: int) -> Capacity:
    settings = pool.settings
    growing, window = pool.growing_bytes_per_token, pool.window_bytes_per_token
    state = pool.state_bytes_per_sequence
    kv_bytes = max(0, kv_bytes)
    if not growing and not window and not state:
        return Capacity(0, float(settings.sequences), (("Sequences", "no cache: the batch limit decides"),))
    ratio = settings.profile.window_pool_ratio
    if ratio is not None and growing and window:
        tokens = int(kv_bytes / (growing + ratio * window))
        widest = max(cache.window_tokens for cache in pool.caches if cache.kind == "window")
        concurrency = min(tokens / context_tokens, ratio * tokens / min(context_tokens, widest))
        per_sequence = f"one token {growing:,} B + {ratio:g} x {float(window):,.0f} B of windows"
    else:
        each = growing * context_tokens + pool.window_bytes_per_sequence(context_tokens)
        each += state - (pool.recurrent_bytes if pool.states_apart else 0)
        shared = growing * min(pool.options.shared_prefix_tokens, context_tokens - 1)
        alone = each - shared
        concurrency = max(0, kv_bytes - shared) / alone if alone else float(settings.sequences)
        tokens = _pool_tokens(pool, kv_bytes, concurrency, context_tokens)
        per_sequence = f"{each:,} B a sequence of {context_tokens:,} tokens"
    if pool.states_apart and pool.recurrent_bytes:
        concurrency = min(concurrency, state_bytes / pool.recurrent_bytes)
    return Capacity(
        tokens, concurrency, (("Sequences", f"{kv_bytes:,} B of pool; {per_sequence} = {concurrency:,.2f}"),)
    )


def _pool_tokens(pool: Pool, kv_bytes: int, concurrency: float, context_tokens: int) -> int:
    """Return the tokens of a pool that one kind of cache fills, or what the sequences hold together."""
    shared_state = pool.state_bytes_per_sequence and not pool.states_apart
    kinds = {cache.kind for cache in pool.caches if cache.bytes_per_token}
    if len(kinds) != 1 or shared_state:
        return int(concurrency * context_tokens)
    per_token = pool.growing_bytes_per_token or pool.window_bytes_per_token
    block = pool.settings.profile.block_tokens
    return int(kv_bytes / per_token) // block * block
