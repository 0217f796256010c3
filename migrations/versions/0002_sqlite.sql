CREATE TABLE access_alarms (
	user_id VARCHAR NOT NULL, 
	code VARCHAR NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_access_alarms PRIMARY KEY (user_id, code)
)
-- next
CREATE TABLE access_hours (
	user_id VARCHAR NOT NULL, 
	hour BIGINT NOT NULL, 
	views INTEGER NOT NULL, 
	CONSTRAINT pk_access_hours PRIMARY KEY (user_id, hour)
)
-- next
CREATE TABLE access_places (
	user_id VARCHAR NOT NULL, 
	token BLOB NOT NULL, 
	first_us BIGINT NOT NULL, 
	CONSTRAINT pk_access_places PRIMARY KEY (user_id, token)
)
-- next
CREATE TABLE access_reviews (
	id VARCHAR NOT NULL, 
	at_us BIGINT NOT NULL, 
	by_id VARCHAR NOT NULL, 
	sha256 BLOB NOT NULL, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_access_reviews PRIMARY KEY (id)
)
-- next
CREATE TABLE approvals (
	id VARCHAR NOT NULL, 
	action VARCHAR NOT NULL, 
	about_id VARCHAR, 
	request_hash BLOB NOT NULL, 
	sealed BLOB NOT NULL, 
	requester VARCHAR NOT NULL, 
	created_us BIGINT NOT NULL, 
	expires_us BIGINT NOT NULL, 
	state VARCHAR NOT NULL, 
	decided_us BIGINT, 
	decided_by VARCHAR, 
	method VARCHAR, 
	sealed_assertion BLOB, 
	ended_us BIGINT, 
	void_why VARCHAR, 
	CONSTRAINT pk_approvals PRIMARY KEY (id)
)
-- next
CREATE INDEX ix_approvals_about_id ON approvals (about_id)
-- next
CREATE INDEX ix_approvals_state ON approvals (state, created_us)
-- next
CREATE TABLE audit_expiries (
	id VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	before_us BIGINT NOT NULL, 
	until_idx BIGINT NOT NULL, 
	entries BIGINT NOT NULL, 
	sealed BLOB NOT NULL, 
	asked_us BIGINT NOT NULL, 
	asked_by VARCHAR NOT NULL, 
	decided_us BIGINT, 
	decided_by VARCHAR, 
	done_us BIGINT, 
	audit_index BIGINT, 
	CONSTRAINT pk_audit_expiries PRIMARY KEY (id)
)
-- next
CREATE TABLE audit_facts (
	idx INTEGER NOT NULL, 
	at_us BIGINT NOT NULL, 
	action VARCHAR NOT NULL, 
	outcome VARCHAR NOT NULL, 
	user_id VARCHAR NOT NULL, 
	role VARCHAR NOT NULL, 
	purpose VARCHAR NOT NULL, 
	client VARCHAR NOT NULL, 
	session VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	count BIGINT, 
	asked_in BIGINT, 
	CONSTRAINT pk_audit_facts PRIMARY KEY (idx)
)
-- next
CREATE INDEX ix_audit_facts_action ON audit_facts (action, at_us)
-- next
CREATE INDEX ix_audit_facts_at_us ON audit_facts (at_us)
-- next
CREATE INDEX ix_audit_facts_session ON audit_facts (session) WHERE session <> ''
-- next
CREATE INDEX ix_audit_facts_user ON audit_facts (user_id, at_us)
-- next
CREATE TABLE audit_mails (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	queued_us BIGINT NOT NULL, 
	next_us BIGINT NOT NULL, 
	tries INTEGER DEFAULT 0 NOT NULL, 
	sent_us BIGINT, 
	failure VARCHAR, 
	dropped BOOLEAN DEFAULT false NOT NULL, 
	CONSTRAINT pk_audit_mails PRIMARY KEY (id)
)
-- next
CREATE INDEX ix_audit_mails_waiting ON audit_mails (next_us) WHERE sent_us IS NULL AND NOT dropped
-- next
CREATE TABLE audit_marks (
	name VARCHAR NOT NULL, 
	cursor BIGINT NOT NULL, 
	sealed BLOB, 
	CONSTRAINT pk_audit_marks PRIMARY KEY (name)
)
-- next
CREATE TABLE audit_objects (
	object VARCHAR NOT NULL, 
	idx BIGINT NOT NULL, 
	CONSTRAINT pk_audit_objects PRIMARY KEY (object, idx)
)
 WITHOUT ROWID
-- next
CREATE INDEX ix_audit_objects_idx ON audit_objects (idx)
-- next
CREATE TABLE audit_patients (
	token BLOB NOT NULL, 
	idx BIGINT NOT NULL, 
	CONSTRAINT pk_audit_patients PRIMARY KEY (token, idx)
)
 WITHOUT ROWID
-- next
CREATE INDEX ix_audit_patients_idx ON audit_patients (idx)
-- next
CREATE TABLE audit_reviews (
	period VARCHAR NOT NULL, 
	from_us BIGINT NOT NULL, 
	before_us BIGINT NOT NULL, 
	signed_us BIGINT NOT NULL, 
	signed_by VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	audit_index BIGINT NOT NULL, 
	CONSTRAINT pk_audit_reviews PRIMARY KEY (period)
)
-- next
CREATE TABLE audit_sinks (
	name VARCHAR NOT NULL, 
	cursor BIGINT NOT NULL, 
	owner VARCHAR, 
	lease_us BIGINT, 
	sent_us BIGINT, 
	tries INTEGER DEFAULT 0 NOT NULL, 
	failing_us BIGINT, 
	failure VARCHAR, 
	told_us BIGINT, 
	CONSTRAINT pk_audit_sinks PRIMARY KEY (name)
)
-- next
CREATE TABLE audit_watched (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	user_id VARCHAR, 
	sealed BLOB NOT NULL, 
	added_us BIGINT NOT NULL, 
	added_by VARCHAR NOT NULL, 
	ended_us BIGINT, 
	ended_by VARCHAR, 
	CONSTRAINT pk_audit_watched PRIMARY KEY (id)
)
-- next
CREATE TABLE borne_tokens (
	seq BIGINT NOT NULL, 
	field SMALLINT NOT NULL, 
	token BLOB NOT NULL, 
	CONSTRAINT pk_borne_tokens PRIMARY KEY (seq, field, token)
)
 WITHOUT ROWID
-- next
CREATE TABLE case_mails (
	id VARCHAR NOT NULL, 
	about_id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	stage VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	queued_us BIGINT NOT NULL, 
	next_us BIGINT NOT NULL, 
	tries INTEGER DEFAULT 0 NOT NULL, 
	sent_us BIGINT, 
	failure VARCHAR, 
	dropped BOOLEAN DEFAULT false NOT NULL, 
	CONSTRAINT pk_case_mails PRIMARY KEY (id)
)
-- next
CREATE INDEX ix_case_mails_about_id ON case_mails (about_id)
-- next
CREATE INDEX ix_case_mails_waiting ON case_mails (next_us) WHERE sent_us IS NULL AND NOT dropped
-- next
CREATE TABLE clinician_keys (
	token BLOB NOT NULL, 
	clinician BLOB NOT NULL, 
	CONSTRAINT pk_clinician_keys PRIMARY KEY (token, clinician)
)
 WITHOUT ROWID
-- next
CREATE INDEX ix_clinician_keys_clinician ON clinician_keys (clinician)
-- next
CREATE TABLE clinicians (
	token BLOB NOT NULL, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_clinicians PRIMARY KEY (token)
)
-- next
CREATE TABLE coverage_marks (
	name VARCHAR NOT NULL, 
	value BIGINT NOT NULL, 
	CONSTRAINT pk_coverage_marks PRIMARY KEY (name)
)
-- next
CREATE TABLE coverage_reports (
	day DATE NOT NULL, 
	made_us BIGINT NOT NULL, 
	complete BOOLEAN NOT NULL, 
	document TEXT NOT NULL, 
	CONSTRAINT pk_coverage_reports PRIMARY KEY (day)
)
-- next
CREATE TABLE dictionaries (
	id BIGINT NOT NULL, 
	created_us BIGINT NOT NULL, 
	messages BIGINT NOT NULL, 
	sealed BLOB NOT NULL, 
	epoch_id VARCHAR NOT NULL, 
	wrapped BLOB NOT NULL, 
	CONSTRAINT pk_dictionaries PRIMARY KEY (id)
)
-- next
CREATE TABLE disclosure_acts (
	id VARCHAR NOT NULL, 
	at_us BIGINT NOT NULL, 
	kind VARCHAR NOT NULL, 
	about_id VARCHAR, 
	purpose VARCHAR NOT NULL, 
	basis VARCHAR NOT NULL, 
	by_id VARCHAR NOT NULL, 
	messages INTEGER NOT NULL, 
	unmatched INTEGER NOT NULL, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_disclosure_acts PRIMARY KEY (id)
)
-- next
CREATE INDEX ix_disclosure_acts_about_id ON disclosure_acts (about_id)
-- next
CREATE INDEX ix_disclosure_acts_at_us ON disclosure_acts (at_us)
-- next
CREATE TABLE disclosure_suspensions (
	id VARCHAR NOT NULL, 
	patient_id VARCHAR NOT NULL, 
	basis VARCHAR NOT NULL, 
	until_on DATE NOT NULL, 
	written BOOLEAN NOT NULL, 
	sealed BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	ended_us BIGINT, 
	ended_by VARCHAR, 
	CONSTRAINT pk_disclosure_suspensions PRIMARY KEY (id)
)
-- next
CREATE INDEX ix_disclosure_suspensions_patient_id ON disclosure_suspensions (patient_id)
-- next
CREATE TABLE dpop_proofs (
	hash BLOB NOT NULL, 
	expires_us BIGINT NOT NULL, 
	CONSTRAINT pk_dpop_proofs PRIMARY KEY (hash)
)
-- next
CREATE INDEX ix_dpop_proofs_expires_us ON dpop_proofs (expires_us)
-- next
CREATE TABLE encounter_clinicians (
	clinician BLOB NOT NULL, 
	encounter BLOB NOT NULL, 
	CONSTRAINT pk_encounter_clinicians PRIMARY KEY (clinician, encounter)
)
 WITHOUT ROWID
