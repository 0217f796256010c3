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
CREATE INDEX ix_jobs_state_id ON jobs (state, id)
-- next
CREATE TABLE part_keys (
	part_id VARCHAR NOT NULL, 
	epoch_id VARCHAR NOT NULL, 
	wrapped BLOB NOT NULL, 
	CONSTRAINT pk_part_keys PRIMARY KEY (part_id)
)
-- next
ALTER TABLE messages ADD COLUMN form SMALLINT DEFAULT 0 NOT NULL
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
CREATE UNIQUE INDEX uq_parts_token_alive ON parts (token) WHERE destroyed_us IS NULL
-- next
CREATE TABLE watch_pauses (
	from_us INTEGER NOT NULL, 
	until_us BIGINT NOT NULL, 
	CONSTRAINT pk_watch_pauses PRIMARY KEY (from_us)
)
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
CREATE TABLE coverage_lines (
	day DATE NOT NULL, 
	source_id VARCHAR NOT NULL, 
	document TEXT NOT NULL, 
	CONSTRAINT pk_coverage_lines PRIMARY KEY (day, source_id), 
	CONSTRAINT fk_coverage_lines_day FOREIGN KEY(day) REFERENCES coverage_reports (day), 
	CONSTRAINT fk_coverage_lines_source_id FOREIGN KEY(source_id) REFERENCES sources (id)
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
CREATE INDEX ix_refusals_source_id_at_us ON refusals (source_id, at_us)
-- next
ALTER TABLE reports ADD COLUMN form SMALLINT DEFAULT 0 NOT NULL
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
