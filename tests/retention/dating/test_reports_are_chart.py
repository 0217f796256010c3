"""What tells of images, tests or drugs is part of the chart: shorter terms mean films and copies."""

from __future__ import annotations

import pytest

from tests.retention.whole_house import House, mail

LAB = "Lab results: hemoglobin A1c 7.2 %, reference range 4.0-5.6, TSH 2.1. Specimen collected 03/02/2024."
IMAGE = (
    "Radiology report. CT abdomen with contrast. Findings: no acute abnormality. Impression: stable nodule."
)


DRUG = "Schedule II controlled substance log: oxycodone 10 mg, DEA form 222, biennial inventory of them."


@pytest.mark.parametrize(
    ("body", "record_type"),
    [(LAB, "lab_report"), (IMAGE, "radiology_image"), (DRUG, "controlled_substance")],
    ids=["tests", "images", "drugs"],
)
def test_a_report_is_kept_as_the_chart_too(house: House, body: str, record_type: str) -> None:
    pk = house.capture(house.arrival(mail(subject="results", body=body)))[0].pk
    found = house.explainer.verdicts.of([pk])[pk]
    assert {record_type, "medical_record"} <= set(found.facts[0].record_types or ())
