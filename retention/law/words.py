"""A rule in words: what a row says, as a sentence a records manager can read and counsel can confirm."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from retention.law.rules import ANY_PROVIDER, FEDERAL, Rule

EVENT_NAMES: Final = MappingProxyType(
    {
        "unspecified": "the last entry, encounter or discharge (the law names no event)",
        "creation": "creation of the entry",
        "transfer": "the transfer",
        "claim_submission": "submission of the claim",
        "calendar_year_end": "the end of the calendar year of the entry",
        "last_entry": "the last entry",
        "last_encounter": "the last encounter",
        "service_termination": "the end of services",
        "therapy_end": "the end of therapy",
        "discharge": "discharge",
        "discharge_or_death": "discharge or death",
        "death": "death",
        "later_of_creation_or_last_in_effect": "creation or the day last in effect, the later",
        "contract_end_or_audit": "the end of the contract or of an audit, the later",
        "employment_end": "the end of employment",
        "study_end": "the end of the study",
        "cost_report_filing": "the filing of the cost report",
        "last_refill": "dispensing or the last refill",
        "discontinuance": "discontinuance of the procedure",
        "program_discontinuance": "the end of the programme",
        "marketing_approval_or_discontinuance": "marketing approval or discontinuance",
        "practitioner_death": "the practitioner's death",
        "case_closure": "closure of the case",
        "destruction": "the record's destruction",
        "practice_closure": "closure of the practice",
        "proceedings_end": "the end of legal proceedings",
        "product_expiry": "the latest expiry of the product",
    }
)
_BASES: Final = MappingProxyType(
    {
        "statute": "statute",
        "regulation": "regulation",
        "board_policy": "policy of the licensing board",
        "recommendation": "recommendation, binds nobody",
        "none": "no rule found",
    }
)
_VERIFIED: Final = MappingProxyType(
    {
        "two_sources": "seen in two sources",
        "one_source": "seen in one source",
        "unverified": "not verified",
    }
)
_WHO: Final = MappingProxyType(
    {
        "any": "every patient",
        "adult": "adults",
        "minor": "minors",
        "deceased": "patients who died",
        "incompetent": "patients without capacity",
    }
)


def years(count: int) -> str:
    """`1 year`, `7 years`."""
    return "1 year" if count == 1 else f"{count} years"


def named(name: str) -> str:
    """A schedule's name as words: `nursing_facility` is `nursing facility`."""
    return name.replace("_", " ")


def in_words(rule: Rule) -> str:
    """The whole rule as sentences: whom it binds, for how long, and what else it says."""
    providers = "any provider" if rule.provider_type == ANY_PROVIDER else named(rule.provider_type)
    surely = (name for name in rule.also_providers if name not in rule.doubtful_for)
    providers = " or ".join((providers, *map(named, surely)))
    place = "Federal" if rule.jurisdiction == FEDERAL else rule.jurisdiction
    head = f"{place}, {providers}, {named(rule.record_type)} of {_WHO[rule.population]}"
    return f"{head}: {_term(rule)}.{''.join(f' {said}.' for said in _more(rule))}"


def standing(rule: Rule) -> str:
    """How binding a row is and how well it was checked."""
    return f"{_BASES[rule.basis]}; {_VERIFIED[rule.verified]}"


def notice(rule: Rule) -> str | None:
    """Who must be told before destruction, and how long before; None where the law asks nothing."""
    if rule.notice_to is None:
        return None
    days = rule.notice_before_destruction_days
    return f"notice to {rule.notice_to} {f'{days} days ' if days else ''}before destruction"


