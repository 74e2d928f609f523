"""Does a network answer alike on another processor? ONNX Runtime and numpy only, so that an emulator can run it.

    python benchmarks/processor.py model.onnx --write here.npz
    qemu-x86_64 -cpu Haswell $(readlink -f $(which python)) benchmarks/processor.py model.onnx --against here.npz

Haswell has AVX2 and no VNNI. Drawn noise of several contrasts stands for pictures; `--pictures FILE` takes an npz file
with the arrays image, (N, 3, S, S), and patient, (N, 13), float32, as the network reads them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime as ort


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--write", type=Path, help="keep the logits here")
    parser.add_argument("--against", type=Path, help="compare with these")
    given = parser.parse_args()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(given.model), options, providers=["CPUExecutionProvider"])
    size = next(each.shape[-1] for each in session.get_inputs() if each.name == "image")
    if given.pictures:
        with np.load(given.pictures) as kept:
            images, patients = kept["image"], kept["patient"]
    else:
        rng = np.random.default_rng(0)
        contrasts = np.linspace(0.1, 0.8, 6)[:, None, None, None]
        images = np.clip(rng.normal(0.3, 1, (6, 3, size, size)) * contrasts, -1, 1).astype(np.float32)
        patients = np.zeros((6, 13), np.float32)
    logits = np.concatenate([session.run(["logits"], {"image": images[n:n + 1], "patient": patients[n:n + 1]})[0]
                             for n in range(len(images))])
    if given.write:
        np.savez(given.write, logits=logits)
    if given.against:
        with np.load(given.against) as kept:
            away = np.abs(logits - kept["logits"])
        print(f"{len(images)} pictures, logits differ by {away.mean():.4f} on average, {away.max():.4f} at most")


if __name__ == "__main__":
    main()