-- next
CREATE INDEX ix_encounter_clinicians_encounter ON encounter_clinicians (encounter)
-- next
CREATE TABLE encounters (
	token BLOB NOT NULL, 
	about BLOB NOT NULL, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_encounters PRIMARY KEY (token)
)
-- next
CREATE INDEX ix_encounters_about ON encounters (about)
-- next
CREATE TABLE filed_tokens (
	id INTEGER NOT NULL, 
	until BIGINT NOT NULL, 
	CONSTRAINT pk_filed_tokens PRIMARY KEY (id)
)
-- next
CREATE TABLE grounds (
	id INTEGER NOT NULL, 
	token BLOB NOT NULL, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_grounds PRIMARY KEY (id), 
	CONSTRAINT uq_grounds_token UNIQUE (token)
)
-- next
CREATE TABLE index_builds (
	id INTEGER NOT NULL, 
	name VARCHAR NOT NULL, 
	layout BIGINT NOT NULL, 
	begun_us BIGINT NOT NULL, 
	position BIGINT, 
	done BIGINT NOT NULL, 
	total BIGINT NOT NULL, 
	whole BOOLEAN NOT NULL, 
	CONSTRAINT pk_index_builds PRIMARY KEY (id)
)
-- next
CREATE TABLE index_changes (
	id INTEGER NOT NULL, 
	message_pk BIGINT NOT NULL, 
	kind SMALLINT NOT NULL, 
	CONSTRAINT pk_index_changes PRIMARY KEY (id)
)
-- next
CREATE INDEX ix_index_changes_kind ON index_changes (kind)
-- next
CREATE TABLE job_marks (
	kind VARCHAR NOT NULL, 
	asked_us BIGINT NOT NULL, 
	cursor VARCHAR NOT NULL, 
	CONSTRAINT pk_job_marks PRIMARY KEY (kind)
)
-- next
ALTER TABLE jobs ADD COLUMN due_us BIGINT
-- next
ALTER TABLE jobs ADD COLUMN owner VARCHAR
-- next
ALTER TABLE jobs ADD COLUMN beat_us BIGINT
-- next
ALTER TABLE jobs ADD COLUMN done BIGINT
-- next
ALTER TABLE jobs ADD COLUMN total BIGINT
-- next
ALTER TABLE jobs ADD COLUMN error VARCHAR
-- next
ALTER TABLE jobs ADD COLUMN counts VARCHAR
-- next
CREATE INDEX ix_jobs_state_id ON jobs (state, id)
-- next
CREATE TABLE part_keys (
	part_id VARCHAR NOT NULL, 
	epoch_id VARCHAR NOT NULL, 
	wrapped BLOB NOT NULL, 
	CONSTRAINT pk_part_keys PRIMARY KEY (part_id)
)
-- next
CREATE TABLE learnt_models (
	id INTEGER NOT NULL, 
	made_us BIGINT NOT NULL, 
	basis VARCHAR NOT NULL, 
	examples INTEGER NOT NULL, 
	looked_seq BIGINT NOT NULL, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_learnt_models PRIMARY KEY (id)
)
-- next
CREATE TABLE ledger_checkpoints (
	log SMALLINT NOT NULL, 
	generation INTEGER NOT NULL, 
	size BIGINT NOT NULL, 
	at_us BIGINT NOT NULL, 
	note BLOB NOT NULL, 
	CONSTRAINT pk_ledger_checkpoints PRIMARY KEY (log, generation, size)
)
 WITHOUT ROWID
-- next
CREATE TABLE ledger_cosignatures (
	log SMALLINT NOT NULL, 
	generation INTEGER NOT NULL, 
	size BIGINT NOT NULL, 
	witness VARCHAR NOT NULL, 
	at_us BIGINT NOT NULL, 
	lines BLOB NOT NULL, 
	CONSTRAINT pk_ledger_cosignatures PRIMARY KEY (log, generation, size, witness)
)
 WITHOUT ROWID
-- next
CREATE TABLE ledger_gaps (
	id VARCHAR NOT NULL, 
	heads BLOB NOT NULL, 
	sealed BLOB NOT NULL, 
	asked_us BIGINT NOT NULL, 
	asked_by VARCHAR NOT NULL, 
	decided_us BIGINT, 
	decided_by VARCHAR, 
	audit_index BIGINT, 
	CONSTRAINT pk_ledger_gaps PRIMARY KEY (id)
)
-- next
CREATE TABLE ledger_generations (
	log SMALLINT NOT NULL, 
	generation INTEGER NOT NULL, 
	size BIGINT NOT NULL, 
	at_us BIGINT NOT NULL, 
	statement BLOB NOT NULL, 
	CONSTRAINT pk_ledger_generations PRIMARY KEY (log, generation)
)
 WITHOUT ROWID
-- next
CREATE TABLE ledger_watchers (
	name VARCHAR NOT NULL, 
	ok_us BIGINT, 
	failing_us BIGINT, 
	failure VARCHAR, 
	told_us BIGINT, 
	CONSTRAINT pk_ledger_watchers PRIMARY KEY (name)
)
-- next
DROP INDEX ix_message_tokens_message_pk
-- next
ALTER TABLE messages ADD COLUMN form SMALLINT DEFAULT 0 NOT NULL
-- next
ALTER TABLE messages ADD COLUMN unconfirmed BOOLEAN DEFAULT false NOT NULL
-- next
ALTER TABLE messages ADD COLUMN grounds_id BIGINT
-- next
ALTER TABLE messages ADD COLUMN policy_epoch BIGINT
-- next
CREATE INDEX ix_messages_dated ON messages (disposal_date) WHERE disposal_date IS NOT NULL
-- next
CREATE INDEX ix_messages_dead ON messages (pack_id, pack_length) WHERE disposed_us IS NOT NULL
-- next
DROP INDEX ix_messages_disposal_date
-- next
CREATE TABLE name_book (
	id INTEGER NOT NULL, 
	token BLOB NOT NULL, 
	sealed BLOB NOT NULL, 
	searched_us BIGINT, 
	CONSTRAINT pk_name_book PRIMARY KEY (id), 
	CONSTRAINT uq_name_book_token UNIQUE (token)
)
-- next
CREATE INDEX ix_name_book_waiting ON name_book (id) WHERE searched_us IS NULL
-- next
ALTER TABLE packs ADD COLUMN retired_us BIGINT
-- next
CREATE TABLE parts (
	id VARCHAR NOT NULL, 
	token BLOB NOT NULL, 
	size BIGINT NOT NULL, 
	captured_us BIGINT NOT NULL, 
	pack_id VARCHAR NOT NULL, 
	pack_offset BIGINT NOT NULL, 
	pack_length BIGINT NOT NULL, 
	blob_sha256 BLOB NOT NULL, 
	destroyed_us BIGINT, 
	CONSTRAINT pk_parts PRIMARY KEY (id)
)
-- next
CREATE INDEX ix_parts_dead ON parts (pack_id, pack_length) WHERE destroyed_us IS NOT NULL
-- next
CREATE UNIQUE INDEX uq_parts_token_alive ON parts (token) WHERE destroyed_us IS NULL
-- next
ALTER TABLE patients ADD COLUMN person VARCHAR
-- next
CREATE INDEX ix_patients_person ON patients (person)
-- next
CREATE TABLE policy_state (
	id INTEGER NOT NULL, 
	epoch BIGINT NOT NULL, 
	confirmations BIGINT NOT NULL, 
	CONSTRAINT pk_policy_state PRIMARY KEY (id)
)
-- next
CREATE TABLE redates (
	message_pk INTEGER NOT NULL, 
	old_date DATE, 
	old_permanent BOOLEAN DEFAULT false NOT NULL, 
	CONSTRAINT pk_redates PRIMARY KEY (message_pk)
)
-- next
CREATE TABLE sign_in_attempts (
	"key" BLOB NOT NULL, 
	count INTEGER NOT NULL, 
	until_us BIGINT NOT NULL, 
	CONSTRAINT pk_sign_in_attempts PRIMARY KEY ("key")
)
-- next
CREATE INDEX ix_sign_in_attempts_until_us ON sign_in_attempts (until_us)
-- next
CREATE TABLE sso_returns (
	hash BLOB NOT NULL, 
	expires_us BIGINT NOT NULL, 
	CONSTRAINT pk_sso_returns PRIMARY KEY (hash)
)
-- next
CREATE INDEX ix_sso_returns_expires_us ON sso_returns (expires_us)
-- next
CREATE TABLE units (
	id VARCHAR NOT NULL, 
	name_token BLOB NOT NULL, 
	sealed_name BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT pk_units PRIMARY KEY (id), 
	CONSTRAINT uq_units_name_token UNIQUE (name_token)
)
-- next
ALTER TABLE users ADD COLUMN sealed BLOB
-- next
CREATE TABLE watch_pauses (
	from_us INTEGER NOT NULL, 
	until_us BIGINT NOT NULL, 
	CONSTRAINT pk_watch_pauses PRIMARY KEY (from_us)
)
-- next
CREATE TABLE account_notices (
	id VARCHAR NOT NULL, 
	user_id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	by_id VARCHAR NOT NULL, 
	made_us BIGINT NOT NULL, 
	seen_us BIGINT, 
	next_us BIGINT NOT NULL, 
	tries INTEGER DEFAULT 0 NOT NULL, 
	sent_us BIGINT, 
	failure VARCHAR, 
	dropped BOOLEAN DEFAULT false NOT NULL, 
	CONSTRAINT pk_account_notices PRIMARY KEY (id), 
	CONSTRAINT fk_account_notices_user_id FOREIGN KEY(user_id) REFERENCES users (id)
)
-- next
CREATE INDEX ix_account_notices_user ON account_notices (user_id, made_us)
-- next
CREATE INDEX ix_account_notices_waiting ON account_notices (next_us) WHERE sent_us IS NULL AND NOT dropped
-- next
CREATE TABLE appointments (
	id VARCHAR NOT NULL, 
	user_id VARCHAR NOT NULL, 
	role VARCHAR NOT NULL, 
	at_us BIGINT NOT NULL, 
	by_id VARCHAR NOT NULL, 
	approved_by VARCHAR, 
	approval_id VARCHAR, 
	CONSTRAINT pk_appointments PRIMARY KEY (id), 
	CONSTRAINT fk_appointments_user_id FOREIGN KEY(user_id) REFERENCES users (id)
)
-- next
CREATE INDEX ix_appointments_user_id ON appointments (user_id)
-- next
CREATE TABLE arrival_days (
	source_id VARCHAR NOT NULL, 
	day DATE NOT NULL, 
	stored BIGINT NOT NULL, 
	duplicates BIGINT NOT NULL, 
	CONSTRAINT pk_arrival_days PRIMARY KEY (source_id, day), 
	CONSTRAINT fk_arrival_days_source_id FOREIGN KEY(source_id) REFERENCES sources (id)
)
 WITHOUT ROWID
-- next
CREATE TABLE arrival_slots (
	source_id VARCHAR NOT NULL, 
	slot INTEGER NOT NULL, 
	arrived BIGINT NOT NULL, 
	CONSTRAINT pk_arrival_slots PRIMARY KEY (source_id, slot), 
	CONSTRAINT fk_arrival_slots_source_id FOREIGN KEY(source_id) REFERENCES sources (id)
)
 WITHOUT ROWID
