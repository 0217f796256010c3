"""Honest completeness (promise 9): counts that add up, gaps that are noticed, and who is told of them.

`counts` re-adds what the sources' counters say. `gaps` remembers where a source isn't known to be complete.
`arrivals` counts arrivals by time, `rhythm` says when a silence is too long for that source, `beats` and
`heartbeat` send messages through the organisation's own mail path and await them, `alerts` tells people by
mail, `report` writes down every day, and `watch` runs all of it each minute. docs/completeness.md tells more.
"""
