CREATE TABLE audit_details (
	idx INTEGER NOT NULL, 
	salt BLOB NOT NULL, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_audit_details PRIMARY KEY (idx)
)
-- next
CREATE TABLE index_relabels (
	message_pk INTEGER NOT NULL, 
	stamp BIGINT NOT NULL, 
	CONSTRAINT pk_index_relabels PRIMARY KEY (message_pk)
)
-- next
CREATE TABLE index_removals (
	message_pk INTEGER NOT NULL, 
	CONSTRAINT pk_index_removals PRIMARY KEY (message_pk)
)
-- next
CREATE TABLE jobs (
	id INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	queued_us BIGINT NOT NULL, 
	started_us BIGINT, 
	ended_us BIGINT, 
	failures INTEGER DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_jobs PRIMARY KEY (id)
)
-- next
CREATE TABLE data_keys (
	message_pk INTEGER NOT NULL, 
	epoch_id VARCHAR NOT NULL, 
	wrapped BLOB NOT NULL, 
	CONSTRAINT pk_data_keys PRIMARY KEY (message_pk)
)
-- next
CREATE TABLE wrapped_keys (
	kind VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	root_id VARCHAR NOT NULL, 
	wrapped BLOB NOT NULL, 
	wraps BIGINT DEFAULT 0 NOT NULL, 
	added_us BIGINT NOT NULL, 
	CONSTRAINT pk_wrapped_keys PRIMARY KEY (kind, id)
)
-- next
CREATE TABLE ledger_entries (
	log SMALLINT NOT NULL, 
	idx BIGINT NOT NULL, 
	leaf BLOB NOT NULL, 
	CONSTRAINT pk_ledger_entries PRIMARY KEY (log, idx)
)
 WITHOUT ROWID
-- next
CREATE TABLE ledger_state (
	log SMALLINT NOT NULL, 
	size BIGINT NOT NULL, 
	frontier BLOB NOT NULL, 
	CONSTRAINT pk_ledger_state PRIMARY KEY (log)
)
-- next
CREATE TABLE message_tokens (
	field SMALLINT NOT NULL, 
	token BLOB NOT NULL, 
	message_pk BIGINT NOT NULL, 
	CONSTRAINT pk_message_tokens PRIMARY KEY (field, token, message_pk)
)
 WITHOUT ROWID
