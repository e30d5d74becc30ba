"""Cards that a backend cannot use are told before the first step."""

from __future__ import annotations

from pathlib import Path

import pytest

from keras_sranogan.card import check_tensorflow_compiles, unused_card, used_cards
from sranogan_edge.errors import BackendError, ExitCode

# As TensorFlow 2.21 describes itself and a card.
BUILD = {
    "cuda_compute_capabilities": ["sm_60", "sm_70", "sm_80", "sm_89", "compute_90"],
    "cuda_version": "12.5.1",
}


def card(*capability: int) -> dict[str, object]:
    """A card as TensorFlow tells of it."""
    return {"device_name": "NVIDIA Card", "compute_capability": capability}


@pytest.mark.parametrize("capability", [(12, 0), (12, 1), (10, 0), (9, 1)])
def test_a_card_newer_than_the_compiler_is_refused(capability: tuple[int, int]) -> None:
    """Blackwell (sm_100, sm_120) and what comes after it: an error with the cure instead of an abort."""
    told = (
        rf"CUDA 12\.5\.1\) cannot compile for NVIDIA Card: .* {capability[0]}\.{capability[1]}, .* up to 9\.0"
    )
    with pytest.raises(
        BackendError, match=rf"{told}.*\[jax-cuda\].*KERAS_BACKEND=jax.*CUDA_VISIBLE_DEVICES"
    ) as raised:
        check_tensorflow_compiles([card(8, 0), card(*capability)], BUILD)
    assert raised.value.exit_code == ExitCode.NO_BACKEND


@pytest.mark.parametrize("capability", [(6, 0), (7, 5), (8, 7), (8, 9), (9, 0)])
def test_a_card_that_it_knows_is_taken(
    capability: tuple[int, int], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Up to Hopper nothing is said, also of cards between those that are listed."""
    check_tensorflow_compiles([card(*capability)], BUILD)
    assert (caplog.text, *capfd.readouterr()) == ("", "", "")


def test_nothing_is_refused_where_nothing_is_known() -> None:
    """Without cards, without a capability (another maker's), and with a build that lists none."""
    check_tensorflow_compiles([], BUILD)
    check_tensorflow_compiles([{"device_name": "other"}], BUILD)
    check_tensorflow_compiles([card(12, 0)], {"is_cuda_build": False})


@pytest.mark.parametrize(("devices", "lines"), [(None, 1), ("0", 1), ("", 0), ("-1", 0)])
def test_a_card_that_lies_idle_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: str | None, lines: int
) -> None:
    """A card that the backend does not see: what installs what is missing, unless the card is hidden."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert unused_card("JAX", "jax-cuda", tmp_path) == []
    (tmp_path / "proc" / "driver" / "nvidia" / "gpus" / "0000:01:00.0").mkdir(parents=True)
    if devices is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", devices)
    told = unused_card("JAX", "jax-cuda", tmp_path)
    assert len(told) == lines
    assert all("JAX sees none of the 1 NVIDIA card(s)" in one and '".[jax-cuda]"' in one for one in told)


def test_cards_that_are_used_are_told() -> None:
    """Name and compute capability of each; of a maker without these the name; nothing without cards."""
    cards: list[dict[str, object]] = [card(9, 0), {"device_name": "Another"}]
    assert used_cards("JAX", cards) == ["JAX uses NVIDIA Card (compute capability 9.0), Another"]
    assert used_cards("JAX", []) == []
