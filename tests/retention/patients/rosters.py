"""FHIR resources for tests of mail by patient."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MR = {"coding": [{"code": "MR"}]}
NPI = "http://hl7.org/fhir/sid/us-npi"


def patient(own: str, *numbers: str, name: str = "Jane Roe", **more: Any) -> dict[str, Any]:
    given, family = name.split()
    identifiers = [{"type": MR, "value": number} for number in numbers]
    return {
        "resourceType": "Patient",
        "id": own,
        "name": [{"family": family, "given": [given]}],
        "identifier": [*identifiers, *more.pop("identifier", [])],
        **more,
    }


def encounter(
    own: str, of: str, first: str | None, last: str | None, *by: str, kind: str = "IMP", **more: Any
) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": own,
        "status": "finished" if last else "in-progress",
        "class": {"code": kind},
        "subject": {"reference": f"Patient/{of}"},
        "period": {**({"start": first} if first else {}), **({"end": last} if last else {})},
        "participant": [{"individual": {"reference": one, "display": "Dr. Display"}} for one in by],
        **more,
    }


def practitioner(own: str, name: str, *emails: str, npi: str = "") -> dict[str, Any]:
    given, family = name.split()
    return {
        "resourceType": "Practitioner",
        "id": own,
        "name": [{"family": family, "given": [given]}],
        "telecom": [{"system": "email", "value": email} for email in emails],
        "identifier": [{"system": NPI, "value": npi}] if npi else [],
    }


def role(own: str, of: str) -> dict[str, Any]:
    return {"resourceType": "PractitionerRole", "id": own, "practitioner": {"reference": of}}


def ndjson(path: Path, *resources: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in resources))
    return path
