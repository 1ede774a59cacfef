"""What the label of a CloudWatch metric says: people write into it what its metric and dimensions do not."""

import re

from inferplan.datasets.uploads.gathering import told_metric
from inferplan.datasets.uploads.metrics import Naming, named
from inferplan.datasets.uploads.reading import Labels, ReadOptions, Tally

_INSTANCE = re.compile(r"^i-[0-9a-f]{8,17}$")
_TYPE = re.compile(r"^[a-z][a-z0-9-]*\.(?:\d*x?large|metal(?:-\d+xl)?|small|medium|micro|nano)$")
_UUID = re.compile(r"^(?:GPU|MIG)-[0-9a-f-]{36}$", re.IGNORECASE)
_NO_PLACE = re.compile(
    r"^(average|maximum|minimum|sum|samplecount|p\d+(\.\d+)?|\d+s|cwagent|aws/\w+|nvidia|tesla|"
    r"(us|eu|ap|sa|ca|me|af|il|mx|cn)(-gov)?-(north|south|east|west|central)+-\d)$",
    re.IGNORECASE,
)
"""Statistics, periods, namespaces, regions and makers, which labels hold beside places."""
_WORD = re.compile(r"[^\s,;|()]+")
_MACHINE = re.compile(r".*[\d.-]")
_TOO_LITTLE = re.compile(r"\b(minimum|sum|samplecount|sample count)\b", re.IGNORECASE)
_AVERAGE = re.compile(r"\b(average|mean|avg)\b", re.IGNORECASE)


def unfit_statistic(label: str, tally: Tally) -> str | None:
    """Return the statistic that a label names where it says nothing of the use; averages are only told."""
    if found := _TOO_LITTLE.search(label):
        return f"the {found[1]} of a period does not tell how much was used: ask for Maximum"
    if _AVERAGE.search(label):
        tally.note("Averages flatten the peaks: ask CloudWatch for the statistic Maximum.")
    return None


def meaning(label: str, identity: str, options: ReadOptions) -> tuple[Naming | None, Labels]:
    """Return metric and place from the words of a label; what it does not say cannot be known."""
    words = _WORD.findall(label)
    naming = next((found for word in words if (found := named(word))), None) or named(identity)
    instance = next((word for word in words if _INSTANCE.match(word)), None)
    uuid = next((word for word in words if _UUID.match(word)), None)
    rest = [
        word
        for word in words
        if not (named(word) or any(known.match(word) for known in (_INSTANCE, _TYPE, _UUID, _NO_PLACE)))
    ]
    index = next((word for word in rest if word.isdigit()), None)
    places = [word for word in rest if not word.isdigit() and word.casefold() != "gpu"]
    place = places[0] if places and _MACHINE.match(places[0]) else " ".join(places)
    labels = Labels(
        gpu_uuid=uuid,
        gpu_index=index,
        host=place or options.host,
        instance_id=instance,
        instance_type=next((word for word in words if _TYPE.match(word)), None),
    )
    if naming is None and options.metric:
        return told_metric(options.metric), labels
    if naming is None and not (instance or uuid):
        return None, labels
    return naming or told_metric(options.metric), labels
