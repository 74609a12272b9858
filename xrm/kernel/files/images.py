"""Pictures: whether a file is one, and its thumbnail, drawn anew so that nothing of the original gets into a page.

Pillow is given what its sender calls a picture, so that it gets little: four formats, few pixels, one frame.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from PIL import Image, ImageOps

MAX_PIXELS = 40_000_000
SIDE = 320  # pixels of the longer side of a thumbnail
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")


def is_picture(path: Path) -> bool:
    """Whether a file is a picture of few enough pixels that can be drawn."""
    return thumbnail(path) is not None


def thumbnail(path: Path) -> bytes | None:
    """Return a picture as a small WebP file without any of its metadata; None when it cannot be drawn."""
    try:
        with warnings.catch_warnings(), Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            image.draft("RGB", (SIDE, SIDE))
            upright = ImageOps.exif_transpose(image)
            upright.thumbnail((SIDE, SIDE))
            drawn = upright.convert("RGBA" if "transparency" in image.info or "A" in upright.mode else "RGB")
            drawn.info.clear()
            out = io.BytesIO()
            drawn.save(out, "WEBP", quality=80)
    except Exception:  # noqa: BLE001 - decoders raise whatever they like at what is no picture
        return None
    return out.getvalue()
