"""The command line and the Kubernetes manifest that reproduce a deployment."""

from inferplan.planner.launch.commands import launch_command, launch_line, launch_notes
from inferplan.planner.launch.manifests import (
    kserve_manifest,
    kserve_yaml,
    kubernetes_manifest,
    kubernetes_yaml,
)

__all__ = [
    "kserve_manifest",
    "kserve_yaml",
    "kubernetes_manifest",
    "kubernetes_yaml",
    "launch_command",
    "launch_line",
    "launch_notes",
]
