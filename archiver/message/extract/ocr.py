"""Text of pictures by Tesseract, where the settings ask for it: in by a pipe, out by a pipe, no file."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from archiver.message.extract.faults import Damaged, Unreadable

if TYPE_CHECKING:
    from archiver.message.extract.context import Context

PROGRAM = "tesseract"


def read_image(data: bytes, context: Context) -> None:
    """Add a picture's text. `no_text` where OCR is off; Damaged where Tesseract can't read it."""
    if not context.limits.ocr:
        raise Unreadable("no_text")
    context.add(_tesseract(data, context))


def read_pixels(pixels: bytes, width: int, height: int, stride: int, context: Context) -> None:
    """Add the text of a grey picture, eight bits a pixel, rows `stride` bytes apart."""
    rows = b"".join(pixels[row * stride : row * stride + width] for row in range(height))
    context.add(_tesseract(b"P5 %d %d 255\n" % (width, height) + rows, context))


def _tesseract(picture: bytes, context: Context) -> str:
    """Run it on one picture. It is a child of this process and as locked up; its time is this part's."""
    try:
        done = subprocess.run(
            [PROGRAM, "stdin", "stdout", "-l", context.limits.ocr_languages],
            input=picture,
            stdout=subprocess.PIPE,
            check=False,
        )
    except OSError:
        raise Unreadable("failed") from None
    if done.returncode != 0:
        raise Damaged
    context.check_time()
    return done.stdout.decode("utf-8", "replace").replace("\f", "\n")
