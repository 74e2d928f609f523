"""What sealing costs: putting and getting a 3 MB JPEG, beside a plain file; scrubbing it, beside decoding it.

    python benchmarks/clinic_store.py [FOLDER]

FOLDER: on the disk to be measured; a temporary one by default. Times are medians of alternating rounds.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from macule.analysis.image import decode
from macule.records.store.durable import sync_folder, write_new
from macule.records.store.keys import KeyRing
from macule.records.store.pictures import PictureStore
from macule.records.store.scrub import scrub

ROUNDS = 60


def photo() -> bytes:
    """A JPEG of 3 MB, 12 megapixels, with a place in its EXIF."""
    rng = np.random.default_rng(0)
    small = rng.normal(150, 40, (750, 1000, 3)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(small).resize((4000, 3000), Image.Resampling.BICUBIC)
    place = Image.Exif()
    place.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 12.5)})
    for quality in range(95, 20, -1):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, exif=place)
        if buffer.tell() <= 3_000_000:
            break
    return buffer.getvalue()


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        folder, content = Path(name), photo()
        store = PictureStore(str(folder / "pictures"), seals=KeyRing.create(folder / "keys"))
        times: dict[str, list[float]] = {}
        for number in range(ROUNDS):
            picture, plain = content + number.to_bytes(4, "big"), folder / f"plain-{number}"
            address = hashlib.sha256(picture).hexdigest()

            def durably(path: Path = plain, bytes_: bytes = picture) -> None:
                write_new(path, bytes_)
                sync_folder(folder)

            steps: dict[str, Callable[[], object]] = {
                "plain write": lambda path=folder / "lazy", bytes_=picture: path.write_bytes(bytes_),  # type: ignore[misc]
                "plain write, synced": durably,
                "put": lambda bytes_=picture: store.put(bytes_),  # type: ignore[misc]
                "plain read": plain.read_bytes,
                "get": lambda wanted=address: store.get(wanted),  # type: ignore[misc]
                "scrub": lambda: scrub(content),
                "decode": lambda: decode(content),
            }
            for what, work in steps.items():
                times.setdefault(what, []).append(timed(work))
            plain.unlink()
            store.delete(address)
            os.sync()
    medians = {what: round(statistics.median(each), 2) for what, each in times.items()}
    ratios = {
        "put / plain write, synced": medians["put"] / medians["plain write, synced"],
        "put / plain write": medians["put"] / medians["plain write"],
        "get / plain read": medians["get"] / medians["plain read"],
        "scrub / decode": medians["scrub"] / medians["decode"],
    }
    rounded = {what: round(ratio, 2) for what, ratio in ratios.items()}
    print(json.dumps({"bytes": len(content), "ms": medians, "ratios": rounded}, indent=1))


if __name__ == "__main__":
    main()
