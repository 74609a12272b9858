"""Counts of what this process does, in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/ (0.0.4). Routes are templates, never paths: no personal
value gets in, and their number is bounded.
"""

from __future__ import annotations

import bisect
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from xrm.kernel.kernel import Kernel

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
MEDIA = "text/plain; version=0.0.4; charset=utf-8"
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Metrics:
    """What one process has counted since it began."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = {}
        self._times: dict[tuple[str, str], list[float]] = {}  # per bound, then all, then the sum of seconds

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        key = method, route, status
        self._requests[key] = self._requests.get(key, 0) + 1
        times = self._times.get((method, route))
        if times is None:
            times = self._times[method, route] = [0.0] * (len(BOUNDS) + 2)
        times[bisect.bisect_left(BOUNDS, seconds)] += 1
        times[-1] += seconds

    async def text(self, kernel: Kernel) -> str:
        """Return everything as Prometheus reads it."""
        jobs = await kernel.jobs.table.counts()
        taken, most = kernel.store.connections()
        lines = [
            *_family("xrm_requests_total", "counter", "Requests answered.", self._request_lines()),
            *_family("xrm_request_seconds", "histogram", "Time to answer.", self._time_lines()),
            *_family("xrm_jobs", "gauge", "Jobs by kind and state; failed = dead letters.", _job_lines(jobs)),
            *_family("xrm_jobs_running_here", "gauge", "Jobs this process runs.", [f" {kernel.jobs.running}"]),
            *_family("xrm_connections", "gauge", "Connections to the database.", [f" {most}"]),
            *_family("xrm_connections_busy", "gauge", "Those of them in use.", [f" {taken}"]),
            *_family("xrm_generation", "gauge", "The generation in force.", [f" {_generation(kernel)}"]),
            *_family("xrm_read_only", "gauge", "1 while writes are refused.", [f" {int(bool(kernel.read_only))}"]),
            *_family("process_cpu_seconds_total", "counter", "CPU time used.", [f" {time.process_time():.2f}"]),
            *_family("process_resident_memory_bytes", "gauge", "Memory used.", [f" {_memory()}"]),
        ]
        return "\n".join(lines) + "\n"

    def _request_lines(self) -> Iterator[str]:
        for (method, route, status), number in sorted(self._requests.items()):
            yield f"{_labels(method=method, route=route, status=str(status))} {number}"

    def _time_lines(self) -> Iterator[str]:
        for (method, route), times in sorted(self._times.items()):
            total = 0
            for bound, number in zip((*map(str, BOUNDS), "+Inf"), times[:-1], strict=True):
                total += int(number)
                yield f"_bucket{_labels(method=method, route=route, le=bound)} {total}"
            yield f"_sum{_labels(method=method, route=route)} {times[-1]:.6f}"
            yield f"_count{_labels(method=method, route=route)} {total}"


def _family(name: str, kind: str, help: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"
    yield from (f"{name}{line}" for line in lines)


def _labels(**labels: str) -> str:
    written = (f'{k}="{_escaped(v)}"' for k, v in labels.items())
    return f"{{{','.join(written)}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _job_lines(jobs: Mapping[tuple[str, str], int]) -> Iterator[str]:
    for (kind, state), number in sorted(jobs.items()):
        yield f"{_labels(kind=kind, state=state)} {number}"


def _generation(kernel: Kernel) -> int:
    return kernel.live.generation if kernel.ready else 0


def _memory() -> int:
    """Return the bytes this process holds, 0 where that cannot be told."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0
