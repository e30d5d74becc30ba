"""What the usual names of folders mean: a split, normal, abnormal, or where something is marked."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

__all__ = ["Split", "folded", "means_abnormal", "means_masks", "means_normal", "means_split", "plain"]

Split = Literal["train", "val", "test"]

_SPLITS: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trains", "trn"), "train"),
    **dict.fromkeys(("val", "vals", "valid", "validation", "validate", "validating", "dev"), "val"),
    **dict.fromkeys(("test", "tests", "testing", "tst", "eval", "evaluation", "holdout"), "test"),
}
_SET = re.compile(  # what says nothing in trainset, test_data, normal cases
    r"(?:set|data|dataset|images?|imgs?|split|folder|files?|samples?|parts?|cases?|patients?|films?|scans?|xrays?)+$"
)

_NORMAL_WORDS = """
normal normals norm good goods ok oks okay okey healthy health negative neg control controls pass passed
clean fine intact perfect undamaged uninfected unaffected flawless faultless defectfree anomalyfree
diseasefree healthycontrol healthycontrols nofinding nofindings withoutfinding wnl nondefective nondefect
iok io gut gesund unauffaellig unauffällig ohnebefund fehlerfrei sain sains bueno buenos sano buono
"""
_NORMAL = frozenset(_NORMAL_WORDS.split())
_ABNORMAL_WORDS = """
abnormal abnormals abnormality anomaly anomalies anomalous anomal bad ko nok notok ng nio nogood defect
defects defective defected faulty fault faults broken damage damaged reject rejected rejects fail failed
failure crack cracks cracked scratch scratched hole contamination ill sick disease diseased diseases
unhealthy positive pos infected infection lesion lesions tumor tumors tumour tumours cancer cancerous
malignant glioma meningioma pituitary pneumonia bacteria virus viral covid covid19 tb tuberculosis opacity
effusion fracture fractured hemorrhage haemorrhage stroke demented parasitized parasitised dr pathology
pathological pathologic finding findings schlecht krank defekt fehler
"""
_ABNORMAL = frozenset(_ABNORMAL_WORDS.split())
_MASKS_WORDS = """
mask masks groundtruth gt segmentation segmentations annotation annotations
"""
_MASKS = frozenset(_MASKS_WORDS.split())
_NO = ("no", "non", "not", "without", "ohne", "un", "free")


def plain(name: str) -> str:
    """Return ``name`` in one form: composed (NFKC), lower case, letters and digits alone."""
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def folded(text: str) -> str:
    """Return ``text`` in one case and composed, so that names which people read alike are equal."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def means_split(name: str) -> Split | None:
    """``train``, ``val`` or ``test`` for the usual names of these in any case, such as ``Training_Set``."""
    word = plain(name).strip("0123456789")
    return _SPLITS.get(word) or _SPLITS.get(_SET.sub("", word))


def means_normal(name: str) -> bool:
    """Whether a folder of this name usually holds normals: ``NORMAL``, ``good``, ``No Finding`` ..."""
    word = plain(name)
    return word in _NORMAL or _denies(name, word) or _without_number(name) in _NORMAL


def means_abnormal(name: str) -> bool:
    """Whether a folder of this name usually holds what is no normal."""
    if means_normal(name):
        return False
    words = _words(name)
    return plain(name) in _ABNORMAL or any(word in _ABNORMAL for word in words) or _denies_normal(words)


def means_masks(name: str) -> bool:
    """Whether a folder of this name usually holds marks of where something is, and no images."""
    return plain(name) in _MASKS


def _denies(name: str, word: str) -> bool:
    """``No_Tumor``, ``notumor``, ``non-defective``: the absence of what is abnormal."""
    words = _words(name)
    if len(words) > 1 and words[0] in _NO:
        return "".join(words[1:]) in _ABNORMAL
    if len(words) > 1 and words[-1] == "free":
        return "".join(words[:-1]) in _ABNORMAL
    return any(word.startswith(no) and word[len(no) :] in _ABNORMAL for no in _NO)


def _denies_normal(words: list[str]) -> bool:
    """``not_ok``, ``non normal``."""
    joined = "".join(words)
    apart = len(words) > 1 and words[0] in _NO and "".join(words[1:]) in _NORMAL
    return apart or any(joined.startswith(no) and joined[len(no) :] in _NORMAL for no in _NO)


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", name))
    return [word for word in re.split(r"[\W_]+", spaced.casefold()) if word]


def _without_number(name: str) -> str:
    """``0_normal`` and ``normal images`` without the number and the word that say nothing."""
    words = [word for word in _words(name) if not word.isdigit()]
    if len(words) > 1 and _SET.fullmatch(words[-1]):
        words = words[:-1]
    return "".join(words)