-- next
CREATE INDEX ix_message_tokens_message_pk ON message_tokens (message_pk)
-- next
CREATE TABLE messages (
	pk INTEGER NOT NULL, 
	id VARCHAR NOT NULL, 
	seq BIGINT NOT NULL, 
	sha256 BLOB NOT NULL, 
	size BIGINT NOT NULL, 
	captured_us BIGINT NOT NULL, 
	sent_us BIGINT NOT NULL, 
	anchor DATE NOT NULL, 
	anchor_basis VARCHAR NOT NULL, 
	parse_failed BOOLEAN NOT NULL, 
	unsearchable_parts INTEGER NOT NULL, 
	sealed_meta BLOB, 
	pack_id VARCHAR NOT NULL, 
	pack_offset BIGINT NOT NULL, 
	pack_length BIGINT NOT NULL, 
	blob_sha256 BLOB NOT NULL, 
	disposal_date DATE, 
	permanent BOOLEAN DEFAULT false NOT NULL, 
	verdict_version VARCHAR, 
	disposed_us BIGINT, 
	CONSTRAINT pk_messages PRIMARY KEY (pk), 
	CONSTRAINT uq_messages_id UNIQUE (id), 
	CONSTRAINT uq_messages_seq UNIQUE (seq)
)
-- next
CREATE INDEX ix_messages_disposal_date ON messages (disposal_date)
-- next
CREATE INDEX ix_messages_unsearchable ON messages (pk) WHERE (parse_failed OR unsearchable_parts > 0)
-- next
CREATE UNIQUE INDEX uq_messages_sha256_alive ON messages (sha256) WHERE disposed_us IS NULL
-- next
CREATE TABLE meta (
	name VARCHAR NOT NULL, 
	value BLOB NOT NULL, 
	CONSTRAINT pk_meta PRIMARY KEY (name)
)
-- next
CREATE TABLE outbox (
	message_pk INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	CONSTRAINT pk_outbox PRIMARY KEY (message_pk)
)
-- next
CREATE INDEX ix_outbox_seq ON outbox (seq)
-- next
CREATE TABLE packs (
	id VARCHAR NOT NULL, 
	committed BIGINT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT pk_packs PRIMARY KEY (id)
)
-- next
CREATE TABLE patients (
	id VARCHAR NOT NULL, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_patients PRIMARY KEY (id)
)
-- next
CREATE TABLE sources (
	id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	name_token BLOB NOT NULL, 
	address_token BLOB, 
	sealed_detail BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	disabled_us BIGINT, 
	last_seen_us BIGINT, 
	received BIGINT DEFAULT 0 NOT NULL, 
	stored BIGINT DEFAULT 0 NOT NULL, 
	duplicates BIGINT DEFAULT 0 NOT NULL, 
	refused BIGINT DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_sources PRIMARY KEY (id), 
	CONSTRAINT uq_sources_name_token UNIQUE (name_token), 
	CONSTRAINT uq_sources_address_token UNIQUE (address_token)
)
-- next
CREATE TABLE unindexed (
	message_pk INTEGER NOT NULL, 
	reason VARCHAR NOT NULL, 
	CONSTRAINT pk_unindexed PRIMARY KEY (message_pk)
)
-- next
CREATE TABLE users (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	role VARCHAR NOT NULL, 
	created_us BIGINT NOT NULL, 
	disabled_us BIGINT, 
	CONSTRAINT pk_users PRIMARY KEY (id), 
	CONSTRAINT uq_users_name UNIQUE (name)
)
-- next
CREATE TABLE credentials (
	hash BLOB NOT NULL, 
	user_id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	created_us BIGINT NOT NULL, 
	expires_us BIGINT NOT NULL, 
	last_used_us BIGINT, 
	revoked_us BIGINT, 
	CONSTRAINT pk_credentials PRIMARY KEY (hash), 
	CONSTRAINT fk_credentials_user_id FOREIGN KEY(user_id) REFERENCES users (id)
)
-- next
CREATE INDEX ix_credentials_user_id ON credentials (user_id)
-- next
CREATE TABLE deliveries (
	seq INTEGER NOT NULL, 
	message_pk BIGINT NOT NULL, 
	source_id VARCHAR NOT NULL, 
	outcome VARCHAR NOT NULL, 
	at_us BIGINT NOT NULL, 
	report_id VARCHAR, 
	sealed_detail BLOB, 
	CONSTRAINT pk_deliveries PRIMARY KEY (seq), 
	CONSTRAINT fk_deliveries_message_pk FOREIGN KEY(message_pk) REFERENCES messages (pk), 
	CONSTRAINT fk_deliveries_source_id FOREIGN KEY(source_id) REFERENCES sources (id)
)
-- next
CREATE INDEX ix_deliveries_message_pk ON deliveries (message_pk)
-- next
CREATE INDEX ix_deliveries_source_id ON deliveries (source_id)
-- next
CREATE TABLE dispositions (
	id VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	as_of DATE NOT NULL, 
	created_us BIGINT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	decided_us BIGINT, 
	decided_by VARCHAR, 
	executed_us BIGINT, 
	executed_by VARCHAR, 
	items_sha256 BLOB NOT NULL, 
	sealed_certificate BLOB, 
	CONSTRAINT pk_dispositions PRIMARY KEY (id), 
	CONSTRAINT fk_dispositions_decided_by FOREIGN KEY(decided_by) REFERENCES users (id), 
	CONSTRAINT fk_dispositions_executed_by FOREIGN KEY(executed_by) REFERENCES users (id)
)
-- next
CREATE TABLE imap_checkpoints (
	source_id VARCHAR NOT NULL, 
	folder_token BLOB NOT NULL, 
	uidvalidity BIGINT NOT NULL, 
	last_uid BIGINT NOT NULL, 
	CONSTRAINT pk_imap_checkpoints PRIMARY KEY (source_id, folder_token), 
	CONSTRAINT fk_imap_checkpoints_source_id FOREIGN KEY(source_id) REFERENCES sources (id)
)
-- next
CREATE TABLE import_items (
	source_id VARCHAR NOT NULL, 
	key_token BLOB NOT NULL, 
	CONSTRAINT pk_import_items PRIMARY KEY (source_id, key_token), 
	CONSTRAINT fk_import_items_source_id FOREIGN KEY(source_id) REFERENCES sources (id)
)
 WITHOUT ROWID
