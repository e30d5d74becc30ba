"""What the commands of training share: what data they read, what they look at before a backend starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sranogan_edge.errors import SettingsError
from sranogan_edge.image.guard import DEFAULT_MAX_PIXELS
from sranogan_edge.image.image_list import told
from sranogan_edge.log import log_to_stderr
from sranogan_edge.terminal import say

if TYPE_CHECKING:
    from keras_sranogan.data.item import DataSource

__all__ = [
    "DATA_HELP",
    "Data",
    "Json",
    "MaxBadShare",
    "Mlflow",
    "NormalClass",
    "Page",
    "Pictures",
    "check_share",
    "looked_at",
    "opened",
    "start",
]

DATA_HELP = (
    "What to read: phantom (the built-in synthetic chest films; phantom:texture for surfaces), a folder of "
    "normal images, a folder root/{train,val,test}/{CLASS}, an MVTec, BTAD or VisA folder, or "
    "medmnist:pneumoniamnist. "
    "Other usual names of splits and normals are understood; what is not is refused."
)
Data = Annotated[str, typer.Argument(help=DATA_HELP)]
Json = Annotated[Path | None, typer.Option(help="Write all figures to this file.")]
Page = Annotated[Path | None, typer.Option(help="Write an HTML page with pictures.")]
Pictures = Annotated[Path | None, typer.Option(help="Write the pictures as PNG into this folder.")]
NormalClass = Annotated[
    str,
    typer.Option(
        help="Name of the class folder that holds the normals (NORMAL also: good, ok, healthy ...); * takes "
        "all images at any depth for normal."
    ),
]
Mlflow = Annotated[
    str | None,
    typer.Option(
        metavar="URI",
        help="Also log it with MLflow (extra mlflow): sqlite:///mlflow.db, http://HOST:5000 or file:///FOLDER.",
    ),
]
MaxBadShare = Annotated[float, typer.Option(help="Fail when more than this share of images is unreadable.")]


def start() -> None:
    """Start the backend that KERAS_BACKEND names."""
    from keras_sranogan.startup import start_backend

    say(*start_backend())
    _keep_warnings_short()  # again: a backend may have changed where they go


def opened(
    data: str, normal_class: str, verbose: bool, *, split: str, max_pixels: int = DEFAULT_MAX_PIXELS
) -> DataSource:
    """The data source, which has that split, once it was told what was passed over in it."""
    _keep_warnings_short()
    from keras_sranogan.data.open import open_source, passed_over_by

    source = open_source(data, normal_class=normal_class, max_pixels=max_pixels)
    source.items(split)
    say(*told(passed_over_by(source), verbose=verbose))
    return source


def _keep_warnings_short() -> None:
    """Libraries quote patients in warnings: tell them without their words."""
    log_to_stderr(text="%(message)s")


def looked_at(
    models: list[Path], data: str, normal_class: str, verbose: bool, split: str, max_bad_share: float
) -> DataSource:
    """The data source, once all that was named is known to be there."""
    from keras_sranogan.run_record import check_model, max_pixels_of

    check_share(max_bad_share)
    for model in models:
        check_model(model)
    most = max(map(max_pixels_of, models))
    return opened(data, normal_class, verbose, split=split, max_pixels=most)


def check_share(max_bad_share: float) -> None:
    """Raise SettingsError where that is no share."""
    if not 0 <= max_bad_share <= 1:
        raise SettingsError(f"--max-bad-share must be from 0 to 1; received {max_bad_share}")
