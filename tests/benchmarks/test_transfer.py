"""benchmarks/transfer: protocols, what is judged, results that are kept, and the table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.transfer import __main__ as command
from benchmarks.transfer import fast
from benchmarks.transfer.designs import DESIGNS, design
from benchmarks.transfer.judge import (
    CHOSEN,
    CHOSEN_IN_TILES,
    SCORES,
    Measured,
    highest_two,
    judge,
    judge_pixels,
    mean,
    softplus_mean,
    standardised,
    stitched,
)
from benchmarks.transfer.protocols import DATA, PROTOCOLS, VIEWS, Images, Protocol, read_images
from benchmarks.transfer.site import ADAPTED, drawn_apart, judge_site, keep, load_adaptable
from benchmarks.transfer.table import markdown, read_results, site_markdown
from sranogan_edge.errors import DataError, ExitCode, SettingsError
from sranogan_edge.image.preprocess import PreprocessSpec

TINY = Protocol("tiny", "phantom?train=60&val=10&test=24&size=96")
SPEC = PreprocessSpec(size=32)


def images_of(count: int, seed: int = 0) -> Images:
    """Images that nothing is read from: so many held-out normals, and as many of each sort to judge."""
    blank = np.zeros((count, 1, 1, 1), np.uint8)
    abnormal = np.arange(2 * count) >= count
    judged = dict.fromkeys(VIEWS, np.zeros((2 * count, 1, 1, 1), np.uint8))
    groups = np.random.default_rng(seed).permutation(count)
    people = np.arange(2 * count)
    return Images(blank, blank, blank, groups, np.ones(count, np.bool_), judged, abnormal, people, None)


def part(shift: float, seed: int, count: int = 200) -> Measured:
    """A part of 4 numbers that are ``shift`` deviations higher in abnormal images."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(2 * count, 4)).astype(np.float32)
    rows[count:] += np.float32(shift)
    return Measured(rows[:0], rng.normal(size=(count, 4)).astype(np.float32), dict.fromkeys(VIEWS, rows))


def test_a_part_that_tells_has_its_auroc_and_one_that_does_not_has_none() -> None:
    """Parts alone and together are judged in each view; false alarms are near the rate asked for."""
    images, parts = images_of(200), {"late": part(3.0, 1), "map": part(0.0, 2)}
    found = judge({name: standardised(one, images, 0) for name, one in parts.items()}, images)
    assert set(found) == {"late", "map", "late + map"}
    assert found["late"]["plain"]["auroc"] > 0.95
    assert 0.4 < found["map"]["plain"]["auroc"] < 0.6
    assert found["map"]["plain"]["auroc"] < found["late + map"]["low_pass"]["auroc"]
    assert all(one[view]["false_alarms"] < 0.12 for one in found.values() for view in VIEWS)


def test_a_sites_normals_lower_the_false_alarms_of_another_source(tmp_path: Path) -> None:
    """Judged normals from elsewhere are flagged too often; after 20 and 100 of them about as asked for."""
    rng, count = np.random.default_rng(5), 240
    images, parts = images_of(count), {}
    for name, size in (("late", 8), ("map", 1), ("pca_4", 6)):
        rows = rng.normal(size=(2 * count, size)).astype(np.float32)
        rows[:, 0] += 1.2  # whatever the image: it is the source's
        rows[count:, -1] += 2
        held = rng.normal(size=(count, size)).astype(np.float32)
        parts[name] = Measured(rows[:0], held, dict.fromkeys(VIEWS, rows))
    standard = keep(parts, images, 0, tmp_path / "measured.npz")
    for name, one in parts.items():
        again = standardised(one, images, 0)
        np.testing.assert_array_equal(standard[name].judged["plain"], again.judged["plain"])
    found = judge_site(load_adaptable(tmp_path / "measured.npz"), standard, images)
    assert set(found) == set(ADAPTED) == {CHOSEN, "late", "map", "residual, k = 4"}
    chosen = found[CHOSEN]
    assert list(chosen) == ["20", "100"]
    assert chosen["100"]["false_alarms_before"] > 0.12
    assert 0.02 <= chosen["100"]["false_alarms"] <= 0.07
    assert chosen["20"]["auroc"] > chosen["20"]["auroc_before"] - 0.01
    assert chosen["100"]["auroc"] > chosen["100"]["auroc_before"]
    few = images_of(30)
    small = {
        name: Measured(one.seen, one.held[:30], {v: r[:60] for v, r in one.judged.items()})
        for name, one in parts.items()
    }
    kept = keep(small, few, 0, tmp_path / "few.npz")
    assert judge_site(load_adaptable(tmp_path / "few.npz"), kept, few)[CHOSEN] == {}
    assert load_adaptable(tmp_path / "none.npz") == {}


