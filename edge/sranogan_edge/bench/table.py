"""A bench report for people: tables and notes from what ``--json`` holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sranogan_edge.bench.report import Report
from sranogan_edge.terminal import counted, shown, terminal

NONE = "-"
WIDEST = 24  # characters of a backend: a delegate's path can be long
HEADERS = {"preprocess": "prepro-\ncess", "reconstruct": "recon-\nstruct", "from_x": "from x"}
Cells = Callable[[Report], Sequence[str]]


def print_report(report: Report, console: Console | None = None) -> None:
    """Print the machine, the bundle, what is doubtful, and the tables."""
    console = console or terminal()

    def say(lines: Iterable[str], style: str = "") -> None:
        for line in lines:
            console.print(Text(shown(line), style), soft_wrap=True)

    say([*device_lines(report["device"]), bundle_line(report["bundle"])])
    say((f"warning: {line}" for line in warnings(report)), "yellow")
    measured = [one for one in report["configurations"] if one["error"] is None]
    if measured:
        for table in (_times(measured), _stages(measured), _start_up(measured)):
            console.print(table)
        console.print(_graphs(report["bundle"]))
    say(_notes(report))


def device_lines(device: Report) -> list[str]:
    """Return the machine's facts, one line for each kind, what is not known left out."""
    memory = f", {device['memory_mib']:,} MiB" if device["memory_mib"] else ""
    model = f"{device['model']}, " if device["model"] else ""
    clocks = " ".join(f"{clock:.0f}" for clock in device["clock_mhz"])
    facts = {
        "device": f"{model}{device['cpu']}, {counted(device['cores'], 'core')}{memory}",
        "int8 with": ", ".join(device["instructions"]),
        "clock": ", ".join([f"{clocks} MHz"] * bool(clocks) + list(device["governor"])),
        "power mode": device["power_mode"],
        "temperature": ", ".join(f"{name} {value:.1f} °C" for name, value in device["temperatures"].items()),
        "system": ", ".join(
            device[name] for name in ("distribution", "l4t", "system") if device[name] is not None
        ),
        "versions": ", ".join(f"{name} {one}" for name, one in device["versions"].items()),
        "load": None if device["load"] is None else f"{device['load']:.2f} in the last minute",
    }
    return [f"{name:<12} {value}" for name, value in facts.items() if value]


def bundle_line(bundle: Report) -> str:
    """Return what was measured."""
    budgets = ", ".join(str(steps) for steps in bundle["budgets"])
    return (
        f"{'bundle':<12} {bundle['path']}: {bundle['bytes'] / 2**20:.2f} MiB, {bundle['recipe']}, "
        f"{bundle['search']} search of {budgets} steps, {bundle['size']} px"
    )


def warnings(report: Report) -> list[str]:
    """Return what makes the figures doubtful, and what was not measured."""
    device, found = report["device"], []
    if device["busy"]:
        found.append(
            f"the load is {device['load']:.1f} on {counted(device['cores'], 'core')}: other programs run, "
            "and the times below are longer than this device's own. Measure again when it is quiet."
        )
    why: dict[str, list[str]] = {}
    for one in report["configurations"]:
        if one["error"]:
            reason = f"not measured: {one['error']['kind']}: {one['error']['message']}"
        elif one["fallback_reason"]:
            reason = f"ran on {one['label']}: {one['fallback_reason']}"
        else:
            continue
        name = f"{one['asked']}, {counted(one['threads'], 'thread')}, {counted(one['steps'], 'step')}"
        why.setdefault(reason, []).append(name)
    found += [f"{'; '.join(names)}: {reason}" for reason, names in why.items()]
    if not report["complete"]:
        found.append("interrupted; what was not yet measured is missing.")
    return found


def _times(measured: list[Report]) -> Table:
    columns = ("p50 ms", "p95 ms", "p99 ms", "CPU ms", "frames/s", "GMAC/s", "of peak")

    def cells(one: Report) -> list[str]:
        whole, rate = one["milliseconds"]["total"], one["arithmetic"]["frame"]
        return [
            *(f"{whole[name]:.2f}" for name in ("p50", "p95", "p99")),
            f"{one['cpu_milliseconds']:.2f}",
            f"{one['frames_per_second']:.1f}",
            _number(rate["gmacs_per_second"], ".0f"),
            _number(rate["share_of_peak"], ".0%"),
        ]

    return _table("from frame to score, p-value and heat map", columns, measured, cells)


