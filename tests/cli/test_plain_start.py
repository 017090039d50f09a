# SPDX-License-Identifier: BSD-3-Clause
"""The program starts without the Open MPI settings of the tests, as it does for users."""

import subprocess
import unittest

from program import ENVIRONMENT, ProgramTest, command

# Without these no rank starts for root or on a machine with one core.
NEEDED = "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_MCA_rmaps_base_oversubscribe"
PLAIN = {
    name: value
    for name, value in ENVIRONMENT.items()
    if not name.startswith("OMPI_") or name.startswith(NEEDED)
}


class PlainStart(ProgramTest):
    def test_alone_and_on_ranks(self):
        self.assertLess(len(PLAIN), len(ENVIRONMENT))
        for ranks in (None, 2):
            done = subprocess.run(
                command("--version", ranks=ranks),
                env=PLAIN, capture_output=True, text=True, timeout=60,
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(done.stdout.startswith("flotilla "), done.stdout)


if __name__ == "__main__":
    unittest.main()
