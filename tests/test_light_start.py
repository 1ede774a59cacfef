"""What the command line answers without a page must not pay for one."""

import subprocess
import sys

SCRIPT = """
import sys
from inferplan.dashboard.__main__ import cli
from inferplan.dashboard.commands import estimate, fit
from inferplan.planner import case
print(",".join(sorted({name.split(".")[0] for name in sys.modules})))
"""


def test_fit_and_estimate_load_no_heavy_library() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.strip().split(","))
    assert loaded.isdisjoint({"pandas", "duckdb", "streamlit", "altair", "boto3", "pyarrow"})