def _stages(measured: list[Report]) -> Table:
    stages = [stage for stage in measured[0]["milliseconds"] if stage != "total"]
    headers = [HEADERS.get(stage, stage) for stage in stages]

    def cells(one: Report) -> list[str]:
        return [f"{one['milliseconds'][stage]['p50']:.2f}" for stage in stages]

    return _table("p50 ms by stage (from x: all but preprocess)", headers, measured, cells)


def _start_up(measured: list[Report]) -> Table:
    parts, sizes = list(measured[0]["startup_milliseconds"]), list(measured[0]["memory_mib"])

    def cells(one: Report) -> list[str]:
        times = [f"{one['startup_milliseconds'][part]:.0f}" for part in parts]
        return [*times, *(f"{one['memory_mib'][size]:.0f}" for size in sizes)]

    headers = [*(f"{part}\nms" for part in parts), *(f"{size}\nMiB" for size in sizes)]
    return _table("start-up and memory", headers, measured, cells)


def _table(title: str, columns: Sequence[str], measured: list[Report], cells: Cells) -> Table:
    """Return a table with a row for each configuration."""
    table = _empty(title, ("backend", "thr-\neads", "steps", *columns))
    for one in measured:
        fell = one["fallback_reason"] is not None
        used = f"{one['asked']} → {one['backend']}" if fell else one["backend"]
        table.add_row(Text(shown(used)[-WIDEST:]), str(one["threads"]), str(one["steps"]), *cells(one))
    return table


def _graphs(bundle: Report) -> Table:
    columns = ("graph", "KiB", "runs a frame", "MMAC a run", "operators", "weights KiB")
    table = _empty("graphs", columns)
    for name, graph in bundle["graphs"].items():
        for signature, cost in graph["signatures"].items():
            numbers = [NONE] * 3
            if cost is not None:
                macs, weights = sum(cost["macs"].values()), cost["weight_bytes"]
                numbers = [f"{macs / 1e6:.1f}", str(cost["operators"]), f"{weights / 1024:.0f}"]
            called = name if signature == "serving_default" else f"{name} {signature}"
            table.add_row(called, f"{graph['bytes'] / 1024:.0f}", str(graph["runs_per_frame"]), *numbers)
    return table


def _empty(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", vertical="bottom", no_wrap=number > 0)
    return table


def _notes(report: Report) -> list[str]:
    notes = []
    for peak in report["peaks"]:
        rates = ", ".join(f"{kind} {_number(peak[kind], '.0f')} GMAC/s" for kind in ("int8", "float32"))
        why = f" ({peak['reason']})" if peak["reason"] else ""
        notes.append(
            f"peak of convolutions on {peak['backend']}, {counted(peak['threads'], 'thread')}: {rates}; "
            f"memory {_number(peak['memory'], '.1f')} GB/s{why}"
        )
    settings = report["settings"]
    high = settings["frame_side"]
    wide = settings.get("frame_width") or high
    notes.append(
        f"{counted(settings['repeats'], 'frame')} of {wide}x{high} pixels after {settings['warm_up']} to "
        "warm up; each row in a process of its own"
    )
    tiles = [one["tiles"] for one in report["configurations"] if "tiles" in one]
    if tiles:
        each = ", ".join(f"{one['milliseconds_each']:.2f}" for one in tiles)
        notes.append(f"a frame is covered with {tiles[0]['count']} tiles; p50 ms of one, by row: {each}")
    return notes + [
        f"{one['backend']}, {counted(one['steps'], 'step')}: {counted(one['threads'], 'thread')} are "
        f"{one['speed_up']['times']:.2f} times as fast as {one['speed_up']['of_threads']}"
        for one in report["configurations"]
        if one.get("speed_up")
    ]


def _number(value: float | None, form: str) -> str:
    return NONE if value is None else format(value, form)
