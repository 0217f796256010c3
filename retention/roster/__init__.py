"""Patients: rosters read, sealed, matched to mail."""
