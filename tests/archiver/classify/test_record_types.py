"""Record types, States and languages: clear texts are told, business mail is left alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import archiver.classify.records as records
from archiver.classify import classify
from archiver.classify.records import NOT_ABOUT_PATIENTS, clinical_types, load_lexicons, record_types
from archiver.message.model import ParsedMessage, Part
from config.errors import ConfigError
from retention.law.schedules import Schedule

CLEAR = {
    "medical_record": "Progress note: patient presented with chest pain. Assessment and plan below.",
    "billing": "Your explanation of benefits is attached; copay and CPT code were denied by the payer.",
    "mental_health": "Psychotherapy note: patient reports suicidal ideation, started sertraline.",
    "lab_report": "Lab results: hemoglobin A1c 7.2, creatinine 1.1, reference range attached.",
    "radiology_image": "Chest X-ray and CT scan read by radiology: no acute findings.",
    "mammography": "Screening mammogram due, BI-RADS 2 last year.",
    "prescription": "Prescription refill: lisinopril 10 mg once daily, send to the pharmacy.",
    "substance_use": "Admitted to detox for opioid use disorder, on buprenorphine.",
    "immunization": "Immunization record: Tdap vaccine given, lot number 12.",
    "dental": "Root canal on the molar done, bitewing attached.",
    "obstetric": "Prenatal visit, 30 weeks gestation, fetal heart tones normal.",
    "pathology_report": "Pathology report: biopsy shows adenocarcinoma.",
    "discharge_summary": "Discharge summary and hospital course attached.",
    "hipaa_documentation": "New notice of privacy practices and the business associate agreement.",
    "controlled_substance": "PDMP check done before the oxycodone script, a controlled substance.",
    "administrative": "Staff meeting on Friday; the purchase order and the payroll need a signature.",
    "patient_communication": "Dear patient, your test results are in the patient portal.",
    "business_associate": "Please sign the business associate agreement with the new vendor.",
    "not_a_record": "Automatic reply: I am out of the office until Monday.",
    "occupational_medical": "Needlestick: see occupational health for the bloodborne pathogen protocol.",
}


@pytest.mark.parametrize("kind", sorted(CLEAR))
def test_clear_texts(kind: str) -> None:
    found = {record.type: record for record in classify(CLEAR[kind]).record_types}
    assert kind in found
    assert 0.5 <= found[kind].confidence <= 1
    assert found[kind].why


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Lunch at noon? The patient approach pays: surgery on the budget, then a discharge of the debt.",
        "The contract, the invoice and the pipeline. No claims were made.",
        "Is the office open on Monday?",
    ],
)
def test_other_mail_is_correspondence(text: str) -> None:
    assert [record.type for record in classify(text).record_types] == ["correspondence"]


def test_every_type_has_a_lexicon_and_a_test() -> None:
    assert {lexicon.type for lexicon in load_lexicons().types} == set(CLEAR)
    others = {"hipaa_documentation", "administrative", "business_associate", "not_a_record"}
    assert clinical_types() == set(CLEAR) - others


@pytest.mark.parametrize(
    "more",
    [
        "Your lab results: hemoglobin 12.",
        "MRN 12345",
        "The patient was seen.",
        "Payroll and the purchase order are attached.",
        "DOB 03/04/1950",
    ],
)
def test_mail_is_no_record_only_where_nothing_speaks_for_one(more: str) -> None:
    automatic = CLEAR["not_a_record"]
    assert [r.type for r in classify(automatic).record_types] == ["not_a_record"]
    assert "not_a_record" not in {r.type for r in classify(f"{automatic} {more}").record_types}


def test_a_picture_may_be_one_of_a_patient() -> None:
    automatic = CLEAR["not_a_record"]
    part = Part("2", "image/jpeg", "x", 40_000, True, "no_text")
    assert [r.type for r in classify(ParsedMessage(body_text=automatic)).record_types] == ["not_a_record"]
    found = classify(ParsedMessage(body_text=automatic, parts=(part,)))
    assert [r.type for r in found.record_types] == ["correspondence"]


def test_family_mail_is_no_record_unless_it_speaks_of_illness() -> None:
    family = "Hi mom, thanks for dinner on Sunday. Love you, Jenny"
    assert [r.type for r in classify(family).record_types] == ["not_a_record"]
    ill = f"{family}. He has a fever and a rash since last night, what should I do?"
    assert "not_a_record" not in [r.type for r in classify(ill).record_types]


def test_a_long_text_speaks_of_patients_only_with_more_evidence() -> None:
    said = "The patient John Smith saw a nurse at the clinic. "
    assert "John Smith" in [f.text for f in classify(said).phi]
    assert "John Smith" not in [f.text for f in classify(said + "word " * 450).phi]


SPANISH = {
    "medical_record": "Paciente masculino con hipertensi\u00f3n; acude a consulta por dolor de pecho.",
    "patient_communication": "Buenos d\u00edas doctora, mi hijo tiene fiebre y mucha tos. Gracias",
    "lab_report": "Ya est\u00e1n sus resultados de laboratorio: hemoglobina y glucosa.",
    "mental_health": "Salud mental: ansiedad, ideaci\u00f3n suicida negada.",
    "substance_use": "Programa de desintoxicaci\u00f3n por consumo de sustancias.",
    "hipaa_documentation": "Adjunto el aviso de pr\u00e1cticas de privacidad.",
}


@pytest.mark.parametrize("kind", sorted(SPANISH))
def test_spanish(kind: str) -> None:
    assert kind in [record.type for record in classify(SPANISH[kind]).record_types]


def test_every_type_is_one_of_the_schedules() -> None:
    schedule = Schedule.load()
    for lexicon in load_lexicons().types:
        assert schedule.canonical(lexicon.type)
    assert {lexicon.type for lexicon in load_lexicons().types} | {"correspondence"} >= NOT_ABOUT_PATIENTS


def test_long_text_needs_more() -> None:
    words = ["patient", "prescription", "pharmacy"]
    short = record_types(words, set(words), ())
    long = record_types(words + ["word"] * 10_000, {*words, "word"}, ())
    assert short[0].type == "prescription"
    assert long[0].type == "correspondence"


def test_phrases_match_whole_words() -> None:
    words = ["the", "direct", "scanner", "was", "seen"]
    assert record_types(words, set(words), ())[0].type == "correspondence"


@pytest.mark.parametrize(
    "text", ["type = 1", "not toml", 'type = "x"\nclinical = true\nthreshold = "a"\n[terms]\n']
)
def test_malformed_lexicon_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        records._read("bad.toml", text)


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("12 Main St, Springfield, MA 01103", ("MA",)),
        ("under the laws of the State of Texas", ("TX",)),
        ("Commonwealth of Virginia v. State of West Virginia", ("VA", "WV")),
        ("Albany, New York 12207", ("NY",)),
        ("state of\nnew york", ("NY",)),
        ("I live OR 97201 die", ("OR",)),
        ("the state of affairs in Georgia", ()),
        ("ME 90210", ()),
        ("see you in Washington", ()),
    ],
)
def test_jurisdictions(text: str, states: tuple[str, ...]) -> None:
    assert classify(text).jurisdictions == states


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Please see the chart and call us with the result that you have", "en"),
        ("Gracias por la cita, el paciente está muy bien pero los resultados", "es"),
        ("Bonjour, nous avons reçu les résultats pour votre dossier, merci", "fr"),
        ("Bitte senden Sie uns die Ergebnisse, wir sind nicht im Büro und warten auf Sie", "de"),
        ("Obrigado, você está bem e não precisa mais da consulta", "pt"),
        ("Grazie, il referto è pronto e non serve più per la visita", "it"),
        ("请查看附件中的检查结果", "zh"),
        ("Пожалуйста, посмотрите результаты", "ru"),
        ("Bệnh nhân đã được khám và điều trị tại bệnh viện", "vi"),
        ("検査の結果をご覧ください", "und"),
        ("Hello", "und"),
        ("", "und"),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert classify(text).language == language


def test_business_mail_is_seldom_called_clinical(corpora: Path) -> None:
    data = (corpora / "enron" / "part-03.mbox").read_text("latin-1")
    messages = re.split(r"(?m)^From .*\n", data)[1:]
    clinical = clinical_types()
    called = sum(any(r.type in clinical for r in classify(m).record_types) for m in messages)
    assert len(messages) > 2_000
    assert called / len(messages) < 0.02


def test_clinical_notes_are_called_clinical(corpora: Path) -> None:
    clinical = clinical_types()
    lines = (corpora / "synthea-100/notes.jsonl").read_text("utf-8").splitlines()[:200]
    called = sum(any(r.type in clinical for r in classify(line).record_types) for line in lines)
    assert called / len(lines) > 0.95
