"""``nvidia-smi dmon``: a printed table of GPUs, with times only under ``-o DT``.

Shape: nvidia-smi's manual, and printouts in public logs. Its ``sm`` is the share of time in which any kernel
ran, as GPU_UTIL is; its MB are MiB. ``--gpm-metrics`` adds gract, smutil, smocc, mmaact (any tensor pipe) and
dram, in percents.
"""

import re

from inferplan.datasets.uploads.clock import Clock
from inferplan.datasets.uploads.gathering import Gatherer
from inferplan.datasets.uploads.metrics import MIB, PERCENT, Naming
from inferplan.datasets.uploads.opening import Upload
from inferplan.datasets.uploads.reading import Items, Labels, ReadOptions, Series, Tally
from inferplan.datasets.uploads.rounds import Rounds

name = "nvidia-smi-dmon"
title = "nvidia-smi dmon printout"
kind = "usage"

_HEADER = re.compile(r"^\s*#\s*(?:Date[\s,]+)?(?:Time[\s,]+)?gpu[\s,]+(?!.*\bpid\b)", re.MULTILINE)
_GAP = re.compile(r"\s*,\s*|\s+")
_METRICS = {
    "pwr": Naming("power_w", 1.0),
    "gtemp": Naming("temperature_c", 1.0),
    "sm": Naming("gpu_util_ratio", PERCENT),
    "mem": Naming("mem_copy_util_ratio", PERCENT),
    "fb": Naming("fb_used_bytes", MIB),
    "gract": Naming("gr_engine_active_ratio", PERCENT),
    "smutil": Naming("sm_active_ratio", PERCENT),
    "smocc": Naming("sm_occupancy_ratio", PERCENT),
    "mmaact": Naming("tensor_active_ratio", PERCENT),
    "dram": Naming("dram_active_ratio", PERCENT),
}


def sniff(head: str) -> bool:
    """Recognise the header that begins with ``# gpu``, behind date and time if there are any."""
    return bool(_HEADER.search(head))


def read(upload: Upload, options: ReadOptions, tally: Tally) -> Items:
    """Yield samples, at the printed times or one round of printing after another."""
    rounds, clock, gatherer = Rounds(options, "nvidia-smi dmon"), Clock(options, tally), Gatherer(tally)
    names: list[str] = []
    for line_number, line in upload.lines(tally):
        cells = _GAP.split(line.strip().lstrip("# ").casefold())
        if _HEADER.match(line):
            names = cells
            if "date" not in names:
                rounds.ask()
            tally.ignored.update(set(names) - {"gpu", "date", "time", *_METRICS})
            continue
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        tally.rows_read += 1
        if len(cells) != len(names):
            tally.refuse(line_number, f"{len(cells)} cells where the header has {len(names)}")
            continue
        row = dict(zip(names, cells, strict=True))
        labels = Labels(gpu_index=row["gpu"], host=options.host)
        try:
            us = clock.us(f"{row['date']} {row['time']}", row["gpu"]) if "date" in row else rounds.us(labels)
        except ValueError as error:
            tally.refuse(line_number, str(error))
            continue
        for column, naming in _METRICS.items():
            if column in row:
                gatherer.take(row[column], naming, Series(naming.metric, labels), us, line_number)
        if gatherer.full:
            yield from gatherer.flush()
    yield from gatherer.flush()
