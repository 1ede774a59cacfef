"""Layers of commitments against every possible mix, priced hour by hour on its own."""

import random
from decimal import Decimal
from itertools import product

import pytest

from inferplan.datasets.errors import InferplanError
from inferplan.pricing.commitment_layers import LayeredMix, layered_mix
from inferplan.pricing.commitments import Term, recommend

HOUR = Decimal("55.04")  # p5.48xlarge, us-east-1, on demand
ONE_YEAR = Term("1y", Decimal("35.40"), Decimal(1))
THREE_YEARS = Term("3y", Decimal("23.7773"), Decimal(3))
TWO_YEARS = Term("2y", Decimal("30.00"), Decimal(2))
MOST = 8


def hours_usd(demand: list[Decimal], machines: int, price: Decimal = HOUR) -> Decimal:
    """What an average hour costs beyond ``machines``."""
    return sum((max(Decimal(0), hour - machines) * price for hour in demand), Decimal(0)) / len(demand)


def best_afterwards(demand: list[Decimal], kept: int, cheapest: Decimal) -> Decimal:
    """The cheapest hour with ``kept`` machines that are paid elsewhere."""
    return min(more * cheapest + hours_usd(demand, kept + more) for more in range(MOST + 1))


def expected(demand: list[Decimal], counts: dict[Term, int], terms: list[Term], chance: Decimal) -> Decimal:
    """Average USD per hour over the longest term: shorter ones are chosen anew when they end, if at all."""
    years = max(int(term.years) for term in terms)
    cheapest = min(term.usd_per_hour for term in terms)
    fallen = [hour * Decimal("0.7") for hour in demand]
    total = Decimal(0)
    for year in range(years):
        running = {term: count for term, count in counts.items() if year < term.years}
        machines = sum(running.values())
        total += sum((count * term.usd_per_hour for term, count in running.items()), Decimal(0))
        if year == 0:
            total += hours_usd(demand, machines)
        else:
            total += (1 - chance) * best_afterwards(demand, machines, cheapest)
            total += chance * best_afterwards(fallen, machines, cheapest)
    return total / years


def series(seed: int) -> list[Decimal]:
    drawn = random.Random(seed)
    return [Decimal(drawn.randint(0, 4 * (MOST - 1))) / 4 for _ in range(drawn.randint(5, 40))]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "terms",
    [[ONE_YEAR, THREE_YEARS], [THREE_YEARS], [ONE_YEAR], [ONE_YEAR, TWO_YEARS, THREE_YEARS]],
    ids=["1y+3y", "3y", "1y", "1y+2y+3y"],
)
def test_no_other_mix_is_expected_to_cost_less(seed: int, terms: list[Term]) -> None:
    demand = series(seed)
    chance = Decimal(random.Random(seed).choice([0, 20, 50, 80, 100])) / 100
    found = layered_mix(demand, HOUR, terms, chance)
    counts = {layer.term: layer.machines for layer in found.layers}
    most = range(MOST if len(terms) < 3 else MOST - 2)
    every = (
        expected(demand, dict(zip(terms, mix, strict=True)), terms, chance)
        for mix in product(most, repeat=len(terms))
    )
    assert abs(expected(demand, counts, terms, chance) - min(every)) < Decimal("1e-18")


def office(nights: int, days: int) -> list[int]:
    return ([nights] * 14 + [days] * 10) * 5


def layers(found: LayeredMix) -> list[tuple[str, int]]:
    return [(layer.term.name, layer.machines) for layer in found.layers]


def test_what_is_wanted_in_any_case_is_taken_for_longest() -> None:
    # Ten machines by day, eight by night; fallen seven and 5.6, and the eighth is wanted no more.
    found = layered_mix(office(8, 10), HOUR, [ONE_YEAR, THREE_YEARS], Decimal("0.9"))
    assert layers(found) == [("3y", 7), ("1y", 1)]
    assert layers(layered_mix(office(8, 10), HOUR, [ONE_YEAR, THREE_YEARS], Decimal(0))) == [("3y", 8)]
    committed = 5 * 24 * (7 * THREE_YEARS.usd_per_hour + ONE_YEAR.usd_per_hour)
    by_the_hour = 5 * 10 * 2 * HOUR
    assert abs(found.bill.total_usd - committed - by_the_hour) < Decimal("1e-18")
    wanted = 5 * (14 * 8 + 10 * 10)
    assert abs(found.saved_usd - (wanted * HOUR - committed - by_the_hour)) < Decimal("1e-18")


def test_the_regret_of_shorter_terms_ends_with_them() -> None:
    found = layered_mix(office(8, 10), HOUR, [ONE_YEAR, THREE_YEARS], Decimal("0.9"))
    ended = found.regret_usd_if_demand_falls - found.regret_usd_a_year_later
    assert abs(ended - 5 * 24 * ONE_YEAR.usd_per_hour) < Decimal("1e-18")  # the eighth machine, for nothing
    # What stays: seven machines, of which the seventh is wanted by day only.
    [right, *_] = recommend([hour * 0.7 for hour in office(8, 10)], HOUR, [THREE_YEARS])
    seven = 5 * 24 * 7 * THREE_YEARS.usd_per_hour
    assert abs(found.regret_usd_a_year_later - (seven - right.bill.total_usd)) < Decimal("1e-18")


def test_terms_that_save_nothing_are_not_taken() -> None:
    found = layered_mix(office(6, 10), HOUR, [Term("dear", HOUR, Decimal(1))])
    assert found.layers == ()
    assert (found.saved_usd, found.regret_usd_if_demand_falls, found.regret_usd_a_year_later) == (0, 0, 0)
    assert layered_mix([0, 0], HOUR, [THREE_YEARS]).layers == ()


def test_a_chance_is_a_share() -> None:
    with pytest.raises(InferplanError, match="between 0 and 1"):
        layered_mix([1], HOUR, [ONE_YEAR], Decimal(30))


def test_a_million_machines_are_no_more_work_than_ten() -> None:
    found = layered_mix(
        [100_000 * hour for hour in office(8, 10)], HOUR, [ONE_YEAR, THREE_YEARS], Decimal("0.9")
    )
    assert layers(found) == [("3y", 700_000), ("1y", 100_000)]
