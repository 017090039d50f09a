# SPDX-License-Identifier: BSD-3-Clause
"""The page of scripts/report.py, as a browser sees it."""

import os
import shutil
import subprocess
import unittest

from browser import Browser
from program import ENVIRONMENT, FLOWS, MOONS, PROGRAM, PYTHON, SOURCE, ProgramTest, run

# For each picture: its size and the spread of its grey levels, from its pixels.
LOOK_AT_PICTURES = """
return Array.from(document.images).map(function (image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let count = 0, sum = 0, squares = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    const grey = (pixels[i] + pixels[i + 1] + pixels[i + 2]) / 3;
    count += 1; sum += grey; squares += grey * grey;
  }
  return [image.complete, canvas.width, Math.sqrt(squares / count - (sum / count) ** 2)];
});
"""

# The screen, the page, the widest picture (CSS pixels), and the smallest size of text.
LOOK_AT_LAYOUT = """
const pictures = Array.from(document.images).map(e => e.getBoundingClientRect().width);
const sizes = Array.from(document.querySelectorAll("body *")).filter(e => e.innerText)
  .map(e => parseFloat(getComputedStyle(e).fontSize));
return [innerWidth, document.documentElement.scrollWidth, Math.max(0, ...pictures),
  Math.min(...sizes)];
"""

STUDY = """
seeds = [1, 2]
[sample]
flow = "{flow}"
chains = 64
warmup = 20
[list]
draws = [30, 60, 30]
superchains = [0, 0, 7]
[grid]
beta = [0, 1]
"""


class Report(ProgramTest):
    def report(self, path, *arguments):
        words = [PYTHON, str(SOURCE / "scripts" / "report.py"), path, "--flotilla", PROGRAM, *arguments]
        return subprocess.run(words, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)

    def page_of(self, path, *arguments):
        done = self.report(path, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return path.replace(".h5", ".html")

    def look_at(self, page, pictures):
        """Opens a page, checks its console and pictures, that it fits a telephone and a wide
        screen, and how it writes numbers; returns the visible text."""
        with open(page, encoding="utf-8") as file:
            source = file.read()
        self.assertNotIn("://", source)  # nothing comes from a network
        with Browser() as browser:
            screens = []
            for width in (360, 1400):
                browser.act_as_screen(width)
                browser.open(page)
                screens.append((width, browser.run(LOOK_AT_LAYOUT)))
            seen = browser.run(LOOK_AT_PICTURES)
            text = browser.run("return document.body.innerText")
            cells = browser.run(
                "return Array.from(document.querySelectorAll('td, b')).map(e => e.innerText)"
            )
            console = browser.console()
        self.assertEqual(console, [])
        for width, (inner, content, widest_picture, smallest_text) in screens:
            self.assertEqual(inner, width)  # without a viewport a telephone would say 980
            self.assertLessEqual(content, width)
            self.assertLessEqual(widest_picture, width)
            self.assertGreaterEqual(smallest_text, 12)
        self.assertGreater(len(cells), 10)
        for cell in cells:
            self.assertNotRegex(cell, r"^-?[\d.]+e[+-]?\d+$")
        for name in ("mcse_mean", "ess_bulk", "ess_tail", "nested_rhat", "ess_per_second"):
            self.assertNotIn(name, text)
        self.assertEqual(len(seen), pictures)
        for complete, width, spread in seen:
            self.assertTrue(complete)
            self.assertGreater(width, 400)
            self.assertGreater(spread, 10.0)
        return text

    def test_the_page_of_a_run(self):
        size = ["--chains", 256, "--draws", 300, "--thin", 5, "--global-fraction", 0.3]
        path = self.sample(*size, "--report-every", 50)
        text = self.look_at(self.page_of(path), 11)
        self.assertLess(text.index("Converged"), text.index("Figures"))
        for word in (
            "x[0]",
            "log_det_jacobian",
            "76,800",
            "effective draws",
            "standard deviation",
            "chains = 256",
            "git_commit",
            "flow_checksum",
        ):
            self.assertIn(word, text)

    def test_the_page_of_a_run_that_did_not_converge_says_so_first(self):
        rings = str(FLOWS / "three_rings.h5")
        path = self.sample("--chains", 64, "--draws", 50, "--global-fraction", 0, flow=rings)
        os.remove(path.replace(".h5", ".jsonl"))
        text = self.look_at(self.page_of(path), 9)
        self.assertIn("Not converged", text[:200])
        self.assertIn("R-hat of", text[:400])

    def test_the_page_of_a_study(self):
        study = self.path("study.toml")
        with open(study, "w", encoding="utf-8") as file:
            file.write(STUDY.format(flow=MOONS))
        path = self.path("study.h5")
        self.assertEqual(run("study", study, "-o", path, "--quiet").returncode, 3)
        text = self.look_at(self.page_of(path), 1)
        self.assertIn("8 of 12 runs succeeded", text)
        self.assertIn("--superchains should be", text)
        self.assertIn("±", text)

    def test_names_what_it_cannot_show(self):
        run_file = self.sample("--chains", 32, "--draws", 4)
        moved = self.path("moved.h5")
        shutil.move(run_file, moved)
        told = 0
        for path, more, expected in (
            (self.path("none.h5"), [], "expected a run or a study"),
            (MOONS, [], "found one without posterior/x"),
            (moved, ["--flow", self.path("none.h5")], "expected the run's flow"),
        ):
            done = self.report(path, "-o", self.path("page.html"), *more)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(expected, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            told += 1
        self.assertEqual(told, 3)

    def test_what_a_run_says_of_itself_is_text(self):
        import h5py

        path = self.sample("--chains", 32, "--draws", 20)
        with h5py.File(path, "r+") as file:
            file.attrs["config"] = "<script>console.log('ran')</script>"
        text = self.look_at(self.page_of(path), 10)
        self.assertIn("<script>", text)


if __name__ == "__main__":
    unittest.main()
