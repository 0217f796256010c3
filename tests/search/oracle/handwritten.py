"""Queries written by hand, as a compliance officer of a trading house would ask its mail."""

from __future__ import annotations

_WORDS = """
meeting | meetings | scheduled | "scheduled" | contract | contracts | contracting | agreement | agreed
price
pricing | gas | power | california | houston | enron | ENRON | Enron | houston texas | natural gas
credit risk
energy trading | confidential | privileged | attorney | "attorney" | litigation | subpoena | shred
shredding
delete | deleted | destroy | destroyed | document retention | whistleblower | raptor | ljm | ferc | sec
ferc OR sec
bonus | salary | resign | resignation | vacation | lunch | lunch friday | football | golf | birthday
wedding
doctor | hospital | surgery | insurance | medical | health | sick | pregnant | cancer | drug
prescription
the | a | to the | re | fw | fwd | 2000 | 2001 | 1 | 713 | e | x | zzzzqqqq | 100% | $5 | a.m. | p.m.
i.e.
"""
_PHRASES = """
"let me know" | "please find attached" | "conference call" | "natural gas" | "to be or not to be"
"as soon as"
"thank you for your" | "if you have any questions" | "call me" | "attorney client" | "not privileged"
"in-house"
"original message" | "forwarded by" | "the the" | "north america" | "power plant" | "gas gas"
"know me let"
"ees.enron.com" | "hou/ect@ect" | "ken lay" | "jeff skilling" | "enron corp" | "new york" | "p.m."
"e-mail"
subject:"meeting" | subject:"conference call" | body:"conference call" | from:"enron com"
to:"enron com"
"""
_PATTERNS = """
schedul* | contr* | meet* | *tion | *ology | *tively | *ments | col?r | colo?r | ga? | g*s | en?on | e*n
*ract*
*nron* | *confid* | m??ting | agree*t | pr?c* | ?ouston | houst?? | hou*on | cal*rnia | *-mail | e-m*
200?
subject:meet* | subject:*ing | from:*enron* | to:jo* | participant:*smith* | filename:*.doc
filename:*.xls
body:sche?ule | header:*java* | "enron corp"~3 | attach* | attachment:* | *ing* | *000* | 7?3
"""
_NEAR = """
"meeting friday"~5 | "friday meeting"~5 | "gas price"~3 | "price gas"~3 | "gas price"~1
"contract sign"~10
"ken lay"~1 | "lay ken"~1 | "enron california"~20 | "attorney client privilege"~5
subject:"gas power"~4
body:"please attached"~2 | "call conference"~2 | "credit risk"~1 | "to the"~1 | "a b"~100
"power california"~50
"""
_FUZZY = """
meeting~1 | meating~1 | contarct~2 | contract~1 | enrom~1 | enorn~1 | californa~1 | californa~2
recieve~1
recieve~2 | confidental~1 | subject:meetin~1 | from:jonh~1 | schedlue~1 | agreemnt~2 | houstan~1
zzzzqqqq~2
"""
_FIELDS = """
from:enron | from:enron.com | from:phillip.allen@enron.com | to:phillip.allen@enron.com | from:allen
to:allen
cc:enron | bcc:enron | participant:allen | participant:phillip.allen@enron.com
custodian:phillip.allen@enron.com
custodian:nobody@enron.com | subject:re | subject:fw | header:mime | header:"message-id"
header:javamail
has:attachment | NOT has:attachment | filename:doc | filename:xls | attachment:agreement | larger:10k
smaller:1k
larger:1k smaller:2k | larger:100k | larger:1M | smaller:1 | larger:0 | date:2000 | date:2001
date:2001-05
date:2001-05-14 | after:2001-06-01 | before:2000-06-01 | date:[2000-12 to 2001-02] | date:[* to 2000-03]
date:[2001-10-01 to *] | date:1999 | date:2030 | source:attic | source:none | lang:en | lang:de
id:none
message-id:none@nowhere | phi:ssn | phi:mrn | record:billing | record:treatment | state:ca
patient:none | hold:none
matter:none | (713) 853-6161 | 713-853-6161 | 7138536161 | 555-1212
"""
_JOINED = """
gas AND power | gas OR power | gas NOT power | gas -power | NOT gas | NOT gas NOT power | -gas
NOT NOT gas
(gas OR power) california | gas OR (power california) | (gas power) OR (credit risk)
NOT (gas OR power)
(NOT gas) OR power | gas OR NOT gas | gas AND NOT gas | * | NOT * | * gas | * OR gas | * -gas
(gas OR power OR energy) AND (price OR cost) -california | subject:(gas OR power) | subject:(gas power)
from:(allen OR smith) | from:enron -to:enron | to:enron -from:enron | has:attachment gas
gas has:attachment
after:2001-01-01 before:2001-02-01 gas | date:2001 larger:5k contract | date:2000 OR larger:50k
(subject:meeting OR body:meeting) friday | subject:meeting -body:meeting
"conference call" -"natural gas"
("let me know" OR "please advise") AND (monday OR tuesday) | meet* -meeting | *tion AND *ment
NOT *tion
custodian:phillip.allen@enron.com gas | custodian:phillip.allen@enron.com OR gas | source:attic NOT gas
(((gas))) | ((gas OR power) AND ((price) OR (cost))) | NOT (NOT (gas)) | meeting~1 -meeting
(gas OR larger:20k)
(NOT larger:1k) gas | -(from:enron to:enron) | NOT subject:re | "gas price"~5 OR "power price"~5
"gas price"~5 -"gas price" | date:2001-05 (gas OR power) -has:attachment
(date:2000 OR date:2001) meeting
"""


def queries() -> list[str]:
    """All of them."""
    written = (_WORDS, _PHRASES, _PATTERNS, _NEAR, _FUZZY, _FIELDS, _JOINED)
    lines = [line for block in written for line in block.strip().splitlines()]
    return [one.strip() for line in lines for one in line.split(" | ")]
