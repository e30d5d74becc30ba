"""What a film shows, and from where, as codes say it: in the words of BodyPartExamined and ViewPosition.

Enhanced and DX objects may leave these two empty and state AnatomicRegionSequence and ViewCodeSequence
instead. Codes are looked up in pydicom's dictionaries: SNOMED CT, or SNOMED RT as older devices write it.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from sranogan_edge.image.dicom_groups import items_of, of_all_frames
from sranogan_edge.image.dicom_object import text_of

__all__ = ["body_part_of", "view_of"]

_VIEWS = {  # concept of CID 4010 and 4014: ViewPosition (PS3.3, C.8.1.1.1 and C.8.11.7)
    **{"AnteroPosterior": "AP", "PosteroAnterior": "PA", "LeftLateral": "LL", "RightLateral": "RL"},
    **{"CranioCaudal": "CC", "MedioLateralObliqueProjection": "MLO", "MedioLateralProjection": "ML"},
    **{"LateroMedial": "LM", "LateralMedial": "LM", "LateroMedialOblique": "LMO", "CaudoCranial": "FB"},
    "SuperolateralToInferomedialOblique": "SIO",
    "InferomedialToSuperolateralOblique": "ISO",
    "CranioCaudalExaggeratedLaterally": "XCCL",
    "CranioCaudalExaggeratedMedially": "XCCM",
}
_PARTS = {  # concept of CID 4009 and 4031: BodyPartExamined (PS3.16, annex L); others: the concept's own name
    **{"CervicalSpine": "CSPINE", "CervicoThoracicSpine": "CTSPINE", "ThoracicSpine": "TSPINE"},
    **{"ThoracoLumbarSpine": "TLSPINE", "LumbarSpine": "LSPINE", "LumboSacralSpine": "LSSPINE"},
    **{"AcromioclavicularJoint": "ACJOINT", "SacroiliacJoint": "SIJOINT", "SternoclavicularJoint": "SCJOINT"},
    **{"AnkleJoint": "ANKLE", "ElbowJoint": "ELBOW", "HipJoint": "HIP", "WristJoint": "WRIST"},
    **{"TemporomandibularJoint": "TMJ", "JawRegion": "JAW", "InternalAuditoryCanal": "IAC"},
    **{"OrbitalStructure": "ORBIT", "EyeRegion": "EYE", "EntireBody": "WHOLEBODY"},
    **{"AbdomenAndPelvis": "ABDOMENPELVIS", "ChestAndAbdomen": "CHESTABDOMEN", "HeadAndNeck": "HEADNECK"},
    **{"ChestAbdomenAndPelvis": "CHESTABDPELVIS", "NeckAndChest": "NECKCHEST"},
    **{"NeckChestAndAbdomen": "NECKCHESTABDOMEN", "NeckChestAbdomenAndPelvis": "NECKCHESTABDPELV"},
}
_OLDER = {  # codes of earlier editions of the standard: scheme, value, concept
    ("SRT", "R-10214", "PosteroAnterior"),
    ("SCT", "51185008", "Chest"),
    ("SCT", "113345001", "Abdomen"),
    ("SCT", "12921003", "Pelvis"),
    ("SCT", "416949008", "AbdomenAndPelvis"),
    ("SCT", "416550000", "ChestAndAbdomen"),
    ("SCT", "416775004", "ChestAbdomenAndPelvis"),
    ("SCT", "417437006", "NeckAndChest"),
}
_SNOMED_RT = {"SNM3", "99SDM", "SRT"}  # what its codes have been called
_VIEW_CIDS, _PART_CIDS = ("cid4010", "cid4014"), ("cid4009", "cid4031")


def view_of(dataset: Dataset) -> str:
    """ViewPosition, else what ViewCodeSequence says: its term, else the code's meaning; empty without one."""
    if stated := text_of(dataset, "ViewPosition"):
        return stated
    for code in items_of(dataset, "ViewCodeSequence")[:1]:
        concept, meaning = _concept(code, _VIEW_CIDS)
        return _VIEWS.get(concept) or meaning
    return ""


def body_part_of(dataset: Dataset) -> str:
    """BodyPartExamined, else what AnatomicRegionSequence says, of the object or of its frames."""
    if stated := text_of(dataset, "BodyPartExamined"):
        return stated
    frames = [macro for group in of_all_frames(dataset) for macro in items_of(group, "FrameAnatomySequence")]
    for holder in (dataset, *frames):
        for code in items_of(holder, "AnatomicRegionSequence")[:1]:
            concept, meaning = _concept(code, _PART_CIDS)
            return _PARTS.get(concept) or concept.upper() or meaning
    return ""


def _concept(code: Dataset, cids: tuple[str, ...]) -> tuple[str, str]:
    """DICOM's name of a coded concept, empty where it is not in ``cids``; and its meaning in capitals."""
    from pydicom.sr.codedict import codes  # takes half a second, and few films need it
    from pydicom.sr.coding import Code

    scheme = text_of(code, "CodingSchemeDesignator")
    wanted = Code(text_of(code, "CodeValue"), "SRT" if scheme in _SNOMED_RT else scheme, "")
    older = next((name for said, value, name in _OLDER if Code(value, said, "") == wanted), "")
    for cid in cids:
        for name, known in getattr(codes, cid).concepts.items():
            if name == older or known == wanted:
                return name, str(known.meaning).upper()
    return "", text_of(code, "CodeMeaning").upper()