-- next
CREATE TABLE breaches (
	id VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	discovered_us BIGINT NOT NULL, 
	held_as VARCHAR NOT NULL, 
	contract_hours INTEGER, 
	sealed BLOB NOT NULL, 
	sealed_exposure BLOB, 
	created_us BIGINT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	decision VARCHAR, 
	decided_us BIGINT, 
	decided_by VARCHAR, 
	confirmed_us BIGINT, 
	confirmed_by VARCHAR, 
	closed_us BIGINT, 
	closed_by VARCHAR, 
	reminded VARCHAR, 
	CONSTRAINT pk_breaches PRIMARY KEY (id), 
	CONSTRAINT fk_breaches_created_by FOREIGN KEY(created_by) REFERENCES users (id)
)
-- next
CREATE TABLE challenges (
	challenge BLOB NOT NULL, 
	purpose VARCHAR NOT NULL, 
	user_id VARCHAR, 
	session_id VARCHAR, 
	payload BLOB NOT NULL, 
	nonce BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	expires_us BIGINT NOT NULL, 
	spent_us BIGINT, 
	CONSTRAINT pk_challenges PRIMARY KEY (challenge), 
	CONSTRAINT fk_challenges_user_id FOREIGN KEY(user_id) REFERENCES users (id)
)
-- next
CREATE INDEX ix_challenges_expires_us ON challenges (expires_us)
-- next
CREATE TABLE corrections (
	id INTEGER NOT NULL, 
	message_pk BIGINT NOT NULL, 
	sealed BLOB NOT NULL, 
	state VARCHAR NOT NULL, 
	asked_by VARCHAR NOT NULL, 
	asked_us BIGINT NOT NULL, 
	decided_by VARCHAR, 
	decided_us BIGINT, 
	CONSTRAINT pk_corrections PRIMARY KEY (id), 
	CONSTRAINT fk_corrections_message_pk FOREIGN KEY(message_pk) REFERENCES messages (pk), 
	CONSTRAINT fk_corrections_asked_by FOREIGN KEY(asked_by) REFERENCES users (id), 
	CONSTRAINT fk_corrections_decided_by FOREIGN KEY(decided_by) REFERENCES users (id)
)
-- next
CREATE INDEX ix_corrections_message_pk ON corrections (message_pk)
-- next
CREATE UNIQUE INDEX uq_corrections_open ON corrections (message_pk, state) WHERE state IN ('asked', 'in_force')
-- next
CREATE TABLE coverage_lines (
	day DATE NOT NULL, 
	source_id VARCHAR NOT NULL, 
	document TEXT NOT NULL, 
	CONSTRAINT pk_coverage_lines PRIMARY KEY (day, source_id), 
	CONSTRAINT fk_coverage_lines_day FOREIGN KEY(day) REFERENCES coverage_reports (day), 
	CONSTRAINT fk_coverage_lines_source_id FOREIGN KEY(source_id) REFERENCES sources (id)
)
-- next
ALTER TABLE credentials ADD COLUMN issued_by VARCHAR
-- next
ALTER TABLE credentials ADD COLUMN session_id VARCHAR
-- next
ALTER TABLE credentials ADD COLUMN method VARCHAR
-- next
ALTER TABLE credentials ADD COLUMN verified_us BIGINT
-- next
ALTER TABLE credentials ADD COLUMN enrol_only BOOLEAN DEFAULT false NOT NULL
-- next
ALTER TABLE credentials ADD COLUMN sealed_place BLOB
-- next
ALTER TABLE credentials ADD COLUMN noted_us BIGINT
-- next
CREATE INDEX ix_credentials_session_id ON credentials (session_id)
-- next
CREATE TABLE disclosure_statements (
	id INTEGER NOT NULL, 
	act_id VARCHAR NOT NULL, 
	basis VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	at_us BIGINT NOT NULL, 
	by_id VARCHAR NOT NULL, 
	CONSTRAINT pk_disclosure_statements PRIMARY KEY (id), 
	CONSTRAINT fk_disclosure_statements_act_id FOREIGN KEY(act_id) REFERENCES disclosure_acts (id)
)
-- next
CREATE INDEX ix_disclosure_statements_act_id ON disclosure_statements (act_id)
-- next
CREATE TABLE disclosures (
	act_id VARCHAR NOT NULL, 
	patient_id VARCHAR NOT NULL, 
	messages INTEGER NOT NULL, 
	CONSTRAINT pk_disclosures PRIMARY KEY (act_id, patient_id), 
	CONSTRAINT fk_disclosures_act_id FOREIGN KEY(act_id) REFERENCES disclosure_acts (id)
)
-- next
CREATE INDEX ix_disclosures_patient_id ON disclosures (patient_id)
-- next
ALTER TABLE dispositions ADD COLUMN approved_sha256 BLOB
-- next
ALTER TABLE dispositions ADD COLUMN sealed_decision BLOB
-- next
ALTER TABLE dispositions ADD COLUMN changed_by VARCHAR
-- next
ALTER TABLE dispositions ADD COLUMN begun_us BIGINT
-- next
ALTER TABLE dispositions ADD COLUMN begun_by VARCHAR
-- next
ALTER TABLE dispositions ADD COLUMN ledger_index BIGINT
-- next
CREATE TABLE emergencies (
	id VARCHAR NOT NULL, 
	user_id VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	begun_us BIGINT NOT NULL, 
	until_us BIGINT NOT NULL, 
	ended_us BIGINT, 
	views INTEGER NOT NULL, 
	review_by_us BIGINT NOT NULL, 
	reviewed_us BIGINT, 
	reviewed_by VARCHAR, 
	verdict VARCHAR, 
	sealed_review BLOB, 
	CONSTRAINT pk_emergencies PRIMARY KEY (id), 
	CONSTRAINT fk_emergencies_user_id FOREIGN KEY(user_id) REFERENCES users (id)
)
-- next
CREATE INDEX ix_emergencies_user_id ON emergencies (user_id)
-- next
CREATE TABLE extensions (
	id VARCHAR NOT NULL, 
	message_pk BIGINT NOT NULL, 
	until DATE NOT NULL, 
	sealed BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	end_asked_by VARCHAR, 
	end_approved_by VARCHAR, 
	sealed_end BLOB, 
	ended_us BIGINT, 
	CONSTRAINT pk_extensions PRIMARY KEY (id), 
	CONSTRAINT fk_extensions_message_pk FOREIGN KEY(message_pk) REFERENCES messages (pk), 
	CONSTRAINT fk_extensions_created_by FOREIGN KEY(created_by) REFERENCES users (id), 
	CONSTRAINT fk_extensions_end_asked_by FOREIGN KEY(end_asked_by) REFERENCES users (id), 
	CONSTRAINT fk_extensions_end_approved_by FOREIGN KEY(end_approved_by) REFERENCES users (id)
)
-- next
CREATE INDEX ix_extensions_in_force ON extensions (message_pk, until) WHERE ended_us IS NULL
-- next
CREATE TABLE found_types (
	message_pk BIGINT NOT NULL, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_found_types PRIMARY KEY (message_pk), 
	CONSTRAINT fk_found_types_message_pk FOREIGN KEY(message_pk) REFERENCES messages (pk)
)
-- next
CREATE TABLE gaps (
	id INTEGER NOT NULL, 
	source_id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	count BIGINT NOT NULL, 
	opened_us BIGINT NOT NULL, 
	closed_us BIGINT, 
	alerted_us BIGINT, 
	accepted_us BIGINT, 
	CONSTRAINT pk_gaps PRIMARY KEY (id), 
	CONSTRAINT fk_gaps_source_id FOREIGN KEY(source_id) REFERENCES sources (id)
)
-- next
CREATE INDEX ix_gaps_source_id_opened_us ON gaps (source_id, opened_us)
-- next
CREATE UNIQUE INDEX uq_gaps_open ON gaps (source_id, kind, "key") WHERE closed_us IS NULL
-- next
CREATE TABLE grants (
	id VARCHAR NOT NULL, 
	user_id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	names VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	from_us BIGINT NOT NULL, 
	until_us BIGINT NOT NULL, 
	state VARCHAR NOT NULL, 
	asked_us BIGINT NOT NULL, 
	asked_by VARCHAR NOT NULL, 
	decided_us BIGINT, 
	decided_by VARCHAR, 
	approval_id VARCHAR, 
	revoked_us BIGINT, 
	revoked_by VARCHAR, 
	last_used_us BIGINT, 
	CONSTRAINT pk_grants PRIMARY KEY (id), 
	CONSTRAINT fk_grants_user_id FOREIGN KEY(user_id) REFERENCES users (id)
)
-- next
CREATE INDEX ix_grants_user_id ON grants (user_id)
-- next
CREATE TABLE grounds_rules (
	grounds_id BIGINT NOT NULL, 
	rule_token BLOB NOT NULL, 
	CONSTRAINT pk_grounds_rules PRIMARY KEY (grounds_id, rule_token), 
	CONSTRAINT fk_grounds_rules_grounds_id FOREIGN KEY(grounds_id) REFERENCES grounds (id)
)
 WITHOUT ROWID
-- next
CREATE TABLE heartbeat_beats (
	id INTEGER NOT NULL, 
	source_id VARCHAR NOT NULL, 
	token BLOB NOT NULL, 
	begun_us BIGINT NOT NULL, 
	taken BOOLEAN, 
	due_us BIGINT NOT NULL, 
	arrived_us BIGINT, 
	CONSTRAINT pk_heartbeat_beats PRIMARY KEY (id), 
	CONSTRAINT fk_heartbeat_beats_source_id FOREIGN KEY(source_id) REFERENCES sources (id), 
	CONSTRAINT uq_heartbeat_beats_token UNIQUE (token)
)
-- next
CREATE INDEX ix_heartbeat_beats_source_id_begun_us ON heartbeat_beats (source_id, begun_us)
-- next
CREATE TABLE heartbeats (
	source_id VARCHAR NOT NULL, 
	sealed_detail BLOB NOT NULL, 
	every_s INTEGER NOT NULL, 
	within_s INTEGER NOT NULL, 
	next_us BIGINT NOT NULL, 
	ended_us BIGINT, 
	CONSTRAINT pk_heartbeats PRIMARY KEY (source_id), 
	CONSTRAINT fk_heartbeats_source_id FOREIGN KEY(source_id) REFERENCES sources (id)
)
-- next
CREATE TABLE identities (
	id VARCHAR NOT NULL, 
	user_id VARCHAR NOT NULL, 
	token BLOB, 
	sealed BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	last_used_us BIGINT, 
	ended_us BIGINT, 
	CONSTRAINT pk_identities PRIMARY KEY (id), 
	CONSTRAINT fk_identities_user_id FOREIGN KEY(user_id) REFERENCES users (id), 
	CONSTRAINT uq_identities_token UNIQUE (token)
)
-- next
CREATE INDEX ix_identities_user_id ON identities (user_id)
-- next
ALTER TABLE imap_checkpoints ADD COLUMN first_uidnext BIGINT DEFAULT 0 NOT NULL
-- next
ALTER TABLE imap_checkpoints ADD COLUMN seen_uid BIGINT DEFAULT 0 NOT NULL
-- next
CREATE TABLE imap_usage (
	source_id VARCHAR NOT NULL, 
	day DATE NOT NULL, 
	bytes BIGINT NOT NULL, 
	CONSTRAINT pk_imap_usage PRIMARY KEY (source_id, day), 
	CONSTRAINT fk_imap_usage_source_id FOREIGN KEY(source_id) REFERENCES sources (id)
)
-- next
CREATE TABLE import_marks (
	id INTEGER NOT NULL, 
	source_id VARCHAR NOT NULL, 
	tokens BLOB NOT NULL, 
	CONSTRAINT pk_import_marks PRIMARY KEY (id), 
	CONSTRAINT fk_import_marks_source_id FOREIGN KEY(source_id) REFERENCES sources (id)
)
-- next
CREATE INDEX ix_import_marks_source_id ON import_marks (source_id)
-- next
CREATE TABLE learnt_types (
	message_pk BIGINT NOT NULL, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_learnt_types PRIMARY KEY (message_pk), 
	CONSTRAINT fk_learnt_types_message_pk FOREIGN KEY(message_pk) REFERENCES messages (pk)
)
-- next
CREATE TABLE link_requests (
	user_id VARCHAR NOT NULL, 
	asked_by VARCHAR NOT NULL, 
	asked_us BIGINT NOT NULL, 
	expires_us BIGINT NOT NULL, 
	CONSTRAINT pk_link_requests PRIMARY KEY (user_id, asked_by), 
	CONSTRAINT fk_link_requests_user_id FOREIGN KEY(user_id) REFERENCES users (id), 
	CONSTRAINT fk_link_requests_asked_by FOREIGN KEY(asked_by) REFERENCES users (id)
)
-- next
CREATE TABLE match_decisions (
	id VARCHAR NOT NULL, 
	message_pk BIGINT NOT NULL, 
	patient_id VARCHAR NOT NULL, 
	about BOOLEAN NOT NULL, 
	sealed_reason BLOB NOT NULL, 
	decided_us BIGINT NOT NULL, 
	decided_by VARCHAR NOT NULL, 
	undone_us BIGINT, 
	undone_by VARCHAR, 
	CONSTRAINT pk_match_decisions PRIMARY KEY (id), 
	CONSTRAINT fk_match_decisions_patient_id FOREIGN KEY(patient_id) REFERENCES patients (id), 
	CONSTRAINT fk_match_decisions_decided_by FOREIGN KEY(decided_by) REFERENCES users (id), 
	CONSTRAINT fk_match_decisions_undone_by FOREIGN KEY(undone_by) REFERENCES users (id)
)
-- next
CREATE INDEX ix_match_decisions_message_pk ON match_decisions (message_pk)
-- next
CREATE TABLE notes (
	note_id VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	message_pk BIGINT NOT NULL, 
	sealed BLOB NOT NULL, 
	withdrawn BOOLEAN NOT NULL, 
	written_us BIGINT NOT NULL, 
	written_by VARCHAR NOT NULL, 
	CONSTRAINT pk_notes PRIMARY KEY (note_id, version), 
	CONSTRAINT fk_notes_written_by FOREIGN KEY(written_by) REFERENCES users (id)
)
-- next
CREATE INDEX ix_notes_message_pk ON notes (message_pk)
-- next
CREATE TABLE part_refs (
	message_pk INTEGER NOT NULL, 
	part_id VARCHAR NOT NULL, 
	seq BIGINT NOT NULL, 
	CONSTRAINT pk_part_refs PRIMARY KEY (message_pk, part_id), 
	CONSTRAINT fk_part_refs_part_id FOREIGN KEY(part_id) REFERENCES parts (id)
)
 WITHOUT ROWID
