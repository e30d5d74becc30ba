"""Sets of surfaces in the layouts that their authors ship: MVTec AD and LOCO, VisA, BTAD; drawn, and small.

Every normal is a noise of its own around one brightness; a defect is a bright box, and its mask the box.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HEIGHT, WIDTH = 48, 64
Box = tuple[int, int, int, int]  # top, left, height, width
SMALL: Box = (4, 6, 4, 5)
MEDIUM: Box = (20, 30, 8, 10)
LARGE: Box = (10, 12, 20, 30)


def surface(seed: int, box: Box | None = None, *, colour: bool = False) -> NDArray[np.uint8]:
    """Draw a surface, ``(HEIGHT, WIDTH)`` or in colour ``(HEIGHT, WIDTH, 3)``, bright inside of ``box``."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(100, 8, (HEIGHT, WIDTH, 3) if colour else (HEIGHT, WIDTH))
    if box:
        top, left, height, width = box
        pixels[top : top + height, left : left + width] += 120
    return np.asarray(pixels.clip(0, 255), np.uint8)


def marked(box: Box, value: int = 255) -> NDArray[np.uint8]:
    """Draw the mask of ``box``, ``(HEIGHT, WIDTH)``: ``value`` inside, 0 around."""
    top, left, height, width = box
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[top : top + height, left : left + width] = value
    return pixels


def write(path: Path, pixels: NDArray[np.uint8]) -> Path:
    """Write pixels in the format of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def mvtec(root: Path, *, train: int = 2, test: int = 2, colour: bool = False) -> Path:
    """MVTec AD, one product: ``crack`` with a small defect, ``stain`` with a medium and a large one."""
    for number in range(train):
        write(root / "train" / "good" / f"{number:03d}.png", surface(number, colour=colour))
    for number in range(test):
        write(root / "test" / "good" / f"{number:03d}.png", surface(100 + number, colour=colour))
    for defect, boxes in {"crack": [SMALL], "stain": [MEDIUM, LARGE]}.items():
        for number, box in enumerate(boxes):
            drawn = surface(200 + number, box, colour=colour)
            write(root / "test" / defect / f"{number:03d}.png", drawn)
            write(root / "ground_truth" / defect / f"{number:03d}_mask.png", marked(box))
    (root / "license.txt").write_text("as shipped")
    return root


def loco(root: Path) -> Path:
    """MVTec LOCO, one product: masks of several defects in a folder for each image, saturation thresholds."""
    for split, seed in (("train", 0), ("validation", 50), ("test", 100)):
        for number in range(2):
            write(root / split / "good" / f"{number:03d}.png", surface(seed + number))
    write(root / "test" / "logical_anomalies" / "000.png", surface(200, LARGE))
    write(root / "test" / "structural_anomalies" / "000.png", surface(201, SMALL))
    truth = root / "ground_truth"
    write(truth / "logical_anomalies" / "000" / "000.png", marked(LARGE, 255))
    write(truth / "logical_anomalies" / "000" / "001.png", marked(SMALL, 254))
    write(truth / "structural_anomalies" / "000" / "000.png", marked(SMALL, 253))
    config = [
        {
            "defect_name": name,
            "pixel_value": value,
            "saturation_threshold": threshold,
            "relative_saturation": relative,
        }
        for name, value, threshold, relative in (
            ("missing_part", 255, 100, False),
            ("extra_part", 254, 0.5, True),
            ("scratch", 253, 1.0, True),
        )
    ]
    (root / "defects_config.json").write_text(json.dumps(config))
    return root


def visa(root: Path, *objects: str, listed: bool = True) -> Path:
    """VisA: of each object ten normals and two anomalies, and the list of its split unless told otherwise."""
    lines = ["object,split,label,image,mask"]
    for name in objects:
        data = root / name / "Data"
        notes = ["image,label,mask"]
        for number in range(10):
            image = write(data / "Images" / "Normal" / f"{number:04d}.JPG", surface(number))
            split = "test" if number in (3, 7) else "train"
            lines.append(f"{name},{split},normal,{image.relative_to(root).as_posix()},")
            notes.append(f"{image.relative_to(root).as_posix()},normal,")
        for number, (box, types) in enumerate(((SMALL, "melt"), (LARGE, '"melt,bent"'))):
            image = write(data / "Images" / "Anomaly" / f"{number:03d}.JPG", surface(200 + number, box))
            mask = write(data / "Masks" / "Anomaly" / f"{number:03d}.png", marked(box, number + 1))
            at, masked = (path.relative_to(root).as_posix() for path in (image, mask))
            lines.append(f"{name},test,anomaly,{at},{masked}")
            notes.append(f"{at},{types},{masked}")
        (root / name / "image_anno.csv").write_text("\n".join(notes) + "\n")
    if listed:
        (root / "split_csv").mkdir()
        (root / "split_csv" / "1cls.csv").write_text("\n".join(lines) + "\n")
    return root


def btad(root: Path, image: str = ".bmp", mask: str = ".png") -> Path:
    """BTAD, one product: ``ok`` and ``ko``, images and masks of the kinds of file that are named."""
    for number in range(2):
        write(root / "train" / "ok" / f"{number:04d}{image}", surface(number))
        write(root / "test" / "ok" / f"{number:04d}{image}", surface(100 + number))
    for number, box in enumerate((SMALL, LARGE)):
        write(root / "test" / "ko" / f"{number:04d}{image}", surface(200 + number, box))
        write(root / "ground_truth" / "ko" / f"{number:04d}{mask}", marked(box))
    return root
