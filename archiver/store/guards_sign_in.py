"""Guards over passkeys: what one signed is verified with its public key for ever, and none comes back."""

from __future__ import annotations

from archiver.store.guard import Guard

GUARDS = (
    Guard("passkeys_delete", "passkeys", "DELETE"),
    Guard(
        "passkeys_fixed",
        "passkeys",
        "UPDATE",
        columns="id, user_id, credential_id, public_key, aaguid, backup_eligible, created_us",
    ),
    Guard(
        "passkeys_removed",
        "passkeys",
        "UPDATE",
        "OLD.removed_us IS NOT NULL",
        columns="removed_us, removed_why, sign_count",
    ),
    # A counter that went backwards is what tells a copied key.
    Guard("passkeys_counted", "passkeys", "UPDATE", "NEW.sign_count < OLD.sign_count", columns="sign_count"),
)

NEVER_TRUNCATED = ("passkeys",)
