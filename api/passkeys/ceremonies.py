"""The ceremonies: what a browser is asked, and whether what it answers is a person's own passkey.

Every call of `finish` spends its challenge before anything else, whatever becomes of it, and every refusal is
on record. User verification is required throughout (a PIN or a finger): OWASP ASVS 5.0, 6.3.3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select
from webauthn import generate_authentication_options, generate_registration_options, options_to_json
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorAttachment,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from api import credentials
from api.attempts import Attempts
from api.errors import HardwareKeyNeeded, PasskeyRefused
from api.passkeys import keeping, verifying
from api.passkeys.assertion import Assertion
from api.passkeys.attesting import models_of
from api.passkeys.challenges import LIFE, Challenge, Challenges, Purpose
from api.passkeys.relying_party import NAME, relying_party
from api.whence import whence
from archiver.clock import to_us
from archiver.ledger.audit import AuditEvent
from archiver.sealed_fields import SealedFields
from archiver.store.schema import users
from archiver.vault import Vault
from retention.notices.account_mails import AccountMails

TIMEOUT_MS: Final = int(LIFE.total_seconds() * 1_000)
_NO_ATTESTATION: Final = AttestationConveyancePreference.NONE
_KEY: Final = AuthenticatorAttachment.CROSS_PLATFORM


class Passkeys:
    """The passkeys of one archive. Safe from any thread and any number of processes."""

    def __init__(self, vault: Vault, attempts: Attempts, notices: AccountMails) -> None:
        self._vault = vault
        self._records = vault.records
        self._attempts = attempts
        self._notices = notices
        self._challenges = Challenges(vault.records, vault.clock)
        self._fields = SealedFields(vault)

    def begin(
        self,
        purpose: Purpose,
        user_id: str = "",
        *,
        session: str = "",
        payload: bytes = b"",
        address: str = "",
    ) -> dict[str, Any]:
        """Begin a ceremony: the options for `navigator.credentials`, as JSON, with a fresh challenge.

        Of a `sign_in` nobody is known yet: the browser offers the passkeys it has for this host. Everything
        else is for `user_id` and, where it is given, for this very `session`. An approval's `payload` is the
        hash of what is approved. Raises TooManyAttempts, PasskeysImpossible.
        """
        settings = self._vault.settings
        party = relying_party(settings)
        if user_id or address:
            self._attempts.began(user_id or address)
        given = self._challenges.issue(purpose, user_id, session, payload)
        known = []
        if user_id:
            with self._records.read() as connection:
                known = keeping.of_user(connection, user_id)
        descriptors = [
            PublicKeyCredentialDescriptor(id=one.credential_id, transports=list(one.known_transports))
            for one in known
        ]
        options: Any
        if purpose == "enrol":
            asked = models_of(settings).allowed
            options = generate_registration_options(
                rp_id=party.id,
                rp_name=NAME,
                user_id=user_id.encode(),
                user_name=self._name(user_id),
                challenge=given.challenge,
                timeout=TIMEOUT_MS,
                exclude_credentials=descriptors,
                attestation=AttestationConveyancePreference.DIRECT if asked else _NO_ATTESTATION,
                authenticator_selection=AuthenticatorSelectionCriteria(
                    authenticator_attachment=_KEY if settings.passkeys == "hardware" else None,
                    resident_key=ResidentKeyRequirement.REQUIRED,
                    user_verification=UserVerificationRequirement.REQUIRED,
                ),
                supported_pub_key_algs=verifying.ALGORITHMS,
            )
        else:
            options = generate_authentication_options(
                rp_id=party.id,
                challenge=given.challenge,
                timeout=TIMEOUT_MS,
                allow_credentials=descriptors,
                user_verification=UserVerificationRequirement.REQUIRED,
            )
        found: dict[str, Any] = json.loads(options_to_json(options))
        return found

    def finish(
        self,
        purpose: Purpose,
        answer: Mapping[str, Any],
        *,
        user_id: str = "",
        session: str = "",
        payload: bytes | None = None,
        client: str = "desk",
        address: str = "",
    ) -> Assertion:
        """End a ceremony in which a passkey was shown: whose it is, and the proof.

        The challenge must have been given for this purpose, and for this user, session and payload where they
        are named. Raises PasskeyRefused (on record), TooManyAttempts while somebody is locked out.
        """
        try:
            given = self._spend(purpose, answer, user_id, session)
            if payload is not None and given.payload != payload:
                raise PasskeyRefused("payload")
            return self._shown(given, answer)
        except PasskeyRefused as refusal:
            self._refused(refusal, purpose, user_id, client, address, answer, session)
            raise

    def finish_enrolment(
        self,
        answer: Mapping[str, Any],
        user_id: str,
        *,
        session: str = "",
        client: str = "desk",
        address: str = "",
    ) -> verifying.Enrolled:
        """End a ceremony in which a passkey was made; `keeping.add` keeps it. Raises PasskeyRefused."""
        try:
            given = self._spend("enrol", answer, user_id, session)
            settings = self._vault.settings
            found = verifying.verify_enrolment(
                answer, given.challenge, relying_party(settings), models_of(settings)
            )
            if settings.passkeys == "hardware" and not found.model:
                raise HardwareKeyNeeded("not_hardware")
            with self._records.read() as connection:
                if keeping.by_credential(connection, found.credential_id) is not None:
                    raise PasskeyRefused("known")
            return found
        except PasskeyRefused as refusal:
            self._refused(refusal, "enrol", user_id, client, address, answer, session)
            raise

    # --- inside -------------------------------------------------------------------------------

    def _spend(self, purpose: Purpose, answer: Mapping[str, Any], user_id: str, session: str) -> Challenge:
        given = self._challenges.spend(verifying.challenge_in(answer), purpose)
        if given.user_id != user_id or given.session_id != session:
            raise PasskeyRefused("other_session")
        return given

    def _shown(self, given: Challenge, answer: Mapping[str, Any]) -> Assertion:
        party = relying_party(self._vault.settings)
        with self._records.read() as connection:
            found = keeping.by_credential(connection, verifying.credential_in(answer))
        if found is None:
            raise PasskeyRefused("unknown")
        if found.removed:
            raise PasskeyRefused("removed", found.user_id)
        if found.user_disabled:
            raise PasskeyRefused("disabled", found.user_id)
        if given.user_id and given.user_id != found.user_id:
            raise PasskeyRefused("other_user", given.user_id)
        # At a sign-in the authenticator says who this is; elsewhere it may (WebAuthn 7.2, step 6).
        handle = verifying.handle_in(answer)
        if handle != found.user_id and (handle is not None or not given.user_id):
            raise PasskeyRefused("other_user", found.user_id)
        self._attempts.check(user=found.user_id, passkey=found.id)
        try:
            shown = verifying.verify_assertion(answer, given.challenge, party, found.public_key)
        except PasskeyRefused as refusal:
            raise PasskeyRefused(refusal.reason, found.user_id) from None
        if shown.backup_eligible != found.backup_eligible:
            raise PasskeyRefused("backup_flags", found.user_id)
        if not keeping.let_in(self._fields, self._vault.settings, found):
            raise HardwareKeyNeeded("not_hardware", found.user_id)
        now = self._vault.clock.now()
        with self._records.write() as connection:
            if not keeping.counted(connection, found.id, shown.sign_count, shown.backed_up, now):
                self._cloned(connection, found)
                cloned = True
            else:
                cloned = False
        if cloned:
            raise PasskeyRefused("cloned", found.user_id)
        self._attempts.succeeded(user=found.user_id, passkey=found.id)
        return Assertion(
            user_id=found.user_id,
            credential_id=found.credential_id,
            authenticator_data=shown.authenticator_data,
            client_data=shown.client_data,
            signature=shown.signature,
            user_verified=True,
            at_us=to_us(now),
            passkey_id=found.id,
            public_key=found.public_key,
            payload=given.payload,
            nonce=given.nonce,
            rp_id=party.id,
            origin=shown.origin,
        )

    def _cloned(self, connection: Any, found: keeping.Passkey) -> None:
        """A counter that went backwards under a good signature: two authenticators hold this key."""
        now = self._vault.clock.now()
        if not keeping.remove(connection, found.id, "cloned", now):
            return  # removed by somebody else a moment ago
        ended = credentials.revoke(connection, now, found.user_id, "session")
        self._notices.tell(connection, found.user_id, "passkey_cloned", "system")
        self._vault.audit.record_in(
            connection,
            AuditEvent(
                action="passkey.remove",
                outcome="success",
                user_id="system",
                client="system",
                objects=(found.user_id, found.id),
                count=ended,
                reason="cloned",
            ),
        )

    def _refused(
        self,
        refusal: PasskeyRefused,
        purpose: Purpose,
        user_id: str,
        client: str,
        address: str,
        answer: Mapping[str, Any],
        session: str,
    ) -> None:
        """Record a refusal, never what was shown. Raises TooManyAttempts instead, past the limit."""
        known = refusal.user_id or user_id
        passkey = ""
        if refusal.user_id:
            with self._records.read() as connection:
                found = keeping.by_credential(connection, verifying.credential_in(answer))
            passkey = found.id if found else ""
        count = self._attempts.failed(address, user=known, passkey=passkey)
        self._vault.audit.record(
            AuditEvent(
                action=ACTIONS[purpose],
                outcome="failed",
                user_id=known or "anonymous",
                client=client,
                objects=(passkey,) if passkey else (),
                count=count,
                reason=refusal.reason,
                detail=whence(address),
                session=session,
            )
        )

    def _name(self, user_id: str) -> str:
        with self._records.read() as connection:
            return str(connection.scalar(select(users.c.name).where(users.c.id == user_id)))


ACTIONS: Final[Mapping[Purpose, str]] = {
    "enrol": "passkey.add",
    "sign_in": "session.open",
    "step_up": "session.verify",
    "approve": "passkey.sign",
}
"""What a ceremony is called in the audit log."""
