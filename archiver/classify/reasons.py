"""What each reason code of a finding means, in words for who reviews it."""

from __future__ import annotations

from types import MappingProxyType

REASONS = MappingProxyType(
    {
        "account_label": "a word for an account stands before it",
        "birth_label": "a date behind a word for birth",
        "card_check_digit": "an issuer's number with the right check digit",
        "card_label": "a right check digit behind a word for a card",
        "care_given_at": "named as where care was given, in clinical text",
        "column_heading": "it stands under such a heading in a list of patients",
        "cpt_label": "a procedure code behind a word for it",
        "date_form": "a day in figures",
        "date_named": "a day with its month's name",
        "day_and_month": "a day without a year, in clinical text",
        "day_of_month": "a day with its month's name, without a year",
        "day_relative": "a day told by its distance, in clinical text",
        "dea_check_digit": "the form of a DEA number, with the right check digit",
        "device_label": "a word for a device or its serial number stands before it",
        "drug_name": "a medicine of the lexicon",
        "email_form": "the form of an e-mail address",
        "given_name": "a common given name with a surname or initial, in clinical text",
        "hcpcs_label": "a HCPCS code behind a word for it",
        "health_plan_label": "a word for a health plan and a number stand before it",
        "hl7_field": "a field of a patient's segment between systems (HL7)",
        "iban_check_digits": "an IBAN with the right length and check digits",
        "icd10_dotted": "the form of an ICD-10-CM code",
        "icd10_label": "the form of an ICD-10-CM code behind a word for diagnoses",
        "insurance_near": "a word for insurance stands near before it",
        "insurance_number": "a word for insurance stands before it",
        "ip_form": "the form of an Internet address",
        "itin_form": "the form and range of a taxpayer number",
        "license_label": "a word for a licence or certificate stands before it",
        "mbi_form": "the form of a Medicare Beneficiary Identifier",
        "medicaid_form": "a word for Medicaid stands before it, and a State's form fits",
        "medicaid_label": "a word for Medicaid stands before it, and no State's form fits",
        "medical_record_label": "words for a record or chart stand before it",
        "military_post": "a military post office",
        "month_of_year": "a month of a year",
        "mrn_label": "MRN stands before it",
        "name_label": "a word for a patient or a name stands before it, in clinical text",
        "name_title": "a title stands before it, in clinical text",
        "ndc_form": "the form of a National Drug Code",
        "ndc_label": "NDC stands before it",
        "npi_check_digit": "NPI stands before it, and its check digit is right",
        "over_89": "an age over 89",
        "patient_label": "words for a patient's name stand before it",
        "phone_abroad": "a telephone number with its country",
        "phone_form": "the form of a North American telephone number",
        "phone_groups": "the form of a telephone number of another country",
        "phone_label": "digits that a word beside them calls a telephone number",
        "picture_part": "a picture that may show a person",
        "place_of_care": "the name of a hospital, clinic or the like, in clinical text",
        "plate_label": "words for a licence plate stand before it",
        "post_box": "a post office box",
        "record_number_form": "the form of this organisation's record numbers",
        "roster_mrn": "a record number of the roster",
        "roster_name": "a name of the roster",
        "routing_check_digit": "a routing number with the right check digit behind a word for it",
        "ssn_form": "the form and range of a Social Security number",
        "ssn_label": "a word for Social Security stands before it",
        "ssn_last_four": "the last digits of a Social Security number",
        "street": "a number and a street",
        "town": "a town of the lexicon, in clinical text",
        "town_and_state": "a town with its State",
        "udi_form": "a device identifier (GS1)",
        "url_form": "a web address",
        "vin_label": "words for a vehicle's number stand before it",
        "zip_label": "a word for a ZIP code stands before it",
    }
)


def reason(why: str) -> str:
    """A reason code in words."""
    if why.startswith("zip_of_"):
        return f"a ZIP code behind its State, {why.removeprefix('zip_of_')}"
    return REASONS[why]
