"""What the sample clinic's mail says: subjects and sentences by label, filled in by the generator.

Placeholders: {name} {first} {mrn} {born} {day} {when} {site} {clinician} {n} {amount} {pressure} {pulse}
{sugar} {phone} {policy}. Ordinary correspondence names no patient and no care, so that nothing but its own
date keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Texts:
    """One kind of mail: a subject and an opening are drawn, then some of the sentences, then a close."""

    subjects: tuple[str, ...]
    openings: tuple[str, ...]
    sentences: tuple[str, ...]
    closes: tuple[str, ...]


TREATMENT = Texts(
    subjects=(
        "Follow-up after visit on {day}",
        "Visit summary {mrn}",
        "Care plan for {name}",
        "Question about {first}'s recovery",
        "Discharge instructions, {name}",
        "Chart note {day}",
        "Referral for {name} ({mrn})",
        "Pre-op checklist, {name}",
    ),
    openings=(
        "I saw {name} (DOB {born}, {mrn}) at {site} on {day}.",
        "{first} came in on {day} for a follow-up visit; chart {mrn}.",
        "Summary of the visit of {name}, {mrn}, date of birth {born}.",
        "Please find my note on {name}, seen {day} by {clinician}.",
    ),
    sentences=(
        "Blood pressure was {pressure}, pulse {pulse} and regular; lungs are clear to auscultation.",
        "The patient reports that the cough has eased and that sleep is better than last month.",
        "Assessment: essential hypertension (I10), improving on the current dose.",
        "Assessment: type 2 diabetes mellitus (E11.9); fasting glucose {sugar} mg/dL this morning.",
        "Assessment: mild persistent asthma (J45.30), no wheezing on examination today.",
        "The wound is dry, sutures come out on {when}; no sign of infection.",
        "Physical therapy twice a week for {n} days, then we reassess range of motion.",
        "Chest x-ray shows no acute disease. I reviewed the film with radiology.",
        "Allergies were confirmed: penicillin (rash). Medications reconciled with the family.",
        "Immunizations are up to date; influenza vaccine was given in the left deltoid.",
        "We discussed diet, salt and walking thirty minutes a day, and {first} agreed to keep a log.",
        "Plan: repeat examination in six weeks, sooner if fever or shortness of breath returns.",
        "The fracture of the distal radius is healing in good alignment; cast until {when}.",
        "Diagnosis and treatment options were explained and consent for the procedure was signed.",
    ),
    closes=(
        "Please schedule the next appointment for {when}.",
        "Call {phone} if symptoms get worse.",
        "Thank you for taking part in this patient's care.",
        "Let me know if anything in this note is unclear.",
    ),
)
MENTAL_HEALTH = Texts(
    subjects=(
        "Therapy session {day}",
        "Behavioral health progress note, {mrn}",
        "Safety plan for {first}",
        "Psychotherapy follow-up",
        "Intake, behavioral health: {name}",
    ),
    openings=(
        "Today's session with {name} ({mrn}) took place on {day}, fifty minutes, individual psychotherapy.",
        "Behavioral health progress note for {name}, DOB {born}.",
        "I met {first} and a parent for family therapy on {day}.",
    ),
    sentences=(
        "Mood is described as low most mornings; PHQ-9 today was 14, down from 19.",
        "GAD-7 score 11. Panic attacks have dropped to one a week since starting sertraline.",
        "{first} denies suicidal ideation; the safety plan was reviewed and a copy given.",
        "Diagnosis: major depressive disorder, recurrent, moderate (F33.1).",
        "We continued cognitive behavioral therapy, with exposure homework for the coming week.",
        "Sleep hygiene was discussed; a counselor at school will check in on Fridays.",
        "Therapy goals: return to full-time work, fewer arguments at home, regular meals.",
    ),
    closes=(
        "Next session on {when}.",
        "Psychotherapy notes are kept apart from this message.",
        "Please keep this within the behavioral health team.",
    ),
)
LAB_REPORT = Texts(
    subjects=(
        "Lab results {mrn}",
        "Laboratory report, collected {day}",
        "Critical value: {name}",
        "CBC and metabolic panel, {name}",
        "Culture result, {mrn}",
    ),
    openings=(
        "Laboratory report for {name}, {mrn}, DOB {born}. Specimen collected {day}.",
        "Results of the specimen collected on {day} for {mrn}:",
        "Final laboratory results, {name}:",
    ),
    sentences=(
        "Hemoglobin A1c 7.{n}% (reference 4.0-5.6), glucose {sugar} mg/dL (H).",
        "WBC 6.{n} K/uL, hemoglobin 13.1 g/dL, platelets 2{n} K/uL: within reference range.",
        "Potassium 5.{n} mmol/L (H); creatinine 1.1 mg/dL; eGFR above 60.",
        "LDL cholesterol 1{n} mg/dL, HDL 48 mg/dL, triglycerides 160 mg/dL.",
        "TSH 2.{n} mIU/L, free T4 normal.",
        "Urine culture: no growth after 48 hours.",
        "Rapid strep antigen: negative. Throat culture pending.",
    ),
    closes=(
        "Reviewed and released by the laboratory director.",
        "Please call the laboratory at {phone} about any value out of range.",
        "A copy goes to {clinician}.",
    ),
)
PRESCRIPTION = Texts(
    subjects=(
        "Refill request, {name}",
        "Prescription for {name} ({mrn})",
        "Prior authorization, {mrn}",
        "Medication change for {first}",
    ),
    openings=(
        "Refill request for {name}, DOB {born}, received on {day}.",
        "Please dispense for {name} ({mrn}):",
        "{clinician} has approved the prescription for {name}.",
    ),
    sentences=(
        "Lisinopril 10 mg tablets, take one by mouth daily, quantity 90, 3 refills.",
        "Metformin 500 mg twice a day with meals, quantity 60, refills 5.",
        "Albuterol inhaler 90 mcg, two puffs every four hours as needed.",
        "Amoxicillin suspension 400 mg/5 mL, 5 mL twice daily for ten days.",
        "Atorvastatin 20 mg at bedtime; stop simvastatin.",
        "Last fill was on {day}; no early refill without a call to the prescriber.",
    ),
    closes=(
        "Pharmacist: substitution permitted.",
        "Call {phone} with questions about this prescription.",
        "The patient will pick it up after {when}.",
    ),
)
BILLING = Texts(
    subjects=(
        "Statement for account {n}-{mrn}",
        "Claim denied: {mrn}",
        "Explanation of benefits, date of service {day}",
        "Payment plan, {name}",
        "Remittance advice {day}",
    ),
    openings=(
        "The claim for {name} ({mrn}), date of service {day}, has been processed.",
        "Your statement of {day}: balance due {amount}.",
        "Please find the remittance for services at {site}.",
    ),
    sentences=(
        "Billed {amount}; allowed amount and copay are listed on the explanation of benefits.",
        "CPT 99213 was denied for a missing modifier; a corrected claim goes out on {when}.",
        "CPT 99214 with diagnosis I10 was paid in full; deductible met.",
        "Member id {policy}; please check the coverage and send the invoice again.",
        "We can set up a payment plan of {n} dollars a month without interest.",
        "The insurance asks for the date of service and the place of service code.",
    ),
    closes=(
        "Questions about this bill: {phone}.",
        "Payment is due by {when}.",
        "Patient Accounts thanks you for your payment.",
    ),
)
HIPAA = Texts(
    subjects=(
        "Revised Notice of Privacy Practices, effective {when}",
        "HIPAA training log {day}",
        "Security risk analysis, action items",
        "Business associate agreement, signature needed",
        "Sanction policy, annual review",
        "Access review, privacy complaint of {day}",
    ),
    openings=(
        "Under 45 CFR 164.316 and 164.530 we document the following HIPAA policy action.",
        "The HIPAA Privacy Rule policy on minimum necessary use was revised on {day}.",
        "Annual HIPAA Security Rule risk analysis: summary of {day}.",
    ),
    sentences=(
        "All workforce members completed privacy training; the attendance log is in the policy binder.",
        "The business associate agreement with the shredding company was renewed.",
        "Workstation timeout is now ten minutes; the security officer signed the change.",
        "The Notice of Privacy Practices supersedes the previous version and is posted in every lobby.",
        "A complaint was investigated and closed; the sanction policy was applied and documented.",
        "Contingency plan and backup test passed; the next review is due {when}.",
    ),
    closes=(
        "Keep this documentation for six years from the date last in effect.",
        "Please acknowledge the policy by {when}.",
    ),
)
CORRESPONDENCE = Texts(
    subjects=(
        "Parking lot resurfacing on {when}",
        "Potluck sign-up sheet",
        "Lease renewal, second floor",
        "New copier arrives {when}",
        "Staff lunch menu",
        "Lost umbrella in the lobby",
        "Holiday schedule for the office",
        "Quote for window blinds",
        "Carpool from the north side",
        "Minutes of the office meeting, {day}",
        "Paper order",
        "Fire drill on {when}",
        "Volunteers for the harbor clean-up",
    ),
    openings=(
        "A short note about what we talked over on {day}.",
        "Here is the update I promised.",
        "Thanks for the quick answer yesterday.",
        "Just a reminder for everyone on the second floor.",
        "I spoke with the landlord this morning.",
    ),
    sentences=(
        "The contractor starts on {when} and needs the east side of the lot empty by seven.",
        "We still need somebody to bring plates, and Percival offered to make his chili again.",
        "The quote came to {amount} including delivery, which is a little under budget.",
        "Please move your bicycles to the rack behind the loading dock.",
        "The elevator inspector comes on {when}; take the stairs until noon.",
        "The coffee machine is back from repair and no longer leaks.",
        "I ordered {n} boxes of the recycled paper since the last lot jammed the printer.",
        "The landlord agreed to repaint the hallway in the lighter gray.",
        "Nobody has claimed the green umbrella, so it goes to the lost-and-found shelf.",
        "The window washers will be on the scaffolding all week.",
        "Room 204 is booked for the budget talk; bring your own chair.",
        "The new badge readers work, but wave slowly.",
    ),
    closes=(
        "Thanks, and see you on Monday.",
        "Let me know by {when} if that suits you.",
        "Have a good weekend.",
        "No need to reply unless something changed.",
    ),
)
NEWSLETTER = Texts(
    subjects=(
        "This week: {n} ideas for a tidier desk",
        "Concerts on the pier",
        "Toner prices, and what to do about them",
        "The standing-desk question, settled",
        "Autumn market opens {when}",
    ),
    openings=("Dear reader,", "Good morning from the editors.", "In this issue:"),
    sentences=(
        "We tried {n} staplers so that you don't have to; the winner costs less than lunch.",
        "The brass quintet plays on the pier on {when}, weather permitting.",
        "Readers wrote in about label makers, and nearly all of them agree.",
        "Paper prices rose again this quarter, the steepest climb since the spring.",
        "Our correspondent spent a day with the people who repair typewriters.",
        "Three readers win a subscription; send your answer by {when}.",
    ),
    closes=("Until next week.", "You get this letter because you signed up at the fair.", "The editors"),
)
SPANISH = Texts(
    subjects=(
        "Cita médica del {day}",
        "Resultados de {name}",
        "Receta para {first}, expediente {mrn}",
        "Indicaciones después de la consulta",
    ),
    openings=(
        "Buenos días: le escribimos de {site} sobre la consulta de {name} ({mrn}).",
        "Estimada familia: {first} fue atendido el {day} por {clinician}.",
    ),
    sentences=(
        "La presión arterial fue {pressure} y el pulso normal; el paciente no tiene fiebre.",
        "Siga el tratamiento con la medicina dos veces al día, después de comer.",
        "El análisis de sangre muestra glucosa de {sugar} mg/dL; hay que repetirlo el mes próximo.",
        "La vacuna contra la influenza ya está registrada en el expediente.",
        "Si la niña vuelve a tener tos o dolor de oído, llame al {phone}.",
        "Traiga por favor la tarjeta del seguro y la lista de medicinas.",
    ),
    closes=("Su próxima cita es el {when}.", "Gracias por confiar en nosotros.", "Atentamente, el equipo."),
)
REPLIES = (
    "Got it, thank you. I will take care of it before {when}.",
    "Thanks for letting me know. Could you send the rest as well?",
    "Agreed. I left a message at {phone} and will try once more tomorrow.",
    "That works on our side; I added it to the list for {when}.",
    "Muchas gracias, nos vemos el {when}.",
    "Understood. Nothing to add from here.",
)
BY_LABEL = MappingProxyType(
    {
        "treatment": TREATMENT,
        "mental_health": MENTAL_HEALTH,
        "lab_report": LAB_REPORT,
        "prescription": PRESCRIPTION,
        "billing": BILLING,
        "hipaa_documentation": HIPAA,
        "correspondence": CORRESPONDENCE,
        "newsletter": NEWSLETTER,
        "spanish": SPANISH,
    }
)
