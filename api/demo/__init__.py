"""The demonstration: a sample clinic, and the run that feeds it to an archive."""