-- next
CREATE INDEX ix_part_refs_part_id ON part_refs (part_id)
-- next
CREATE INDEX ix_part_refs_seq ON part_refs (seq)
-- next
CREATE TABLE passkeys (
	id VARCHAR NOT NULL, 
	user_id VARCHAR NOT NULL, 
	credential_id BLOB NOT NULL, 
	public_key BLOB NOT NULL, 
	sign_count BIGINT NOT NULL, 
	aaguid VARCHAR NOT NULL, 
	transports VARCHAR NOT NULL, 
	backup_eligible BOOLEAN NOT NULL, 
	backed_up BOOLEAN NOT NULL, 
	created_us BIGINT NOT NULL, 
	last_used_us BIGINT, 
	removed_us BIGINT, 
	removed_why VARCHAR, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_passkeys PRIMARY KEY (id), 
	CONSTRAINT fk_passkeys_user_id FOREIGN KEY(user_id) REFERENCES users (id), 
	CONSTRAINT uq_passkeys_credential_id UNIQUE (credential_id)
)
-- next
CREATE INDEX ix_passkeys_user_id ON passkeys (user_id)
-- next
CREATE TABLE patient_links (
	patient_id VARCHAR NOT NULL, 
	other BLOB NOT NULL, 
	CONSTRAINT pk_patient_links PRIMARY KEY (patient_id, other), 
	CONSTRAINT fk_patient_links_patient_id FOREIGN KEY(patient_id) REFERENCES patients (id)
)
-- next
CREATE INDEX ix_patient_links_other ON patient_links (other)
-- next
CREATE TABLE patient_requests (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	received_on DATE NOT NULL, 
	due_on DATE NOT NULL, 
	extended_us BIGINT, 
	extended_by VARCHAR, 
	patient_id VARCHAR, 
	export_id VARCHAR, 
	sealed BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	denial_asked_us BIGINT, 
	denial_asked_by VARCHAR, 
	denial_sha256 BLOB, 
	denial_us BIGINT, 
	denial_by VARCHAR, 
	closed_us BIGINT, 
	closed_by VARCHAR, 
	outcome VARCHAR, 
	reminded VARCHAR, 
	CONSTRAINT pk_patient_requests PRIMARY KEY (id), 
	CONSTRAINT fk_patient_requests_created_by FOREIGN KEY(created_by) REFERENCES users (id)
)
-- next
CREATE INDEX ix_patient_requests_patient_id ON patient_requests (patient_id)
-- next
CREATE INDEX ix_patient_requests_state ON patient_requests (state, due_on)
-- next
ALTER TABLE patient_tokens ADD COLUMN kind SMALLINT
-- next
CREATE INDEX ix_patient_tokens_patient_id ON patient_tokens (patient_id)
-- next
CREATE TABLE policy_entries (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	sealed_steps BLOB NOT NULL, 
	replaces VARCHAR, 
	created_us BIGINT NOT NULL, 
	asked_by VARCHAR NOT NULL, 
	approved_by VARCHAR, 
	in_force_us BIGINT, 
	end_asked_by VARCHAR, 
	end_approved_by VARCHAR, 
	ended_us BIGINT, 
	CONSTRAINT pk_policy_entries PRIMARY KEY (id), 
	CONSTRAINT fk_policy_entries_asked_by FOREIGN KEY(asked_by) REFERENCES users (id), 
	CONSTRAINT fk_policy_entries_approved_by FOREIGN KEY(approved_by) REFERENCES users (id), 
	CONSTRAINT fk_policy_entries_end_asked_by FOREIGN KEY(end_asked_by) REFERENCES users (id), 
	CONSTRAINT fk_policy_entries_end_approved_by FOREIGN KEY(end_approved_by) REFERENCES users (id)
)
-- next
CREATE TABLE policy_previews (
	id VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	sealed_result BLOB, 
	done BIGINT NOT NULL, 
	total BIGINT NOT NULL, 
	created_us BIGINT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	CONSTRAINT pk_policy_previews PRIMARY KEY (id), 
	CONSTRAINT fk_policy_previews_created_by FOREIGN KEY(created_by) REFERENCES users (id)
)
-- next
CREATE INDEX ix_refusals_source_id_at_us ON refusals (source_id, at_us)
-- next
ALTER TABLE reports ADD COLUMN form SMALLINT DEFAULT 0 NOT NULL
-- next
CREATE TABLE rule_confirmations (
	id VARCHAR NOT NULL, 
	rule_token BLOB NOT NULL, 
	sealed BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	audit_index BIGINT NOT NULL, 
	revoked_us BIGINT, 
	revoked_by VARCHAR, 
	sealed_revocation BLOB, 
	CONSTRAINT pk_rule_confirmations PRIMARY KEY (id), 
	CONSTRAINT fk_rule_confirmations_created_by FOREIGN KEY(created_by) REFERENCES users (id), 
	CONSTRAINT fk_rule_confirmations_revoked_by FOREIGN KEY(revoked_by) REFERENCES users (id)
)
-- next
CREATE INDEX ix_rule_confirmations_rule_token ON rule_confirmations (rule_token)
-- next
CREATE TABLE tags (
	id VARCHAR NOT NULL, 
	name_token BLOB NOT NULL, 
	sealed BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	retired_us BIGINT, 
	retired_by VARCHAR, 
	CONSTRAINT pk_tags PRIMARY KEY (id), 
	CONSTRAINT uq_tags_name_token UNIQUE (name_token), 
	CONSTRAINT fk_tags_created_by FOREIGN KEY(created_by) REFERENCES users (id)
)
-- next
CREATE TABLE unit_facts (
	unit_id VARCHAR NOT NULL, 
	version BIGINT NOT NULL, 
	sealed BLOB NOT NULL, 
	from_us BIGINT NOT NULL, 
	until_us BIGINT, 
	CONSTRAINT pk_unit_facts PRIMARY KEY (unit_id, version), 
	CONSTRAINT fk_unit_facts_unit_id FOREIGN KEY(unit_id) REFERENCES units (id)
)
-- next
CREATE TABLE alerts (
	id INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	gap_id BIGINT, 
	day DATE, 
	queued_us BIGINT NOT NULL, 
	next_us BIGINT NOT NULL, 
	tries INTEGER DEFAULT 0 NOT NULL, 
	sent_us BIGINT, 
	CONSTRAINT pk_alerts PRIMARY KEY (id), 
	CONSTRAINT fk_alerts_gap_id FOREIGN KEY(gap_id) REFERENCES gaps (id)
)
-- next
CREATE INDEX ix_alerts_sent_us_next_us ON alerts (sent_us, next_us)
-- next
CREATE TABLE api_tokens (
	id VARCHAR NOT NULL, 
	hash BLOB NOT NULL, 
	user_id VARCHAR NOT NULL, 
	actions VARCHAR, 
	matters VARCHAR, 
	sealed BLOB NOT NULL, 
	jkt VARCHAR, 
	issued_by VARCHAR NOT NULL, 
	rotated_to VARCHAR, 
	CONSTRAINT pk_api_tokens PRIMARY KEY (id), 
	CONSTRAINT uq_api_tokens_hash UNIQUE (hash), 
	CONSTRAINT fk_api_tokens_hash FOREIGN KEY(hash) REFERENCES credentials (hash), 
	CONSTRAINT fk_api_tokens_user_id FOREIGN KEY(user_id) REFERENCES users (id)
)
-- next
CREATE INDEX ix_api_tokens_user_id ON api_tokens (user_id)
-- next
CREATE TABLE breach_entries (
	breach_id VARCHAR NOT NULL, 
	idx BIGINT NOT NULL, 
	CONSTRAINT pk_breach_entries PRIMARY KEY (breach_id, idx), 
	CONSTRAINT fk_breach_entries_breach_id FOREIGN KEY(breach_id) REFERENCES breaches (id)
)
 WITHOUT ROWID
-- next
CREATE TABLE breach_events (
	id INTEGER NOT NULL, 
	breach_id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	at_us BIGINT NOT NULL, 
	by_id VARCHAR NOT NULL, 
	until_on DATE, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_breach_events PRIMARY KEY (id), 
	CONSTRAINT fk_breach_events_breach_id FOREIGN KEY(breach_id) REFERENCES breaches (id)
)
-- next
CREATE INDEX ix_breach_events_breach_id ON breach_events (breach_id)
-- next
CREATE TABLE breach_letters (
	run VARCHAR NOT NULL, 
	patient_id VARCHAR NOT NULL, 
	breach_id VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_breach_letters PRIMARY KEY (run, patient_id), 
	CONSTRAINT fk_breach_letters_breach_id FOREIGN KEY(breach_id) REFERENCES breaches (id)
)
-- next
CREATE INDEX ix_breach_letters_breach_id ON breach_letters (breach_id, patient_id)
-- next
CREATE TABLE breach_patients (
	breach_id VARCHAR NOT NULL, 
	patient_id VARCHAR NOT NULL, 
	opened INTEGER NOT NULL, 
	listed INTEGER NOT NULL, 
	exported INTEGER NOT NULL, 
	sealed_with INTEGER NOT NULL, 
	first_us BIGINT, 
	last_us BIGINT, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_breach_patients PRIMARY KEY (breach_id, patient_id), 
	CONSTRAINT fk_breach_patients_breach_id FOREIGN KEY(breach_id) REFERENCES breaches (id)
)
-- next
CREATE TABLE disposition_draws (
	id INTEGER NOT NULL, 
	disposition_id VARCHAR NOT NULL, 
	seed VARCHAR NOT NULL, 
	asked INTEGER NOT NULL, 
	population BIGINT NOT NULL, 
	items_sha256 BLOB NOT NULL, 
	drawn_us BIGINT NOT NULL, 
	drawn_by VARCHAR NOT NULL, 
	CONSTRAINT pk_disposition_draws PRIMARY KEY (id), 
	CONSTRAINT fk_disposition_draws_disposition_id FOREIGN KEY(disposition_id) REFERENCES dispositions (id), 
	CONSTRAINT fk_disposition_draws_drawn_by FOREIGN KEY(drawn_by) REFERENCES users (id)
)
-- next
CREATE INDEX ix_disposition_draws_disposition_id ON disposition_draws (disposition_id)
-- next
ALTER TABLE disposition_items ADD COLUMN excluded_us BIGINT
-- next
ALTER TABLE disposition_items ADD COLUMN excluded_by VARCHAR
-- next
ALTER TABLE disposition_items ADD COLUMN sealed_exclusion BLOB
-- next
CREATE TABLE disposition_parts (
	disposition_id VARCHAR NOT NULL, 
	part_id VARCHAR NOT NULL, 
	CONSTRAINT pk_disposition_parts PRIMARY KEY (disposition_id, part_id), 
	CONSTRAINT fk_disposition_parts_disposition_id FOREIGN KEY(disposition_id) REFERENCES dispositions (id)
)
 WITHOUT ROWID
