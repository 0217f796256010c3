"""How an audit entry is written for others: JSON Lines, CSV, FHIR R4 AuditEvent, DICOM XML, OCSF and CEF."""