-- next
CREATE TABLE matters (
	id VARCHAR NOT NULL, 
	name_token BLOB NOT NULL, 
	sealed BLOB NOT NULL, 
	state VARCHAR NOT NULL, 
	created_us BIGINT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	closed_us BIGINT, 
	CONSTRAINT pk_matters PRIMARY KEY (id), 
	CONSTRAINT uq_matters_name_token UNIQUE (name_token), 
	CONSTRAINT fk_matters_created_by FOREIGN KEY(created_by) REFERENCES users (id)
)
-- next
CREATE TABLE patient_tokens (
	token BLOB NOT NULL, 
	patient_id VARCHAR NOT NULL, 
	CONSTRAINT pk_patient_tokens PRIMARY KEY (token, patient_id), 
	CONSTRAINT fk_patient_tokens_patient_id FOREIGN KEY(patient_id) REFERENCES patients (id)
)
-- next
CREATE TABLE refusals (
	id INTEGER NOT NULL, 
	source_id VARCHAR NOT NULL, 
	at_us BIGINT NOT NULL, 
	reason VARCHAR NOT NULL, 
	CONSTRAINT pk_refusals PRIMARY KEY (id), 
	CONSTRAINT fk_refusals_source_id FOREIGN KEY(source_id) REFERENCES sources (id)
)
-- next
CREATE TABLE reports (
	id VARCHAR NOT NULL, 
	message_pk BIGINT NOT NULL, 
	sha256 BLOB NOT NULL, 
	size BIGINT NOT NULL, 
	captured_us BIGINT NOT NULL, 
	pack_id VARCHAR NOT NULL, 
	pack_offset BIGINT NOT NULL, 
	pack_length BIGINT NOT NULL, 
	blob_sha256 BLOB NOT NULL, 
	CONSTRAINT pk_reports PRIMARY KEY (id), 
	CONSTRAINT fk_reports_message_pk FOREIGN KEY(message_pk) REFERENCES messages (pk)
)
-- next
CREATE INDEX ix_reports_message_pk ON reports (message_pk)
-- next
CREATE INDEX ix_reports_sha256 ON reports (sha256)
-- next
CREATE TABLE disposition_items (
	disposition_id VARCHAR NOT NULL, 
	message_pk BIGINT NOT NULL, 
	disposal_date DATE NOT NULL, 
	sealed_rule BLOB NOT NULL, 
	outcome VARCHAR, 
	ledger_index BIGINT, 
	CONSTRAINT pk_disposition_items PRIMARY KEY (disposition_id, message_pk), 
	CONSTRAINT fk_disposition_items_disposition_id FOREIGN KEY(disposition_id) REFERENCES dispositions (id)
)
 WITHOUT ROWID
