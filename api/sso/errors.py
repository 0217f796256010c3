"""Errors of single sign-on. None of them repeats what the provider or the browser sent."""

from __future__ import annotations

from api.errors import ApiError


class SsoError(ApiError):
    """Base of what single sign-on refuses. `reason` is a code for the audit log."""

    code = "sso"
    exit_code = 3
    http_status = 403
    audit_code = "sso_refused"

    def __init__(self, text: str, reason: str = "") -> None:
        self.reason = reason or self.code.removeprefix("sso_")
        super().__init__(text)


class SsoOff(SsoError):
    """No provider is set."""

    code = "sso_off"
    exit_code = 4
    http_status = 404
    audit_code = "sso_off"


class SsoRefused(SsoError):
    """What came back from the provider isn't what we asked for, or isn't the provider's."""

    code = "sso_refused"


class SsoUnknown(SsoError):
    """The provider knows this person; nobody here has said which user that is."""

    code = "sso_unknown"


class SsoUnavailable(SsoError):
    """The provider can't be reached, or doesn't answer as OpenID Connect says."""

    code = "sso_unavailable"
    exit_code = 75
    http_status = 503
    audit_code = "sso_unavailable"
    retry = True


class IdentityTaken(SsoError):
    """The identity belongs to another user, or the user has been given it already."""

    code = "identity_taken"
    exit_code = 3
    http_status = 409
    audit_code = "identity_taken"


class NoSuchIdentity(SsoError):
    """No such identity is linked."""

    code = "no_such_identity"
    exit_code = 4
    http_status = 404
    audit_code = "not_found"
