CREATE FUNCTION holdfast_guard_wrapped_keys_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF 1 = 1 THEN RAISE EXCEPTION 'holdfast refuses destruction'; END IF; RETURN OLD; END $$
-- next
CREATE TRIGGER guard_wrapped_keys_delete BEFORE DELETE ON keys.wrapped_keys FOR EACH ROW EXECUTE FUNCTION holdfast_guard_wrapped_keys_delete()
-- next
CREATE FUNCTION holdfast_guard_wrapped_keys_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF 1 = 1 THEN RAISE EXCEPTION 'holdfast refuses destruction'; END IF; RETURN NEW; END $$
-- next
CREATE TRIGGER guard_wrapped_keys_fixed BEFORE UPDATE OF kind, id ON keys.wrapped_keys FOR EACH ROW EXECUTE FUNCTION holdfast_guard_wrapped_keys_fixed()
-- next
CREATE OR REPLACE FUNCTION holdfast_guard_data_keys_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(1215261796); IF NOT EXISTS (SELECT 1 FROM messages x WHERE x.pk = OLD.message_pk)
    OR EXISTS (SELECT 1 FROM messages m WHERE m.pk = OLD.message_pk AND (
    m.disposal_date IS NULL OR m.permanent OR m.disposal_date > (now() AT TIME ZONE 'UTC' - interval '12 hours')::date
    OR m.unconfirmed
    OR COALESCE(m.policy_epoch, 0) <> COALESCE((SELECT p.epoch FROM policy_state p), 0)
    OR EXISTS (SELECT 1 FROM grounds_rules g WHERE g.grounds_id = m.grounds_id
               AND NOT EXISTS (SELECT 1 FROM rule_confirmations c
                               WHERE c.rule_token = g.rule_token AND c.revoked_us IS NULL))
    OR EXISTS (SELECT 1 FROM hold_items i JOIN holds h ON h.id = i.hold_id
               WHERE i.message_pk = m.pk AND h.state <> 'released')
    OR EXISTS (SELECT 1 FROM extensions x WHERE x.message_pk = m.pk AND x.ended_us IS NULL
    AND x.until >= (now() AT TIME ZONE 'UTC' - interval '12 hours')::date)
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
             OR EXISTS (SELECT 1 FROM unindexed u WHERE u.message_pk = m.pk))))) THEN RAISE EXCEPTION 'holdfast refuses destruction'; END IF; RETURN OLD; END $$
