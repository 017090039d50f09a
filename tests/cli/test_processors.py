# SPDX-License-Identifier: BSD-3-Clause
"""On a processor that lacks what it was built for, the program says so and ends."""

import shutil
import subprocess
import unittest

from program import ENVIRONMENT, PROGRAM, TIME_LIMIT, run

# Of an instruction set: a processor of qemu's that lacks it.
OLDER = {"AVX": "Nehalem", "SSE4.2": "Conroe"}


class Processors(unittest.TestCase):
    @unittest.skipUnless(
        shutil.which("qemu-x86_64"), "there is no qemu-x86_64, as in Debian's qemu-user"
    )
    def test_one_that_is_too_old_is_told_before_the_first_vector_instruction(self):
        (built_for,) = [
            line for line in run("--version").stdout.splitlines() if "instruction set" in line
        ]
        older = [processor for name, processor in OLDER.items() if name in built_for]
        if not older:
            self.skipTest(f"every processor has the {built_for}")
        words = ["qemu-x86_64", "-cpu", older[0], PROGRAM, "--version"]
        done = subprocess.run(
            words, env=ENVIRONMENT, capture_output=True, text=True, timeout=TIME_LIMIT
        )
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stdout, "")
        told = [line for line in done.stderr.splitlines() if line.startswith("flotilla: ")]
        self.assertEqual(len(told), 1, done.stderr)
        self.assertIn("lacks what the program was built for: ", told[0])
        self.assertIn("FLOTILLA_ARCH", told[0])


if __name__ == "__main__":
    unittest.main()
