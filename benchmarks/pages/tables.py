"""Write README's tables of figures from the results of the other benchmarks, and check that they are current.

::

    python benchmarks/pages/tables.py            # write
    python benchmarks/pages/tables.py --check    # exit code 1 where README differs from the results
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- table:begin", "<!-- table:end -->"

HEADER = """| | AUROC (95 % interval) | low-pass | shifted normals | sensitivity | specificity |
|---|---|---|---|---|---|"""
ADDED = {  # rows of the ablation, one piece more in each
    "l1_g": "AnoGAN with encoder start and enhanced contrast, sum of absolute x - g(x)",
    "l1_sr": "... through the two-layer CNN and super-resolution, sum of absolute x - x̂",
    "residual": "... band energies of x and x̂ against their density of normals",
    "no_map": "... and the head's features",
    "all": "... and the head's map: all of SR-AnoGAN, Keras float32",
}
NOTES = """
{keras[n_normal]} normal and {keras[n_abnormal]} pneumonia films (`val` of `chest_xray`), `standard`
preset, {provenance[normals_to_train]} normals to train on and {provenance[normals_held_out]} held out.
The rows before the last of SR-AnoGAN are of seed {seed}. *Low-pass*: every image without its fine detail.
*Shifted normals*: the normals taken anew in pose, exposure and sharpness, the abnormals as they are; when
this was measured, in the ways that the densities were fitted on (audits take others by now).
Sensitivity and specificity are at the threshold that held-out normals set for 5 % false alarms. **Designs
were chosen on these very films, and this split is known to flatter: expect less elsewhere.** Training
took {training_minutes[total]:.0f} minutes on 2 cores ({provenance[machine][cpu]}), of them
{training_minutes[gan]:.0f} for the GAN and {training_minutes[head]:.0f} for the head{busy}.

Across the two sources that these normals come from (densities fitted on one, tested on the normals of the
other; the networks had seen both): {across}.

On held-out normals, super-resolution against bicubic enlargement: PSNR {resolved[psnr_db]:.2f} against
{bicubic[psnr_db]:.2f} dB, SSIM {resolved[ssim]:.3f} against {bicubic[ssim]:.3f}, sharpness
{resolved[sharpness]:.2f} against {bicubic[sharpness]:.2f} (1: as sharp as the films). The search lowers
its loss from {search[start]:.0f} to {search[end]:.0f}, in {search[images_improved]:.0%} of the films. The
bundle has {mebibytes:.1f} MiB.
"""
TIME = """
One image, 128x128 in memory to score, p-value and heat map, one thread of {cpu}: {int8:.1f} ms of CPU in
int8 with the gradient search of 8 steps ({float32:.1f} times that in float32), {learned:.1f} ms with the
learned search of 4. Plain AnoGAN's 500 steps in Keras take {compiled:,.0f} times as long as the first where
they are compiled into one graph, and {fit:,.0f} times as long as they are usually written
([docs/method/bench.md](docs/method/bench.md)).
"""
DRAWN = """
Where the truth is drawn too, small networks ({normals} normals, {gan} GAN and {head} head
steps; the preset `demo` is shorter now), int8:

| | AUROC | pixel AUROC | AUPRO |
|---|---|---|---|
"""
DRAWN_TITLES = {
    "surfaces": "surfaces with defects (`phantom:texture`)",
    "chests": "chests with lesions (`phantom`)",
}
PUBLISHED = """
Published figures on the **published test set** of the same collection (234 normal, 390 pneumonia),
trained on normals alone. That set is not the one above, so the numbers cannot be compared with ours.

