"""Who caused which cost, and a stated rule by which what nobody caused is shared out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

Rule = Literal["cost", "even", "none"]
RULES: Mapping[Rule, str] = {
    "cost": "in proportion to direct cost",
    "even": "in equal shares",
    "none": "not at all",
}
COMMON_PARTS = ("unused_commitment", "shared")
"""Parts of the bill that are shared out where nobody is named for them."""
_DIGITS = Decimal("0.0000000001")
_ZERO = Decimal(0)


@dataclass(frozen=True)
class ShowbackRow:
    """What one team, model, namespace or tag value costs."""

    name: str | None
    """``None``: nobody is named."""
    parts: Mapping[str, Decimal]
    """Direct cost by part of the waterfall."""
    direct: Decimal
    shared_out: Decimal
    """Its share of the common cost."""

    @property
    def total(self) -> Decimal:
        """Direct cost and share of the common cost."""
        return self.direct + self.shared_out


def showback(
    costs: Sequence[tuple[str | None, str, Decimal]], rule: Rule = "cost"
) -> tuple[ShowbackRow, ...]:
    """Return the cost of each name, the dearest first; the totals sum to all ``costs`` exactly.

    Parameters
    ----------
    costs
        Name, part of the waterfall and amount. Unused commitments and shared cost without a name are shared
        out among the names by ``rule``; idle, unallocated and unknown cost without a name stays unnamed.
    rule
        ``cost``: in proportion to direct cost (a negative one counts as none), ``even`` or ``none``.

    >>> costs = [("a", "useful", Decimal(30)), ("b", "useful", Decimal(10)), (None, "shared", Decimal(4))]
    >>> rows = showback(costs)
    >>> [(row.name, str(row.shared_out)) for row in rows]
    [('a', '3.0000000000'), ('b', '1.0000000000')]
    """
    parts: dict[str | None, dict[str, Decimal]] = {}
    for name, part, amount in costs:
        of_name = parts.setdefault(name, {})
        of_name[part] = of_name.get(part, _ZERO) + amount
    direct = {name: sum(found.values(), _ZERO) for name, found in parts.items()}
    named = [name for name in direct if name is not None]
    weights = {name: max(direct[name], _ZERO) if rule == "cost" else Decimal(1) for name in named}
    shares: dict[str | None, Decimal] = {}
    if rule != "none" and sum(weights.values(), _ZERO) > 0 and None in parts:
        nobody = parts[None]
        pot = sum((nobody.pop(part) for part in COMMON_PARTS if part in nobody), _ZERO)
        direct[None] -= pot
        shares.update(_divided(pot, weights).items())
        if not nobody:
            del parts[None]
    rows = (ShowbackRow(name, found, direct[name], shares.get(name, _ZERO)) for name, found in parts.items())
    return tuple(sorted(rows, key=lambda row: (row.name is None, -row.total, row.name or "")))


def _divided(pot: Decimal, weights: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
    """Return the pot's shares by weight; they sum to it exactly, the heaviest takes what rounding leaves."""
    whole = sum(weights.values(), _ZERO)
    shares = {name: (pot * weight / whole).quantize(_DIGITS) for name, weight in weights.items()}
    heaviest = max(weights, key=lambda name: (weights[name], name))
    shares[heaviest] += pot - sum(shares.values(), _ZERO)
    return shares


def to_cents(amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return ``amounts`` to the cent so that they sum to their rounded total: the largest gets what is left.

    >>> {name: str(cents) for name, cents in to_cents({"a": Decimal("0.335"), "b": Decimal("0.335")}).items()}
    {'a': '0.34', 'b': '0.33'}
    """
    cent = Decimal("0.01")
    rounded = {name: amount.quantize(cent, ROUND_HALF_EVEN) for name, amount in amounts.items()}
    total = sum(amounts.values(), _ZERO).quantize(cent, ROUND_HALF_EVEN)
    if rounded and (rest := total - sum(rounded.values(), _ZERO)):
        largest = max(rounded, key=lambda name: (abs(rounded[name]), name))
        rounded[largest] += rest
    return rounded
