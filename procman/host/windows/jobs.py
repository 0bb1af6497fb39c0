"""A job object for each run: what was started in it can't leave it, so what is in it is the run's.

A manager that begins opens the jobs of the one before it by their names. A name lasts as long as somebody
has a handle, not as long as the job (Richter, *Windows via C/C++*, chapter 5). So the first process of a run
is given one, which its children inherit where they inherit anything.
"""

from __future__ import annotations

from hashlib import sha256

from procman.host.windows.win32 import CallFailed, Handle, Win32


class Jobs:
    """The jobs of the runs of this project. Owned by the thread of the event loop."""

    def __init__(self, kernel: Win32) -> None:
        self._kernel = kernel
        self._jobs: dict[str, Handle] = {}  # by marker
        self._made = 0

    def close(self) -> None:
        """Let go of every job; their processes live on."""
        for marker in tuple(self._jobs):
            self.forget(marker)

    def count(self) -> int:
        """Return a number that it has not returned before."""
        self._made += 1
        return self._made

    def make(self, marker: str) -> Handle:
        """Return a new job for a run.

        Raises:
            CallFailed: it could not be made.
        """
        self.forget(marker)
        self._jobs[marker] = self._kernel.create_job(name_of(marker))
        return self._jobs[marker]

    def share(self, job: Handle, process: Handle) -> None:
        """Let a job keep its name as long as this process lives; if that can't be, markers have to do."""
        try:
            self._kernel.share_job(job, process)
        except CallFailed:
            return

    def forget(self, marker: str) -> None:
        """Let go of a job."""
        job = self._jobs.pop(marker, None)
        if job is not None:
            self._kernel.close(job)

    def pids(self, marker: str) -> set[int] | None:
        """Return the living processes of a run's job; None if no job of that name can be found."""
        job = self._job(marker)
        try:
            found = None if job is None else set(self._kernel.job_pids(job))
        except CallFailed:
            return None
        if found == set():
            self.forget(marker)  # it is over; of an empty job that is forgotten no process can ever be
        return found

    def terminate(self, marker: str, code: int) -> bool:
        """End all that is in a run's job; return whether there was one."""
        job = self._job(marker)
        try:
            if job is not None:
                self._kernel.terminate_job(job, code)
        except CallFailed:
            return False
        return job is not None

    def _job(self, marker: str) -> Handle | None:
        if marker not in self._jobs:
            try:
                job = self._kernel.open_job(name_of(marker))
            except CallFailed:
                return None
            if job is None:
                return None
            self._jobs[marker] = job
        return self._jobs[marker]


def name_of(marker: str) -> str:
    """Return the name of a run's job: a marker may be longer, or have a `\\` in it."""
    return f"Local\\procman-{sha256(marker.encode()).hexdigest()[:32]}"