-- next
CREATE FUNCTION holdfast_guard_notices_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF 1 = 1 THEN RAISE EXCEPTION 'holdfast refuses destruction'; END IF; RETURN NEW; END $$
-- next
CREATE TRIGGER guard_notices_fixed BEFORE UPDATE OF id, hold_id, token, secret, sealed, created_us ON notices FOR EACH ROW EXECUTE FUNCTION holdfast_guard_notices_fixed()
-- next
CREATE FUNCTION holdfast_guard_deliveries_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF 1 = 1 THEN RAISE EXCEPTION 'holdfast refuses destruction'; END IF; RETURN NEW; END $$
-- next
CREATE TRIGGER guard_deliveries_fixed BEFORE UPDATE OF seq, message_pk, source_id, outcome, at_us, report_id ON deliveries FOR EACH ROW EXECUTE FUNCTION holdfast_guard_deliveries_fixed()
-- next
CREATE FUNCTION holdfast_guard_request_items_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF 1 = 1 THEN RAISE EXCEPTION 'holdfast refuses destruction'; END IF; RETURN NEW; END $$
-- next
CREATE TRIGGER guard_request_items_fixed BEFORE UPDATE OF request_id, message_pk ON request_items FOR EACH ROW EXECUTE FUNCTION holdfast_guard_request_items_fixed()
-- next
CREATE FUNCTION holdfast_guard_packs_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF 1 = 1 THEN RAISE EXCEPTION 'holdfast refuses destruction'; END IF; RETURN NEW; END $$
-- next
CREATE TRIGGER guard_packs_fixed BEFORE UPDATE OF id ON packs FOR EACH ROW EXECUTE FUNCTION holdfast_guard_packs_fixed()
-- next
CREATE FUNCTION holdfast_guard_disposition_samples_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF 1 = 1 THEN RAISE EXCEPTION 'holdfast refuses destruction'; END IF; RETURN NEW; END $$
-- next
CREATE TRIGGER guard_disposition_samples_fixed BEFORE UPDATE OF draw_id, message_pk ON disposition_samples FOR EACH ROW EXECUTE FUNCTION holdfast_guard_disposition_samples_fixed()
-- next
CREATE FUNCTION holdfast_guard_patients_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF 1 = 1 THEN RAISE EXCEPTION 'holdfast refuses destruction'; END IF; RETURN OLD; END $$
-- next
CREATE TRIGGER guard_patients_delete BEFORE DELETE ON patients FOR EACH ROW EXECUTE FUNCTION holdfast_guard_patients_delete()
-- next
CREATE FUNCTION holdfast_guard_patients_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF 1 = 1 THEN RAISE EXCEPTION 'holdfast refuses destruction'; END IF; RETURN NEW; END $$
-- next
CREATE TRIGGER guard_patients_fixed BEFORE UPDATE OF id ON patients FOR EACH ROW EXECUTE FUNCTION holdfast_guard_patients_fixed()
-- next
CREATE FUNCTION holdfast_guard_corrections_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF EXISTS (SELECT 1 FROM keys.data_keys k WHERE k.message_pk = OLD.message_pk) THEN RAISE EXCEPTION 'holdfast refuses destruction'; END IF; RETURN OLD; END $$
-- next
CREATE TRIGGER guard_corrections_delete BEFORE DELETE ON corrections FOR EACH ROW EXECUTE FUNCTION holdfast_guard_corrections_delete()
-- next
CREATE FUNCTION holdfast_guard_corrections_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF 1 = 1 THEN RAISE EXCEPTION 'holdfast refuses destruction'; END IF; RETURN NEW; END $$
-- next
CREATE TRIGGER guard_corrections_fixed BEFORE UPDATE OF id, message_pk, asked_by, asked_us ON corrections FOR EACH ROW EXECUTE FUNCTION holdfast_guard_corrections_fixed()
-- next
CREATE FUNCTION holdfast_guard_found_types_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF EXISTS (SELECT 1 FROM keys.data_keys k WHERE k.message_pk = OLD.message_pk) THEN RAISE EXCEPTION 'holdfast refuses destruction'; END IF; RETURN OLD; END $$
-- next
CREATE TRIGGER guard_found_types_delete BEFORE DELETE ON found_types FOR EACH ROW EXECUTE FUNCTION holdfast_guard_found_types_delete()
-- next
CREATE FUNCTION holdfast_guard_found_types_fixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF 1 = 1 THEN RAISE EXCEPTION 'holdfast refuses destruction'; END IF; RETURN NEW; END $$
-- next
CREATE TRIGGER guard_found_types_fixed BEFORE UPDATE OF message_pk ON found_types FOR EACH ROW EXECUTE FUNCTION holdfast_guard_found_types_fixed()
-- next
CREATE TRIGGER guard_wrapped_keys_truncate BEFORE TRUNCATE ON keys.wrapped_keys FOR EACH STATEMENT EXECUTE FUNCTION holdfast_refuse()
-- next
CREATE TRIGGER guard_patients_truncate BEFORE TRUNCATE ON patients FOR EACH STATEMENT EXECUTE FUNCTION holdfast_refuse()
-- next
CREATE TRIGGER guard_corrections_truncate BEFORE TRUNCATE ON corrections FOR EACH STATEMENT EXECUTE FUNCTION holdfast_refuse()
-- next
CREATE TRIGGER guard_found_types_truncate BEFORE TRUNCATE ON found_types FOR EACH STATEMENT EXECUTE FUNCTION holdfast_refuse()
