"""What all sections of the job file have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Degree = Annotated[int, Field(ge=1, le=8)]


class Section(BaseModel):
    """A mapping of the job file: no unknown keys, no types converted, no infinities."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, validate_default=False
    )
