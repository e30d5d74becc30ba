"""The rules: what convicts, what warns, what stays undecided, in words that state figures and limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keras_sranogan.audit.associations import Association, Removed
from keras_sranogan.audit.calibration import Calibrated, Shifted
from keras_sranogan.audit.controls import CENTRE_MASKED, PLAIN, SHIFTED_NORMALS, all_controls
from keras_sranogan.audit.figures import ControlFigures, Figures, StatisticFigures
from keras_sranogan.audit.findings import MAX_LEFT, MAX_LOST, MIN_EACH, percent
from keras_sranogan.audit.patients import Patients
from keras_sranogan.audit.ranking import Left, Ranking
from keras_sranogan.audit.seeds import Seeds, Spread
from keras_sranogan.audit.verdict import RULES, judge
from keras_sranogan.data.near_training import NearTraining
from sranogan_edge.image.preprocess import PreprocessSpec

PROMISE = Calibrated([0.0, 1.0], [0.0, 1.0], [[0, 0], [1, 1]], 0.04, 0.8, 0.05, 0.05, [0.02, 0.09])
PATIENTS = Patients(80, 20, 0.1, [-0.1, 0.3], [5], [5], 0.6)


def control(name: str, left: float, margin: float = 0.05, count: int = 100) -> ControlFigures:
    """A control that leaves a share of an advantage of 0.4."""
    one = next(c for c in all_controls(PreprocessSpec(size=128)) if c.name == name)
    auroc = 0.5 + 0.4 * left
    return ControlFigures(
        title=one.title,
        meaning=one.meaning,
        reads=one.reads,
        removes_content=one.removes_content,
        ranking=Ranking(auroc, [auroc - 0.02, auroc + 0.02], [auroc]),
        left=Left(left, [left - margin, left + margin]),
        n_normal=count,
        n_abnormal=count,
        problem="",
    )


def figures(**lefts: float) -> Figures:
    """A blameless model, but for the shares left that are given."""
    shares = {one.name: 1.0 for one in all_controls(PreprocessSpec(size=128))} | {CENTRE_MASKED: 0.0} | lefts
    statistic = StatisticFigures("bytes", "high", "file", {PLAIN: 0.5}, {PLAIN: [0.4, 0.6]})
    return Figures(
        n_normal=100,
        n_abnormal=100,
        controls={name: control(name, left) for name, left in shares.items()},
        statistics={"file_bytes": statistic},
        associations={"NORMAL": {"sharpness": Association(0.1, [-0.1, 0.3])}},
        normal_labels=["NORMAL"],
        removed={},
        patients=PATIENTS,
        calibration=PROMISE,
        shifted=Shifted(0.55, 0.05, 0.06),
        seeds=Seeds(
            3, {PLAIN: Spread(0.9, 0.01, 0.89, 0.91)}, {"all": 0.95, "normals": 0.9, "abnormals": 0.9}
        ),
        near_training=NearTraining(0, 200, 0, []),
    )


def subjects(found: Figures, kind: str) -> set[str]:
    """What the findings of a kind are about."""
    return {one.subject for one in judge(found).findings if one.kind == kind}


def test_a_blameless_model_passes_without_a_warning() -> None:
    """Nothing lost, nothing left without the centre: it passes, and all findings are fine."""
    verdict = judge(figures())
    assert verdict.status == "passes"
    assert {one.kind for one in verdict.findings} == {"fine"}
    assert "warning" not in verdict.text


@pytest.mark.parametrize(
    ("name", "left", "named"),
    [
        ("low_pass", 0.7, "sharpness"),
        ("jpeg_equalised", 0.6, "resolution or compression"),
        ("border_masked", 0.5, "borders"),
        ("exposure_shifted", 0.7, "exposure"),
        ("pose_jittered", 0.0, "pose"),
        (CENTRE_MASKED, 0.6, "something outside the centre"),
    ],
)
def test_what_takes_the_auroc_away_is_named(name: str, left: float, named: str) -> None:
    """Each control convicts of what it takes away, with the figure in the text."""
    verdict = judge(figures(**{name: left}))
    assert verdict.status == "leans"
    assert verdict.text.startswith(f"Leans on {named}.")
    share = left if name == CENTRE_MASKED else 1 - left
    assert percent(share) in verdict.findings[0].text


def test_several_shortcuts_are_listed_once_each() -> None:
    """The sentence lists what was found."""
    text = judge(figures(low_pass=0.1, border_masked=0.2, pose_jittered=0.3)).text
    assert text.startswith("Leans on sharpness, borders and pose.")


@pytest.mark.parametrize(
    ("left", "margin", "kind"), [(0.9, 0.3, "undecided"), (0.7, 0.4, "undecided"), (0.9, 0.1, "fine")]
)
def test_wide_intervals_decide_nothing(left: float, margin: float, kind: str) -> None:
    """A pass needs precision, and a conviction an interval without zero."""
    one = figures()
    wide = replace(one, controls=one.controls | {"low_pass": control("low_pass", left, margin)})
    assert "sharpness" in subjects(wide, kind)
    assert (judge(wide).status == "undecided") is (kind == "undecided")


def test_few_images_decide_nothing() -> None:
    """Perfect separation of a few images has an interval without width, and is still undecided."""
    one = figures()
    few = control("low_pass", 1.0, 0.0, MIN_EACH - 1)
    assert "sharpness" in subjects(replace(one, controls=one.controls | {"low_pass": few}), "undecided")


def test_shifted_normals_warn_and_do_not_convict() -> None:
    """False alarms elsewhere are no proof that the plain AUROC rests on a shortcut."""
    one = figures(**{SHIFTED_NORMALS: 0.2})
    worse = replace(one, shifted=Shifted(0.9, 0.05, 0.4))
    assert judge(worse).status == "passes"
    assert subjects(worse, "warns") == {"acquisition", "false alarms after a shift"}


def test_too_few_images_to_warn_are_said_to_be_too_few() -> None:
    """A loss that may be chance is no warning: neither of shifted normals nor of the regression."""
    one = figures()
    shift = control(SHIFTED_NORMALS, 0.3, 1.0)
    rest = Removed(["sharpness"], 0.1, 0.0, Ranking(0.6, [0.4, 0.8], [0.6]), Left(0.3, [-0.7, 1.3]))
    vague = replace(one, controls=one.controls | {SHIFTED_NORMALS: shift}, removed={"all": rest})
    assert subjects(vague, "open") == {"acquisition", "regression on shortcuts"}
    assert judge(vague).status == "passes"


def test_a_number_that_does_as_well_warns() -> None:
    """The best single number beside the model, either way round, and of the files."""
    numbers = {
        "sharpness": StatisticFigures("s", "low", "pixels", {PLAIN: 0.05}, {PLAIN: None}),
        "file_bytes": StatisticFigures("b", "high", "file", {PLAIN: 0.1}, {PLAIN: None}),
    }
    found = replace(figures(), statistics=numbers)
    assert judge(found).status == "passes"
    assert subjects(found, "warns") == {"one number of the image", "the files"}
    assert any("sharpness 0.950, the model 0.900" in one.text for one in judge(found).findings)


def test_normals_that_follow_something_warn() -> None:
    """Association, patients, concentrated alarms and broken p-values are warnings."""
    found = replace(
        figures(),
        associations={"NORMAL": {"file_bytes": Association(-0.6, [-0.7, -0.5])}},
        patients=Patients(30, 20, 0.8, [0.6, 0.9], [12], [3], 0.001),
        calibration=replace(PROMISE, flagged=0.3),
    )
    assert subjects(found, "warns") == {"file bytes", "patients", "false alarms by patient", "calibration"}
    assert judge(found).text.endswith("4 warnings.")


def test_what_cannot_be_told_is_said() -> None:
    """No groups, no files, one model, no threshold: each is named, and none counts against the model."""
    found = replace(
        figures(),
        statistics={},
        patients=replace(PATIENTS, repeated=0, explained=None, explained_ci=None, concentration_p=None),
        calibration=replace(PROMISE, flagged_band=None),
        seeds=None,
    )
    assert subjects(found, "open") == {"patients", "files", "seeds", "calibration"}
    assert judge(found).status == "passes"


def test_seeds_that_differ_warn() -> None:
    """A large spread, or ranks that do not agree inside a class."""
    spread = Seeds(2, {PLAIN: Spread(0.9, 0.05, 0.86, 0.94)}, {"all": 0.9, "normals": 0.9, "abnormals": 0.9})
    apart = Seeds(2, {PLAIN: Spread(0.9, 0.0, 0.9, 0.9)}, {"all": 0.9, "normals": 0.3, "abnormals": 0.9})
    assert subjects(replace(figures(), seeds=spread), "warns") == {"seeds"}
    assert subjects(replace(figures(), seeds=apart), "warns") == {"seeds"}


@pytest.mark.parametrize("left", [0.05, -1.0])
def test_no_detection_is_not_judged(left: float) -> None:
    """At or below chance there is nothing that could lean, whatever the controls say."""
    found = figures(**{PLAIN: left, "low_pass": -1.0})
    assert judge(found).status == "not judged"


def test_the_limits_are_stated() -> None:
    """A reader finds the limits in the rules."""
    assert percent(MAX_LOST) in RULES
    assert percent(MAX_LEFT) in RULES
    assert str(MIN_EACH) in RULES


def test_images_of_the_training_warn() -> None:
    """Images that were trained on are counted and named; that nobody can tell is said."""
    found = replace(figures(), near_training=NearTraining(3, 200, 1, ["test/a.png"]))
    (finding,) = [one for one in judge(found).findings if one.kind == "warns"]
    assert finding.subject == "copies of training images"
    assert "3 of the 200 images" in finding.text
    assert "(1 of them abnormal), such as test/a.png" in finding.text
    assert subjects(replace(figures(), near_training=None), "open") == {"copies of training images"}
