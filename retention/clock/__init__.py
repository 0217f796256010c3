"""The disposal clock: facts in, a lawful day out. Pure."""
