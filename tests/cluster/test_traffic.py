# SPDX-License-Identifier: BSD-3-Clause
"""What ranks say to each other does not grow with their number beyond its logarithm, where it may
not, and is what the model of scaling says.  FLOTILLA_RANKS=64: on so many ranks, in minutes.
"""

import math
import os
import unittest
from functools import cache
from pathlib import Path

from flotilla_tools.measuring import scaling_model
from flotilla_tools.measuring.scaling import Options
from traffic import FLOW, Traffic, phases

PROGRAM, COUNTER = Path(os.environ["FLOTILLA_PROGRAM"]), Path(os.environ["FLOTILLA_COUNTER"])
MOST = int(os.environ.get("FLOTILLA_RANKS", 8))
RANKS = [2**k for k in range(1, MOST.bit_length())]
FEW, MANY = RANKS[0], RANKS[-1]
CHAINS = 64  # of each rank: a tile
DIM = 2
# Calls change a little whenever the run does something more; a call for every rank does not hide.
TOLERANCE = 0.15


@cache
def on(ranks: int) -> dict[str, Traffic]:
    return phases(PROGRAM, COUNTER, ranks, CHAINS * ranks)


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


class WhatRanksSay(unittest.TestCase):
    def test_calls_do_not_depend_on_the_ranks(self):
        for phase in ("start and end", "100 draws"):
            few, many = on(FEW)[phase], on(MANY)[phase]
            self.assertGreater(few.collectives, 10)
            # A disk that is slow is told to write once more.
            self.assertLess(abs(many.collectives - few.collectives), 10, (few.calls, many.calls))

    def test_messages_of_a_block_grow_as_the_logarithm(self):
        for ranks in {FEW, MANY}:
            said = scaling_model.in_a_block(ranks)
            sent = mean(on(ranks)["100 draws"].messages)
            expected = said.rounds * math.log2(ranks)
            self.assertGreater(sent, (1 - TOLERANCE) * expected)
            self.assertLess(sent, (1 + TOLERANCE) * expected)

    def test_messages_of_the_start_grow_as_the_logarithm(self):
        few, many = (mean(on(ranks)["start and end"].messages) for ranks in (FEW, MANY))
        self.assertGreater(few, 100)
        self.assertLess(many / few, (1 + TOLERANCE) * math.log2(MANY) / math.log2(FEW))

    def test_bytes_of_a_block_are_those_of_the_model(self):
        said = scaling_model.in_a_block(MANY)
        sent = max(on(MANY)["100 draws"].bytes)
        # Rounds carry a few numbers each.
        small = 8 * said.rounds * math.log2(MANY)
        self.assertGreater(sent, (1 - TOLERANCE) * said.bytes)
        self.assertLess(sent, (1 + TOLERANCE) * (said.bytes + small))

    def test_a_report_is_spread_over_ranks(self):
        said = scaling_model.in_a_report(MANY, 1, DIM)
        report = on(MANY)["a report"]
        self.assertGreater(max(report.bytes), 0)
        most = said.rounds * math.log2(MANY) + said.messages
        self.assertLess(max(report.messages), (1 + TOLERANCE) * most)
        # Each rank sends its tile once, with the figures and counts of all.
        self.assertLess(mean(report.bytes), (1 + TOLERANCE) * said.bytes)

    def test_the_model_says_what_more_ranks_cost(self):
        options = Options(
            flow=FLOW, draws=100, latency=2e-6, bandwidth=1e10, file_bandwidth=math.inf
        )
        one = scaling_model.OneRank(block=0.03, dim=DIM, tiles=1, written=10**6)
        few, many = (scaling_model.predict(one, ranks, options) for ranks in (1, 65536))
        self.assertEqual(few.efficiency, 1.0)
        # Sixteen steps of 98 rounds; then the offsets of MPI-IO.
        self.assertAlmostEqual(many.messages, 16 * 98 * 2e-6 + 12 * 16 * 65536 / 1e10)
        self.assertGreater(many.report, 65536 * 2e-6)
        self.assertLess(many.efficiency, 0.3)

    def test_memory_hardly_grows(self):
        few, many = (max(on(ranks)["100 draws"].memory) for ranks in (FEW, MANY))
        # Open MPI has a buffer for each rank of the same host.
        self.assertLess(many - few, 200 * (MANY - FEW) + 2000)


if __name__ == "__main__":
    unittest.main()
