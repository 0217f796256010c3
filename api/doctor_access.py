"""What `doctor` says of access: emergencies that nobody reviewed, and sensitive mail that leaves freely."""

from __future__ import annotations

from collections.abc import Iterator

from api.doctor_doors import Finding
from config.settings import Settings
from search.emergencies import Emergencies


def access_findings(emergencies: Emergencies, settings: Settings) -> Iterator[Finding]:
    """Every finding about access."""
    late = emergencies.counts()["late"]
    yield (
        "164.312(a)(2)(ii) emergency access procedure",
        not late,
        "every break-glass was reviewed in time",
        f"{late} uses of break-glass were not reviewed in time; `holdfast break-glass list` shows them",
    )
    yield (
        "42 CFR 2 substance use disorder records",
        settings.sensitive_exports == "basis",
        "sensitive mail leaves by a matter, a stated basis or a grant",
        "sensitive_exports is free: records of Part 2 leave like other mail; set it to basis",
    )
