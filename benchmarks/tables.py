"""Write README's table of figures from a result of ``benchmarks/quality.py``, and check that it is current.

::

    python benchmarks/tables.py            # write
    python benchmarks/tables.py --check    # exit code 1 where README differs from the results
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "chest_xray_val_seed0.json"
BEGIN, END = "<!-- table:begin", "<!-- table:end -->"


NOTES = """
{keras[n_normal]} normal and {keras[n_abnormal]} pneumonia films (`val` of `chest_xray`), `standard`
preset, seed {seed}, {provenance[normals_to_train]} normals to train on and
{provenance[normals_held_out]} held out; training took {training_minutes[total]:.0f} minutes on 2 cores
({provenance[machine][cpu]}). Sensitivity and specificity are at the threshold that held-out normals set
for 5 % false alarms. Designs were chosen on these very films, and this split is known to flatter: expect
less elsewhere.

On held-out normals, super-resolution against bicubic enlargement: PSNR {resolved[psnr_db]:.2f} against
{bicubic[psnr_db]:.2f} dB, SSIM {resolved[ssim]:.3f} against {bicubic[ssim]:.3f}, sharpness
{resolved[sharpness]:.2f} against {bicubic[sharpness]:.2f} (1: as sharp as the films). The search lowers
its loss from {search[start]:.0f} to {search[end]:.0f}, in {search[images_improved]:.0%} of the films.
Mean score by class, int8: {ours}; plain AnoGAN, float32: {anogan}. The bundle has {mebibytes:.1f} MiB.
"""
HEADER = """| | AUROC (95 % interval) | low-pass control | sensitivity | specificity |
|---|---|---|---|---|"""


def table(result: dict[str, Any]) -> str:
    """Return the Markdown of one result."""
    keras = result["keras"]
    rows = [
        HEADER,
        _row("SR-AnoGAN, Keras float32", keras),
        _row("**SR-AnoGAN, int8 on the edge runner**", result["int8"]),
        f"| plain AnoGAN, the same generator | {_with_interval(keras, 'anogan_auroc')} | | | |",
    ]
    for key in ("laplacian_32", "intensity_mean"):
        baseline = keras["baselines"][key]
        name = f"no model: {baseline['meaning']} ({baseline['direction']})"
        rows.append(f"| {name} | {baseline['auroc']:.3f} | {baseline['auroc_low_pass']:.3f} | | |")
    return "\n".join(rows) + "\n" + _notes(result)


def _row(name: str, figures: dict[str, Any]) -> str:
    rates = f"{figures['sensitivity']:.3f} | {figures['specificity']:.3f}"
    return f"| {name} | {_with_interval(figures, 'auroc')} | {figures['auroc_low_pass']:.3f} | {rates} |"


def _with_interval(figures: dict[str, Any], key: str) -> str:
    low, high = figures[f"{key}_ci"]
    return f"{figures[key]:.3f} ({low:.3f} to {high:.3f})"


def _notes(result: dict[str, Any]) -> str:
    quality = result["reconstruction_quality"]
    return NOTES.format(
        **result,
        resolved=quality["super_resolution"],
        bicubic=quality["bicubic"],
        search=quality["search_loss"],
        ours=_means(result["int8"], "sr_anogan", ".2f"),
        anogan=_means(result["keras"], "anogan", ",.0f"),
        mebibytes=result["export"]["bundle_bytes"] / 2**20,
    )


def _means(figures: dict[str, Any], method: str, form: str) -> str:
    return ", ".join(f"{name} {one[method]['mean']:{form}}" for name, one in figures["per_class"].items())


def updated(readme: str, content: str) -> str:
    """Return ``readme`` with ``content`` between the markers."""
    before, rest = readme.split(BEGIN, 1)
    line, rest = rest.split("\n", 1)
    return f"{before}{BEGIN}{line}\n{content}{END}{rest.split(END, 1)[1]}"


def main(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 where it differs.")] = False,
) -> None:
    """Bring README's table up to date."""
    readme = ROOT / "README.md"
    text = readme.read_text()
    new = updated(text, table(json.loads(RESULT.read_text())))
    if check:
        raise typer.Exit(int(new != text))
    readme.write_text(new)


if __name__ == "__main__":
    typer.run(main)
