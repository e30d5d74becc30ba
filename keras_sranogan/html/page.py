"""Pages that load nothing, and writing them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from keras_sranogan.html.text import interval, number
from sranogan_edge.errors import ResultsError


def render_page(template: str, pictures: Mapping[str, bytes], **values: object) -> str:
    """Return an HTML page; pictures (PNG bytes by file name) are embedded, nothing else is loaded."""
    environment = Environment(
        loader=PackageLoader("keras_sranogan.html", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "interval": interval, "plain_json": plain_json}
    embedded = {name: base64.b64encode(png).decode() for name, png in pictures.items()}
    return environment.get_template(template).render(pictures=embedded, **values)


def make_folders(*files: Path | None, folder: Path | None) -> None:
    """Make the folders of ``files``, and ``folder``; raises ResultsError before any time is spent."""
    with writing_results():
        for wanted in (*(file.parent for file in files if file), *([folder] if folder else [])):
            wanted.mkdir(parents=True, exist_ok=True)


@contextmanager
def writing_results() -> Iterator[None]:
    """Turn what goes wrong while results are written into a ResultsError."""
    try:
        yield
    except OSError as error:
        raise ResultsError(
            f"cannot write {error.filename or 'the results'}: {error.strerror}. "
            "Free some space or name another place."
        ) from error


def plain_json(value: object) -> str:
    """Indented JSON of settings and the like."""
    return json.dumps(value, indent=2, ensure_ascii=False)
