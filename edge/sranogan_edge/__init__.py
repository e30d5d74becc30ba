"""Scores images on the device with an SR-AnoGAN bundle: NumPy, OpenCV and LiteRT, no TensorFlow."""

__version__ = "0.1.0"  # of all three distributions: their pyproject.toml read it here
