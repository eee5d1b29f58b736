"""A JSON object as facts: what is missing, null or empty reads as "unknown". Needs the standard
library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Facts:
    """A JSON object, such as machine.json. Whatever key is missing reads as "unknown"."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def value(self, path: str) -> Any:
        """The value at a dotted path such as "cpu.model", or None where there is none."""
        here: Any = self.values
        for key in path.split("."):
            if not isinstance(here, Mapping) or key not in here:
                return None
            here = here[key]
        return here

    def text(self, path: str) -> str:
        """The value at a dotted path as words; "unknown" where it is missing, null or empty."""
        return _words(self.value(path))


def _words(value: Any) -> str:
    if value is None or value == "" or value == [] or value == {}:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        between = "; " if any(isinstance(inner, Mapping) for inner in value) else " "
        return between.join(_words(inner) for inner in value)
    return str(value)
