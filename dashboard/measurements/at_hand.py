"""Own measurements for commands that can do without a warehouse."""

from inferplan.dashboard.command_line.warehouse_at_hand import warehouse_at_hand
from inferplan.planner.performance import OwnEvidence


def evidence_at_hand() -> OwnEvidence | None:
    """Return what estimates are drawn to; ``None`` where no warehouse can be read, or it holds nothing."""
    with warehouse_at_hand("own measurements") as warehouse:
        if warehouse is None:
            return None
        from inferplan.datasets.measurements import own_measurements
        from inferplan.planner.performance.own_evidence import compared, own_evidence

        return own_evidence(compared(own_measurements(warehouse)))
