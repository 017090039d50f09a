#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Counts what ranks say to each other in a run: MPI calls by name, messages, bytes, memory.

    traffic.py --program FLOTILLA --counter libflotilla_count_calls.so --ranks 1 2 4 8

Calls are those of the program and of HDF5, counted by the preloaded library.  Messages are those
on the wire, inside collectives and MPI-IO too, counted by Open MPI's monitoring.  A phase is the
difference of two runs that differ by it alone: a hundred more draws, or the reports.
"""

import argparse
import dataclasses
import os
import subprocess
import tempfile
from pathlib import Path

FLOW = Path(__file__).parents[2] / "apps/flows/two_moons.h5"
MONITORING = {
    "OMPI_MCA_pml_monitoring_enable": "1",
    "OMPI_MCA_pml_monitoring_enable_output": "3",
    "OMPI_MCA_osc": "^monitoring",  # it knows no memory that ranks share
}
DRAWS = 100  # between two commits, and between two reports


@dataclasses.dataclass
class Traffic:
    """Of a run, or of a part of one."""

    calls: dict[str, int]  # on rank 0, by name
    given: dict[str, float]  # bytes that the rank with the most gives to each call
    messages: list[float]  # sent by each rank
    bytes: list[float]  # likewise
    memory: list[float]  # high-water mark of each rank, in kB

    def __sub__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            {name: n - other.calls.get(name, 0) for name, n in self.calls.items()},
            {name: n - other.given.get(name, 0) for name, n in self.given.items()},
            [a - b for a, b in zip(self.messages, other.messages, strict=True)],
            [a - b for a, b in zip(self.bytes, other.bytes, strict=True)],
            self.memory,
        )

    def per(self, times: int) -> "Traffic":
        return Traffic(
            {name: n // times for name, n in self.calls.items() if n >= times},
            {name: n / times for name, n in self.given.items()},
            [n / times for n in self.messages],
            [n / times for n in self.bytes],
            self.memory,
        )

    @property
    def collectives(self) -> int:
        return sum(self.calls.values())


def read_calls(folder: Path, ranks: int) -> tuple[dict[str, int], dict[str, float], list[float]]:
    calls: dict[str, int] = {}
    given: dict[str, float] = {}
    memory = []
    for rank in range(ranks):
        for line in (folder / str(rank)).read_text(encoding="ascii").splitlines():
            name, times, amount = line.split("\t")
            if name == "memory":
                memory.append(float(times))
                continue
            if rank == 0:
                calls[name] = int(times)
            given[name] = max(given.get(name, 0.0), float(amount))
    return calls, given, memory


def read_messages(folder: Path, ranks: int) -> tuple[list[float], list[float]]:
    """Messages and bytes that each rank sent."""
    messages, amounts = [0.0] * ranks, [0.0] * ranks
    for rank in range(ranks):
        for line in (folder / f"sent.{rank}.prof").read_text(encoding="ascii").splitlines():
            words = line.split()
            if words and words[0] == "E":  # E FROM TO BYTES "bytes" MESSAGES "msgs sent" ...
                amounts[rank] += float(words[3])
                messages[rank] += float(words[5])
    return messages, amounts


def count(program: Path, counter: Path, ranks: int, chains: int, *options: object) -> Traffic:
    """The traffic of a whole run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, **MONITORING, "FLOTILLA_CALLS": name}
        environment["OMPI_MCA_pml_monitoring_filename"] = str(folder / "sent")
        environment.pop("OMPI_MCA_pml", None)  # a chosen one leaves no room for monitoring
        words = ["mpirun", "-n", ranks, "env", f"LD_PRELOAD={counter}", program, "sample", FLOW]
        words += ["-o", folder / "run.h5", "--quiet", "--chains", chains, *options]
        subprocess.run([str(word) for word in words], env=environment, check=True, timeout=600)
        calls, given, memory = read_calls(folder, ranks)
        return Traffic(calls, given, *read_messages(folder, ranks), memory)


def phases(program: Path, counter: Path, ranks: int, chains: int) -> dict[str, Traffic]:
    """Start-up with warm-up and end, a hundred draws with their commit, and a report."""

    def run(hundreds: int, report_every: int) -> Traffic:
        options = ["--warmup", 20, "--draws", DRAWS * hundreds, "--report-every", report_every]
        return count(program, counter, ranks, chains, *options)

    short, long, reporting = run(1, 0), run(5, 0), run(5, DRAWS)
    block = (long - short).per(4)
    return {
        "start and end": short - block,
        "100 draws": block,
        "a report": (reporting - long).per(5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--counter", type=Path, required=True)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--chains", type=int, default=64, help="of each rank")
    options = parser.parse_args()
    print("| ranks | phase | calls | messages: mean, most | kB sent: mean, most | memory, MB |")
    print("|---:|---|---:|---:|---:|---:|")
    for ranks in options.ranks:
        found = phases(options.program, options.counter, ranks, options.chains * ranks)
        for phase, traffic in found.items():
            print(
                f"| {ranks} | {phase} | {traffic.collectives} "
                f"| {sum(traffic.messages) / ranks:.1f}, {max(traffic.messages):.1f} "
                f"| {sum(traffic.bytes) / ranks / 1e3:.1f}, {max(traffic.bytes) / 1e3:.1f} "
                f"| {max(traffic.memory) / 1e3:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
