"""Coverage-guided fuzzing of everything that reads hostile bytes: `python -m tests.fuzz NAME`."""
