"""Procedural pictures with known defects: chest films and surfaces, drawn from a seed alone.

No picture is read from anywhere: training, examples and tests can run on these without data.
"""

from keras_sranogan.data.phantom.chest import LESIONS, render_abnormal, render_normal
from keras_sranogan.data.phantom.image import PhantomImage
from keras_sranogan.data.phantom.source import PhantomOptions, PhantomSource
from keras_sranogan.data.phantom.texture import DEFECTS, KINDS, render_texture_defect, render_texture_normal

__all__ = [
    "DEFECTS",
    "KINDS",
    "LESIONS",
    "PhantomImage",
    "PhantomOptions",
    "PhantomSource",
    "render_abnormal",
    "render_normal",
    "render_texture_defect",
    "render_texture_normal",
]
