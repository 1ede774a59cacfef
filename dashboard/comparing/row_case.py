"""From a row of a comparison back to a case."""

from typing import Any

import pandas as pd

from inferplan.planner.case import Case

AS_SHIPPED = "as shipped"


def deployment_fields(current: Case, row: "pd.Series[Any]") -> dict[str, Any]:
    """Return the fields that make ``current`` the deployment of ``row``; none has pools of its own."""
    return {
        "gpu": str(row["gpu"]),
        "engine": str(row["engine"]),
        "engine_version": current.engine_version if row["engine"] == current.engine else None,
        "weights_dtype": None if row["weights_dtype"] == AS_SHIPPED else str(row["weights_dtype"]),
        "kv_dtype": str(row["kv_dtype"]),
        "tp": int(row["tp"]),
        "pp": int(row["pp"]),
        "ep": int(row["ep"]),
        "prefill_gpus": None,
        "prefill_tp": None,
        "decode_tp": None,
        "kv_transfer_gb_per_s": None,
    }
