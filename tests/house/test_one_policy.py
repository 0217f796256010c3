"""One policy: no code outside it decides by role, and no page does (`search/policy.py`)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("search", "retention", "api")
THE_POLICY = "search/policy.py"
DECLARE = {
    THE_POLICY: "the policy itself",
    "search/actors.py": "declares the roles",
    "api/accounts.py": "names people write for roles, and the first administrator's",
    "api/demo": "makes people of each role",
}


def sources() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def decides_by_role(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Where a tree names a role, the table of permissions, or compares somebody's role with anything."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "PERMISSIONS":
            yield node.lineno, "PERMISSIONS"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Role":
            yield node.lineno, f"Role.{node.attr}"
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            asks = [one for one in sides if isinstance(one, ast.Attribute) and one.attr == "role"]
            names = [one for one in sides if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if asks and (names or any(isinstance(op, ast.Is | ast.IsNot) for op in node.ops)):
                yield node.lineno, "compares a role"


def test_no_code_outside_the_policy_decides_by_role() -> None:
    found = [
        f"{name}:{line}: {what}"
        for name, tree in sources()
        if not name.startswith(tuple(DECLARE))
        for line, what in decides_by_role(tree)
    ]
    assert not found, "ask search.policy instead:\n" + "\n".join(found)


def test_the_test_sees_what_it_forbids() -> None:
    bad = ast.parse(
        "PERMISSIONS[actor.role]\nif actor.role is Role.LEGAL: pass\nif user.role == 'legal': pass\n"
    )
    assert {what for _, what in decides_by_role(bad)} == {"PERMISSIONS", "Role.LEGAL", "compares a role"}
    assert list(decides_by_role(ast.parse((ROOT / THE_POLICY).read_text("utf-8"))))


def test_no_page_compares_roles() -> None:
    compares = re.compile(r"{%[^%]*\bactor\.role\s*(==|!=|in\b|not\b)|{%[^%]*(==|!=|in)\s*actor\.role\b")
    for path in sorted((ROOT / "api/http/templates").glob("*.html")):
        assert not compares.search(path.read_text("utf-8")), path.name
    assert compares.search('{% if actor.role == "legal" %}')


def test_every_gate_of_the_program_knows_the_circumstances() -> None:
    """A gate made without facts knows roles alone, so none is made but the one at wiring."""
    made = [
        f"{name}:{node.lineno}"
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Gate"
        and len(node.args) < 2
        and name not in ("retention/dating/explain.py", "api/signing_in.py")  # only where a test gives none
    ]
    assert not made
    wiring = (ROOT / "api/app.py").read_text("utf-8")
    assert "Gate(vault.audit, Circumstances(vault, reader)" in wiring
    assert "Explainer(vault, schedule, patients, gate)" in wiring
    assert "Accounts(vault, gate" in wiring


def test_decide_is_asked_by_the_gate_alone() -> None:
    asks = [
        name
        for name, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == "decide")
            or (
                isinstance(node.func, ast.Attribute)
                and node.func.attr == "decide"
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "policy"
            )
        )
    ]
    assert asks == ["search/access.py"]
