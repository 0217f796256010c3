"""`doctor`: control by control, what this installation has and what it lacks (45 CFR 164.308-164.312)."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from api.app import App
from api.doctor_access import access_findings
from api.doctor_audit import audit_findings
from api.doctor_cases import case_findings
from api.doctor_doors import Finding, door_findings
from api.doctor_holds import hold_findings
from api.doctor_jobs import job_findings
from api.doctor_ledger import ledger_findings
from api.doctor_policy import policy_findings
from api.doctor_sign_in import sign_in_findings
from api.doctor_sso import sso_findings
from archiver.errors import StoreError
from archiver.ledger.log import Log
from archiver.message.extract import policy
from archiver.message.extract.client import POOL
from archiver.seal.root import root_key_path
from archiver.store.schema import outbox, users
from config.errors import HoldfastError
from search import rebuilds
from search.actors import Action
from search.policy import roles_with

Check = dict[str, Any]


def check_all(app: App) -> list[Check]:
    """Every check as `{control, ok, finding}`; the finding says what to do where it isn't ok."""
    return [
        _key_apart(app),
        _private(app.settings.home, "164.312(a)(1) access control", "the home"),
        _transport(app),
        _people(app),
        _published(app),
        _index(app),
        _core_dumps(),
        *_extraction(),
        *(_check(*finding) for finding in _doors(app)),
        *(_check(*finding) for finding in ledger_findings(app.vault)),
        *(_check(*finding) for finding in sign_in_findings(app.vault)),
        *(_check(*finding) for finding in sso_findings(app.settings, app.sso.provider, app.clock)),
        *(_check(*finding) for finding in access_findings(app.access.emergencies, app.settings)),
        *(_check(*finding) for finding in job_findings(app.vault)),
        *(_check(*finding) for finding in case_findings(app.cases, app.settings)),
        *(_check(*finding) for finding in audit_findings(app.settings, app.auditing)),
        *(
            _check(*finding)
            for finding in policy_findings(app.vault, app.runs, app.explainer.verdicts.policies)
        ),
        *(
            _check(*finding)
            for finding in hold_findings(app.holds, app.notices, app.settings.hold_cooling_days)
        ),
    ]


def _doors(app: App) -> Iterator[Finding]:
    return door_findings(app.settings, app.vault.sources, sum(app.watch.gaps.counts().values()))


def _check(control: str, ok: bool, good: str, bad: str) -> Check:
    return {"control": control, "ok": ok, "finding": good if ok else bad}


def _key_apart(app: App) -> Check:
    path = root_key_path(app.settings.root_key, app.settings.home)
    try:
        apart = path.stat().st_dev != app.settings.home.stat().st_dev
    except OSError:
        apart = False
    return _check(
        "164.312(a)(2)(iv) encryption at rest",
        apart,
        "the root key lies on another volume than the data",
        "the root key lies on the data's own volume: who takes that disk has both; move it to another one",
    )


def _extraction() -> list[Check]:
    """Starts the process that reads attachments and asks what holds it."""
    limits = policy.limits()
    report = POOL.report(limits) or {}
    # An empty network of its own comes on top where the system allows it: the filter refuses sockets as well.
    lacking = [name for name in ("limits", "calls") if not report.get(name)]
    checks = [
        _check(
            "164.308(a)(5)(ii)(B) malicious software",
            not lacking,
            "the process that reads attachments can open no file, start no program and has no network",
            "the process that reads attachments can't be started: no attachment is searchable; see the log"
            if not report
            else f"the process that reads attachments lacks: {', '.join(lacking)} (the filter of system calls"
            " needs Linux on x86_64 or aarch64); its time is limited all the same",
        )
    ]
    if limits.ocr:
        found = shutil.which("tesseract") is not None
        checks.append(
            _check(
                "completeness of search",
                found,
                "Tesseract is there for OCR",
                "ocr is on without a tesseract program: install it (Debian: tesseract-ocr) or set ocr to off",
            )
        )
    return checks


def _private(path: Path, control: str, name: str) -> Check:
    ok = path.stat().st_mode & 0o077 == 0
    return _check(
        control, ok, f"only its owner can enter {name}", f"others can enter {name}; run chmod 700 on it"
    )


def _transport(app: App) -> Check:
    ok = bool(app.settings.tls_cert)
    return _check(
        "164.312(e)(2)(ii) encryption in transit",
        ok,
        "a certificate is set for HTTPS and STARTTLS",
        "no certificate is set: HTTP stays on loopback, STARTTLS uses a self-made one; set HOLDFAST_TLS_CERT",
    )


def _people(app: App) -> Check:
    deciders = [str(role) for role in roles_with(Action.DISPOSITION_DECIDE)]
    reviewers = [str(role) for role in roles_with(Action.AUDIT_READ)]
    with app.vault.records.read() as connection:
        active = connection.scalar(
            select(func.count(func.distinct(users.c.role)))
            .select_from(users)
            .where(users.c.disabled_us.is_(None), users.c.role.in_(deciders))
        )
        officers = connection.scalar(
            select(func.count())
            .select_from(users)
            .where(users.c.disabled_us.is_(None), users.c.role.in_(reviewers))
        )
    return _check(
        "164.308(a)(1)(ii)(D) activity review",
        bool(active) and bool(officers),
        "somebody can review the audit log, and somebody can decide on disposals",
        "no privacy officer reviews the audit log, or nobody can decide on disposals; add those users",
    )


def _published(app: App) -> Check:
    fault = "a log doesn't match its published checkpoint; run `holdfast verify --full`"
    try:
        app.publish()
        ok = all(app.vault.publisher.published(which) is not None for which in Log)
    except StoreError as error:
        ok, fault = False, str(error)
    except HoldfastError:
        ok = False
    return _check(
        "164.312(b) audit controls", ok, "both logs are published and match their checkpoints", fault
    )


def _index(app: App) -> Check:
    with app.vault.records.read() as connection:
        waiting = connection.scalar(select(func.count()).select_from(outbox)) or 0
        build = rebuilds.found(connection)
    built = f"; another is being built, {build.done:,} of {build.total:,} messages so far" if build else ""
    try:
        app.reader.check()
        fault = ""
    except HoldfastError as error:
        fault = str(error)
    return _check(
        "164.312(c)(1) integrity",
        not fault,
        f"the index is sound; {waiting} messages wait to be indexed{built}",
        f"{fault}{built}; run `holdfast reindex`",
    )


def _core_dumps() -> Check:
    ok = resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    return _check(
        "164.310(d)(1) media controls",
        ok,
        f"process {os.getpid()} leaves no core dump",
        "a crash could write keys into a core dump; start with `ulimit -c 0`",
    )
