"""Made-up programs in place of the benches, and scripts/run's Python half told to use them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from flushwalk import plan

SCRIPTS = Path(__file__).resolve().parents[1]

# Takes the bench's own flags; writes a row a case and repetition into both files, group after group,
# and progress as the bench does. Its cells tell which process wrote them. FAKE says how it fails:
# refuse, or break before anything, where the flags have FAKE_WHERE; killed and skip before, crash,
# hang and wait (until it has lost its parent) after one repetition of the groups that FAKE_AT names a
# case of; slow is there to be interrupted.
BENCH = r'''import json, os, re, signal, sys, time
fault, parent = os.environ.get("FAKE", ""), os.getppid()
here = os.environ.get("FAKE_WHERE", "") in " ".join(sys.argv)
flags = dict(argument[2:].partition("=")[::2] for argument in sys.argv[1:])
bench = os.path.basename(sys.argv[0])
values = lambda axis: flags[axis].split(",")
if bench == "flush_walk_bench":
  later = lambda axis, usual: [f"/{axis}:{v}" * (v != usual) for v in values(axis)]
  groups = [[f"flush_walk/walk:{w}/check:{c}/gather:{'runs' if s in ('mprotect', 'munmap') else 'hull'}"
             f"/shootdown:{s}/blocks:{b}/full:{f}/dirty:{d}{spread}{descriptors}{index}/queues:{q}"
             f"/responders:{r}" for w in values("walk") for c in values("check")]
         for b in values("blocks") for f in values("full") for d in values("dirty")
         for spread in later("spread", "even") for descriptors in later("descriptors", "in_order")
         for index in later("index", "kernel") for q in values("queues")
         for s in values("shootdown") for r in values("responders")]
elif bench == "shootdown_bench":
  groups = [[f"shootdown/operation:{o}/arm:{a}/pages:{p}/page_size:{s}/responder_does:none"
             f"/working_set:0/rate:{t}/responders:0" for a in values("arms")]
            for o in values("operation") for p in values("pages") for s in values("page-size")
            for t in values("rate")]
else:
  names = [bench.removesuffix("_bench")]
  for axis in flags:
    if axis not in ("samples", "repetitions", "cases", "out", "progress", "dry-run",
                    "placement", "counters", "oracle"):
      names = [f"{name}/{axis.replace('-', '_')}:{value}" for name in names for value in values(axis)]
  groups = [[name.replace("/last_free:lazy", "")] for name in names]
placement = flags.get("placement", "compact")
groups = [[name + f"/placement:{placement}" * (placement != "compact") for name in group]
          for group in groups]
if "cases" in flags:
  listed = set(open(flags["cases"]).read().split())
  groups = [[name for name in group if name in listed] for group in groups]
  groups = [group for group in groups if group]
if fault == "refuse" and here:
    sys.exit(print(f"{bench}: --blocks: 64 is a bad number here", file=sys.stderr) or 2)
if "dry-run" in flags:
    sys.exit(print("\n\n".join("\n".join(group) for group in groups)))
def opened(name, header):
    path = os.path.join(flags["out"], name)
    file = open(path, "a+b", buffering=0)
    file.seek(0)
    whole = file.read().rpartition(b"\n")
    file.truncate(len(whole[0] + whole[1]))
    if not whole[1]:
        file.write(header)
    return file
stopped = []
if fault == "slow":
    signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
elif fault == "hang":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
print("Run on (2 X 2400 MHz CPU s)", file=sys.stderr)
print("a table of results")
with open(os.path.join(flags["out"], "calls"), "a") as calls:
    calls.write(" ".join([bench, *sys.argv[1:]]) + "\n")
if fault == "break" and here:
    sys.exit(3)
out = opened("measurements.csv", b"schema_version,case,repetition,by\n")
counters = None if flags.get("counters") == "none" else opened("counters.csv", b"case,by\n")
repetitions = int(flags["repetitions"])
total = repetitions * sum(map(len, groups))
done = failed = 0
def fail(group):
    if fault == "crash":
        print("flush_walk_bench: it broke", file=sys.stderr)
        sys.exit(3)
    if fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "wait":
        out.write(f"1,{group[0]},".encode())
    open(os.path.join(flags["out"], "stuck"), "w")
    while fault == "hang" or os.getppid() == parent:
        time.sleep(0.01)
    sys.exit(1)
for group in groups:
    hit = fault not in ("", "slow") and any(
        re.search(os.environ.get("FAKE_AT", "^$"), name) for name in group)
    for repetition in range(repetitions):
        if hit and repetition == (fault not in ("killed", "skip")):
            failed = 1
            if fault == "skip":
                break
            fail(group)
        for name in group:
            out.write(f"1,{name},{repetition},{os.getpid()}\n".encode())
            if counters:
                counters.write(f"{name},{os.getpid()}\n".encode())
        done += len(group)
        line = {"case": group[-1], "done": done, "total": total, "seconds": 0.1}
        if repetition + 1 == repetitions:
            line["finished"] = group
        if "progress" in flags:
            print(json.dumps(line), file=sys.stderr, flush=True)
        if fault == "slow":
            time.sleep(0.05)
        if stopped:
            time.sleep(0.7)  # closing takes its time: a second SIGINT would be noticed
            out.write(b"closed,,,\n")
            open(os.path.join(flags["out"], f"sigints_{len(stopped)}"), "w")
            sys.exit(130)
sys.exit(failed)
'''
STALE_ALIAS = r'''import os, sys
print("{}" if os.environ.get("FAKE_ALIAS") == "mute" else '{"ok": true, "walks": []}')
sys.exit(1 if os.environ.get("FAKE_ALIAS") else 0)
'''
THREAD_ANSWERS = """print('{"ok": true, "deferred": []}')"""
# run.main with these programs, and a report that notes that it was made. When a bench is stuck, the
# clock that is to notice runs a second a look, and looks are frequent.
DRIVER = r'''
import itertools, os, pathlib, signal, sys, time, types
signal.signal(signal.SIGHUP, signal.SIG_IGN if "NOHUP" in os.environ else signal.SIG_DFL)
sys.path[0] = sys.argv[1]
from flushwalk import child, machine_facts, measuring, run, set_up
home = pathlib.Path(sys.argv[2])
run.BINARIES, run.REPORTS = home / "bin", home / "reports"
set_up.facts = lambda: {"kernel": os.environ.get("FAKE_KERNEL", "6.1"), "git revision": None}
child.SECONDS_BETWEEN_TICKS = 0.02
looks = itertools.count()
def clock():
    return time.monotonic() + (next(looks) if any(home.glob("**/stuck")) else 0)
measuring.CLOCK = clock
def write_report(folder):
    if (home / "no_report").exists():
        raise ValueError("no picture")
    (folder / "report.html").write_text("made")
    return "results"
def answer_lines(results):
    return ("free list: 1 us", "xarray: 2 us") if results == "results" else ()
for name, function in (("report", write_report), ("answer", answer_lines)):
    module = types.ModuleType("flushwalk." + name)
    setattr(module, function.__name__, function)
    sys.modules["flushwalk." + name] = module
    setattr(sys.modules["flushwalk"], name, module)
sys.exit(run.main(sys.argv[3:]))
'''
SMALL = ["--repetitions=2", "--samples=5", "--cpus=0"]


class World:
    """The programs in a folder, and what a run made there."""

    def __init__(self, home: Path):
        self.home = home
        self.environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        (home / "bin").mkdir(parents=True)
        programs = {sweep.bench: BENCH for sweep in plan.quick_set(2)}
        shown = {"stale_alias": STALE_ALIAS, "thread_answers": THREAD_ANSWERS}
        for name, text in {**programs, **shown}.items():
            # Without site packages: it starts in half the time, and there are many.
            (home / "bin" / name).write_text(f"#!{sys.executable} -IS\n{text}")
            (home / "bin" / name).chmod(0o755)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", DRIVER, str(SCRIPTS), str(self.home), *arguments]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment, **environment},
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    @property
    def folder(self) -> Path:
        (folder,) = (self.home / "reports").iterdir()
        return folder

    def rows(self) -> list[tuple[str, str]]:
        """Case and repetition of each, in their order."""
        with (self.folder / "measurements.csv").open() as file:
            return [(row["case"], row["repetition"]) for row in csv.DictReader(file)]

    def cases(self) -> list[str]:
        return [case for case, _ in self.rows()]

    def notes(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "run.json").read_text()))

    def wait_for(self, pattern: str, lines: int = 0) -> None:
        """Until a file of that name in the report folder has more than so many lines, or is there."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for path in (self.home / "reports").glob(f"*/{pattern}"):
                if not lines or len(path.read_text().splitlines()) > lines:
                    return
            time.sleep(0.02)
        raise AssertionError(f"no {pattern} came")