-- next
CREATE INDEX ix_disposition_items_message_pk ON disposition_items (message_pk)
-- next
CREATE TABLE exports (
	id VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	format VARCHAR NOT NULL, 
	purpose VARCHAR NOT NULL, 
	matter_id VARCHAR, 
	sealed_spec BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	downloaded_us BIGINT, 
	CONSTRAINT pk_exports PRIMARY KEY (id), 
	CONSTRAINT fk_exports_matter_id FOREIGN KEY(matter_id) REFERENCES matters (id), 
	CONSTRAINT fk_exports_created_by FOREIGN KEY(created_by) REFERENCES users (id)
)
-- next
CREATE TABLE holds (
	id VARCHAR NOT NULL, 
	matter_id VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	by_index BOOLEAN NOT NULL, 
	sent_from_us BIGINT, 
	sent_before_us BIGINT, 
	from_day DATE, 
	before_day DATE, 
	sealed_scope BLOB NOT NULL, 
	standing BOOLEAN NOT NULL, 
	created_us BIGINT NOT NULL, 
	created_by VARCHAR NOT NULL, 
	in_force_us BIGINT NOT NULL, 
	release_asked_by VARCHAR, 
	release_approved_by VARCHAR, 
	cooling_until_us BIGINT, 
	released_us BIGINT, 
	CONSTRAINT pk_holds PRIMARY KEY (id), 
	CONSTRAINT fk_holds_matter_id FOREIGN KEY(matter_id) REFERENCES matters (id), 
	CONSTRAINT fk_holds_created_by FOREIGN KEY(created_by) REFERENCES users (id), 
	CONSTRAINT fk_holds_release_asked_by FOREIGN KEY(release_asked_by) REFERENCES users (id), 
	CONSTRAINT fk_holds_release_approved_by FOREIGN KEY(release_approved_by) REFERENCES users (id)
)
-- next
CREATE INDEX ix_holds_matter_id ON holds (matter_id)
-- next
CREATE TABLE matter_members (
	matter_id VARCHAR NOT NULL, 
	user_id VARCHAR NOT NULL, 
	CONSTRAINT pk_matter_members PRIMARY KEY (matter_id, user_id), 
	CONSTRAINT fk_matter_members_matter_id FOREIGN KEY(matter_id) REFERENCES matters (id), 
	CONSTRAINT fk_matter_members_user_id FOREIGN KEY(user_id) REFERENCES users (id)
)
-- next
CREATE TABLE export_items (
	export_id VARCHAR NOT NULL, 
	position INTEGER NOT NULL, 
	message_pk BIGINT NOT NULL, 
	CONSTRAINT pk_export_items PRIMARY KEY (export_id, position), 
	CONSTRAINT fk_export_items_export_id FOREIGN KEY(export_id) REFERENCES exports (id)
)
-- next
CREATE TABLE hold_custodians (
	hold_id VARCHAR NOT NULL, 
	token BLOB NOT NULL, 
	CONSTRAINT pk_hold_custodians PRIMARY KEY (hold_id, token), 
	CONSTRAINT fk_hold_custodians_hold_id FOREIGN KEY(hold_id) REFERENCES holds (id)
)
-- next
CREATE TABLE hold_items (
	hold_id VARCHAR NOT NULL, 
	message_pk BIGINT NOT NULL, 
	CONSTRAINT pk_hold_items PRIMARY KEY (hold_id, message_pk), 
	CONSTRAINT fk_hold_items_hold_id FOREIGN KEY(hold_id) REFERENCES holds (id)
)
 WITHOUT ROWID