-- next
ALTER TABLE holds ADD COLUMN root_id VARCHAR
-- next
ALTER TABLE holds ADD COLUMN version INTEGER DEFAULT 1 NOT NULL
-- next
ALTER TABLE holds ADD COLUMN cooling_days INTEGER DEFAULT 0 NOT NULL
-- next
CREATE INDEX ix_holds_root_id ON holds (root_id)
-- next
CREATE TABLE notice_plans (
	matter_id VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	remind_days INTEGER NOT NULL, 
	escalate_days INTEGER NOT NULL, 
	set_us BIGINT NOT NULL, 
	set_by VARCHAR NOT NULL, 
	CONSTRAINT pk_notice_plans PRIMARY KEY (matter_id), 
	CONSTRAINT fk_notice_plans_matter_id FOREIGN KEY(matter_id) REFERENCES matters (id)
)
-- next
CREATE TABLE policy_baselines (
	kind VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	since_us BIGINT NOT NULL, 
	ended_by VARCHAR, 
	CONSTRAINT pk_policy_baselines PRIMARY KEY (kind, value, since_us), 
	CONSTRAINT fk_policy_baselines_ended_by FOREIGN KEY(ended_by) REFERENCES policy_entries (id)
)
-- next
CREATE TABLE request_items (
	request_id VARCHAR NOT NULL, 
	message_pk BIGINT NOT NULL, 
	mark VARCHAR, 
	sealed BLOB, 
	marked_us BIGINT, 
	marked_by VARCHAR, 
	CONSTRAINT pk_request_items PRIMARY KEY (request_id, message_pk), 
	CONSTRAINT fk_request_items_request_id FOREIGN KEY(request_id) REFERENCES patient_requests (id)
)
 WITHOUT ROWID
-- next
CREATE INDEX ix_request_items_message_pk ON request_items (message_pk)
-- next
CREATE TABLE request_letters (
	id VARCHAR NOT NULL, 
	request_id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	made_us BIGINT NOT NULL, 
	made_by VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_request_letters PRIMARY KEY (id), 
	CONSTRAINT fk_request_letters_request_id FOREIGN KEY(request_id) REFERENCES patient_requests (id)
)
-- next
CREATE INDEX ix_request_letters_request_id ON request_letters (request_id)
-- next
CREATE TABLE saved_searches (
	id VARCHAR NOT NULL, 
	owner_id VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	sort VARCHAR NOT NULL, 
	purpose VARCHAR NOT NULL, 
	matter_id VARCHAR, 
	shared VARCHAR NOT NULL, 
	shared_role VARCHAR, 
	created_us BIGINT NOT NULL, 
	changed_us BIGINT NOT NULL, 
	deleted_us BIGINT, 
	deleted_by VARCHAR, 
	alert BOOLEAN DEFAULT false NOT NULL, 
	alert_seq BIGINT, 
	alert_error VARCHAR, 
	CONSTRAINT pk_saved_searches PRIMARY KEY (id), 
	CONSTRAINT fk_saved_searches_owner_id FOREIGN KEY(owner_id) REFERENCES users (id), 
	CONSTRAINT fk_saved_searches_matter_id FOREIGN KEY(matter_id) REFERENCES matters (id)
)
-- next
CREATE INDEX ix_saved_searches_owner_id ON saved_searches (owner_id)
-- next
CREATE TABLE sso_sessions (
	session_id VARCHAR NOT NULL, 
	identity_id VARCHAR NOT NULL, 
	sid BLOB, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_sso_sessions PRIMARY KEY (session_id), 
	CONSTRAINT fk_sso_sessions_identity_id FOREIGN KEY(identity_id) REFERENCES identities (id)
)
-- next
CREATE INDEX ix_sso_sessions_identity_id ON sso_sessions (identity_id)
-- next
CREATE INDEX ix_sso_sessions_sid ON sso_sessions (sid)
-- next
CREATE TABLE taggings (
	id INTEGER NOT NULL, 
	message_pk BIGINT NOT NULL, 
	tag_id VARCHAR NOT NULL, 
	put BOOLEAN NOT NULL, 
	at_us BIGINT NOT NULL, 
	by_id VARCHAR NOT NULL, 
	act VARCHAR, 
	CONSTRAINT pk_taggings PRIMARY KEY (id), 
	CONSTRAINT fk_taggings_tag_id FOREIGN KEY(tag_id) REFERENCES tags (id)
)
-- next
CREATE INDEX ix_taggings_message_pk_tag_id_id ON taggings (message_pk, tag_id, id)
-- next
CREATE INDEX ix_taggings_tag_id ON taggings (tag_id)
-- next
CREATE TABLE alert_items (
	search_id VARCHAR NOT NULL, 
	message_pk BIGINT NOT NULL, 
	found_us BIGINT NOT NULL, 
	acknowledged_us BIGINT, 
	acknowledged_by VARCHAR, 
	mail_id VARCHAR, 
	CONSTRAINT pk_alert_items PRIMARY KEY (search_id, message_pk), 
	CONSTRAINT fk_alert_items_search_id FOREIGN KEY(search_id) REFERENCES saved_searches (id)
)
 WITHOUT ROWID
-- next
CREATE INDEX ix_alert_items_message_pk ON alert_items (message_pk)
-- next
CREATE TABLE alert_mails (
	id VARCHAR NOT NULL, 
	search_id VARCHAR NOT NULL, 
	count INTEGER NOT NULL, 
	queued_us BIGINT NOT NULL, 
	next_us BIGINT NOT NULL, 
	tries INTEGER DEFAULT 0 NOT NULL, 
	sent_us BIGINT, 
	failure VARCHAR, 
	dropped BOOLEAN DEFAULT false NOT NULL, 
	CONSTRAINT pk_alert_mails PRIMARY KEY (id), 
	CONSTRAINT fk_alert_mails_search_id FOREIGN KEY(search_id) REFERENCES saved_searches (id)
)
-- next
CREATE INDEX ix_alert_mails_search_id ON alert_mails (search_id)
-- next
CREATE INDEX ix_alert_mails_waiting ON alert_mails (next_us) WHERE sent_us IS NULL AND NOT dropped
-- next
CREATE TABLE disposition_samples (
	draw_id BIGINT NOT NULL, 
	message_pk BIGINT NOT NULL, 
	opened_us BIGINT, 
	opened_by VARCHAR, 
	marked_us BIGINT, 
	good BOOLEAN, 
	sealed_note BLOB, 
	CONSTRAINT pk_disposition_samples PRIMARY KEY (draw_id, message_pk), 
	CONSTRAINT fk_disposition_samples_draw_id FOREIGN KEY(draw_id) REFERENCES disposition_draws (id), 
	CONSTRAINT fk_disposition_samples_message_pk FOREIGN KEY(message_pk) REFERENCES messages (pk), 
	CONSTRAINT fk_disposition_samples_opened_by FOREIGN KEY(opened_by) REFERENCES users (id)
)
-- next
CREATE TABLE hold_events (
	id INTEGER NOT NULL, 
	hold_id VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	at_us BIGINT NOT NULL, 
	by_id VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	audit_index BIGINT, 
	CONSTRAINT pk_hold_events PRIMARY KEY (id), 
	CONSTRAINT fk_hold_events_hold_id FOREIGN KEY(hold_id) REFERENCES holds (id)
)
-- next
CREATE INDEX ix_hold_events_hold_id ON hold_events (hold_id)
-- next
CREATE TABLE hold_receipts (
	hold_id VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	issued_us BIGINT NOT NULL, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_hold_receipts PRIMARY KEY (hold_id, version), 
	CONSTRAINT fk_hold_receipts_hold_id FOREIGN KEY(hold_id) REFERENCES holds (id)
)
-- next
CREATE TABLE hold_reviews (
	hold_id VARCHAR NOT NULL, 
	review_on DATE NOT NULL, 
	sealed BLOB NOT NULL, 
	set_us BIGINT NOT NULL, 
	set_by VARCHAR NOT NULL, 
	next_us BIGINT, 
	CONSTRAINT pk_hold_reviews PRIMARY KEY (hold_id), 
	CONSTRAINT fk_hold_reviews_hold_id FOREIGN KEY(hold_id) REFERENCES holds (id)
)
-- next
CREATE TABLE hold_sources (
	hold_id VARCHAR NOT NULL, 
	source_id VARCHAR NOT NULL, 
	CONSTRAINT pk_hold_sources PRIMARY KEY (hold_id, source_id), 
	CONSTRAINT fk_hold_sources_hold_id FOREIGN KEY(hold_id) REFERENCES holds (id), 
	CONSTRAINT fk_hold_sources_source_id FOREIGN KEY(source_id) REFERENCES sources (id)
)
-- next
CREATE TABLE notice_starts (
	hold_id VARCHAR NOT NULL, 
	started_us BIGINT NOT NULL, 
	started_by VARCHAR NOT NULL, 
	ended_us BIGINT, 
	CONSTRAINT pk_notice_starts PRIMARY KEY (hold_id), 
	CONSTRAINT fk_notice_starts_hold_id FOREIGN KEY(hold_id) REFERENCES holds (id)
)
-- next
CREATE TABLE notices (
	id VARCHAR NOT NULL, 
	hold_id VARCHAR NOT NULL, 
	token BLOB NOT NULL, 
	secret BLOB NOT NULL, 
	sealed BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	sent_us BIGINT, 
	acknowledged_us BIGINT, 
	reminders INTEGER DEFAULT 0 NOT NULL, 
	next_reminder_us BIGINT, 
	escalated_us BIGINT, 
	ended_us BIGINT, 
	CONSTRAINT pk_notices PRIMARY KEY (id), 
	CONSTRAINT fk_notices_hold_id FOREIGN KEY(hold_id) REFERENCES holds (id), 
	CONSTRAINT uq_notices_secret UNIQUE (secret)
)
-- next
CREATE UNIQUE INDEX uq_notices_open ON notices (hold_id, token) WHERE ended_us IS NULL
-- next
CREATE TABLE notice_mails (
	id VARCHAR NOT NULL, 
	hold_id VARCHAR NOT NULL, 
	notice_id VARCHAR, 
	kind VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	queued_us BIGINT NOT NULL, 
	queued_by VARCHAR NOT NULL, 
	bounced_us BIGINT, 
	next_us BIGINT NOT NULL, 
	tries INTEGER DEFAULT 0 NOT NULL, 
	sent_us BIGINT, 
	failure VARCHAR, 
	dropped BOOLEAN DEFAULT false NOT NULL, 
	CONSTRAINT pk_notice_mails PRIMARY KEY (id), 
	CONSTRAINT fk_notice_mails_hold_id FOREIGN KEY(hold_id) REFERENCES holds (id), 
	CONSTRAINT fk_notice_mails_notice_id FOREIGN KEY(notice_id) REFERENCES notices (id)
)
-- next
CREATE INDEX ix_notice_mails_hold_id ON notice_mails (hold_id)
-- next
CREATE INDEX ix_notice_mails_notice_id ON notice_mails (notice_id)
-- next
CREATE INDEX ix_notice_mails_waiting ON notice_mails (next_us) WHERE sent_us IS NULL AND NOT dropped
-- next
DROP TRIGGER guard_data_keys_delete
-- next
CREATE TRIGGER guard_data_keys_delete BEFORE DELETE ON data_keys WHEN EXISTS (SELECT 1 FROM messages m WHERE m.pk = OLD.message_pk AND (
    m.disposal_date IS NULL OR m.permanent OR m.disposal_date > date('now', '-12 hours')
    OR m.unconfirmed
    OR COALESCE(m.policy_epoch, 0) <> COALESCE((SELECT p.epoch FROM policy_state p), 0)
    OR EXISTS (SELECT 1 FROM grounds_rules g WHERE g.grounds_id = m.grounds_id
               AND NOT EXISTS (SELECT 1 FROM rule_confirmations c
                               WHERE c.rule_token = g.rule_token AND c.revoked_us IS NULL))
    OR EXISTS (SELECT 1 FROM hold_items i JOIN holds h ON h.id = i.hold_id
               WHERE i.message_pk = m.pk AND h.state <> 'released')
    OR EXISTS (SELECT 1 FROM extensions x WHERE x.message_pk = m.pk AND x.ended_us IS NULL
    AND x.until >= date('now', '-12 hours'))
    OR EXISTS (SELECT 1 FROM request_items q JOIN patient_requests r ON r.id = q.request_id
    WHERE q.message_pk = m.pk AND r.state = 'open')
    OR EXISTS (SELECT 1 FROM name_book n WHERE n.searched_us IS NULL)
    OR (EXISTS (SELECT 1 FROM name_book n) AND EXISTS (SELECT 1 FROM outbox o WHERE o.message_pk = m.pk))
    OR EXISTS (SELECT 1 FROM redates r WHERE r.message_pk = m.pk)
    OR NOT EXISTS (SELECT 1 FROM disposition_items l JOIN dispositions d ON d.id = l.disposition_id
    WHERE l.message_pk = m.pk AND l.excluded_us IS NULL AND l.outcome IS NULL
    AND d.state = 'approved' AND d.begun_us IS NOT NULL AND d.approved_sha256 = d.items_sha256
    AND d.decided_by <> d.created_by
    AND EXISTS (SELECT 1 FROM users u WHERE u.id IN (d.created_by, d.begun_by) AND u.id <> d.decided_by))
    OR EXISTS (SELECT 1 FROM holds h WHERE h.state = 'applying')
    OR (EXISTS (SELECT 1 FROM holds h WHERE h.by_index AND h.state <> 'released')
        AND (EXISTS (SELECT 1 FROM outbox o WHERE o.message_pk = m.pk)
             OR EXISTS (SELECT 1 FROM unindexed u WHERE u.message_pk = m.pk))))) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
