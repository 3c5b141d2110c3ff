"""A profile as JSON, for programs."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from report.profile.model import Profile

#: Version of the JSON; it changes if a reader would have to change.
PROFILE_FORMAT = 1


@cache
def _profile_type() -> TypeAdapter[Profile]:
    return TypeAdapter(Profile)


def to_json(profile: Profile) -> str:
    """Return a profile as JSON."""
    content = _profile_type().dump_python(profile, mode="json")
    return json.dumps(
        {"format": PROFILE_FORMAT, **content}, indent=1, ensure_ascii=False, allow_nan=False
    )


def profile_schema() -> dict[str, Any]:
    """Return the JSON Schema of a profile."""
    schema = _profile_type().json_schema(mode="serialization")
    schema["properties"] = {"format": {"const": PROFILE_FORMAT}, **schema["properties"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
