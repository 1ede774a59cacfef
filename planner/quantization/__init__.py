"""Bytes of a stored tensor by format."""

from inferplan.planner.quantization.checkpoint import Checkpoint, read_checkpoint
from inferplan.planner.quantization.formats import FORMATS, Format, QuantizationError, format_named
from inferplan.planner.quantization.storage import Storage, storage

__all__ = [
    "FORMATS",
    "Checkpoint",
    "Format",
    "QuantizationError",
    "Storage",
    "format_named",
    "read_checkpoint",
    "storage",
]