| method | AUROC | protocol |
|---|---|---|
| PPAD | 0.967 | as published; pretrained on chest X-rays with reports |
| SimSID | 0.911 | as published; checkpoint chosen on labelled images |
| SQUID | 0.876 | as published; checkpoint chosen on labelled images |
| SALAD | 0.827 | as published |
| GANomaly | 0.780 | as published |
| f-AnoGAN | 0.755 | as published |
| DFM, EfficientNet-Lite0 (ImageNet), anomalib 2.7 | 0.849 | measured once, outside this repository |
| PaDiM, the same backbone | 0.787 | measured once, outside this repository |
| PatchCore, the same backbone | 0.735 | measured once, outside this repository |
| no model: mean log Laplacian energy at 16x16 px | 0.878 | low = anomalous, chosen beforehand |
"""


def content(results: dict[str, dict[str, Any]]) -> str:
    """Return the Markdown of the result files, by what each is called in :func:`load`."""
    quality, ablation = results["quality"], results["ablation"]
    found = {row["name"]: row for row in ablation["rows"]}
    rows = [HEADER]
    if "ordering" in results:
        rows.append(_plain(results["ordering"]["auroc"]["anogan_residual"]["PNEUMONIA"]))
    rows += [_ablated(title, found[name]) for name, title in ADDED.items()]
    rows += [_seeds(results["robustness"])]
    for key in ("laplacian_32", "intensity_mean"):
        baseline = quality["keras"]["baselines"][key]
        name = f"no model: {baseline['meaning']} ({baseline['direction']})"
        rows.append(f"| {name} | {baseline['auroc']:.3f} | {baseline['auroc_low_pass']:.3f} | | | |")
    notes = _notes(quality, results["robustness"]) + _time(results["latency"]) + _drawn(results)
    return "\n".join(rows) + "\n" + notes + PUBLISHED


def _time(latency: dict[str, Any]) -> str:
    rows = {(row["recipe"], row["search"], row["steps"]): row for row in latency["rows"]}
    return TIME.format(
        cpu=latency["provenance"]["machine"]["cpu"],
        int8=rows["int8", "gradient", 8]["cpu_ms"]["median"],
        float32=rows["float32", "gradient", 8]["over_first"]["cpu"]["ratio"],
        learned=rows["int8", "learned", 4]["cpu_ms"]["median"],
        **{name: one["over_first"]["cpu"]["median"] for name, one in latency["anogan"].items()},
    )


def _drawn(results: dict[str, dict[str, Any]]) -> str:
    rows = []
    for key, title in DRAWN_TITLES.items():
        int8 = results[key]["int8"]
        figures = " | ".join(f"{int8[name]:.3f}" for name in ("auroc", "pixel_auroc", "pixel_aupro"))
        rows.append(f"| {title} | {figures} |")
    trained = results["chests"]["keras"]["settings"]
    counts = {"gan": trained["anogan"]["steps"], "head": trained["head"]["steps"]}
    normals = sum(results["chests"]["provenance"][part] for part in ("normals_to_train", "normals_held_out"))
    return DRAWN.format(normals=normals, **counts) + "\n".join(rows) + "\n"


def _plain(anogan: dict[str, Any]) -> str:
    low, high = anogan["auroc_ci"]
    name = "plain AnoGAN as in the paper: raw intensities, random start"
    return f"| {name} | {anogan['auroc']:.3f} ({low:.3f} to {high:.3f}) | | | | |"


def _ablated(title: str, row: dict[str, Any]) -> str:
    low, high = row["auroc_ci"]
    figures = f"{row['auroc']:.3f} ({low:.3f} to {high:.3f}) | {row['auroc_low_pass']:.3f}"
    return f"| {title} | {figures} | {row['auroc_shifted']:.3f} | | |"


def _seeds(robustness: dict[str, Any]) -> str:
    summary, count = robustness["summary"], len(robustness["models"])
    plain, low, shifted = (summary[name] for name in ("plain", "low_pass", "shifted"))
    worst = f"{plain['auroc']['mean']:.3f} (worst seed {plain['auroc']['min']:.3f})"
    rates = " | ".join(f"{plain[name]['mean']:.3f}" for name in ("sensitivity", "specificity"))
    figures = f"{worst} | {low['auroc']['mean']:.3f} | {shifted['auroc']['mean']:.3f} | {rates}"
    return f"| **SR-AnoGAN, int8 on the edge runner, mean of {count} seeds** | {figures} |"


def _notes(quality: dict[str, Any], robustness: dict[str, Any]) -> str:
    made = quality["reconstruction_quality"]
    sources = robustness["summary"]["sources"]
    across = "; ".join(
        f"{name} {figures['plain']['auroc']['mean']:.3f}, low-pass {figures['low_pass']['auroc']['mean']:.3f}"
        for name, figures in sources.items()
        if len(set(re.findall(r"(?:fitted|tested) on ([^,]+)", name))) == 2
    )
    return NOTES.format(
        **quality,
        resolved=made["super_resolution"],
        bicubic=made["bicubic"],
        search=made["search_loss"],
        across=across,
        busy=" (head and detector on a busy machine)",
        mebibytes=quality["export"]["bundle_bytes"] / 2**20,
    )


def load() -> dict[str, dict[str, Any]]:
    """Read the result files; the ordering is of a training of its own and may be missing."""
    names = {
        "quality": "chest_xray_val_seed0",
        "robustness": "chest_xray_val_robustness",
        "ablation": "chest_xray_val_ablation_seed0",
        "ordering": "ordering",
        "latency": "chest_xray_latency_seed0",
        "surfaces": "phantom_texture_demo",
        "chests": "phantom_demo",
    }
    paths = {key: RESULTS / f"{name}.json" for key, name in names.items()}
    return {key: json.loads(path.read_text()) for key, path in paths.items() if path.exists()}


def updated(readme: str, new: str) -> str:
    """Return ``readme`` with ``new`` between the markers."""
    before, rest = readme.split(BEGIN, 1)
    line, rest = rest.split("\n", 1)
    return f"{before}{BEGIN}{line}\n{new}{END}{rest.split(END, 1)[1]}"


def main(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 where it differs.")] = False,
) -> None:
    """Bring README's tables up to date."""
    readme = ROOT / "README.md"
    text = readme.read_text()
    new = updated(text, content(load()))
    if check:
        raise typer.Exit(int(new != text))
    readme.write_text(new)


if __name__ == "__main__":
    typer.run(main)
