"""The extraction child: reads documents that come through a pipe and answers through another.

It loads everything it may need, locks itself up (`sandbox`), and from then on can open no file, start no
process and reach no network. It is started by `client` and ends when its pipe closes.
"""

from __future__ import annotations

import codecs
import contextlib
import encodings
import io
import json
import os
import pkgutil
import resource
import signal
import sys
from typing import Any, BinaryIO

from archiver.message.extract import sandbox
from archiver.message.extract.context import Context
from archiver.message.extract.limits import Limits
from archiver.message.extract.model import ANSWER, REQUEST, Extracted

MAX_PARTS = 2_000
"""Parts after which the child asks to be replaced: what leaks, leaks no further."""
MAX_GROWTH = 256 * 2**10
"""KiB of resident memory above its beginning after which it asks the same."""
RECURSION = 2_000


def main() -> None:
    """Serve until the pipe closes. The one argument is the limits, as JSON."""
    limits = Limits(**json.loads(sys.argv[1]))
    source = os.fdopen(os.dup(0), "rb", 2**16)
    answers = os.fdopen(os.dup(1), "wb", 2**16)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):  # a library that prints would write into the protocol
        os.dup2(nowhere, standard)
    os.close(nowhere)
    from archiver.message.extract import policy
    from archiver.message.extract.readers import READERS, warm_up

    policy.configure(limits)
    _load_codecs()
    warm_up()
    sys.setrecursionlimit(RECURSION)
    report = sandbox.enter(limits.memory, programs=limits.ocr)
    _answer(answers, json.dumps(report).encode(), b"")
    serve(source, answers, READERS)


def serve(source: BinaryIO, answers: BinaryIO, readers: Any) -> None:
    """Answer requests: a JSON header of limits and jobs, then the jobs' bytes one after another."""
    begun = _resident()
    done = 0
    while head := _exactly(source, REQUEST.size):
        request = json.loads(_exactly(source, REQUEST.unpack(head)[0]))
        limits = Limits(**request["limits"])
        for kind, name, size in request["jobs"]:
            data = _exactly(source, size)
            signal.setitimer(signal.ITIMER_REAL, limits.wall + 2)  # ends us even if nobody watches
            found = extract(kind, name, data, limits, readers)
            del data
            signal.setitimer(signal.ITIMER_REAL, 0)
            done += 1
            worn = done >= MAX_PARTS or _resident() - begun > MAX_GROWTH
            _answer_extracted(answers, found, worn)


def extract(kind: str, name: str, data: bytes, limits: Limits, readers: Any) -> Extracted:
    """Read one document with all that is inside it."""
    context = Context(limits, readers, name)
    status = context.read(kind, data)
    return Extracted(context.text(), status, tuple(context.inner))


def _answer_extracted(answers: BinaryIO, found: Extracted, worn: bool) -> None:
    meta = [found.status, [[i.path, i.name, i.content_type, i.size, i.status] for i in found.inner], worn]
    _answer(answers, json.dumps(meta).encode(), found.text.encode("utf-8", "replace"))


def _answer(answers: BinaryIO, meta: bytes, text: bytes) -> None:
    answers.write(ANSWER.pack(len(meta), len(text)))
    answers.write(meta)
    answers.write(text)
    answers.flush()


def _exactly(source: BinaryIO, size: int) -> bytes:
    """Read `size` bytes; ends the process where the pipe closes first."""
    data = source.read(size)
    if len(data) < size:
        os._exit(0)
    return data


def _load_codecs() -> None:
    """Python imports codecs when first asked for, and then there are no files any more."""
    for module in pkgutil.iter_modules(encodings.__path__):
        with contextlib.suppress(LookupError, ImportError):
            codecs.lookup(module.name)


def _resident() -> int:
    """The most memory ever resident, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, io.UnsupportedOperation):
        main()
