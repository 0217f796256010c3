"""Passkeys (WebAuthn Level 3): enrolment, sign-in, step-up and signed approvals.

Two calls make a ceremony: `Passkeys.begin` gives the options for the browser, `Passkeys.finish` takes its
answer. In between lies a challenge that is good once and for five minutes (`challenges`).
"""

from __future__ import annotations

from api.passkeys.assertion import Assertion
from api.passkeys.ceremonies import Passkeys
from api.passkeys.signing import PasskeySignIn

__all__ = ["Assertion", "PasskeySignIn", "Passkeys"]