def test_a_sites_normals_and_the_rest_share_nobody() -> None:
    """Three films of each person: who is among a site's normals is not judged; another draw takes others."""
    images = replace(images_of(60), people=np.arange(120) // 3)
    draws = [drawn_apart(images, 20, draw) for draw in range(2)]
    for local, rest in draws:
        assert len(set(local)) == 20
        assert not images.abnormal[local].any()
        assert not set(images.people[local]) & set(images.people[rest])
        assert len(rest) == 120 - 3 * len(set(images.people[local])) == 99
    assert set(draws[0][0]) != set(draws[1][0])


def test_the_table_of_a_sites_normals(tmp_path: Path, tiny_design: str) -> None:
    """Before and after stand side by side, a row a set; without such figures there is no table."""
    after = {"auroc": 0.9, "false_alarms": 0.05, "auroc_before": 0.8, "false_alarms_before": 0.23}
    judged = {"design": tiny_design, "protocol": "tiny", "scores": {}, "site": {CHOSEN: {"20": after}}}
    assert site_markdown(tmp_path) == ""
    for seed in range(2):
        (tmp_path / f"tiny__tiny__{seed}.json").write_text(json.dumps(judged))
    head, _, row = site_markdown(tmp_path).splitlines()
    assert head.startswith(
        "| design | score | set | AUROC, before | AUROC, after 20 | AUROC, after 100 | false"
    )
    assert row == (
        f"| tiny | {CHOSEN} | tiny | 0.800 ±0.000 | 0.900 ±0.000 |  | 0.230 ±0.000 | 0.050 ±0.000 |  |"
    )


def test_every_score_names_parts_that_are_measured() -> None:
    """A combination with a misspelt part would be left out of the table without a word."""
    known = {"map", "peak", "laplacian_low", "laplacian_high", "pca_0", "pca_4", "pca_16"}
    known |= {"pca_4_and_image", "bands_4"}
    known |= {"early", "middle", "late", "places_early", "places_middle", "places_late"}
    known |= {"cells_early", "cells_middle", "cells_late", "usual_early", "usual_late"}
    assert {name for score in SCORES.values() for name in score.parts} == known
    assert {CHOSEN, CHOSEN_IN_TILES} <= set(SCORES)


def test_softplus_lets_no_part_hide_another() -> None:
    """Where one part says "anomalous" and two "very normal", the mean is low, the softplus mean high."""
    z = np.array([[6.0, 0.0], [-6.0, 0.0], [-6.0, 0.0]])
    assert mean(z)[0] < mean(z)[1]
    assert softplus_mean(z)[0] > softplus_mean(z)[1]


def test_the_highest_two_leave_out_what_says_least() -> None:
    """Of three parts; a part at chance then costs nothing where the others agree."""
    z = np.array([[6.0, 0.0, 2.0], [5.0, 1.0, 4.0], [-9.0, 2.0, 3.0]])
    np.testing.assert_allclose(highest_two(z), [5.5, 1.5, 3.5])


def test_images_are_kept(tmp_path: Path) -> None:
    """A protocol is read once; no image stands on both sides, and what is judged has its masks."""
    first = read_images(TINY, SPEC, 1, tmp_path)
    (kept,) = tmp_path.glob("*.npz")
    written = kept.stat().st_mtime_ns
    again = read_images(TINY, SPEC, 1, tmp_path)
    assert kept.stat().st_mtime_ns == written
    np.testing.assert_array_equal(first.judged["low_pass"], again.judged["low_pass"])
    assert len(first.fit) + first.original.sum() == 60
    assert len(first.held) == 2 * first.original.sum()
    assert first.abnormal.sum() > 0
    assert first.masks is not None
    assert (first.masks.any(axis=(1, 2)) <= first.abnormal).all()
    seen = {one.tobytes() for one in first.fit}
    assert not seen & {one.tobytes() for one in (*first.held, *first.judged["plain"])}


def test_tiles_cover_what_is_judged(tmp_path: Path) -> None:
    """Four tiles of 64 px cover 96; masks are the images' own; an image has the score of its worst tile."""
    spec = replace(SPEC, fit="tile", tile_px=64)
    images = read_images(TINY, spec, 1, tmp_path)
    images = read_images(TINY, spec, 1, tmp_path)  # as it was kept
    assert images.tiles is not None
    assert images.masks is not None
    count = len(images.abnormal)
    assert len(images.judged["plain"]) == len(images.tiles) == 4 * count
    assert [tuple(row) for row in images.tiles[4:8]] == [
        (1, 0, 0, 64),
        (1, 32, 0, 64),
        (1, 0, 32, 64),
        (1, 32, 32, 64),
    ]
    assert images.masks.shape == (count, 96, 96)
    assert images.counted == {"fit": len(images.fit), "held_out": 12}
    assert len(images.held) == 2 * 12 * 4
    scores = np.zeros(4 * count)
    scores[[1, 6, 7]] = 3, 2, 5
    assert images.worst(scores).tolist() == [3, 5, *[0] * (count - 2)]
    held = np.arange(len(images.held), dtype=np.float64)
    assert images.worst_held(held).tolist() == list(range(3, 48, 4))


def test_the_heat_of_tiles_is_stitched(tmp_path: Path) -> None:
    """A map that is hot where the mask is has an AUPRO of 1, whichever tiles saw it."""
    images = read_images(TINY, replace(SPEC, fit="tile", tile_px=64), 1, tmp_path)
    assert images.tiles is not None
    assert images.masks is not None
    heat = np.stack(
        [
            images.masks[n, top : top + side, left : left + side].astype(np.float32)
            for n, left, top, side in images.tiles
        ]
    )
    assert stitched(heat, images.tiles, (96, 96)).shape == images.masks.shape
    found = judge_pixels({"true": heat, "wrong": -heat}, images)
    assert found["true"]["aupro"] == pytest.approx(1, abs=1e-3)
    assert found["wrong"]["pixel_auroc"] == pytest.approx(0, abs=1e-3)


def test_a_design_in_tiles_is_judged(
    tiny_design: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parts are those of tiles; places are told by cells, for nothing says what lies where."""
    monkeypatch.setitem(DESIGNS, "tiny", replace(DESIGNS["tiny"], tile_px=64, colour=True))
    path = fast.run_fast(tiny_design, "tiny", 0, tmp_path / "results", tmp_path / "cache")
    found = json.loads(path.read_text())
    assert {"late + map + residual", "cells of late features"} <= set(found["scores"])
    assert "places of late features" not in found["scores"]
    assert set(found["pixels"]) == {"map", "cells_early", "cells_middle", "cells_late"}
    assert found["judged"] == {"normal": 24, "abnormal": 24}
    assert "site" not in found


@pytest.mark.skipif(not (DATA / "chest_xray").is_dir(), reason="the chest X-rays are not here")
def test_sources_do_not_mix() -> None:
    """Trained on one source's normals, a design is judged by the other's."""
    from benchmarks.transfer.protocols import _named, judged_items

    protocol = PROTOCOLS["chest IM to NORMAL2"]
    source = protocol.source
    learned = {item.key for item in source.items("train") if _named(item, protocol.learned)}
    judged = list(judged_items(protocol, source))
    assert learned
    assert all(Path(key).name.startswith("IM-") for key in learned)
    assert all(Path(item.key).name.startswith("NORMAL2-") for item in judged if item.is_normal)
    assert {item.is_normal for item in judged} == {True, False}
    assert not learned & {item.key for item in judged}


def test_a_judgement_is_made_once_and_stands_in_the_table(
    tiny_design: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was judged is not trained again, also after a kill; the table has a row for each score."""
    results = tmp_path / "results"
    path = fast.run_fast(tiny_design, "tiny", 0, results, tmp_path / "cache")
    found = json.loads(path.read_text())
    whole = {name for name, score in SCORES.items() if "cells_" not in " ".join(score.parts)}
    assert set(found["scores"]) == whole
    assert found["seed"] == 0
    assert set(found["pixels"]) == {"map", "places_early", "places_middle", "places_late"}
    assert all(0 <= one["aupro"] <= 1 for one in found["pixels"].values())
    assert found["site"] == {name: {} for name in ADAPTED}  # of 12 normals nobody can give 20 away
    assert found["normals"]["fit"] + found["normals"]["held_out"] == 60
    (results / "tiny__tiny__1.making").write_text("{")  # of a process that was killed
    with monkeypatch.context() as patched:
        patched.setattr(fast, "kept_head", lambda *_: pytest.fail("trained again"))
        assert fast.run_fast(tiny_design, "tiny", 0, results, tmp_path / "cache") == path
    path.write_text(json.dumps(found | {"scores": {}}))
    assert fast.judge_again(path, tmp_path / "cache")
    assert json.loads(path.read_text()) == found
    assert not fast.judge_again(path, tmp_path / "another cache")
    (results / "tiny__tiny__1.json").write_text(json.dumps(found | {"seed": 1}))
    table = markdown(read_results(results, "plain", "auroc"))
    rows = [line for line in table.splitlines() if line.startswith("| tiny |")]
    assert len(rows) == len(whole)
    assert "±" in rows[0]
    assert "| tiny | mean | worst |" in table


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    """A design that does not exist, and a set that is not on this machine."""
    with pytest.raises(SettingsError, match="mixture-128"):
        design("nothing")
    with pytest.raises(DataError, match=r"no .*nowhere here"):
        read_images(Protocol("gone", "nowhere"), SPEC, 1, tmp_path)


def test_the_command(tiny_design: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``run`` judges, ``table`` prints; a protocol or design of no such name is a usage error."""
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(command, "CACHE", tmp_path / "cache")
    done = CliRunner().invoke(command.app, ["run", tiny_design, "--seeds", "1", "--protocol", "tiny"])
    assert done.exit_code == ExitCode.OK, done.output
    assert "| tiny |" in CliRunner().invoke(command.app, ["table", "--figure", "false_alarms"]).stdout
    wrong = CliRunner().invoke(command.app, ["run", "nothing", "--protocol", "tiny"])
    assert wrong.exit_code == ExitCode.USAGE
    assert (
        CliRunner().invoke(command.app, ["run", tiny_design, "--protocol", "x"]).exit_code == ExitCode.USAGE
    )
