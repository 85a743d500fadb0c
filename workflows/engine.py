"""Where steps run: worker processes behind the interface of `concurrent.futures`.

Each worker is a process of its own with one compute thread, started once and fed tasks over a pipe. A worker that is
killed takes nothing with it: its task runs again in a new one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from surrogates.physics.errors import SurrogatesError, WorkflowError

MOST_DEATHS = 8  # of workers on one task, before it is given up
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
Task = dict[str, Any]
Heard = Callable[[Task, dict[str, Any]], None]


class LocalExecutor:
    """Runs tasks in `workers` processes.

    Args:
        heard: told of every progress message, with its task, from the worker's own thread.
        trust: not empty when modules of the user's folder may be imported, which then are found there.
    """

    def __init__(self, workers: int, heard: Heard, trust: tuple[str, ...] = ()) -> None:
        self.heard = heard
        self.trust = trust
        self.tasks: SimpleQueue[tuple[Task, Future[Task]] | None] = SimpleQueue()
        self.processes: dict[int, subprocess.Popen[str]] = {}
        self.closing = False
        self.threads = [threading.Thread(target=self._serve, args=(n,), daemon=True) for n in range(workers)]
        for thread in self.threads:
            thread.start()

    def submit(self, task: Task) -> Future[Task]:
        """A future of the task's answer; it fails with `WorkflowError` when the task does."""
        future: Future[Task] = Future()
        self.tasks.put((task, future))
        return future

    def shutdown(self, *, kill: bool = False) -> None:
        """Let the workers go once they are idle, or at once with `kill`; none is left when this returns."""
        self.closing = True
        for _ in self.threads:
            self.tasks.put(None)
        if kill:
            for process in list(self.processes.values()):
                process.kill()
        for thread in self.threads:
            thread.join()

    def _serve(self, slot: int) -> None:
        """One worker's life; its thread lives as long, since Linux ends a child with the thread that started it."""
        try:
            while (item := self.tasks.get()) is not None:
                task, future = item
                if self.closing or not future.set_running_or_notify_cancel():
                    continue
                try:
                    future.set_result(self._run(slot, task))
                except BaseException as error:
                    future.set_exception(error)
        finally:
            self._stop(slot)

    def _run(self, slot: int, task: Task) -> Task:
        for _ in range(MOST_DEATHS):
            answer = self._attempt(slot, task)
            if answer is not None:
                return _raised(answer)
            code = self._stop(slot)
            if self.closing:
                raise WorkflowError(f"{task['what']} was stopped")
            self.heard(task, {"died": code})
        raise WorkflowError(
            f"{task['what']}: its worker died {MOST_DEATHS} times (exit status {code}); status -9 is often a lack of "
            f"memory, so try fewer workers; the log is in {task['folder']}"
        )

    def _attempt(self, slot: int, task: Task) -> Task | None:
        """The answer to a task; None when the worker died over it."""
        process = self.processes.get(slot) or self._start(slot)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
        except OSError:
            return None
        for line in process.stdout:
            if not line.endswith("\n"):
                break
            message = json.loads(line)
            if "done" in message or "error" in message:
                return dict(message)
            if "progress" in message:
                self.heard(task, message)
        return None

    def _start(self, slot: int) -> subprocess.Popen[str]:
        alone = [] if self.trust else ["-P"]  # no module of the current folder is imported unless it is trusted
        command = [sys.executable, *alone, "-m", "surrogates.workflows.worker", str(os.getpid())]
        environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1")}
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=environment
        )
        self.processes[slot] = process
        return process

    def _stop(self, slot: int) -> int | None:
        process = self.processes.pop(slot, None)
        if process is None:
            return None
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
        process.stdout.close()
        return process.wait()


def _raised(answer: Task) -> Task:
    if "error" not in answer:
        return answer
    raise (StepFailed if answer["kind"] == "unexpected" else WorkflowError)(answer["error"])


class StepFailed(SurrogatesError):
    """A step failed in a way that nobody foresaw; the message names the file with the traceback."""
