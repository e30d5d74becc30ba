"""A bench report for people: tables and notes from what ``--json`` holds."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from sranogan_edge.bench_report import Report
from sranogan_edge.cli import shown

NONE = "-"


def render(report: Report) -> RenderableType:
    """Return the whole report."""
    parts: list[RenderableType] = [Text(line) for line in device_lines(report["device"])]
    parts += [Text(line) for line in _bundle_lines(report)]
    parts += [Text(shown(f"warning: {line}"), style="yellow") for line in warnings(report)]
    if any(one["error"] is None for one in report["configurations"]):
        parts += [_times(report), _stages(report), _graphs(report)]
    parts += [Text(line) for line in _notes(report)]
    return Group(*parts)


def print_report(report: Report, console: Console | None = None) -> None:
    """Print it."""
    (console or Console()).print(render(report))


def device_lines(device: Report) -> list[str]:
    """Return the machine's facts, one line for each kind, what is not known left out."""
    memory = f", {device['memory_mib']:,} MiB" if device["memory_mib"] else ""
    cores = f"{device['cores']} core" + ("s" if device["cores"] != 1 else "")
    model = f"{device['model']}, " if device["model"] else ""
    clock = _joined(device["clock_mhz"], "MHz, ") + ", ".join(device["governor"])
    system = (device["distribution"], device["l4t"], device["system"])
    versions = {"Python": device["python"], **device["versions"]}
    facts = {
        "device": f"{model}{device['cpu']}, {cores}{memory}",
        "int8 with": ", ".join(device["instructions"]),
        "clock": clock.rstrip(", "),
        "power mode": device["power_mode"] or "",
        "temperature": ", ".join(f"{k} {v:.1f} °C" for k, v in device["temperatures"].items()),
        "system": ", ".join(part for part in system if part),
        "versions": ", ".join(f"{k} {v}" for k, v in versions.items()),
        "load": "" if device["load"] is None else f"{device['load']:.2f} in the last minute",
    }
    return [f"{name:<12} {shown(value)}" for name, value in facts.items() if value]


def warnings(report: Report) -> list[str]:
    """Return what makes the figures doubtful, and what was not measured."""
    device, found = report["device"], []
    if device["busy"]:
        found.append(
            f"the load is {device['load']:.1f} on {device['cores']} cores: other programs run, and the times "
            "below are longer than this device's own. Measure again when it is quiet."
        )
    for one in report["configurations"]:
        name = _name(one)
        if one["error"]:
            found.append(f"{name} was not measured: {one['error']['kind']}: {one['error']['message']}")
        elif one["fallback_reason"]:
            found.append(f"{name} ran on {one['label']} instead: {one['fallback_reason']}")
    if not report["complete"]:
        found.append("interrupted: the configurations after these are missing.")
    return found


def _bundle_lines(report: Report) -> list[str]:
    bundle = report["bundle"]
    budgets = ", ".join(str(steps) for steps in bundle["budgets"])
    return [
        f"{'bundle':<12} {shown(bundle['path'])}: {bundle['bytes'] / 2**20:.2f} MiB, {bundle['recipe']}, "
        f"{bundle['search']} search of {budgets} steps, {bundle['size']} px"
    ]


def _times(report: Report) -> Table:
    names = ("p50 ms", "p95 ms", "p99 ms", "frames/s", "GMAC/s", "of peak", "start-up ms", "peak MiB")
    table = _table("from frame to verdict", names)
    for one in _measured(report):
        whole, rate = one["milliseconds"]["total"], one["arithmetic"]["frame"]
        numbers = [f"{whole[name]:.2f}" for name in ("p50", "p95", "p99")]
        numbers += [f"{one['frames_per_second']:.1f}", _number(rate["gmacs_per_second"], ".0f")]
        numbers += [_number(rate["share_of_peak"], ".0%"), f"{one['startup_milliseconds']['total']:.0f}"]
        table.add_row(*_key(one), *numbers, f"{one['memory_mib']['peak']:.0f}")
    return table


def _stages(report: Report) -> Table:
    measured = _measured(report)
    stages = [stage for stage in measured[0]["milliseconds"] if stage not in ("total", "from_x")]
    table = _table("p50 ms by stage; from x: without preprocess", [*stages, "from x"])
    for one in measured:
        times = one["milliseconds"]
        table.add_row(*_key(one), *(f"{times[stage]['p50']:.2f}" for stage in [*stages, "from_x"]))
    return table


def _graphs(report: Report) -> Table:
    table = Table(title="graphs")
    for column in ("graph", "KiB", "runs a frame", "MMAC a run", "operators", "weights KiB"):
        table.add_column(column, justify="left" if column == "graph" else "right")
    for name, graph in report["bundle"]["graphs"].items():
        for signature, cost in graph["signatures"].items():
            shown_name = f"{name} {signature}" if signature != "serving_default" else name
            numbers = [f"{graph['bytes'] / 1024:.0f}", str(graph["runs_per_frame"])]
            if cost is None:
                numbers += [NONE] * 3
            else:
                numbers += [f"{sum(cost['macs'].values()) / 1e6:.1f}", str(cost["operators"])]
                numbers += [f"{cost['weight_bytes'] / 1024:.0f}"]
            table.add_row(shown_name, *numbers)
    return table


def _notes(report: Report) -> list[str]:
    notes = []
    for peak in report["peaks"]:
        rates = (
            f"int8 {_number(peak['int8'], '.0f')} GMAC/s, float32 {_number(peak['float32'], '.0f')} GMAC/s"
        )
        memory = f"memory {_number(peak['memory'], '.1f')} GB/s"
        why = f" ({shown(peak['reason'])})" if peak["reason"] else ""
        threads = _threads(peak["threads"])
        notes.append(f"measured peak, {shown(peak['backend'])}, {threads}: {rates}, {memory}{why}")
    settings = report["settings"]
    side = settings["frame_side"]
    notes.append(
        f"{settings['repeats']} frames of {side}x{side} pixels after {settings['warm_up']} to warm up, each "
        "row in a process of its own"
    )
    return notes


def _measured(report: Report) -> list[Report]:
    return [one for one in report["configurations"] if one["error"] is None]


def _table(title: str, columns: list[str] | tuple[str, ...]) -> Table:
    table = Table(title=title)
    for column in ("backend", "threads", "steps", *columns):
        table.add_column(column, justify="left" if column == "backend" else "right", overflow="fold")
    return table


def _key(one: Report) -> tuple[Text, str, str]:
    fell = one["fallback_reason"] is not None
    asked = f"{one['asked']} → {one['backend']}" if fell else one["backend"]
    return Text(shown(asked)), str(one["threads"]), str(one["steps"])


def _name(one: Report) -> str:
    return f"{one['asked']}, {_threads(one['threads'])}, {one['steps']} steps"


def _threads(count: int) -> str:
    return f"{count} thread" + ("s" if count != 1 else "")


def _number(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)


def _joined(values: list[float], unit: str) -> str:
    return " ".join(f"{value:.0f}" for value in values) + f" {unit}" if values else ""
