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
