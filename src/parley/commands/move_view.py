"""What a move looks like while it happens: a list of steps that fills on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol

from parley.hosting.moves.checks import Check
from parley.hosting.moves.doing import Told
from parley.hosting.moves.plan import Plan
from parley.hosting.moves.results import pause_of
from parley.hosting.moves.states import ANNOUNCEMENTS, STEPS, UNDO, Order, Standing, next_action

MARKS = {"ok": "ok", "look": "LOOK", "forbids": "NO"}
COLOURS = {"ok": "green", "look": "yellow", "forbids": "red bold"}


def fact_of(step: str, detail: dict[str, Any]) -> str:
    """What is worth saying of a step that is done; empty when nothing is."""
    match step:
        case "fence":
            return f"at {detail['fence']['shutdown_lsn']}"
        case "verify":
            return f"{detail['lsn']}, files {detail['media_root'][:12]}" if detail["media_root"] else str(detail["lsn"])
        case "promote":
            return f"epoch {detail['epoch']}"
        case "flip":
            return detail.get("skipped") or f"{', '.join(detail['from'])} -> {', '.join(detail['to'])}"
        case "converge":
            return f"waited {detail['waited']:.0f} s"
    return ""


class Watch(Protocol):
    """Whoever is told what happens."""

    def __call__(self, told: Told) -> None:
        """Hear it."""

    def __enter__(self) -> Watch:
        """Begin to watch."""

    def __exit__(self, *_: Any) -> None:
        """The end."""


class Quiet:
    """Says nothing: for --json."""

    def __call__(self, told: Told) -> None:
        """Nothing."""

    def __enter__(self) -> Quiet:
        return self

    def __exit__(self, *_: Any) -> None:
        return None


class Lines:
    """One line for everything that happens, for logs and pipes."""

    def __init__(self) -> None:
        self._said = ""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: Any) -> None:
        return None

    def __call__(self, told: Told) -> None:
        """Print it. A terminal that is gone does not stop a move."""
        if told.kind == "said":
            if told.text.split()[0] == self._said:  # a countdown: once is enough
                return
            self._said = told.text.split()[0]
        words = _done(told) if told.kind == "done" else told.text
        with suppress(OSError):
            print(f"{time.strftime('%H:%M:%S')}  {told.step:9} {told.kind:8} {words}", flush=True)


def _done(told: Told) -> str:
    said = fact_of(told.step, told.detail)
    return f"{told.seconds:.2f} s" + (f", {said}" if said else "")


class Screen:
    """All steps on one screen, with a clock that runs while writes wait."""

    def __init__(self, order: Order, standing: Standing | None) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self._order = order
        self._names = [step.name for step in STEPS if order.announced or step.name not in ANNOUNCEMENTS]
        self._texts = {step.name: _text(step.doing, order) for step in (*STEPS, *UNDO)}
        self._marks = dict.fromkeys(self._names, " ")
        if standing is not None:
            self._marks |= {name: "✓" for name in standing.details if name in self._marks}
        self._notes: dict[str, str] = {}
        self._seconds: dict[str, float] = {}
        self._doing = ""
        self._since = 0.0
        self._held: float | None = None
        self._pause: float | None = None
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(get_renderable=self._render, console=Console(), refresh_per_second=12, transient=False)

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._doing = ""
        with suppress(OSError):
            self._live.stop()

    def __call__(self, told: Told) -> None:
        """Show it."""
        if told.kind == "undoing":  # what was not begun will not be
            self._names = [name for name in self._names if self._marks[name] != " "]
        elif told.kind == "begin":
            if told.step not in self._names:
                self._names.append(told.step)
                self._marks[told.step] = " "
            self._doing, self._since = told.step, time.monotonic()
        elif told.kind == "said":
            self._notes[told.step] = told.text
        elif told.step in self._marks:
            self._marks[told.step] = {"done": "✓", "noted": "…", "failed": "✗"}.get(told.kind, " ")
            self._notes[told.step] = told.text if told.kind != "done" else fact_of(told.step, told.detail)
            self._seconds[told.step] = told.seconds
            self._doing = ""
        self._clock(told)

    def _clock(self, told: Told) -> None:
        if told.kind != "done":
            return
        if told.step == "hold":
            self._held = time.monotonic()
        elif told.step in ("forward", "release"):
            self._pause, self._held = told.detail.get("pause"), None

    def _render(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
        colours = {"✓": "green", "…": "yellow", "✗": "red bold", " ": "dim"}
        for name in self._names:
            mark, is_now = self._marks[name], name == self._doing
            seconds = time.monotonic() - self._since if is_now else self._seconds.get(name)
            table.add_row(
                self._spinner if is_now else Text(mark, style=colours[mark]),
                Text(self._texts[name], style="bold" if is_now else "" if mark != " " else "dim"),
                Text(f"{seconds:.2f} s" if seconds is not None else "", style="cyan"),
                Text(self._notes.get(name, ""), style="red" if mark == "✗" else "dim", overflow="ellipsis"),
            )
        title = Text.assemble(
            ("Moving ", "bold"), (self._order.source, "cyan bold"), " → ", (self._order.target, "cyan bold")
        )
        lines: list[Any] = [title, table]
        if self._held is not None:
            waited = time.monotonic() - self._held
            style = "yellow bold" if waited < self._order.hold / 2 else "red bold"
            lines.append(Text(f"  writes wait: {waited:.2f} s of {self._order.hold:g} s", style=style))
        elif self._pause is not None:
            lines.append(Text(f"  writes waited {self._pause:.2f} s", style="green bold"))
        return Group(*lines)


def _text(doing: str, order: Order) -> str:
    return doing.format(source=order.source, target=order.target, name=order.domain)


def watch_for(order: Order, as_json: bool, standing: Standing | None = None) -> Watch:
    """What fits where the command runs."""
    if as_json:
        return Quiet()
    return Screen(order, standing) if sys.stdout.isatty() else Lines()


def plan_text(plan: Plan) -> str:
    """A plan for people, without colours."""
    order = plan.order
    lines = [f"Moving {order.domain} from {order.source} to {order.target}, epoch {order.epoch}:", ""]
    lines += [line for check in plan.checks for line in _check_lines(check)]
    lines += ["", *_estimates(plan)]
    return "\n".join(lines)


def show_plan(plan: Plan) -> None:
    """Print a plan, with colours where they can be seen."""
    if not sys.stdout.isatty():
        print(plan_text(plan))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    order = plan.order
    table = Table(
        title=f"{order.domain}: {order.source} → {order.target}", title_justify="left", box=None, padding=(0, 1)
    )
    for name in ("", "", ""):
        table.add_column(name, overflow="fold")
    for check in plan.checks:
        said = Text(check.said)
        if check.do:
            said.append(f"\n{check.do}", style="cyan")
        table.add_row(Text(MARKS[check.verdict], style=COLOURS[check.verdict]), Text(check.what, style="bold"), said)
    console = Console()
    console.print(table)
    console.print("\n".join(_estimates(plan)), highlight=False)


def _check_lines(check: Check) -> list[str]:
    first = f"{MARKS[check.verdict]:5} {check.what:16} {check.said}"
    return [first, f"{'':22} {check.do}"] if check.do else [first]


def _estimates(plan: Plan) -> list[str]:
    lines = [f"Writes will wait for about {plan.pause:.1f} s; people see no error, and nothing is lost."]
    if plan.converged is not None:
        lines.append(
            f"After about {plan.converged:.0f} s nobody remembers the old address. {plan.order.source} hands on."
        )
    if plan.forbidden:
        lines.append(f"This move cannot be made: {len(plan.forbidden)} of the lines above say NO.")
    return lines


def standing_text(name: str, standing: Standing) -> str:
    """Where a move stands, for people."""
    order, state = standing.order, standing.state
    lines = [f"Move {name}: {order.source} -> {order.target}, {state}."]
    for step in (*STEPS, *UNDO):
        found = standing.details.get(step.name)
        if found is not None:
            seconds = found.get("seconds")
            took = f"{seconds:8.2f} s" if seconds is not None else f"{'':10}"
            lines.append(f"  {str(found.get('at', ''))[11:19]}  {took}  {_text(step.doing, order)}")
        elif step.name in standing.late:
            lines.append(f"  {'':8}  {'later':>10}  {_text(step.doing, order)}")
    return "\n".join([*lines, ending_text(standing)])


def ending_text(standing: Standing) -> str:
    """What came of it so far, and what can be done now."""
    pause = pause_of(standing)
    lines = [f"Writes waited {pause:.2f} s."] if pause is not None else []
    if standing.reason:
        lines.append(f"Why: {standing.reason}")
    return "\n".join([*lines, _what_now(standing)])


def _what_now(standing: Standing) -> str:
    match standing.outcome:
        case "moved":
            return f"It is over: {standing.order.target} serves, {standing.order.source} is its standby."
        case "aborted":
            return f"It was aborted, and nothing was lost: {standing.order.source} serves."
        case "overtaken":
            return "It was overtaken by another change of hosts: see `parley host status`."
    step = next_action(standing).step
    ahead = f"Next: {_text(step.doing, standing.order)}. " if step else ""
    back = "" if standing.is_promoted else ", `parley move abort` turns it back"
    return f"It is not over. {ahead}`parley move run` goes on{back}."
