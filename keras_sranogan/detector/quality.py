"""How good reconstructions are: on held-out normals, against bicubic and against the search's start."""

from __future__ import annotations

import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_sranogan.detector.reconstruct import Reconstructions, bicubic
from sranogan_edge.scoring.residual import gradient_magnitude

Images = NDArray[np.float32]


def image_quality(x: Images, made: Images) -> dict[str, float]:
    """Return mean PSNR (dB), mean SSIM, mean L1, and sharpness of ``made`` against ``x`` ``(N, S, S, 1)``.

    Sharpness is the mean Sobel gradient magnitude relative to that of ``x``: 1 is as sharp as the images.
    """
    sharpness = [np.mean(gradient_magnitude(m[..., 0])) for m in made]
    reference = [np.mean(gradient_magnitude(image[..., 0])) for image in x]
    return {
        "psnr_db": float(np.mean(_psnr_db(x, made))),
        "ssim": float(np.mean(ops.image.ssim(x, made, data_format="channels_last"))),
        "l1": float(np.mean(np.abs(x - made))),
        "sharpness": float(np.mean(sharpness) / np.mean(reference)),
    }


def _psnr_db(x: Images, made: Images) -> NDArray[np.float32]:
    """Of each image; infinite where ``made`` equals ``x``."""
    with np.errstate(divide="ignore"):
        return np.asarray(-10 * np.log10(np.mean(np.square(x - made), axis=(1, 2, 3))))


def reconstruction_quality(made: Reconstructions) -> dict[str, dict[str, float]]:
    """Compare super-resolution with bicubic enlargement of its input, and the search's end with its start."""
    return {
        "super_resolution": image_quality(made.x, made.resolved),
        "bicubic": image_quality(made.x, bicubic(made.refined)),
        "search_loss": {
            "start": float(made.start_loss.mean()),
            "end": float(made.search_loss.mean()),
            "images_improved": float(np.mean(made.search_loss < made.start_loss)),
        },
    }
