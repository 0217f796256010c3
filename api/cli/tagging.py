"""`tag` and `note`: what people say of messages."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from api.cli.verb import Context, UsageError, Verb, acting
from search.errors import IndexDamaged, IndexUnavailable
from search.fresh_texts import FreshTexts


def _create(context: Context, args: argparse.Namespace) -> int:
    made = context.app.tags.create(context.actor(), args.name, args.about)
    context.say(made, lambda: _tag_line(made))
    return 0


def _retire(context: Context, args: argparse.Namespace) -> int:
    done = context.app.tags.retire(context.actor(), args.tag)
    context.say(done, lambda: _tag_line(done))
    return 0


def _list(context: Context, _: argparse.Namespace) -> int:
    context.say_list(context.app.tags.list(context.actor()), _tag_line, "no tags")
    return 0


def _tag_line(one: dict[str, Any]) -> str:
    return f"{one['id']}  {one['name']}{'  (retired)' if one['retired_at'] else ''}  {one['about']}"


def _put(context: Context, args: argparse.Namespace) -> int:
    return _on(context, args, on=True)


def _take(context: Context, args: argparse.Namespace) -> int:
    return _on(context, args, on=False)


def _on(context: Context, args: argparse.Namespace, *, on: bool) -> int:
    done = context.app.tags.put(context.actor(), args.tag, args.message, on=on)
    _tell_index(context)
    context.say(done, f"{done['changed']} messages changed, {done['unchanged']} were so already")
    return 0


def _apply(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    purpose = context.purpose_or_denied(actor, "tag.apply")
    with context.progress() as bar:
        task = bar.add_task("tagging", total=None)
        done = context.app.tags.apply(
            actor,
            purpose,
            args.tag,
            args.query,
            on=not args.take,
            progress=lambda number, total: bar.update(task, completed=number, total=total),
        )
    _tell_index(context)
    context.say(done, f"{done['changed']} of {done['matched']} messages changed for: {done['interpreted']}")
    return 0


def _tell_index(context: Context) -> None:
    """Let `tag:` find the messages at once, where no server is there to see to it."""
    try:
        writer = context.app.index_writer()
    except (IndexUnavailable, IndexDamaged):
        return  # whoever indexes next does it
    try:
        context.app.indexer(writer, FreshTexts()).drain_relabels()
    finally:
        writer.close()


def _show(context: Context, args: argparse.Namespace) -> int:
    found = context.app.tags.of(context.actor(), args.message)

    def text() -> str:
        lines = [f"{found['message']}: {', '.join(found['tags']) or 'no tags'}"]
        for one in found["history"]:
            done = "put on" if one["put"] else "taken off"
            lines.append(f"  {one['at']}  {one['tag']} {done} by {one['by_name'] or one['by']}")
        return "\n".join(lines)

    context.say(found, text)
    return 0


def _note_add(context: Context, args: argparse.Namespace) -> int:
    made = context.app.notes.add(context.actor(), args.message, _read(args.text))
    context.say(made, f"note {made['id']} kept")
    return 0


def _note_change(context: Context, args: argparse.Namespace) -> int:
    made = context.app.notes.change(context.actor(), args.message, args.note, _read(args.text))
    context.say(made, f"note {made['id']} kept as version {made['version']}")
    return 0


def _note_withdraw(context: Context, args: argparse.Namespace) -> int:
    done = context.app.notes.withdraw(context.actor(), args.message, args.note)
    context.say(done, f"note {done['id']} withdrawn")
    return 0


def _note_list(context: Context, args: argparse.Namespace) -> int:
    actor = context.actor()
    purpose = context.purpose_or_denied(actor, "note.list")
    found = context.app.notes.of(actor, purpose, args.message, history=args.history)

    def line(one: dict[str, Any]) -> str:
        said = "(withdrawn)" if one["withdrawn"] else one["text"]
        return f"{one['id']}  version {one['version']}  {one['written_at']}  {one['written_by_name']}\n{said}"

    context.say_list(found, line, "no notes")
    return 0


def _read(text: str) -> str:
    """The text itself, or what stands in `@FILE`, or on standard input for `-`."""
    if text == "-":
        return sys.stdin.read()
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text("utf-8")
    except (OSError, UnicodeError):
        raise UsageError("the file of the note can't be read as text") from None


def _configure_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="what it is called")
    parser.add_argument("--about", default="", help="when to use it")
    acting(parser)


def _configure_tag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tag", help="by name or id")
    acting(parser)


def _configure_put(parser: argparse.ArgumentParser) -> None:
    _configure_tag(parser)
    parser.add_argument("message", nargs="+", metavar="ID", help="messages, up to 500")


def _configure_apply(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tag", help="by name or id")
    parser.add_argument("query", help="all that it finds now, in your scope")
    acting(parser, purpose=True)
    parser.add_argument("--take", action="store_true", help="take the tag off them")


def _configure_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("message", metavar="ID", help="the message")
    acting(parser)


def _configure_note(parser: argparse.ArgumentParser) -> None:
    _configure_show(parser)
    parser.add_argument("text", help="what to write; @FILE reads it from a file, - from standard input")


def _configure_note_change(parser: argparse.ArgumentParser) -> None:
    _configure_show(parser)
    parser.add_argument("note", metavar="NOTE", help="as `note list` shows it")
    parser.add_argument("text", help="what to write; @FILE reads it from a file, - from standard input")


def _configure_withdraw(parser: argparse.ArgumentParser) -> None:
    _configure_show(parser)
    parser.add_argument("note", metavar="NOTE", help="as `note list` shows it")


def _configure_notes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("message", metavar="ID", help="the message")
    acting(parser, purpose=True)
    parser.add_argument("--history", action="store_true", help="every version, withdrawn notes too")


VERBS = (
    Verb(
        ("tag", "create"), "add a tag to the organisation's list", _create, _configure_create, ("tag.create",)
    ),
    Verb(("tag", "retire"), "let a tag be put on no more mail", _retire, _configure_tag, ("tag.retire",)),
    Verb(("tag", "list"), "the organisation's tags", _list, acting, ("tag.list",)),
    Verb(("tag", "put"), "put a tag on messages", _put, _configure_put, ("tag.put",)),
    Verb(("tag", "take"), "take a tag off messages", _take, _configure_put, ("tag.take",)),
    Verb(("tag", "apply"), "put a tag on all that a query finds", _apply, _configure_apply, ("tag.apply",)),
    Verb(("tag", "show"), "a message's tags and their history", _show, _configure_show, ("tag.show",)),
    Verb(("note", "add"), "write a note beside a message", _note_add, _configure_note, ("note.add",)),
    Verb(
        ("note", "change"),
        "write another version of a note of yours",
        _note_change,
        _configure_note_change,
        ("note.change",),
    ),
    Verb(
        ("note", "withdraw"),
        "take a note of yours back",
        _note_withdraw,
        _configure_withdraw,
        ("note.withdraw",),
    ),
    Verb(("note", "list"), "a message's notes", _note_list, _configure_notes, ("note.list",)),
)