-- next
CREATE INDEX ix_hold_items_message_pk ON hold_items (message_pk)
-- next
CREATE TABLE hold_patients (
	hold_id VARCHAR NOT NULL, 
	field SMALLINT NOT NULL, 
	token BLOB NOT NULL, 
	CONSTRAINT pk_hold_patients PRIMARY KEY (hold_id, field, token), 
	CONSTRAINT fk_hold_patients_hold_id FOREIGN KEY(hold_id) REFERENCES holds (id)
)
-- next
CREATE TRIGGER guard_data_keys_delete BEFORE DELETE ON data_keys WHEN EXISTS (SELECT 1 FROM messages m WHERE m.pk = OLD.message_pk AND (
    m.disposal_date IS NULL OR m.permanent OR m.disposal_date > date('now', '-12 hours')
    OR EXISTS (SELECT 1 FROM hold_items i JOIN holds h ON h.id = i.hold_id
               WHERE i.message_pk = m.pk AND h.state <> 'released')
    OR EXISTS (SELECT 1 FROM holds h WHERE h.state = 'applying')
    OR (EXISTS (SELECT 1 FROM holds h WHERE h.by_index AND h.state <> 'released')
        AND (EXISTS (SELECT 1 FROM outbox o WHERE o.message_pk = m.pk)
             OR EXISTS (SELECT 1 FROM unindexed u WHERE u.message_pk = m.pk))))) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_data_keys_update BEFORE UPDATE ON data_keys WHEN EXISTS (SELECT 1 FROM messages m WHERE m.pk = OLD.message_pk AND (
    m.disposal_date IS NULL OR m.permanent OR m.disposal_date > date('now', '-12 hours')
    OR EXISTS (SELECT 1 FROM hold_items i JOIN holds h ON h.id = i.hold_id
               WHERE i.message_pk = m.pk AND h.state <> 'released')
    OR EXISTS (SELECT 1 FROM holds h WHERE h.state = 'applying')
    OR (EXISTS (SELECT 1 FROM holds h WHERE h.by_index AND h.state <> 'released')
        AND (EXISTS (SELECT 1 FROM outbox o WHERE o.message_pk = m.pk)
             OR EXISTS (SELECT 1 FROM unindexed u WHERE u.message_pk = m.pk))))) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_messages_delete BEFORE DELETE ON messages WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_messages_fixed BEFORE UPDATE OF pk, id, sha256, anchor, captured_us, seq ON messages WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_messages_ended BEFORE UPDATE OF sealed_meta, disposed_us ON messages WHEN (NEW.sealed_meta IS NULL OR NEW.disposed_us IS NOT NULL) AND EXISTS (SELECT 1 FROM data_keys k WHERE k.message_pk = OLD.pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_message_tokens_delete BEFORE DELETE ON message_tokens WHEN EXISTS (SELECT 1 FROM data_keys k WHERE k.message_pk = OLD.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_message_tokens_update BEFORE UPDATE ON message_tokens WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_items_delete BEFORE DELETE ON hold_items WHEN EXISTS (SELECT 1 FROM holds h WHERE h.id = OLD.hold_id AND h.state <> 'released') BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_items_update BEFORE UPDATE ON hold_items WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_custodians_delete BEFORE DELETE ON hold_custodians WHEN EXISTS (SELECT 1 FROM holds h WHERE h.id = OLD.hold_id AND h.state <> 'released') BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_custodians_update BEFORE UPDATE ON hold_custodians WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_patients_delete BEFORE DELETE ON hold_patients WHEN EXISTS (SELECT 1 FROM holds h WHERE h.id = OLD.hold_id AND h.state <> 'released') BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_patients_update BEFORE UPDATE ON hold_patients WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_holds_delete BEFORE DELETE ON holds WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_holds_state BEFORE UPDATE OF state ON holds WHEN NEW.state <> OLD.state AND (
    (NEW.state = 'released' AND (OLD.state <> 'cooling' OR OLD.cooling_until_us IS NULL
                                 OR OLD.cooling_until_us > CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)))
    OR (NEW.state = 'cooling' AND (NEW.release_asked_by IS NULL OR NEW.release_approved_by IS NULL
                                   OR NEW.release_asked_by = NEW.release_approved_by))) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_holds_cooling BEFORE UPDATE OF cooling_until_us ON holds WHEN OLD.cooling_until_us IS NOT NULL AND NEW.cooling_until_us < OLD.cooling_until_us BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_holds_fixed BEFORE UPDATE OF id, matter_id, by_index, standing, sent_from_us, sent_before_us, from_day, before_day, created_us, created_by, in_force_us ON holds WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_deliveries_delete BEFORE DELETE ON deliveries WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_audit_details_delete BEFORE DELETE ON audit_details WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_entries_delete BEFORE DELETE ON ledger_entries WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_entries_update BEFORE UPDATE ON ledger_entries WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_data_keys_replace BEFORE INSERT ON data_keys WHEN EXISTS (SELECT 1 FROM data_keys WHERE message_pk = NEW.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_messages_replace BEFORE INSERT ON messages WHEN EXISTS (SELECT 1 FROM messages WHERE pk = NEW.pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_holds_replace BEFORE INSERT ON holds WHEN EXISTS (SELECT 1 FROM holds WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
