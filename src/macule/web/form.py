"""What a person told us of the patient, checked field by field so that a message lands beside its field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from macule.analysis.patient import Patient
from macule.errors import InvalidMetadata
from macule.web.faults import MalformedRequest

FIELDS = ("age", "sex", "site", "modality")


@dataclass(frozen=True)
class Form:
    """values: as typed. wrong: {field: the core's message}, in the order of the form."""

    values: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Form:
        """Raises: MalformedRequest for a field that the form does not have; a misspelt one must not be lost."""
        unknown = sorted(set(fields) - set(FIELDS))
        if unknown:
            raise MalformedRequest(f"field {unknown[0]!r} is not known; send any of: {', '.join(FIELDS)}.")
        messages = {name: _complaint(name, fields[name]) for name in FIELDS if name in fields}
        return cls(values=dict(fields), wrong={name: text for name, text in messages.items() if text})

    def patient(self) -> Patient:
        """Raises: InvalidMetadata with every field's message."""
        if self.wrong:
            raise InvalidMetadata(" ".join(self.wrong.values()))
        return Patient.parse(**{name: self.values.get(name) for name in FIELDS})


def _complaint(name: str, value: str) -> str | None:
    try:
        Patient.parse(**{name: value})
    except InvalidMetadata as fault:
        return str(fault)
    return None
