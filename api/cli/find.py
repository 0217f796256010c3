"""`search` and `show`: the reading room at the command line."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from api import views
from api.cli import related
from api.cli.verb import Context, UsageError, Verb, acting, write_raw
from search.access import Actor, Purpose
from search.engine.ports import Expansion, Sort
from search.engine.views import FACETS, Ask, Group
from search.reading_room import Page


def _search(context: Context, args: argparse.Namespace) -> int:
    if (args.query is None) == (args.saved is None):
        raise UsageError("give either a query or --saved ID")
    actor = context.actor()
    if args.saved is not None:
        asked, saved_for, sort = context.app.saved.asked(actor, args.saved)
        args.query, args.sort = asked["query"], args.sort or sort
        purpose = context.purpose_or_denied(actor, "search.query") if args.purpose else saved_for
    else:
        purpose = context.purpose_or_denied(actor, "search.query")
    if args.unsearchable:
        return _unsearchable(context, args, actor, purpose)
    names = tuple(dict.fromkeys(FACETS if args.facets else args.facet))
    page = context.app.room.search(
        actor,
        purpose,
        args.query,
        limit=args.limit,
        sort=args.sort or "newest",
        cursor=args.cursor,
        ask=Ask(names, args.facet_limit, args.histogram, args.group),
    )
    document = views.search_page(page)

    context.say(document, lambda: "\n".join(page_lines(page)))
    return 0


def page_lines(page: Page) -> list[str]:
    """A page of results as text."""
    lines = [f"{page.total} found for: {page.interpreted}", *related.counts(page)]
    lines += [f"note: at character {hint.position + 1}: {hint.text}" for hint in page.hints]
    lines += [
        f"{each.pattern} stands for {_words(each)}"
        for each in page.expansions
        if set("*?~") & set(each.pattern)
    ]
    for item in page.items:
        lines += related.item_lines(item)
    hidden = {name: n for name, n in page.not_searchable.items() if n}
    if hidden:
        lines.append("\nnot fully searched: " + ", ".join(f"{n} {name}" for name, n in hidden.items()))
    if within := sum(page.unsearched.values()):
        lines.append(f"{within} of them within this query's bounds: --unsearchable lists them")
    if page.masked:
        what = "1 identifier" if page.masked == 1 else f"{page.masked} identifiers"
        lines.append(f"\n{what} withheld for this purpose; `holdfast show` shows them")
    if page.next:
        lines.append(f"more: --cursor {page.next}")
    return lines


def _words(found: Expansion) -> str:
    some = f": {', '.join(found.words)}" if found.words else ""
    words = "word" if found.number == 1 else "words"
    return f"{found.number} {words}{some}{', ...' if len(found.words) < found.number and some else ''}"


def _unsearchable(context: Context, args: argparse.Namespace, actor: Actor, purpose: Purpose) -> int:
    found = context.app.unsearchable.list(actor, purpose, args.query, limit=args.limit, after=args.cursor)

    def text() -> str:
        lines = [f"{found['total']} not, or not fully, searched for: {found['interpreted']}"]
        lines += [f"{count:>9} {reason.replace('_', ' ')}" for reason, count in found["by_reason"].items()]
        for item in found["items"]:
            why = ", ".join(reason.replace("_", " ") for reason in item["reasons"])
            lines.append(f"{item['id']}  {item['sent_at']}  {item['size']} bytes  {why}")
        if found["next"]:
            lines.append(f"more: --cursor {found['next']}")
        return "\n".join(lines)

    context.say(found, text)
    return 0


def _configure_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", nargs="?", help='words, "phrases", AND OR NOT, fields like from: and after:')
    acting(parser, purpose=True)
    parser.add_argument("--limit", type=int, default=20, help="how many are shown (20); all are counted")
    parser.add_argument("--sort", choices=get_args(Sort), help="the order (newest)")
    parser.add_argument("--cursor", help="where the page before ended")
    parser.add_argument("--facets", action="store_true", help="count the result by all facets")
    parser.add_argument(
        "--facet", action="append", choices=FACETS, default=[], help="count it by this one; repeatable"
    )
    parser.add_argument(
        "--facet-limit", type=int, default=10, metavar="N", help="values named of each facet (10)"
    )
    parser.add_argument("--histogram", action="store_true", help="count it over time")
    parser.add_argument(
        "--group",
        choices=get_args(Group),
        help="one line for each conversation, or for messages that are nearly alike",
    )
    parser.add_argument("--saved", metavar="ID", help="a saved search, in place of a query")
    parser.add_argument(
        "--unsearchable", action="store_true", help="list what the query could not look into, and why"
    )


def _show(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    purpose = context.purpose_or_denied(actor, "message.read")
    opened = context.app.room.open(actor, purpose, args.id)
    if args.raw:
        write_raw(opened.chunks())
        return 0
    app = context.app
    document = views.object_view(app.vault, opened, args.id, app.room.scope(actor), app.explainer.verdicts)
    context.say(document, lambda: _text(document))
    return 0


def _part(part: dict[str, Any]) -> str:
    """A part, and why it can't be searched where it can't."""
    name = f"{part['path']} {part['content_type']} {part['filename'] or ''}"
    searched = part["text_status"] in ("indexed", "empty")
    return name if searched else f"{name} (not searchable: {part['text_status'].replace('_', ' ')})"


def _text(message: dict[str, Any]) -> str:
    if message["kind"] == "report":
        return "\n".join(f"{name:<12}{value}" for name, value in message.items())
    envelope = message["envelope"]
    lines = [
        f"id        {message['id']}",
        f"sha256    {message['sha256']}  ({message['size']} bytes)",
        f"captured  {message['captured_at']}  from {message['source']} {message['folder'] or ''}",
        f"sent      {message['sent_at']}",
        f"subject   {message['subject']}",
        f"sender    {envelope['sender']}",
    ]
    lines += [f"{r['role']:<9} {r['address']}" + _by(r) for r in envelope["recipients"]]
    lines += [f"part      {_part(p)}" for p in message["parts"]]
    retention = message["retention"]
    until = retention.get("disposal_date") or (
        "permanent" if retention.get("permanent") else "kept: " + ", ".join(retention.get("missing", []))
    )
    lines.append(f"disposal  {until}")
    lines += [f"held by   {h['id']} ({h['matter']}) {h['state']}" for h in message["holds"]]
    return "\n".join(lines)


def _by(recipient: dict[str, Any]) -> str:
    group, before = recipient["expanded_from"], recipient["forwarded_from"]
    return (f", by group {group}" if group else "") + (f", forwarded from {before}" if before else "")


def _configure_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="of a message or a report")
    acting(parser, purpose=True)
    parser.add_argument("--raw", action="store_true", help="the exact bytes")


VERBS = (
    Verb(
        ("search",),
        "search the archive",
        _search,
        _configure_search,
        ("search.query", "search.results"),
    ),
    *related.VERBS,
    Verb(("show",), "show a message or a report", _show, _configure_show, ("message.read",)),
)
