"""Errors of the doors for people and programs. `ApiError` is the base of the whole package."""

from __future__ import annotations

from config.errors import HoldfastError


class ApiError(HoldfastError):
    """Base of every error raised below `api/`."""

    code = "api"


class BadInput(ApiError):
    """The request isn't of the documented form. The text names the field, never its value."""

    code = "bad_input"
    exit_code = 2
    http_status = 422
    audit_code = "bad_input"


class NoSuchRoute(ApiError):
    """Nothing is served at this address."""

    code = "no_such_route"
    exit_code = 4
    http_status = 404
    audit_code = "no_such_route"


class WrongMethod(ApiError):
    """The address is served, but not with this method."""

    code = "wrong_method"
    exit_code = 2
    http_status = 405
    audit_code = "wrong_method"


class BodyTooLarge(ApiError):
    """A request's body is over the limit."""

    code = "body_too_large"
    exit_code = 2
    http_status = 413
    audit_code = "body_too_large"


class CrossSite(ApiError):
    """A change was asked for with the desk's cookie from a page that isn't the desk."""

    code = "cross_site"
    exit_code = 3
    http_status = 403
    audit_code = "cross_site"


class TooManyAttempts(ApiError):
    """Too many failed sign-ins came from one address. `retry_after` is in seconds."""

    code = "too_many_attempts"
    exit_code = 75
    http_status = 429
    audit_code = "too_many_attempts"
    retry = True

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"too many failed sign-ins from this address; try again in {retry_after} s")


class NotReady(ApiError):
    """A store that the service needs can't be used now. The text names which."""

    code = "not_ready"
    exit_code = 75
    http_status = 503
    audit_code = "not_ready"
    retry = True


class AccountError(ApiError):
    """Base of what the accounts refuse."""

    code = "account"
    exit_code = 2
    http_status = 422
    audit_code = "account_refused"


class UnknownRole(AccountError):
    """No role has this name. The text lists the roles."""

    code = "unknown_role"


class NameTaken(AccountError):
    """A user of this name exists, or existed: names are never given twice."""

    code = "name_taken"
    http_status = 409


class NoSuchUser(AccountError):
    """No user has this name or id."""

    code = "no_such_user"
    exit_code = 4
    http_status = 404


class UserDisabled(AccountError):
    """The user was disabled: no credential is given to them any more."""

    code = "user_disabled"
    exit_code = 3
    http_status = 409


class LastAdministrator(AccountError):
    """Nobody could add users any more."""

    code = "last_administrator"
    exit_code = 3
    http_status = 409


class SecondAdministratorNeeded(AccountError):
    """The account's owner has a passkey: a new link for it takes a second administrator, or the operator."""

    code = "second_administrator_needed"
    exit_code = 3
    http_status = 409


class OwnEnrolmentNeeded(AccountError):
    """A token of a role that sees content is made by its owner or by the operator, by nobody else."""

    code = "own_enrolment_needed"
    exit_code = 3
    http_status = 403


class PasskeyError(ApiError):
    """Base of what the ceremonies refuse. The text never says which of several reasons it was."""

    code = "passkey"
    exit_code = 3
    http_status = 403
    audit_code = "passkey_refused"


class PasskeyRefused(PasskeyError):
    """The answer of an authenticator proves nothing: another challenge, origin, person or key.

    `reason` is for the audit log alone; `user_id` is whose passkey was shown, where that is known.
    """

    code = "passkey_refused"

    text = "this passkey was not accepted; try again, or use another one"

    def __init__(self, reason: str, user_id: str = "") -> None:
        self.reason = reason
        self.user_id = user_id
        super().__init__(self.text)


class HardwareKeyNeeded(PasskeyRefused):
    """The passkey is good, and lies on no device that the archive takes (`passkeys = "hardware"`)."""

    code = "hardware_key_needed"
    text = (
        "this archive takes security keys of certain models alone; use one of them, or ask the operator for "
        "a link to add one"
    )


class PasskeyNeeded(PasskeyError):
    """A session that began with a link alone can do nothing but enrol a passkey."""

    code = "passkey_needed"


class LastPasskey(PasskeyError):
    """Without it its owner couldn't sign in any more."""

    code = "last_passkey"
    http_status = 409


class NoSuchPasskey(PasskeyError):
    """The user has no such passkey, or no longer."""

    code = "no_such_passkey"
    exit_code = 4
    http_status = 404


class NoSuchSession(AccountError):
    """The user has no such session, or it has ended."""

    code = "no_such_session"
    exit_code = 4
    http_status = 404


class NoSuchToken(AccountError):
    """There is no such API token, or it has ended, or it is somebody else's."""

    code = "no_such_token"
    exit_code = 4
    http_status = 404


class PasskeysImpossible(ApiError):
    """No passkey can be made: the desk's address is an IP number, for which browsers make none, or the roots
    of the makers whose word is asked for can't be read."""

    code = "passkeys_impossible"
    exit_code = 3
    http_status = 409
    audit_code = "passkeys_impossible"


class WrongHost(ApiError):
    """The request names a host that this server isn't (DNS rebinding, or a proxy that isn't set up)."""

    code = "wrong_host"
    exit_code = 2
    http_status = 421
    audit_code = "wrong_host"
