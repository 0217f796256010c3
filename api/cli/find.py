"""`search` and `show`: the reading room at the command line."""

from __future__ import annotations

import argparse
from typing import Any

from api import views
from api.cli.verb import Context, Verb, acting, write_raw
from search.language.highlight import as_text


def _search(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    purpose = context.purpose_or_denied(actor, "search.query")
    page = context.app.room.search(
        actor, purpose, args.query, limit=args.limit, sort=args.sort, cursor=args.cursor
    )
    document = views.search_page(page)

    def text() -> str:
        lines = [f"{page.total} found for: {page.interpreted}"]
        for item in page.items:
            lines.append(f"\n{item.id}  {item.sent_at}  {item.from_} -> {', '.join(item.to[:3])}")
            lines.append(f"  {item.subject}")
            if shown := as_text(item.snippet):
                lines.append(f"  {shown}")
        hidden = {name: n for name, n in page.not_searchable.items() if n}
        if hidden:
            lines.append("\nnot fully searched: " + ", ".join(f"{n} {name}" for name, n in hidden.items()))
        if page.next:
            lines.append(f"more: --cursor {page.next}")
        return "\n".join(lines)

    context.say(document, text)
    return 0


def _configure_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", help='words, "phrases", AND OR NOT, fields like from: and after:')
    acting(parser, purpose=True)
    parser.add_argument("--limit", type=int, default=20, help="how many are shown (20); all are counted")
    orders = ("newest", "oldest", "relevance")
    parser.add_argument("--sort", choices=orders, default="newest", help="the order (newest)")
    parser.add_argument("--cursor", help="where the page before ended")


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
    Verb(("show",), "show a message or a report", _show, _configure_show, ("message.read",)),
)