DROP TRIGGER guard_data_keys_update
-- next
CREATE TRIGGER guard_data_keys_update BEFORE UPDATE ON data_keys WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
DROP TRIGGER guard_messages_fixed
-- next
CREATE TRIGGER guard_messages_fixed BEFORE UPDATE OF pk, id, sha256, size, anchor, captured_us, sent_us, seq, blob_sha256, form ON messages WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_borne_tokens_delete BEFORE DELETE ON borne_tokens WHEN EXISTS (SELECT 1 FROM messages m JOIN data_keys k ON k.message_pk = m.pk
    WHERE m.seq = OLD.seq) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_borne_tokens_update BEFORE UPDATE ON borne_tokens WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_part_keys_delete BEFORE DELETE ON part_keys WHEN EXISTS (SELECT 1 FROM part_refs r JOIN data_keys k ON k.message_pk = r.message_pk
    WHERE r.part_id = OLD.part_id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_part_keys_update BEFORE UPDATE ON part_keys WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_part_refs_insert BEFORE INSERT ON part_refs WHEN NOT EXISTS (SELECT 1 FROM part_keys k WHERE k.part_id = NEW.part_id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_part_refs_delete BEFORE DELETE ON part_refs WHEN EXISTS (SELECT 1 FROM data_keys k WHERE k.message_pk = OLD.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_part_refs_update BEFORE UPDATE ON part_refs WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_parts_delete BEFORE DELETE ON parts WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_parts_fixed BEFORE UPDATE OF id, token, size, captured_us, blob_sha256 ON parts WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_parts_ended BEFORE UPDATE OF destroyed_us ON parts WHEN NEW.destroyed_us IS NULL OR EXISTS (SELECT 1 FROM part_keys k WHERE k.part_id = OLD.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_dictionaries_delete BEFORE DELETE ON dictionaries WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_dictionaries_update BEFORE UPDATE ON dictionaries WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_sources_delete BEFORE DELETE ON hold_sources WHEN EXISTS (SELECT 1 FROM holds h WHERE h.id = OLD.hold_id AND h.state <> 'released') BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_sources_update BEFORE UPDATE ON hold_sources WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_custodians_insert BEFORE INSERT ON hold_custodians WHEN EXISTS (SELECT 1 FROM holds h WHERE h.id = NEW.hold_id AND h.state <> 'applying')
    AND NOT EXISTS (SELECT 1 FROM hold_custodians t WHERE t.hold_id = NEW.hold_id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_patients_insert BEFORE INSERT ON hold_patients WHEN EXISTS (SELECT 1 FROM holds h WHERE h.id = NEW.hold_id AND h.state <> 'applying')
    AND NOT EXISTS (SELECT 1 FROM hold_patients t WHERE t.hold_id = NEW.hold_id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_sources_insert BEFORE INSERT ON hold_sources WHEN EXISTS (SELECT 1 FROM holds h WHERE h.id = NEW.hold_id AND h.state <> 'applying')
    AND NOT EXISTS (SELECT 1 FROM hold_sources t WHERE t.hold_id = NEW.hold_id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
DROP TRIGGER guard_holds_state
-- next
CREATE TRIGGER guard_holds_state BEFORE UPDATE OF state ON holds WHEN NEW.state <> OLD.state AND NOT (
    (NEW.state = 'applying' AND OLD.state = 'active')
    OR (NEW.state = 'active' AND OLD.state = 'applying' AND EXISTS (SELECT 1 FROM hold_events e WHERE e.kind = 'applied' AND e.version = NEW.version
    AND e.id = (SELECT max(x.id) FROM hold_events x WHERE x.hold_id = COALESCE(NEW.root_id, NEW.id))))
    OR (NEW.state = 'applying' AND OLD.state = 'cooling')
    OR (NEW.state = 'cooling' AND OLD.state IN ('applying', 'active')
        AND NEW.release_asked_by IS NOT NULL AND NEW.release_approved_by IS NOT NULL
        AND NEW.release_asked_by <> NEW.release_approved_by AND NEW.cooling_until_us IS NOT NULL
        AND NEW.cooling_until_us >= CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER) + OLD.cooling_days * 86400000000 - 3600000000)
    OR (NEW.state = 'released' AND OLD.state = 'cooling' AND OLD.cooling_until_us IS NOT NULL
        AND OLD.cooling_until_us <= CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER))) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
DROP TRIGGER guard_holds_cooling
-- next
CREATE TRIGGER guard_holds_cooling BEFORE UPDATE OF cooling_until_us ON holds WHEN OLD.state = 'cooling' AND NEW.state <> 'applying' AND (
    NEW.cooling_until_us IS NULL OR OLD.cooling_until_us IS NULL
    OR NEW.cooling_until_us < OLD.cooling_until_us) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
DROP TRIGGER guard_holds_fixed
-- next
CREATE TRIGGER guard_holds_fixed BEFORE UPDATE OF id, matter_id, by_index, standing, sent_from_us, sent_before_us, from_day, before_day, created_us, created_by, in_force_us, sealed_scope, root_id, version, cooling_days ON holds WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_events_delete BEFORE DELETE ON hold_events WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_events_update BEFORE UPDATE ON hold_events WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_receipts_delete BEFORE DELETE ON hold_receipts WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_receipts_update BEFORE UPDATE ON hold_receipts WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_notices_delete BEFORE DELETE ON notices WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_notices_acknowledged BEFORE UPDATE OF acknowledged_us ON notices WHEN OLD.acknowledged_us IS NOT NULL AND (NEW.acknowledged_us IS NULL OR NEW.acknowledged_us <> OLD.acknowledged_us) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_notice_mails_delete BEFORE DELETE ON notice_mails WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_notice_mails_fixed BEFORE UPDATE OF id, hold_id, notice_id, kind, sealed ON notice_mails WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_refusals_delete BEFORE DELETE ON refusals WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_refusals_update BEFORE UPDATE ON refusals WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_part_refs_replace BEFORE INSERT ON part_refs WHEN EXISTS (SELECT 1 FROM part_refs r WHERE r.message_pk = NEW.message_pk AND r.part_id = NEW.part_id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_part_keys_replace BEFORE INSERT ON part_keys WHEN EXISTS (SELECT 1 FROM part_keys WHERE part_id = NEW.part_id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_parts_replace BEFORE INSERT ON parts WHEN EXISTS (SELECT 1 FROM parts WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_dictionaries_replace BEFORE INSERT ON dictionaries WHEN EXISTS (SELECT 1 FROM dictionaries WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_grants_delete BEFORE DELETE ON grants WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_approvals_delete BEFORE DELETE ON approvals WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_appointments_delete BEFORE DELETE ON appointments WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_emergencies_delete BEFORE DELETE ON emergencies WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_access_reviews_delete BEFORE DELETE ON access_reviews WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_grants_fixed BEFORE UPDATE OF id, user_id, kind, names, sealed, from_us, until_us, asked_us, asked_by ON grants WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_grants_begin BEFORE INSERT ON grants WHEN NEW.state <> 'asked' BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_grants_state BEFORE UPDATE OF state ON grants WHEN NEW.state <> OLD.state AND NOT (
    (OLD.state = 'asked' AND NEW.state = 'refused')
    OR (OLD.state = 'asked' AND NEW.state = 'granted' AND NEW.decided_by IS NOT NULL
        AND NEW.decided_by <> NEW.asked_by AND NEW.decided_by <> NEW.user_id)
    OR (OLD.state IN ('asked', 'granted') AND NEW.state = 'revoked' AND NEW.revoked_by IS NOT NULL)) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_approvals_fixed BEFORE UPDATE OF id, action, about_id, request_hash, sealed, requester, created_us, expires_us ON approvals WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_approvals_begin BEFORE INSERT ON approvals WHEN NEW.state <> 'asked' BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_approvals_state BEFORE UPDATE OF state ON approvals WHEN NEW.state <> OLD.state AND NOT (
    (OLD.state = 'asked' AND NEW.state = 'refused')
    OR (OLD.state = 'asked' AND NEW.state = 'approved' AND NEW.decided_by IS NOT NULL
        AND NEW.decided_by <> OLD.requester AND NEW.decided_us <= OLD.expires_us)
    OR (OLD.state = 'approved' AND NEW.state = 'used' AND NEW.ended_us IS NOT NULL)
    OR (OLD.state IN ('asked', 'approved') AND NEW.state = 'void' AND NEW.void_why IS NOT NULL)) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_approvals_decided BEFORE UPDATE OF decided_us, decided_by, method, sealed_assertion ON approvals WHEN OLD.decided_us IS NOT NULL BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_appointments_update BEFORE UPDATE ON appointments WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_emergencies_fixed BEFORE UPDATE OF id, user_id, sealed, begun_us, until_us, review_by_us ON emergencies WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_emergencies_reviewed BEFORE UPDATE OF reviewed_us, reviewed_by, verdict, sealed_review ON emergencies WHEN OLD.reviewed_us IS NOT NULL OR NEW.reviewed_by IS NULL OR NEW.reviewed_by = OLD.user_id BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_access_reviews_update BEFORE UPDATE ON access_reviews WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_grants_replace BEFORE INSERT ON grants WHEN EXISTS (SELECT 1 FROM grants WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_approvals_replace BEFORE INSERT ON approvals WHEN EXISTS (SELECT 1 FROM approvals WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_appointments_replace BEFORE INSERT ON appointments WHEN EXISTS (SELECT 1 FROM appointments WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_emergencies_replace BEFORE INSERT ON emergencies WHEN EXISTS (SELECT 1 FROM emergencies WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_access_reviews_replace BEFORE INSERT ON access_reviews WHEN EXISTS (SELECT 1 FROM access_reviews WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disclosure_acts_delete BEFORE DELETE ON disclosure_acts WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disclosures_delete BEFORE DELETE ON disclosures WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disclosure_statements_delete BEFORE DELETE ON disclosure_statements WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disclosure_suspensions_delete BEFORE DELETE ON disclosure_suspensions WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_patient_requests_delete BEFORE DELETE ON patient_requests WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_request_items_delete BEFORE DELETE ON request_items WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_request_letters_delete BEFORE DELETE ON request_letters WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_case_mails_delete BEFORE DELETE ON case_mails WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breaches_delete BEFORE DELETE ON breaches WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breach_events_delete BEFORE DELETE ON breach_events WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breach_letters_delete BEFORE DELETE ON breach_letters WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disclosure_acts_update BEFORE UPDATE ON disclosure_acts WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disclosures_update BEFORE UPDATE ON disclosures WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disclosure_statements_update BEFORE UPDATE ON disclosure_statements WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_request_letters_update BEFORE UPDATE ON request_letters WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breach_events_update BEFORE UPDATE ON breach_events WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breach_letters_update BEFORE UPDATE ON breach_letters WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disclosure_suspensions_fixed BEFORE UPDATE ON disclosure_suspensions WHEN OLD.ended_us IS NOT NULL OR NEW.id <> OLD.id OR NEW.patient_id <> OLD.patient_id OR NEW.basis <> OLD.basis OR NEW.until_on <> OLD.until_on BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_patient_requests_closed BEFORE UPDATE ON patient_requests WHEN OLD.state = 'closed' BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_patient_requests_fixed BEFORE UPDATE OF id, kind, received_on, created_us, created_by ON patient_requests WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_patient_requests_denied BEFORE UPDATE ON patient_requests WHEN NEW.denial_by IS NOT NULL AND (NEW.denial_asked_by IS NULL OR NEW.denial_asked_by = NEW.denial_by) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_request_items_added BEFORE INSERT ON request_items WHEN EXISTS (SELECT 1 FROM patient_requests r WHERE r.id = NEW.request_id AND r.state = 'closed') BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_request_items_closed BEFORE UPDATE ON request_items WHEN EXISTS (SELECT 1 FROM patient_requests r WHERE r.id = OLD.request_id AND r.state = 'closed') BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breaches_fixed BEFORE UPDATE OF id, discovered_us, created_us, created_by ON breaches WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breaches_confirmed BEFORE UPDATE OF sealed_exposure, decision, decided_us, decided_by, confirmed_us, confirmed_by ON breaches WHEN OLD.confirmed_us IS NOT NULL BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breaches_alone BEFORE UPDATE ON breaches WHEN NEW.confirmed_by IS NOT NULL AND (NEW.decided_by IS NULL OR NEW.decided_by = NEW.confirmed_by) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breach_patients_delete BEFORE DELETE ON breach_patients WHEN EXISTS (SELECT 1 FROM breaches b WHERE b.id = OLD.breach_id AND (b.decision IS NOT NULL OR b.confirmed_us IS NOT NULL)) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breach_patients_update BEFORE UPDATE ON breach_patients WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breach_patients_insert BEFORE INSERT ON breach_patients WHEN EXISTS (SELECT 1 FROM breaches b WHERE b.id = NEW.breach_id AND (b.decision IS NOT NULL OR b.confirmed_us IS NOT NULL)) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breach_entries_delete BEFORE DELETE ON breach_entries WHEN EXISTS (SELECT 1 FROM breaches b WHERE b.id = OLD.breach_id AND (b.decision IS NOT NULL OR b.confirmed_us IS NOT NULL)) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breach_entries_update BEFORE UPDATE ON breach_entries WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breach_entries_insert BEFORE INSERT ON breach_entries WHEN EXISTS (SELECT 1 FROM breaches b WHERE b.id = NEW.breach_id AND (b.decision IS NOT NULL OR b.confirmed_us IS NOT NULL)) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disclosure_acts_replace BEFORE INSERT ON disclosure_acts WHEN EXISTS (SELECT 1 FROM disclosure_acts WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disclosure_statements_replace BEFORE INSERT ON disclosure_statements WHEN EXISTS (SELECT 1 FROM disclosure_statements WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disclosure_suspensions_replace BEFORE INSERT ON disclosure_suspensions WHEN EXISTS (SELECT 1 FROM disclosure_suspensions WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_patient_requests_replace BEFORE INSERT ON patient_requests WHEN EXISTS (SELECT 1 FROM patient_requests WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_request_letters_replace BEFORE INSERT ON request_letters WHEN EXISTS (SELECT 1 FROM request_letters WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_case_mails_replace BEFORE INSERT ON case_mails WHEN EXISTS (SELECT 1 FROM case_mails WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breaches_replace BEFORE INSERT ON breaches WHEN EXISTS (SELECT 1 FROM breaches WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breach_events_replace BEFORE INSERT ON breach_events WHEN EXISTS (SELECT 1 FROM breach_events WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disclosures_replace BEFORE INSERT ON disclosures WHEN EXISTS (SELECT 1 FROM disclosures WHERE act_id = NEW.act_id AND patient_id = NEW.patient_id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breach_letters_replace BEFORE INSERT ON breach_letters WHEN EXISTS (SELECT 1 FROM breach_letters WHERE run = NEW.run AND patient_id = NEW.patient_id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_request_items_replace BEFORE INSERT ON request_items WHEN EXISTS (SELECT 1 FROM request_items WHERE request_id = NEW.request_id AND message_pk = NEW.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_state_delete BEFORE DELETE ON ledger_state WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_state_back BEFORE UPDATE ON ledger_state WHEN NEW.log <> OLD.log OR NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.frontier <> OLD.frontier) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
DROP TRIGGER guard_audit_details_delete
-- next
CREATE TRIGGER guard_audit_details_delete BEFORE DELETE ON audit_details WHEN NOT EXISTS (SELECT 1 FROM audit_expiries e WHERE e.state = 'approved' AND OLD.idx < e.until_idx
        AND e.asked_by IS NOT NULL AND e.decided_by IS NOT NULL AND e.asked_by <> e.decided_by)
    OR NOT EXISTS (SELECT 1 FROM ledger_entries l WHERE l.log = 2 AND l.idx = OLD.idx
                   AND json_extract(CAST(l.leaf AS TEXT), '$.at') < CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER) - 189388800000000) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_audit_details_update BEFORE UPDATE ON audit_details WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_audit_reviews_delete BEFORE DELETE ON audit_reviews WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_audit_reviews_update BEFORE UPDATE ON audit_reviews WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_audit_expiries_delete BEFORE DELETE ON audit_expiries WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_audit_expiries_begin BEFORE INSERT ON audit_expiries WHEN NEW.state <> 'asked' BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_audit_expiries_fixed BEFORE UPDATE OF id, before_us, until_idx, entries, sealed, asked_us, asked_by ON audit_expiries WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_audit_expiries_state BEFORE UPDATE OF state ON audit_expiries WHEN NEW.state <> OLD.state AND NOT (
    (OLD.state = 'asked' AND NEW.state = 'refused')
    OR (OLD.state = 'asked' AND NEW.state = 'approved' AND NEW.decided_by IS NOT NULL
        AND NEW.decided_by <> OLD.asked_by)
    OR (OLD.state = 'approved' AND NEW.state = 'done')) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_audit_expiries_decided BEFORE UPDATE OF decided_by ON audit_expiries WHEN OLD.decided_by IS NOT NULL AND (NEW.decided_by IS NULL OR NEW.decided_by <> OLD.decided_by) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_state_replace BEFORE INSERT ON ledger_state WHEN EXISTS (SELECT 1 FROM ledger_state WHERE log = NEW.log) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_entries_replace BEFORE INSERT ON ledger_entries WHEN EXISTS (SELECT 1 FROM ledger_entries WHERE log = NEW.log AND idx = NEW.idx) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_audit_details_replace BEFORE INSERT ON audit_details WHEN EXISTS (SELECT 1 FROM audit_details WHERE idx = NEW.idx) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_audit_reviews_replace BEFORE INSERT ON audit_reviews WHEN EXISTS (SELECT 1 FROM audit_reviews WHERE period = NEW.period) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_audit_expiries_replace BEFORE INSERT ON audit_expiries WHEN EXISTS (SELECT 1 FROM audit_expiries WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_messages_placed BEFORE UPDATE OF pack_id, pack_offset, pack_length ON messages WHEN NEW.pack_length <> OLD.pack_length OR (OLD.disposed_us IS NULL AND NOT EXISTS (SELECT 1 FROM packs p
    WHERE p.id = NEW.pack_id AND p.retired_us IS NULL AND NEW.pack_offset >= 0
    AND NEW.pack_offset + NEW.pack_length <= p.committed)) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_parts_placed BEFORE UPDATE OF pack_id, pack_offset, pack_length ON parts WHEN NEW.pack_length <> OLD.pack_length OR (OLD.destroyed_us IS NULL AND NOT EXISTS (SELECT 1 FROM packs p
    WHERE p.id = NEW.pack_id AND p.retired_us IS NULL AND NEW.pack_offset >= 0
    AND NEW.pack_offset + NEW.pack_length <= p.committed)) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_reports_placed BEFORE UPDATE OF pack_id, pack_offset, pack_length ON reports WHEN NEW.pack_length <> OLD.pack_length OR (EXISTS (SELECT 1 FROM messages m WHERE m.pk = OLD.message_pk AND m.disposed_us IS NULL) AND NOT EXISTS (SELECT 1 FROM packs p
    WHERE p.id = NEW.pack_id AND p.retired_us IS NULL AND NEW.pack_offset >= 0
    AND NEW.pack_offset + NEW.pack_length <= p.committed)) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_reports_delete BEFORE DELETE ON reports WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_reports_fixed BEFORE UPDATE OF id, message_pk, sha256, size, captured_us, blob_sha256, form ON reports WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_packs_delete BEFORE DELETE ON packs WHEN OLD.retired_us IS NULL BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_packs_shrunk BEFORE UPDATE OF committed ON packs WHEN NEW.committed < OLD.committed BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_dispositions_delete BEFORE DELETE ON dispositions WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_dispositions_fixed BEFORE UPDATE OF id, as_of, created_us, created_by ON dispositions WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_dispositions_begin BEFORE INSERT ON dispositions WHEN NEW.state <> 'proposed' OR NEW.decided_by IS NOT NULL OR NEW.approved_sha256 IS NOT NULL
    OR NEW.begun_us IS NOT NULL OR NEW.begun_by IS NOT NULL OR NEW.sealed_certificate IS NOT NULL BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_dispositions_state BEFORE UPDATE OF state ON dispositions WHEN NEW.state <> OLD.state AND NOT (
    (OLD.state = 'proposed' AND NEW.state = 'approved' AND NEW.decided_by IS NOT NULL
        AND NEW.decided_by <> OLD.created_by AND NEW.decided_by <> COALESCE(NEW.changed_by, '')
        AND NEW.approved_sha256 IS NOT NULL AND NEW.approved_sha256 = NEW.items_sha256)
    OR (OLD.state = 'approved' AND NEW.state = 'proposed' AND OLD.begun_us IS NULL)
    OR (OLD.state IN ('proposed', 'approved') AND NEW.state = 'rejected' AND OLD.begun_us IS NULL)
    OR (OLD.state = 'approved' AND NEW.state = 'executed' AND NEW.executed_by IS NOT NULL
        AND NEW.sealed_certificate IS NOT NULL AND NEW.approved_sha256 IS NOT NULL
        AND NEW.approved_sha256 = NEW.items_sha256)) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_dispositions_decided BEFORE UPDATE OF decided_by, approved_sha256, changed_by ON dispositions WHEN OLD.state <> 'proposed' AND NEW.state = OLD.state BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_dispositions_begun BEFORE UPDATE OF begun_us, begun_by ON dispositions WHEN OLD.begun_us IS NOT NULL OR NEW.begun_us IS NULL OR NEW.begun_by IS NULL
    OR OLD.state <> 'approved' OR NEW.state <> 'approved' BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_dispositions_list BEFORE UPDATE OF items_sha256 ON dispositions WHEN NEW.items_sha256 <> OLD.items_sha256 AND NEW.state <> 'proposed' BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_dispositions_certified BEFORE UPDATE OF sealed_certificate ON dispositions WHEN OLD.sealed_certificate IS NOT NULL BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disposition_items_delete BEFORE DELETE ON disposition_items WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disposition_items_fixed BEFORE UPDATE OF disposition_id, message_pk, disposal_date, sealed_rule ON disposition_items WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disposition_items_insert BEFORE INSERT ON disposition_items WHEN NEW.outcome IS NOT NULL OR NOT EXISTS (
    SELECT 1 FROM dispositions d WHERE d.id = NEW.disposition_id AND d.state = 'proposed') BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disposition_items_ended BEFORE UPDATE OF outcome, ledger_index ON disposition_items WHEN OLD.outcome IS NOT NULL BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disposition_items_excluded BEFORE UPDATE OF excluded_us ON disposition_items WHEN (NEW.excluded_us IS NULL AND OLD.excluded_us IS NOT NULL) OR NOT EXISTS (
    SELECT 1 FROM dispositions d WHERE d.id = OLD.disposition_id AND d.state = 'proposed') BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_extensions_delete BEFORE DELETE ON extensions WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_extensions_fixed BEFORE UPDATE OF id, message_pk, until, sealed, created_us, created_by ON extensions WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_extensions_ended BEFORE UPDATE OF ended_us ON extensions WHEN OLD.ended_us IS NOT NULL OR (NEW.ended_us IS NOT NULL AND (
    NEW.end_asked_by IS NULL OR NEW.end_approved_by IS NULL OR NEW.end_asked_by = NEW.end_approved_by)) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disposition_draws_delete BEFORE DELETE ON disposition_draws WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disposition_draws_update BEFORE UPDATE ON disposition_draws WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disposition_samples_delete BEFORE DELETE ON disposition_samples WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_reports_replace BEFORE INSERT ON reports WHEN EXISTS (SELECT 1 FROM reports WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_dispositions_replace BEFORE INSERT ON dispositions WHEN EXISTS (SELECT 1 FROM dispositions WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disposition_items_replace BEFORE INSERT ON disposition_items WHEN EXISTS (SELECT 1 FROM disposition_items WHERE disposition_id = NEW.disposition_id AND message_pk = NEW.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_extensions_replace BEFORE INSERT ON extensions WHEN EXISTS (SELECT 1 FROM extensions WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_messages_dated BEFORE UPDATE OF disposal_date, permanent ON messages WHEN NEW.disposal_date IS NOT NULL AND NOT NEW.permanent
    AND (OLD.disposal_date IS NULL OR OLD.permanent OR NEW.disposal_date < OLD.disposal_date)
    AND NOT EXISTS (SELECT 1 FROM meta d WHERE d.name = 'dating') BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_name_book_delete BEFORE DELETE ON name_book WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_name_book_fixed BEFORE UPDATE OF id, token, sealed ON name_book WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_unit_facts_delete BEFORE DELETE ON unit_facts WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_unit_facts_fixed BEFORE UPDATE OF unit_id, version, sealed, from_us ON unit_facts WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_unit_facts_ended BEFORE UPDATE OF until_us ON unit_facts WHEN OLD.until_us IS NOT NULL BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_match_decisions_delete BEFORE DELETE ON match_decisions WHEN EXISTS (SELECT 1 FROM data_keys k WHERE k.message_pk = OLD.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_match_decisions_fixed BEFORE UPDATE OF id, message_pk, patient_id, about, sealed_reason, decided_us, decided_by ON match_decisions WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_match_decisions_undone BEFORE UPDATE OF undone_us, undone_by ON match_decisions WHEN OLD.undone_us IS NOT NULL BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_taggings_delete BEFORE DELETE ON taggings WHEN EXISTS (SELECT 1 FROM data_keys k WHERE k.message_pk = OLD.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_taggings_insert BEFORE INSERT ON taggings WHEN NOT EXISTS (SELECT 1 FROM data_keys k WHERE k.message_pk = NEW.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_notes_delete BEFORE DELETE ON notes WHEN EXISTS (SELECT 1 FROM data_keys k WHERE k.message_pk = OLD.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_notes_insert BEFORE INSERT ON notes WHEN NOT EXISTS (SELECT 1 FROM data_keys k WHERE k.message_pk = NEW.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_alert_items_delete BEFORE DELETE ON alert_items WHEN EXISTS (SELECT 1 FROM data_keys k WHERE k.message_pk = OLD.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_alert_items_insert BEFORE INSERT ON alert_items WHEN NOT EXISTS (SELECT 1 FROM data_keys k WHERE k.message_pk = NEW.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_taggings_update BEFORE UPDATE ON taggings WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_notes_update BEFORE UPDATE ON notes WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_alert_items_fixed BEFORE UPDATE OF search_id, message_pk, found_us ON alert_items WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_alert_items_told BEFORE UPDATE OF acknowledged_us, acknowledged_by, mail_id ON alert_items WHEN (OLD.acknowledged_us IS NOT NULL AND (NEW.acknowledged_us IS NULL OR NEW.acknowledged_us <> OLD.acknowledged_us)) OR (OLD.mail_id IS NOT NULL AND (NEW.mail_id IS NULL OR NEW.mail_id <> OLD.mail_id)) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_tags_delete BEFORE DELETE ON tags WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_tags_fixed BEFORE UPDATE OF id, name_token, created_us, created_by ON tags WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_saved_searches_delete BEFORE DELETE ON saved_searches WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_saved_searches_fixed BEFORE UPDATE OF id, owner_id, created_us ON saved_searches WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_saved_searches_looked BEFORE UPDATE OF alert_seq ON saved_searches WHEN OLD.alert_seq IS NOT NULL AND NEW.alert_seq IS NOT NULL AND NEW.alert_seq < OLD.alert_seq BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_taggings_replace BEFORE INSERT ON taggings WHEN EXISTS (SELECT 1 FROM taggings WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_notes_replace BEFORE INSERT ON notes WHEN EXISTS (SELECT 1 FROM notes WHERE note_id = NEW.note_id AND version = NEW.version) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_tags_replace BEFORE INSERT ON tags WHEN EXISTS (SELECT 1 FROM tags WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_saved_searches_replace BEFORE INSERT ON saved_searches WHEN EXISTS (SELECT 1 FROM saved_searches WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_policy_state_delete BEFORE DELETE ON policy_state WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_policy_state_back BEFORE UPDATE ON policy_state WHEN NEW.id <> OLD.id OR NEW.epoch < OLD.epoch OR NEW.confirmations < OLD.confirmations BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_rule_confirmations_delete BEFORE DELETE ON rule_confirmations WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_rule_confirmations_fixed BEFORE UPDATE OF id, rule_token, sealed, created_us, created_by, audit_index ON rule_confirmations WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_rule_confirmations_revoked BEFORE UPDATE OF revoked_us, revoked_by, sealed_revocation ON rule_confirmations WHEN OLD.revoked_us IS NOT NULL OR NEW.revoked_us IS NULL OR NEW.revoked_by IS NULL BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_grounds_delete BEFORE DELETE ON grounds WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_grounds_update BEFORE UPDATE ON grounds WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_grounds_rules_delete BEFORE DELETE ON grounds_rules WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_grounds_rules_update BEFORE UPDATE ON grounds_rules WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_policy_entries_delete BEFORE DELETE ON policy_entries WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_policy_entries_fixed BEFORE UPDATE OF id, kind, sealed, replaces, created_us, asked_by ON policy_entries WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_policy_entries_begin BEFORE INSERT ON policy_entries WHEN NEW.state NOT IN ('asked', 'in_force') OR (NEW.state = 'in_force' AND NEW.kind <> 'term') BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_policy_entries_state BEFORE UPDATE OF state ON policy_entries WHEN NEW.state <> OLD.state AND NOT (
    (OLD.state = 'asked' AND NEW.state = 'refused')
    OR (OLD.state = 'asked' AND NEW.state = 'in_force' AND NEW.asked_by IS NOT NULL AND NEW.approved_by IS NOT NULL AND NEW.asked_by <> NEW.approved_by)
    OR (OLD.state = 'in_force' AND NEW.state = 'ending' AND NEW.end_asked_by IS NOT NULL)
    OR (OLD.state = 'ending' AND NEW.state = 'in_force')
    OR (OLD.state IN ('in_force', 'ending') AND NEW.state = 'ended'
        AND (OLD.kind = 'option' OR (NEW.end_asked_by IS NOT NULL AND NEW.end_approved_by IS NOT NULL AND NEW.end_asked_by <> NEW.end_approved_by)))) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_policy_baselines_delete BEFORE DELETE ON policy_baselines WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_policy_baselines_fixed BEFORE UPDATE OF kind, value, since_us ON policy_baselines WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_policy_baselines_end BEFORE UPDATE OF ended_by ON policy_baselines WHEN NEW.ended_by IS NULL OR NOT EXISTS (
    SELECT 1 FROM policy_entries e WHERE e.id = NEW.ended_by AND e.kind IN ('settings', 'schedule')
    AND e.state = 'in_force' AND e.approved_by IS NOT NULL AND e.approved_by <> e.asked_by) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_policy_state_replace BEFORE INSERT ON policy_state WHEN EXISTS (SELECT 1 FROM policy_state WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_rule_confirmations_replace BEFORE INSERT ON rule_confirmations WHEN EXISTS (SELECT 1 FROM rule_confirmations WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_grounds_replace BEFORE INSERT ON grounds WHEN EXISTS (SELECT 1 FROM grounds WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_policy_entries_replace BEFORE INSERT ON policy_entries WHEN EXISTS (SELECT 1 FROM policy_entries WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_passkeys_delete BEFORE DELETE ON passkeys WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_passkeys_fixed BEFORE UPDATE OF id, user_id, credential_id, public_key, aaguid, backup_eligible, created_us ON passkeys WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_passkeys_removed BEFORE UPDATE OF removed_us, removed_why, sign_count ON passkeys WHEN OLD.removed_us IS NOT NULL BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_passkeys_counted BEFORE UPDATE OF sign_count ON passkeys WHEN NEW.sign_count < OLD.sign_count BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_passkeys_replace BEFORE INSERT ON passkeys WHEN EXISTS (SELECT 1 FROM passkeys WHERE id = NEW.id OR credential_id = NEW.credential_id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_checkpoints_delete BEFORE DELETE ON ledger_checkpoints WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_cosignatures_delete BEFORE DELETE ON ledger_cosignatures WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_generations_delete BEFORE DELETE ON ledger_generations WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_checkpoints_update BEFORE UPDATE ON ledger_checkpoints WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_cosignatures_update BEFORE UPDATE ON ledger_cosignatures WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_generations_update BEFORE UPDATE ON ledger_generations WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_checkpoints_replace BEFORE INSERT ON ledger_checkpoints WHEN EXISTS (SELECT 1 FROM ledger_checkpoints WHERE log = NEW.log AND generation = NEW.generation AND size = NEW.size) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_cosignatures_replace BEFORE INSERT ON ledger_cosignatures WHEN EXISTS (SELECT 1 FROM ledger_cosignatures WHERE log = NEW.log AND generation = NEW.generation AND size = NEW.size AND witness = NEW.witness) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_generations_replace BEFORE INSERT ON ledger_generations WHEN EXISTS (SELECT 1 FROM ledger_generations WHERE log = NEW.log AND generation = NEW.generation) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_gaps_delete BEFORE DELETE ON ledger_gaps WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_gaps_fixed BEFORE UPDATE OF id, heads, sealed, asked_us, asked_by ON ledger_gaps WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_gaps_decided BEFORE UPDATE OF decided_us, decided_by ON ledger_gaps WHEN OLD.decided_us IS NOT NULL OR NEW.decided_by IS NULL OR NEW.decided_by = OLD.asked_by BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
