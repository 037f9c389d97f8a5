#!/usr/bin/env python3
"""Makes a folder for `upres-host evaluate --on` as a webcam would have seen it: blur, noise of the sensor, JPEG 4:2:0.

    python3 benches/camera_set.py ORIGINALS OUT [--scale 2]

Every picture of ORIGINALS is cut to multiples of 4 (OUT/HR) and made small (OUT/LR_xN): Gaussian blur of 0.2 to 0.6
small pixels, bicubic, noise of up to 6 levels that grows with brightness, and JPEG of quality 55 to 95. The draws are those
of seed 7, in the order of the names. Written without the trainer's own code, so that it judges and does not repeat it.
Needs numpy and Pillow.
"""
import argparse
import io
import pathlib

import numpy as np
from PIL import Image, ImageFilter


def seen(picture, scale, random):
    """What is left of `picture` behind the camera."""
    blurred = picture.filter(ImageFilter.GaussianBlur(scale * float(random.uniform(0.2, 0.6))))
    small = blurred.resize((picture.width // scale, picture.height // scale), Image.BICUBIC)
    levels = np.asarray(small).astype(float)
    noise = 6 * random.uniform() * random.uniform() * (0.4 + 0.6 * np.sqrt(levels / 255))
    levels += noise * 0.7 * (random.normal(size=levels.shape[:2] + (1,)) + random.normal(size=levels.shape))
    small = Image.fromarray(np.clip(np.round(levels), 0, 255).astype(np.uint8))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=int(random.integers(55, 96)), subsampling=2)
    return Image.open(file).convert("RGB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("originals", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--scale", type=int, default=2)
    options = parser.parse_args()
    large, small = options.out / "HR", options.out / f"LR_x{options.scale}"
    for folder in (large, small):
        folder.mkdir(parents=True)
    random = np.random.default_rng(7)
    for path in sorted(options.originals.glob("*.png")):
        picture = Image.open(path).convert("RGB")
        picture = picture.crop((0, 0, *(side // 4 * 4 for side in picture.size)))
        picture.save(large / path.name)
        seen(picture, options.scale, random).save(small / path.name)


if __name__ == "__main__":
    main()
