"""Several models that share a stream of requests, as a document."""

import json
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from inferplan.datasets.errors import InferplanError
from inferplan.datasets.schema import Row
from inferplan.planner.case import Case

MOST_MEMBERS = 8
_SUM_TOLERANCE = 1e-6
_ANY_GPU = "H100 SXM"
"""A case names a GPU; here every one on offer is tried."""


class Member(Row):
    """One model with its share of the requests."""

    share: Annotated[float, Field(gt=0, le=1)]
    case: Case


class Portfolio(Row):
    """Models that serve a stream of requests together."""

    requests_per_s: Annotated[float, Field(gt=0, le=1e9)]
    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=MOST_MEMBERS)]

    @model_validator(mode="after")
    def _shares_are_the_whole(self) -> Self:
        total = sum(member.share for member in self.members)
        if abs(total - 1) > _SUM_TOLERANCE:
            msg = f"the shares must sum to 1, they sum to {total:g}"
            raise ValueError(msg)
        return self

    @classmethod
    def read(cls, data: object) -> Self:
        """Return the portfolio of a JSON document: ``requests_per_s``, and ``models`` with a ``share`` each.

        Raises
        ------
        InferplanError
            Naming what is wrong, and the model that it is wrong with.
        """
        if not isinstance(data, dict) or not isinstance(data.get("models"), list):
            msg = 'a portfolio is a JSON object with "requests_per_s" and a list "models"'
            raise InferplanError(msg)
        members = [_member(number, entry) for number, entry in enumerate(data["models"], 1)]
        rest = {name: value for name, value in data.items() if name != "models"}
        try:
            return cls.model_validate({**rest, "members": members})
        except ValidationError as error:
            problems = (
                f"{'.'.join(map(str, one['loc'])) or 'portfolio'}: {one['msg'].removeprefix('Value error, ')}"
                for one in error.errors()
            )
            raise InferplanError("; ".join(problems)) from None

    def document(self) -> str:
        """Return the JSON that ``read`` reads."""
        models = [
            {
                "share": member.share,
                **json.loads(member.case.model_dump_json(exclude_none=True, exclude_defaults=True)),
            }
            for member in self.members
        ]
        return json.dumps({"requests_per_s": self.requests_per_s, "models": models}, indent=2) + "\n"

    def cases(self) -> tuple[Case, ...]:
        """Return each member's case at its part of the requests."""
        return tuple(
            member.case.model_copy(
                update={"request_rate": self.requests_per_s * member.share, "concurrency": None}
            )
            for member in self.members
        )


def _member(number: int, entry: object) -> dict[str, object]:
    if not isinstance(entry, dict) or "share" not in entry:
        msg = f'model {number}: give an object with a "share" and the fields of a case'
        raise InferplanError(msg)
    fields = {name: value for name, value in entry.items() if name != "share"}
    try:
        return {"share": entry["share"], "case": Case.read({"gpu": _ANY_GPU, **fields})}
    except InferplanError as error:
        msg = f"model {number}: {error}"
        raise InferplanError(msg) from None
