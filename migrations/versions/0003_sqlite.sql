CREATE TRIGGER guard_wrapped_keys_delete BEFORE DELETE ON wrapped_keys WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_wrapped_keys_fixed BEFORE UPDATE OF kind, id ON wrapped_keys WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
DROP TRIGGER guard_data_keys_delete
-- next
CREATE TRIGGER guard_data_keys_delete BEFORE DELETE ON data_keys WHEN NOT EXISTS (SELECT 1 FROM messages x WHERE x.pk = OLD.message_pk)
    OR EXISTS (SELECT 1 FROM messages m WHERE m.pk = OLD.message_pk AND (
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
CREATE TRIGGER guard_notices_fixed BEFORE UPDATE OF id, hold_id, token, secret, sealed, created_us ON notices WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_deliveries_fixed BEFORE UPDATE OF seq, message_pk, source_id, outcome, at_us, report_id ON deliveries WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_request_items_fixed BEFORE UPDATE OF request_id, message_pk ON request_items WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_packs_fixed BEFORE UPDATE OF id ON packs WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_packs_replace BEFORE INSERT ON packs WHEN EXISTS (SELECT 1 FROM packs WHERE id = NEW.id
    AND (NEW.committed < committed OR NEW.retired_us IS NOT NULL)) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disposition_samples_fixed BEFORE UPDATE OF draw_id, message_pk ON disposition_samples WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_patients_delete BEFORE DELETE ON patients WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_patients_fixed BEFORE UPDATE OF id ON patients WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_corrections_delete BEFORE DELETE ON corrections WHEN EXISTS (SELECT 1 FROM data_keys k WHERE k.message_pk = OLD.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_corrections_fixed BEFORE UPDATE OF id, message_pk, asked_by, asked_us ON corrections WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_corrections_displaced BEFORE UPDATE OF state ON corrections WHEN NEW.state IN ('asked', 'in_force') AND EXISTS (SELECT 1 FROM corrections c
    WHERE c.message_pk = NEW.message_pk AND c.state = NEW.state AND c.id <> NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_found_types_delete BEFORE DELETE ON found_types WHEN EXISTS (SELECT 1 FROM data_keys k WHERE k.message_pk = OLD.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_found_types_fixed BEFORE UPDATE OF message_pk ON found_types WHEN 1 = 1 BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
DROP TRIGGER guard_grounds_replace
-- next
CREATE TRIGGER guard_grounds_replace BEFORE INSERT ON grounds WHEN EXISTS (SELECT 1 FROM grounds WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM grounds WHERE token = NEW.token) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_wrapped_keys_replace BEFORE INSERT ON wrapped_keys WHEN EXISTS (SELECT 1 FROM wrapped_keys WHERE kind = NEW.kind AND id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_ledger_gaps_replace BEFORE INSERT ON ledger_gaps WHEN EXISTS (SELECT 1 FROM ledger_gaps WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
DROP TRIGGER guard_messages_replace
-- next
CREATE TRIGGER guard_messages_replace BEFORE INSERT ON messages WHEN EXISTS (SELECT 1 FROM messages WHERE pk = NEW.pk) OR EXISTS (SELECT 1 FROM messages WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM messages WHERE seq = NEW.seq) OR EXISTS (SELECT 1 FROM messages WHERE sha256 = NEW.sha256 AND disposed_us IS NULL) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_name_book_replace BEFORE INSERT ON name_book WHEN EXISTS (SELECT 1 FROM name_book WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM name_book WHERE token = NEW.token) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
DROP TRIGGER guard_parts_replace
-- next
CREATE TRIGGER guard_parts_replace BEFORE INSERT ON parts WHEN EXISTS (SELECT 1 FROM parts WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM parts WHERE token = NEW.token AND destroyed_us IS NULL) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_patients_replace BEFORE INSERT ON patients WHEN EXISTS (SELECT 1 FROM patients WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_corrections_replace BEFORE INSERT ON corrections WHEN EXISTS (SELECT 1 FROM corrections WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM corrections WHERE message_pk = NEW.message_pk AND state = NEW.state AND state IN ('asked', 'in_force')) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_deliveries_replace BEFORE INSERT ON deliveries WHEN EXISTS (SELECT 1 FROM deliveries WHERE seq = NEW.seq) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_match_decisions_replace BEFORE INSERT ON match_decisions WHEN EXISTS (SELECT 1 FROM match_decisions WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
DROP TRIGGER guard_part_refs_replace
-- next
CREATE TRIGGER guard_part_refs_replace BEFORE INSERT ON part_refs WHEN EXISTS (SELECT 1 FROM part_refs WHERE message_pk = NEW.message_pk AND part_id = NEW.part_id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
DROP TRIGGER guard_passkeys_replace
-- next
CREATE TRIGGER guard_passkeys_replace BEFORE INSERT ON passkeys WHEN EXISTS (SELECT 1 FROM passkeys WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM passkeys WHERE credential_id = NEW.credential_id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_refusals_replace BEFORE INSERT ON refusals WHEN EXISTS (SELECT 1 FROM refusals WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
DROP TRIGGER guard_tags_replace
-- next
CREATE TRIGGER guard_tags_replace BEFORE INSERT ON tags WHEN EXISTS (SELECT 1 FROM tags WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM tags WHERE name_token = NEW.name_token) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_unit_facts_replace BEFORE INSERT ON unit_facts WHEN EXISTS (SELECT 1 FROM unit_facts WHERE unit_id = NEW.unit_id AND version = NEW.version) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_breach_patients_replace BEFORE INSERT ON breach_patients WHEN EXISTS (SELECT 1 FROM breach_patients WHERE breach_id = NEW.breach_id AND patient_id = NEW.patient_id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disposition_draws_replace BEFORE INSERT ON disposition_draws WHEN EXISTS (SELECT 1 FROM disposition_draws WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_policy_baselines_replace BEFORE INSERT ON policy_baselines WHEN EXISTS (SELECT 1 FROM policy_baselines WHERE kind = NEW.kind AND value = NEW.value AND since_us = NEW.since_us) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_disposition_samples_replace BEFORE INSERT ON disposition_samples WHEN EXISTS (SELECT 1 FROM disposition_samples WHERE draw_id = NEW.draw_id AND message_pk = NEW.message_pk) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_events_replace BEFORE INSERT ON hold_events WHEN EXISTS (SELECT 1 FROM hold_events WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_hold_receipts_replace BEFORE INSERT ON hold_receipts WHEN EXISTS (SELECT 1 FROM hold_receipts WHERE hold_id = NEW.hold_id AND version = NEW.version) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_notices_replace BEFORE INSERT ON notices WHEN EXISTS (SELECT 1 FROM notices WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM notices WHERE secret = NEW.secret) OR EXISTS (SELECT 1 FROM notices WHERE hold_id = NEW.hold_id AND token = NEW.token AND ended_us IS NULL) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
-- next
CREATE TRIGGER guard_notice_mails_replace BEFORE INSERT ON notice_mails WHEN EXISTS (SELECT 1 FROM notice_mails WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'holdfast refuses destruction'); END
