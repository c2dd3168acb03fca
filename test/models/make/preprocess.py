"""The preprocessing that every release of this model declares, with Pillow as the reference."""
import math

import numpy as np
from PIL import Image, ImageOps

SIZE = 224
CROP_FRACTION = 0.875
MEAN, STD = 127.0, 128.0


def half_up(x: float) -> int:
    """JavaScript's Math.round, which is not Python's round."""
    return math.floor(x + 0.5)


def decode(source) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(source)).convert('RGB')


def centre_crop(image: Image.Image, filter=Image.Resampling.BILINEAR, fraction: float = CROP_FRACTION) -> Image.Image:
    short = half_up(SIZE / fraction)
    width, height = image.size
    if width <= height:
        width, height = short, half_up(height * short / width)
    else:
        width, height = half_up(width * short / height), short
    resized = image.resize((width, height), filter)
    left, top = (width - SIZE) // 2, (height - SIZE) // 2
    return resized.crop((left, top, left + SIZE, top + SIZE))


def normalise(image: Image.Image) -> np.ndarray:
    pixels = (np.asarray(image, np.float32) - np.float32(MEAN)) / np.float32(STD)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]


def tensor(source) -> np.ndarray:
    return normalise(centre_crop(decode(source)))
