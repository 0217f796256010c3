"""The data set's worked examples and some of our own, as facts a records manager would state."""

from __future__ import annotations

from typing import Any

CHART = ["medical_record"]

EXAMPLES: dict[str, tuple[Any, str, str]] = {
    "interface-nc-hospital-minor": (
        {
            "record_types": CHART,
            "jurisdictions": ["NC"],
            "provider_type": "hospital",
            "anchor": "2025-06-29",
            "born": "2007-06-30",
            "last_encounter": None,
            "discharged": "2025-06-29",
            "died": None,
            "last_in_effect": None,
            "employment_ended": None,
            "contract_ended": None,
            "audit_closed": None,
            "captured_at": "2025-06-30T10:00:00Z",
        },
        "2037-07-01",
        "NC-hospital-medical_record-minor",
    ),
    "1-ny-hospital": (
        {
            "record_types": CHART,
            "jurisdictions": ["NY"],
            "provider_type": "hospital",
            "anchor": "2019-08-01",
            "born": "2010-05-20",
            "discharged": "2019-08-01",
        },
        "2031-05-21",
        "NY-hospital-medical_record-minor",
    ),
    "2-ny-physician-day-before-18": (
        {
            "record_types": CHART,
            "jurisdictions": ["NY"],
            "provider_type": "physician",
            "anchor": "2024-03-14",
            "born": "2006-03-15",
            "last_encounter": "2024-03-14",
        },
        "2030-03-15",
        "NY-physician-medical_record-minor",
    ),
    "4-tx-physician-leap-birthday": (
        {
            "record_types": CHART,
            "jurisdictions": ["TX"],
            "provider_type": "physician",
            "anchor": "2020-02-29",
            "born": "2008-02-29",
            "last_encounter": "2020-02-29",
        },
        "2029-03-02",
        "TX-physician-medical_record-minor",
    ),
    "5-md-physician-leap-entry": (
        {
            "record_types": CHART,
            "jurisdictions": ["MD"],
            "provider_type": "physician",
            "anchor": "2024-02-29",
            "born": "1970-01-01",
        },
        "2031-03-02",
        "MD-any-medical_record-adult",
    ),
    "7-oh-medicare-order": (
        {
            "record_types": ["medicare_order_certify"],
            "jurisdictions": ["OH"],
            "provider_type": "physician",
            "anchor": "2019-09-30",
            "born": "1950-01-01",
        },
        "2026-10-01",
        "US-any-medicare_order_certify-any",
    ),
    "7-oh-false-claims-horizon": (
        {
            "record_types": ["medicare_order_certify", "billing"],
            "jurisdictions": ["OH"],
            "provider_type": "physician",
            "anchor": "2019-09-30",
            "born": "1950-01-01",
        },
        "2029-10-01",
        "US-any-billing-any",
    ),
    "7-oh-chart-has-no-state-rule": (
        {
            "record_types": ["medical_record", "medicare_order_certify"],
            "jurisdictions": ["OH"],
            "provider_type": "physician",
            "anchor": "2019-09-30",
            "last_encounter": "2019-09-30",
            "born": "1950-01-01",
        },
        "2029-10-01",
        "ORG-default",
    ),
    "8-three-states": (
        {
            "record_types": CHART,
            "jurisdictions": ["NY", "VA", "SC"],
            "provider_type": "physician",
            "anchor": "2022-04-05",
            "born": "1980-06-01",
            "last_encounter": "2022-04-05",
        },
        "2032-04-06",
        "SC-physician-medical_record-adult",
    ),
    "9-two-records-as-possibilities": (
        [
            {
                "record_types": CHART,
                "jurisdictions": ["PA"],
                "provider_type": "physician",
                "anchor": "2023-01-15",
                "born": "2012-11-02",
                "last_encounter": "2023-01-15",
            },
            {
                "record_types": CHART,
                "jurisdictions": ["NJ"],
                "provider_type": "hospital",
                "anchor": "2023-01-20",
                "born": "2012-11-02",
                "discharged": "2023-01-20",
            },
        ],
        "2035-11-03",
        "NJ-hospital-medical_record-any",
    ),
    "9-pa-physician-alone": (
        {
            "record_types": CHART,
            "jurisdictions": ["PA"],
            "provider_type": "physician",
            "anchor": "2023-01-15",
            "born": "2012-11-02",
            "last_encounter": "2023-01-15",
        },
        "2031-11-03",
        "PA-physician-medical_record-minor",
    ),
    "13-ms-newborn": (
        {
            "record_types": CHART,
            "jurisdictions": ["MS"],
            "provider_type": "hospital",
            "anchor": "2020-12-28",
            "born": "2020-12-25",
            "discharged": "2020-12-28",
        },
        "2048-12-26",
        "MS-hospital-medical_record-minor",
    ),
    "15-az-homeopath-whichever-first": (
        {
            "record_types": CHART,
            "jurisdictions": ["AZ"],
            "provider_type": "homeopath",
            "anchor": "2020-01-01",
            "born": "2015-01-01",
            "last_encounter": "2020-01-01",
        },
        "2027-01-02",
        "AZ-homeopath-medical_record-minor",
    ),
    "15-under-az-general-section": (
        {
            "record_types": CHART,
            "jurisdictions": ["AZ"],
            "provider_type": "physician",
            "anchor": "2020-01-01",
            "born": "2015-01-01",
            "last_encounter": "2020-01-01",
        },
        "2036-01-02",
        "AZ-any-medical_record-minor",
    ),
    "15-if-the-general-section-counts-as-well": (
        {
            "record_types": CHART,
            "jurisdictions": ["AZ"],
            "provider_type": ["homeopath", "physician"],
            "anchor": "2020-01-01",
            "born": "2015-01-01",
            "last_encounter": "2020-01-01",
        },
        "2036-01-02",
        "AZ-any-medical_record-minor",
    ),
    "18-mammogram-returned": (
        {
            "record_types": ["mammography"],
            "jurisdictions": ["US"],
            "anchor": "2018-04-10",
            "born": "1960-01-01",
            "later_mammogram": "2021-05-05",
        },
        "2023-04-11",
        "US-any-mammography-any",
    ),
    "18-mammogram-never-returned": (
        {
            "record_types": ["mammography"],
            "jurisdictions": ["US"],
            "anchor": "2018-04-10",
            "born": "1960-01-01",
        },
        "2028-04-11",
        "US-any-mammography-any",
    ),
    "18-mammogram-tn-physician": (
        {
            "record_types": ["mammography"],
            "jurisdictions": ["TN"],
            "provider_type": "physician",
            "anchor": "2018-04-10",
            "born": "1960-01-01",
            "later_mammogram": "2021-05-05",
        },
        "2028-04-11",
        "TN-physician-mammography-any",
    ),
}
"""Facts, the first lawful day, and the rule that governs; the number is the data set's own."""
