"""A broker on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.mqtt_broker import Broker

Service = Callable[[str], str]


@pytest.fixture
def broker(tmp_path: Path, service: Service) -> Iterator[Broker]:
    """One that is running."""
    made = Broker(service("mosquitto"), tmp_path)
    made.start()
    yield made
    made.stop()
