"""Alert rules and dashboard (edge/deploy/monitoring): what they ask for is what the page gives."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.page_board_fakes import filled_board

pytest.importorskip("prometheus_client", reason="the extra page is not installed")

from prometheus_client.parser import text_string_to_metric_families

from sranogan_edge.page.metrics import metrics_text

MONITORING = Path(__file__).parents[3] / "edge" / "deploy" / "monitoring"
ALERTS, DASHBOARD = MONITORING / "alerts.yml", MONITORING / "dashboard.json"
METRIC = re.compile(r"\bsranogan_\w+")
MATCHER = re.compile(r'\b(verdict|state|stage)(=~|!~|=|!=)"([^"]*)"')


def alert_queries() -> list[str]:
    """Every expression of the rules; YAML in its simplest form, which needs no parser of YAML."""
    text = ALERTS.read_text(encoding="utf-8")
    found = re.findall(r"^ +(?:# +)?expr: (?!>-)(.+)$|^ +expr: >-\n((?: {10,}.+\n)+)", text, re.MULTILINE)
    queries = [" ".join((one or many).split()) for one, many in found]
    assert len(queries) == text.count("expr:") > 10
    return queries


def targets(panel: dict[str, Any]) -> Iterator[str]:
    """The queries of a panel."""
    yield from (target["expr"] for target in panel["targets"])


def dashboard_queries() -> list[str]:
    """Every expression of the panels, and of the list of runners."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    found = [query for panel in dashboard["panels"] for query in targets(panel)]
    asked = [one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    assert len(found) > 15
    assert asked
    return found + asked


@pytest.fixture(scope="module")
def exposition() -> tuple[set[str], dict[str, set[str]]]:
    """Give all names that Prometheus would have of a real page, and the values of each label."""
    names: set[str] = set()
    values: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics_text(filled_board(alarm=True)).decode()):
        names |= {sample.name for sample in family.samples} or {family.name}  # no sensor here: no sample
        for sample in family.samples:
            for label, value in sample.labels.items():
                values.setdefault(label, set()).add(value)
    return names, values


@pytest.mark.parametrize("queries", [alert_queries, dashboard_queries])
def test_every_metric_exists(
    queries: Callable[[], list[str]], exposition: tuple[set[str], dict[str, set[str]]]
) -> None:
    """No query names a metric, or the value of a label, that the page does not give."""
    names, values = exposition
    for query in queries():
        asked = set(METRIC.findall(query))
        assert asked or query.startswith("up{") or "up{" in query, query
        assert asked <= names, query
        for label, _, value in MATCHER.findall(query):
            assert set(value.split("|")) <= values[label], query


def test_every_metric_is_watched(exposition: tuple[set[str], dict[str, set[str]]]) -> None:
    """The dashboard shows each metric of the page but what it only alerts on: one that is added is missed."""
    shown = {name for query in (*alert_queries(), *dashboard_queries()) for name in METRIC.findall(query)}
    families = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in exposition[0]}
    watched = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    assert families - watched == set()


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    """Panels have numbers of their own, do not overlap, and ask the data source that is chosen."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"


def test_promtool_takes_all_of_them(service: Callable[[str], str], tmp_path: Path) -> None:
    """Prometheus' own checker reads the rules, and every query of the dashboard."""
    promtool = service("promtool")
    queries = [one.replace("$instance", ".*") for one in dashboard_queries() if "label_values" not in one]
    rules = [
        f"      - record: query:{n}\n        expr: {json.dumps(query)}\n" for n, query in enumerate(queries)
    ]
    (tmp_path / "queries.yml").write_text("groups:\n  - name: dashboard\n    rules:\n" + "".join(rules))
    for file in (ALERTS, tmp_path / "queries.yml"):
        command = [promtool, "check", "rules", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
