"""``--qat tfmot``: fine-tuning by tensorflow-model-optimization, in a process of its own.

It refuses Keras 3, so each network's folded weights cross to :mod:`sranogan_export.finetune.tfmot_child`,
which rebuilds it in tf_keras, and learned weights come back. Ranges, exam and graphs are the same as for
Keras' own fake quantisation; a network that tfmot cannot take is left to that, and named.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from keras_sranogan.progress import Progress
from sranogan_edge.errors import BackendError
from sranogan_edge.extras import missing_extra
from sranogan_export.finetune.quantize_aware import Gain, Student, exam_error, fine_tuned, rebuilt
from sranogan_export.finetune.tfmot_plan import Plan, plan_of
from sranogan_export.recipe import QatSettings

MODULES = ("tensorflow_model_optimization", "tf_keras")
MAX_SEED = 2**32


def check_tfmot() -> None:
    """Raise SettingsError where the extra is not installed."""
    missing = [name for name in MODULES if find_spec(name) is None]
    if missing:
        needed = f"{' and '.join(missing)}, not installed here"
        instead = "leave the option out for Keras' own fine-tuning"
        raise missing_extra("--qat tfmot", needed, "tfmot", folder="export", instead=instead)


def fine_tune_with_tfmot(
    students: Sequence[Student], settings: QatSettings, seed: int, progress: Progress
) -> tuple[dict[str, Any], list[Gain]]:
    """Fine-tune every student that tfmot can take, the others by Keras.

    Raises:
        SettingsError: the extra is not installed.
        BackendError: the other process failed.
    """
    check_tfmot()
    plans = {one.name: plan for one in students if (plan := plan_of(one.name, one.network)) is not None}
    progress.start("fine-tuning for int8 with tfmot", len(students))
    networks, gains = {}, []
    with tempfile.TemporaryDirectory() as folder:
        _write_tasks(Path(folder), students, plans, settings, seed)
        for done, name in enumerate(_finished(Path(folder)), start=1):
            progress.advance(done, name)
        for student in students:
            if student.name in plans:
                learned = _read(Path(folder), student, plans[student.name])
                network, gain = _examined(student, learned)
            else:
                progress.say(f"{student.name}: tfmot cannot take this network; Keras fine-tunes it.")
                network, gain = fine_tuned(student, settings, seed, lambda: None)
            networks[student.name] = network
            gains.append(gain)
    progress.advance(len(students))
    return networks, gains


def _write_tasks(
    folder: Path, students: Sequence[Student], plans: dict[str, Plan], settings: QatSettings, seed: int
) -> None:
    tasks = []
    for student in students:
        if student.name not in plans:
            continue
        plan = plans[student.name]
        kernels = {f"kernel_{k}": kernel for k, (kernel, _) in enumerate(plan.weights)}
        biases = {f"bias_{k}": bias for k, (_, bias) in enumerate(plan.weights)}
        np.savez(folder / f"{student.name}.npz", lessons=student.lessons[0], **kernels, **biases)  # type: ignore[arg-type]  # arrays by name
        tasks.append(
            {
                "name": student.name,
                "steps_planned": plan.steps,
                "outputs": plan.outputs,
                "steps": settings.steps,
                "batch": settings.batch,
                "learning_rate": settings.learning_rate,
                "seed": seed % MAX_SEED,
            }
        )
    (folder / "tasks.json").write_text(json.dumps(tasks))


def _finished(folder: Path) -> Iterator[str]:
    """Run the other process; yield each network's name as it is done."""
    command = [sys.executable, "-m", "sranogan_export.finetune.tfmot_child", str(folder)]
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    names = {path.stem for path in folder.glob("*.npz")}
    with (folder / "errors.txt").open("w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
        assert process.stdout is not None
        with process:
            yield from (line.strip() for line in process.stdout if line.strip() in names)
        if process.returncode:
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ["no message"])[-1]
            raise BackendError(
                f"tensorflow-model-optimization ended with exit code {process.returncode}: {last}. "
                "Export without --qat tfmot for Keras' own fine-tuning."
            )


def _read(folder: Path, student: Student, plan: Plan) -> Any:
    """Return the student's network with the weights that came back."""
    with np.load(folder / f"{student.name}.learned.npz") as arrays:
        learned = {}
        for k, (kernel, bias) in enumerate(plan.weights):
            learned[id(kernel)], learned[id(bias)] = arrays[f"kernel_{k}"], arrays[f"bias_{k}"]
    return rebuilt(student.network, lambda value: learned[id(value)])


def _examined(student: Student, learned: Any) -> tuple[Any, Gain]:
    """Return the better of the network as it was and as it was fine-tuned."""
    before, after = exam_error(student, student.network), exam_error(student, learned)
    if after < before:
        return learned, Gain(student.name, before, after, "qat", "tfmot")
    return student.network, Gain(student.name, before, before, "ptq", "tfmot")
