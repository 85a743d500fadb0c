"""A worker process: reads one task a line, works, answers; `python -m surrogates.workflows.worker`.

It dies with the process that started it: by a signal of the kernel on Linux, by the end of its standard input
elsewhere. What it prints goes to a log in the folder of the task; its answers go to the pipe it was started with.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

Answer = Callable[[dict[str, Any]], None]
_EVERY = 0.2  # s between two progress messages


def main() -> None:
    """Work until the standard input ends."""
    _die_with_parent(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the runner's business
    answer = _answering(os.dup(1))
    tasks: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    answer({"ready": os.getpid()})
    while True:
        task = json.loads(tasks.get())
        _log_to(Path(task["folder"]))
        answer(_done(task, answer))


def _listen(tasks: SimpleQueue[str]) -> None:
    """Pass tasks on; the end of the input means that the runner is gone, so leave at once, whatever is under way."""
    for line in sys.stdin:
        tasks.put(line)
    os._exit(0)


def _done(task: dict[str, Any], answer: Answer) -> dict[str, Any]:
    from surrogates.physics.errors import SurrogatesError
    from surrogates.workflows.tasks import perform

    started, cpu = time.monotonic(), time.process_time()
    try:
        perform(task, _limited(answer))
    except SurrogatesError as error:
        return {"error": f"{task['what']}: {error}", "kind": type(error).__name__}
    except MemoryError:
        return {
            "error": f"{task['what']}: out of memory; take fewer structures at once, or fewer workers",
            "kind": "memory",
        }
    except BaseException as error:
        path = Path(task["folder"]) / "traceback.txt"
        path.write_text(traceback.format_exc(), encoding="utf-8")
        reason = f"{type(error).__name__}: {error}"[:500]
        return {"error": f"{task['what']} failed unexpectedly: {reason}; see {path}", "kind": "unexpected"}
    return {"done": True, "wall": time.monotonic() - started, "cpu": time.process_time() - cpu}


def _limited(answer: Answer) -> Callable[[float, float, str], None]:
    last = [0.0]

    def progress(done: float, total: float, unit: str) -> None:
        now = time.monotonic()
        if now - last[0] >= _EVERY or done >= total:
            last[0] = now
            answer({"progress": [float(done), float(total), str(unit)]})

    return progress


def _answering(descriptor: int) -> Answer:
    pipe = os.fdopen(descriptor, "w", encoding="utf-8", buffering=1)

    def answer(message: dict[str, Any]) -> None:
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()

    return answer


def _log_to(folder: Path) -> None:
    """Standard output and error to the folder's log, also of native libraries."""
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _die_with_parent(parent: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before the call above
        os._exit(0)


if __name__ == "__main__":
    main()
