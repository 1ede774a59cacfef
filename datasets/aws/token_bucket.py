"""A limit on how often one process asks one operation of an API."""

import functools
import threading
import time
from collections.abc import Callable

BURST = 10
PER_SECOND = 5.0
# Both are AWS's own limit per account and region for each price-list operation:
# docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-pelong.html


class TokenBucket:
    """Lets ``burst`` requests pass at once and then ``per_second``; the others wait their turn."""

    def __init__(
        self,
        burst: int = BURST,
        per_second: float = PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Start full; ``clock`` and ``sleep`` work in seconds."""
        self._burst = float(burst)
        self._per_second = per_second
        self._clock = clock
        self._sleep = sleep
        self._tokens = float(burst)
        self._filled_at = clock()
        self._lock = threading.Lock()
        self.taken = 0
        """Tokens taken so far: one per request that went out."""

    def take(self) -> None:
        """Take a token, waiting for one when there is none.

        >>> waits = []
        >>> bucket = TokenBucket(burst=2, per_second=5, clock=lambda: 0.0, sleep=waits.append)
        >>> for _ in range(4): bucket.take()
        >>> waits
        [0.2, 0.4]
        """
        with self._lock:
            self.taken += 1
            now = self._clock()
            refilled = (now - self._filled_at) * self._per_second
            self._tokens = min(self._burst, self._tokens + refilled) - 1
            self._filled_at = now
            wait_s = max(0.0, -self._tokens / self._per_second)
        if wait_s:
            self._sleep(wait_s)


@functools.cache
def shared_bucket(service: str, region: str, operation: str) -> TokenBucket:
    """Return the process's one bucket for an operation of ``service`` in ``region``."""
    del service, region, operation  # they are the key of the cache
    return TokenBucket()
