"""How often one process asks one operation: every attempt waits for a token."""

import random
from typing import Any

import pytest

from inferplan.datasets.aws import token_bucket
from inferplan.datasets.warehouse import Warehouse
from inferplan.pricing.refresh import refresh


def test_every_attempt_takes_a_token(aws: Any, warehouse: Warehouse) -> None:
    aws.products = [aws.product("g6.xlarge", "0.8048", gpu="1")] * 9
    aws.before = [aws.refusal("ThrottlingException")]
    refresh(warehouse, "aws", "us-east-1")
    assert len(aws.asked) == 6, "five pages and one throttled attempt"
    bucket = token_bucket.shared_bucket("pricing", "us-east-1", "GetProducts")
    assert bucket.taken == 6


@pytest.mark.parametrize("seed", range(30))
def test_no_window_sees_more_than_the_burst_and_the_refill(seed: int) -> None:
    drawn = random.Random(seed)
    pauses_s = [drawn.choice((0, 0, drawn.uniform(0, 1.5))) for _ in range(60)]
    now = 0.0
    sent_at: list[float] = []

    def sleep(wait_s: float) -> None:
        nonlocal now
        now += wait_s

    bucket = token_bucket.TokenBucket(clock=lambda: now, sleep=sleep)
    for pause_s in pauses_s:
        now += pause_s
        bucket.take()
        sent_at.append(now)
    for first, start in enumerate(sent_at):
        for last in range(first, len(sent_at)):
            allowed = token_bucket.BURST + token_bucket.PER_SECOND * (sent_at[last] - start)
            assert last - first + 1 <= allowed + 1e-6
