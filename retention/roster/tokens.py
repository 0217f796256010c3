"""The blind tokens of a patient's record: by which it is found, and by which mail is matched to it."""

from __future__ import annotations

from archiver.classify import normalise_identifier
from archiver.seal.blind import BlindIndex
from archiver.store.schema import (
    BY_ADDRESS,
    BY_BIRTH,
    BY_FHIR,
    BY_KEY,
    BY_NAME,
    BY_NUMBER,
    BY_OPEN,
    BY_PHONE,
    CUSTODIAN,
    PATIENT,
)
from retention.roster.evidence import BIRTH, NAME, birth_value, name_value
from retention.roster.names import NameKey, key_of
from retention.roster.patient import Patient

_KEY, _FHIR, _OPEN = "patient-key", "patient-fhir", "patient-open"


def tokens_of(blind: BlindIndex, patient: Patient) -> dict[bytes, int]:
    """Every token of a record, with its kind."""
    token = blind.token
    found: dict[bytes, int] = {}
    if patient.mrn and not patient.fhir:
        found[key_token(blind, patient.mrn, patient.system)] = BY_KEY
    for number in patient.all_numbers:
        found[token("mrn", normalise_identifier("mrn", number))] = BY_NUMBER
    for one in patient.ids:
        kind, _, value = one.partition(":")
        found[token(kind, value)] = BY_NUMBER
    for address in patient.all_emails:
        # As sender or recipient, and as the text of a message names it.
        found[token("address", address)] = found[token("email", address)] = BY_ADDRESS
    day = patient.birthday.isoformat() if patient.birthday else ""
    for key in name_keys(patient):
        found[token(NAME, name_value(key))] = BY_NAME
        if day:
            found[token(BIRTH, birth_value(key, day))] = BY_BIRTH
    for phone in patient.phones:
        found[token("phone", normalise_identifier("phone", phone))] = BY_PHONE
    for own in patient.fhir:
        found[fhir_token(blind, own)] = BY_FHIR
    for encounter, _ in patient.open_encounters:
        found[open_token(blind, encounter)] = BY_OPEN
    return found


def links_of(blind: BlindIndex, patient: Patient) -> set[bytes]:
    """Tokens of other records of the same person: those it is linked to, CSV rows of its numbers (another one
    than its own in a row of a CSV), and what came under another of its FHIR ids before the two were known to
    be one."""
    found = {reference_token(blind, other) for other in patient.links}
    if not patient.system:
        # A link by number is to whoever has it, on a row of a CSV or on a FHIR record.
        by_number = (other.removeprefix("mrn:") for other in patient.links if other.startswith("mrn:"))
        found.update(blind.token("mrn", number) for number in by_number)
    numbers = patient.all_numbers if patient.fhir else patient.numbers
    found.update(
        key_token(blind, number, patient.system) for number in numbers if normalise_identifier("mrn", number)
    )
    if len(patient.fhir) > 1:
        found.update(fhir_token(blind, own) for own in patient.fhir)
    return found


def name_keys(patient: Patient) -> set[NameKey]:
    """What each of a patient's names is looked for as."""
    return {key for name in patient.all_names if (key := key_of(name)) is not None}


def name_token(blind: BlindIndex, key: NameKey) -> bytes:
    """The token of a name."""
    return blind.token(NAME, name_value(key))


def key_token(blind: BlindIndex, number: str, system: str = "") -> bytes:
    """The token that names the record of a record number, in a system that counts for itself or in all."""
    normal = normalise_identifier("mrn", number)
    return blind.token(_KEY, f"{normal}|{system.encode().hex()}" if system else normal)


def fhir_token(blind: BlindIndex, own: str) -> bytes:
    """The token of a FHIR id. Letters count as written there, so they are spelled out."""
    return blind.token(_FHIR, own.encode().hex())


def open_token(blind: BlindIndex, encounter: str) -> bytes:
    """The token of an encounter's id."""
    return blind.token(_OPEN, encounter.encode().hex())


def reference_token(blind: BlindIndex, reference: str) -> bytes:
    """The token of what `retention.roster.fhir.Reader` names a patient by."""
    if reference.startswith("mrn:"):
        system, _, number = reference.removeprefix("mrn:").rpartition("|")
        return key_token(blind, number, system)
    return fhir_token(blind, reference)


def hold_pairs(blind: BlindIndex, patient: Patient) -> set[tuple[int, bytes]]:
    """What a hold on a patient is matched by: (field of `message_tokens`, token)."""
    pairs = {
        (PATIENT, token)
        for token, kind in tokens_of(blind, patient).items()
        if kind in (BY_NUMBER, BY_ADDRESS, BY_NAME, BY_BIRTH)
    }
    return pairs | {(CUSTODIAN, blind.token("address", one)) for one in patient.all_emails}
