"""What a stage's step is on JAX: one program that holds its images and asks nothing of the host.

``KERAS_BACKEND=jax python -m tests.support.whole_steps`` prints a JSON object: by stage, the ``callbacks``
that the program makes, and the shapes of the ``images`` among what it holds.
"""

from __future__ import annotations

import json

import jax

from tests.support.first_steps import stages


def main() -> None:
    """Trace each stage's step; nothing is computed."""
    found = {}
    for name, made in stages().items():
        step = made().step
        program = jax.jit(step.pure).lower([one.value for one in step.variables], 0).as_text()
        found[name] = {
            "callbacks": program.count("callback"),
            "images": [list(one.shape) for one in step.variables if one.name == "images"],
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
