"""The receiver takes every kind of object that it was told to, in every syntax that is decoded here."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pynetdicom", reason="the extra dicom is not installed")
import pydicom
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEGExtended12Bit
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode

from sranogan_edge.errors import SettingsError
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.image.dicom_decoders import decodable
from sranogan_edge.image.dicom_pixels import CR, DX, decode_dicom
from tests.support.dicom_peer import CT, Shelf, receiving

IMAGE = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
VERIFICATION = "1.2.840.10008.1.1"
PRIVATE, RETIRED = "1.3.6.1.4.1.99999.5.1", "1.2.840.10008.5.1.4.1.1.12.3"
Make = Callable[..., bytes]


@pytest.mark.parametrize("kind", [PRIVATE, RETIRED])
def test_private_and_retired_kinds_are_taken_beside_others(make_dicom: Make, kind: str) -> None:
    """An object of a kind that the library does not know is stored, and so is the next one after it."""
    shelf = Shelf()
    with receiving(shelf, sop_classes=(DX, kind)) as receiver:
        scanner = AE("XRAY1")
        for one in (DX, kind):
            scanner.add_requested_context(one)
        association = scanner.associate("127.0.0.1", receiver.port, ae_title="SRANOGAN")
        statuses = []
        for sop_class in (kind, DX, kind):
            sent = pydicom.dcmread(io.BytesIO(make_dicom(IMAGE, SOPClassUID=sop_class)))
            statuses.append(association.send_c_store(sent).get("Status"))
        assert association.is_established
        association.release()
    assert statuses == [0, 0, 0]
    assert [identity["sop_class_uid"] for _, identity in shelf.kept] == [kind, DX, kind]
    np.testing.assert_array_equal(decode_dicom(shelf.kept[0][0], source="x")[0].pixels, IMAGE)


@pytest.mark.parametrize("wrong", ["CR", "1.2..3", "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.31"])
def test_what_is_no_kind_of_object_is_refused_at_the_start(wrong: str) -> None:
    """A name, a broken UID and a service's UID are no kinds of object."""
    with pytest.raises(SettingsError, match="sop_classes are UIDs"):
        DicomFeedSettings("dicom:0", any_caller=True, sop_classes=(DX, wrong)).open()


@pytest.mark.parametrize("known", [True, False])
def test_12_bit_jpeg_is_negotiated_where_it_is_decoded(known: bool) -> None:
    """JPEG Extended is accepted where a 12-bit sample of it decodes, else only what is plain."""
    decoder = get_decoder(JPEGExtended12Bit)
    removed = {name: decoder._available[name] for name in decoder.available_plugins if name != "pillow"}
    if known and not removed:
        pytest.skip("the extra dicom-jpeg is not installed")
    decodable.cache_clear()
    try:
        for name in () if known else removed:
            del decoder._available[name]
        with receiving(Shelf()) as receiver:
            scanner = AE("XRAY1")
            scanner.add_requested_context(DX, JPEGExtended12Bit)
            scanner.add_requested_context(DX)
            association = scanner.associate("127.0.0.1", receiver.port, ae_title="SRANOGAN")
            accepted = {context.transfer_syntax[0] for context in association.accepted_contexts}
            association.release()
    finally:
        decoder._available.update(removed)
        decodable.cache_clear()
    assert (JPEGExtended12Bit in accepted) is known
    assert len(accepted) == 1 + known


@pytest.mark.parametrize("over", [CR, VERIFICATION, DX])
@pytest.mark.parametrize("kind", [CT, DX])
def test_a_kind_comes_by_its_own_context_only(make_dicom: Make, over: str, kind: str) -> None:
    """An object that is sent over the context of another kind, or of none, is not stored."""
    shelf = Shelf()
    with receiving(shelf) as receiver:
        scanner = AE("XRAY1")
        for one in (CR, DX, VERIFICATION):
            scanner.add_requested_context(one)
        association = scanner.associate("127.0.0.1", receiver.port, ae_title="SRANOGAN")
        by = {str(context.abstract_syntax): context for context in association.accepted_contexts}
        sent = pydicom.dcmread(io.BytesIO(make_dicom(IMAGE, SOPClassUID=kind)))
        syntax = by[over].transfer_syntax[0]
        request = C_STORE()
        request.MessageID, request.Priority = 1, 2
        request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = kind, sent.SOPInstanceUID
        encoded = encode(sent, syntax.is_implicit_VR, syntax.is_little_endian)
        assert encoded
        request.DataSet = io.BytesIO(encoded)
        association._reactor_checkpoint.clear()  # as the library's own send_c_store does
        association.dimse.send_msg(request, by[over].context_id or 0)
        answer: Any = association.dimse.get_msg(block=True)[1]
        association._reactor_checkpoint.set()
        association.release()
    assert (answer.Status, len(shelf.kept)) == ((0x0000, 1) if over == kind else (0x0122, 0))