def _term(rule: Rule) -> str:
    if rule.permanent:
        return "kept permanently"
    if rule.combine == "suspends":
        return "suspends every disposal until released"
    if not rule.has_number:
        return "no period; the organisation's default and federal rules apply"
    terms = []
    if rule.min_years is not None:
        terms.append(f"{years(rule.min_years)} from {EVENT_NAMES[rule.runs_from]}")
    if rule.minor_until_age is not None:
        terms.append(f"until the birthday at {rule.minor_until_age}")
    elif rule.minor_plus_years is not None:
        age = rule.age_of_majority or "the State's age of majority"
        terms.append(f"until {years(rule.minor_plus_years)} after majority ({age})")
    if rule.second_event is not None:
        count = years(rule.second_years) if rule.second_years else f"{rule.second_months} months"
        terms.append(f"{count} from {EVENT_NAMES[rule.second_event]}")
    text = " or ".join(terms)
    if len(terms) > 1:
        text += ", the earlier" if rule.combine == "shorter_of" else ", the later"
    if rule.combine == "state_else_federal":
        text += "; only where the State has no rule"
    if rule.combine == "alternative_on_death":
        text += "; may replace the other terms, if the organisation so chooses"
    return text


def _more(rule: Rule) -> list[str]:
    said: list[str] = []
    if rule.has_age_term and rule.population == "any" and not rule.binds_every_age:
        said.append("The birthday counts for minors only")
    if rule.binds_every_age:
        said.append("The birthday counts whatever the patient's age when treated")
    if rule.age_subject == "child":
        said.append("The age is the child's, not the mother's")
    if rule.applies_if_age_below:
        said.append(f"Binds patients under {rule.applies_if_age_below}")
    if rule.age_tested_at:
        said.append(f"The age is tested at {named(rule.age_tested_at)}")
    if rule.year_end:
        said.append("The birthday's term runs to the end of that calendar year")
    if rule.repeat_years:
        said.append(
            f"{years(rule.repeat_years).capitalize()} where another followed at the facility in that time"
        )
    if rule.max_years_cap and rule.cap_from:
        limit = f"{years(rule.max_years_cap)} from {EVENT_NAMES[rule.cap_from]}"
        verb = "Must be destroyed after" if rule.destroy_required else "Never longer than"
        said.append(f"{verb} {limit}")
    elif rule.destroy_required:
        said.append(f"Must be destroyed after {EVENT_NAMES[rule.runs_from]} once no other law keeps it")
    if rule.disability_plus_years:
        said.append(f"For a patient under disability: its time and {years(rule.disability_plus_years)} more")
    if rule.disability_permanent:
        said.append("For a patient without capacity: permanently")
    if rule.death_alternative_years:
        said.append(f"Or {years(rule.death_alternative_years)} from death, if the organisation so chooses")
    if rule.death_ends_minority:
        said.append("A minor's death counts as majority, if the organisation so chooses")
    if rule.discharged_at_death:
        said.append("Only where the discharge was the death")
    if rule.emancipation_ends_minority:
        said.append("An emancipated minor counts as an adult, if the organisation so chooses")
    if rule.contact_includes_entry:
        said.append("The entry itself counts as contact")
    if rule.also_types:
        term = f" for {years(rule.also_years)}" if rule.also_years else ""
        said.append(
            f"Binds {', '.join(map(named, rule.also_types))} too{term}, beside what counts without it"
        )
    if rule.minors_open:
        said.append("How much longer minors' records are kept isn't known: what counts without it holds too")
    if rule.tier_of:
        said.append(f"Part of the {named(rule.tier_of)}, whose own term holds as well")
    if rule.yields_to_named_provider:
        said.append("Gives way to a rule that names the provider")
    if rule.doubtful_for:
        binds = "May not bind" if rule.provider_type == ANY_PROVIDER else "May bind"
        said.append(
            f"{binds} {', '.join(map(named, rule.doubtful_for))}: kept, beside what counts without it"
        )
    if rule.never_alone:
        said.append("Never counts alone: what counts without it stands beside it")
    if rule.advice_only:
        said.append("States no duty to keep")
    if rule.advises_also:
        said.append(f"Advises on {', '.join(map(named, rule.advises_also))} too")
    if rule.condition:
        said.append(rule.condition.rstrip("."))
    told = notice(rule)
    if told:
        said.append(told[0].upper() + told[1:])
    if rule.effective_from:
        said.append(f"In force since {rule.effective_from}")
    if rule.effective_to:
        said.append(f"Binds what was created through {rule.effective_to}")
    if rule.events_from:
        said.append(f"Binds where the event was on {rule.events_from} or later")
    for former in rule.former:
        said.append(
            f"Created through {former.effective_to}: its former term holds as well ({former.citation})"
        )
    return said
