"""What others have seen of our logs: showing checkpoints to them, keeping their word, and believing it.

A log whose owner alone holds it can be rewritten by its owner. So checkpoints go to witnesses over HTTP, to a
write-once folder and to a time-stamping authority, and at each start what they have seen is compared with
what the records hold (docs/witnesses.md).
"""
