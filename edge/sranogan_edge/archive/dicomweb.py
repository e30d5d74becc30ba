"""A DICOM archive by DICOMweb: listed by QIDO-RS, study after study, fetched by WADO-RS.

A server that is busy or fails is asked again after a while; one that goes on to fail ends the run, which the
same command goes on with. What it sends is decoded as any file is, in a process of its own.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email.message import Message
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import requests
from dicomweb_client.api import DICOMwebClient
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from sranogan_edge.archive.item import Content, Item, file_of
from sranogan_edge.errors import FeedError, OversizedImageError, SettingsError, UnreadableImageError

__all__ = ["AUTHORIZATION", "DicomWebSource"]

AUTHORIZATION = "SRANOGAN_DICOMWEB_AUTHORIZATION"  # in the environment: the header's value
STUDIES, INSTANCES = 100, 500  # of a page
CONNECT_S, SILENT_S = 10.0, 60.0
TRIES, FIRST_WAIT_S = 6, 0.5  # 0.5 + 1 + 2 + 4 + 8 seconds
BUSY = (408, 429, 500, 502, 503, 504)
MOST_BYTES = 512 * 2**20  # of one instance
_STUDY, _SERIES, _INSTANCE = "0020000D", "0020000E", "00080018"
_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'


class DicomWebSource:
    """A server's studies, or those that a query finds: ``http://HOST/dicom-web?ModalitiesInStudy=DX``.

    A server has no order that holds while studies come, so what is known is left out by its name.
    """

    def __init__(self, url: str) -> None:
        """Name the server; nothing is asked yet. Raises SettingsError where it is none."""
        split = urlsplit(url)
        if split.scheme not in ("http", "https") or not split.hostname:
            raise SettingsError(f"dicomweb:{url}: name the server as dicomweb:https://HOST/dicom-web")
        if "@" in split.netloc:
            raise SettingsError(
                f"dicomweb:{split.scheme}://...: a password in the address would stand in results. Put the "
                f"header's value, such as 'Bearer ...', into {AUTHORIZATION} in the environment."
            )
        self._url = urlunsplit((split.scheme, split.netloc, split.path.rstrip("/"), "", ""))
        self._query = dict(parse_qsl(split.query))
        self._session = _session()
        self._client = DICOMwebClient(self._url, session=self._session, timeout=(CONNECT_S, SILENT_S))
        self._client.set_http_retry_params(retry=False)  # the session does
        asked = f"?{split.query}" if split.query else ""
        self.identity = f"DICOMweb server {self._url}{asked}"
        self.passed_over: Counter[str] = Counter()

    def items(self, after: Item | None, known: Iterable[Item]) -> Iterator[Item]:
        """List the instances (:class:`sranogan_edge.archive.item.Source`)."""
        seen = {_digest(item.name) for item in known}
        for study in self._pages(STUDIES, lambda page: self._client.search_for_studies(**page), self._query):
            uid = _uid(study, _STUDY)
            for one in self._pages(
                INSTANCES, lambda page, uid=uid: self._client.search_for_instances(uid, **page)
            ):
                place = uid, _uid(one, _SERIES), _uid(one, _INSTANCE)
                name = f"{self._url}/studies/{place[0]}/series/{place[1]}/instances/{place[2]}"
                if (digest := _digest(name)) not in seen:
                    seen.add(digest)
                    yield Item(name, place)

    def open(self, items: Sequence[Item]) -> Iterator[Content]:
        """Fetch instances (:class:`sranogan_edge.archive.item.Source`)."""
        for item in items:
            yield self._fetched(item.name)

    def _pages(self, size: int, ask: Any, query: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield what a search finds, page after page, until one is empty."""
        offset = 0
        while True:
            page = {"limit": size, "offset": offset, **({"search_filters": dict(query)} if query else {})}
            try:
                found = ask(page)
            except (requests.RequestException, ValueError) as error:
                raise self._out_of_reach(error) from error
            yield from found
            offset += len(found)
            if not found:
                return

    def _fetched(self, url: str) -> Content:
        headers, times = {"Accept": _ACCEPT}, (CONNECT_S, SILENT_S)
        try:
            with self._session.get(url, headers=headers, timeout=times, stream=True) as answer:
                if answer.status_code in (404, 410):
                    return UnreadableImageError(f"{url}: the server has it no more ({answer.status_code}).")
                if answer.status_code == 406:
                    return UnreadableImageError(
                        f"{url}: the server does not send it as a DICOM object (406)."
                    )
                answer.raise_for_status()
                data = bytearray()
                for piece in answer.iter_content(2**20):
                    data += piece
                    if len(data) > MOST_BYTES:
                        return OversizedImageError(
                            f"{url}: more than the {MOST_BYTES:,} bytes that are taken of one instance."
                        )
                return _first_part(bytes(data), answer.headers.get("Content-Type", ""), url)
        except requests.RequestException as error:
            raise self._out_of_reach(error) from error

    def _out_of_reach(self, error: Exception) -> FeedError:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            return FeedError(
                f"{self._url}: refuses this client ({status}). Put the header's value, such as 'Bearer ...', "
                f"into {AUTHORIZATION} in the environment; the same command goes on."
            )
        why = " ".join(str(error).split())[:300]
        return FeedError(f"{self._url}: cannot be asked ({why}). Is it reachable? The same command goes on.")


def _session() -> requests.Session:
    """Return a session that asks again, later and later, where a server is busy or fails."""
    session = requests.Session()
    retry = Retry(
        total=TRIES,
        backoff_factor=FIRST_WAIT_S,
        backoff_jitter=FIRST_WAIT_S,
        status_forcelist=BUSY,
        allowed_methods=None,
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    if value := os.environ.get(AUTHORIZATION):
        session.headers["Authorization"] = value
    return session


def _first_part(data: bytes, content_type: str, url: str) -> Content:
    """The DICOM object in a multipart answer; as it is, where the server sends it alone."""
    said = Message()
    said["Content-Type"] = content_type
    if said.get_content_type() == "application/dicom":
        return file_of(data)
    boundary = said.get_param("boundary")
    begin = data.find(b"\r\n\r\n")
    if said.get_content_maintype() != "multipart" or not isinstance(boundary, str) or begin < 0:
        return UnreadableImageError(f"{url}: the server answers {content_type!r}, which is no DICOM object.")
    end = data.rfind(b"\r\n--" + boundary.encode())
    if end < begin:
        return UnreadableImageError(f"{url}: the server's answer is cut off. Fetch it again.")
    return file_of(data[begin + 4 : end])


def _uid(found: Mapping[str, Any], tag: str) -> str:
    try:
        return str(found[tag]["Value"][0])
    except (KeyError, IndexError, TypeError) as error:
        raise FeedError(f"the DICOMweb server's list lacks {tag}: it is not QIDO-RS") from error


def _digest(name: str) -> bytes:
    return sha256(name.encode()).digest()[:16]
