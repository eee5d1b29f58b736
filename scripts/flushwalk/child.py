"""Runs one program under a run's eye: its progress is read, its other words go to a log.

A child gets a session of its own, so that a terminal's Ctrl-C comes to us alone: we pass one SIGINT
on and wait until the child has closed its files. A second Ctrl-C ends it at once.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import IO, Any, BinaryIO, Protocol

SECONDS_BETWEEN_TICKS = 0.25
SECONDS_TO_STOP = 30.0  # for a child that was asked to; then it is killed
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CHUNK = 65536


class Stop:
    """Whether the user wants to stop, by signals while it is entered; `times` is how often."""

    def __init__(self) -> None:
        self.times = 0
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stop":
        for number in _SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup: it is to outlive its terminal
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.times += 1
        self.signal = self.signal or number

    @property
    def exit_status(self) -> int:
        return 128 + (self.signal or 0)


class Patience:
    """How long a program may say nothing. Of the time between two questions a second counts at most:
    while this process was stopped, or the machine asleep, the program may have been as well."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self.renew(seconds)

    def renew(self, seconds: float) -> None:
        self.seconds = seconds
        self._waited = 0.0
        self._asked = self._clock()

    def over(self) -> bool:
        """To be asked a few times a second."""
        now = self._clock()
        self._waited += min(now - self._asked, 1.0)
        self._asked = now
        return self._waited > self.seconds


class Listener(Protocol):
    """What a run does with what its program says."""

    def on_progress(self, progress: Mapping[str, Any]) -> None: ...
    def on_words(self, line: str) -> None:
        """A line on standard error that is no progress."""
    def on_tick(self) -> bool:
        """Called a few times a second; False kills the program."""


def as_progress(line: str) -> Mapping[str, Any] | None:
    """The object in a progress line; None for any other line."""
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    kinds = (("case", str), ("done", int), ("total", int))
    finished = value.get("finished", [])
    sound = all(isinstance(value.get(key), kind) for key, kind in kinds) and isinstance(
        finished, list) and all(isinstance(case, str) for case in finished)
    return value if sound else None


class _Lines:
    """The lines of a pipe, as they come."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self._rest = b""
        self.ended = False

    def read(self) -> list[str]:
        chunk = os.read(self._stream.fileno(), _CHUNK)
        self.ended = not chunk
        *lines, self._rest = (self._rest + (chunk or b"\n")).split(b"\n")
        return [line.decode(errors="replace") for line in lines if line]


def _stop_if_wanted(
    process: subprocess.Popen[bytes], stop: Stop, asked_at: float | None
) -> float | None:
    """Asks once, kills when that did not help; returns when it was asked."""
    if not stop.times:
        return None
    if asked_at is None:
        process.send_signal(signal.SIGINT)
        return time.monotonic()
    if stop.times > 1 or time.monotonic() - asked_at > SECONDS_TO_STOP:
        process.kill()
    return asked_at


def run(
    command: Sequence[str], words: IO[bytes], log: BinaryIO, stop: Stop, listener: Listener
) -> int:
    """Runs the command to its end and gives its exit status, negative for a signal.

    `words` is its standard input. `log` (unbuffered, opened for appending) gets its standard output,
    and the lines on standard error that are no progress. Raises OSError if there is no such program.
    """
    process = subprocess.Popen(
        command,
        stdin=words,
        stdout=log,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    asked_at = None
    try:
        with selectors.DefaultSelector() as selector, process.stderr as stream:
            lines = _Lines(stream)
            selector.register(stream, selectors.EVENT_READ)
            while not lines.ended:
                over = process.poll() is not None  # asked first: its last words are there then
                ready = selector.select(SECONDS_BETWEEN_TICKS)
                if not ready and over:
                    break  # something else holds the pipe open
                for line in lines.read() if ready else ():
                    progress = as_progress(line)
                    if progress is not None:
                        listener.on_progress(progress)
                    else:
                        log.write(f"{line}\n".encode())
                        listener.on_words(line)
                asked_at = _stop_if_wanted(process, stop, asked_at)
                if not listener.on_tick():
                    process.kill()
                    break
        while process.poll() is None:
            asked_at = _stop_if_wanted(process, stop, asked_at)
            if not listener.on_tick():
                process.kill()
            time.sleep(SECONDS_BETWEEN_TICKS / 10)
        return process.returncode
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
