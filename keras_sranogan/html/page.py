"""Pages that load nothing, and writing them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from keras_sranogan.html.text import interval, number
from sranogan_edge.errors import ResultsError
from sranogan_edge.files import write_json


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


@dataclass(frozen=True)
class Places:
    """Where results are written; None: not at all."""

    json: Path | None = None
    report: Path | None = None
    pictures: Path | None = None
    card: Path | None = None

    @property
    def show_pictures(self) -> bool:
        """Whether pictures are to be drawn."""
        return bool(self.report or self.pictures)

    def make_folders(self) -> None:
        """Make the folders that are missing; raises ResultsError before any time is spent."""
        files = (self.json, self.report, self.card)
        with _writing():
            for folder in (*(file.parent for file in files if file), *filter(None, [self.pictures])):
                folder.mkdir(parents=True, exist_ok=True)

    def write(
        self, figures: Mapping[str, Any], drawn: Mapping[str, bytes], **texts: Callable[[], str]
    ) -> None:
        """Write figures, pictures by file name, and ``texts`` by place; raises ResultsError."""
        with _writing():
            if self.pictures:
                for name, png in drawn.items():
                    (self.pictures / name).write_bytes(png)
            for name, text in texts.items():
                if place := getattr(self, name):
                    place.write_text(text(), encoding="utf-8")
            if self.json:
                write_json(self.json, figures)


@contextmanager
def _writing() -> Iterator[None]:
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
