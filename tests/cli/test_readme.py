# SPDX-License-Identifier: BSD-3-Clause
"""The README's commands, run as they stand, in a folder that looks like a clone."""

import os
import re
import shutil
import subprocess
import unittest

import numpy as np

from program import ENVIRONMENT, FLOWS, PYTHON, SOURCE, ProgramTest

# Commands that cannot run as they stand, with the reason. A line neither run nor listed fails.
NOT_RUN = {
    "scripts/import_flow.py --model": "needs nflows, normflows or zuko; tests/import has their flows",
    "FLOW=mine.h5 RUN=run.h5": "needs Slurm, on which tests/cluster/test_slurm.py follows it",
}
BUILD = "cmake --"  # a block that begins like this builds the program in the source folder
MINUTES = 20 * 60  # seconds: a build is among the commands

TORCH_FLOW = """
import torch

class Shear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Parameter(torch.tensor(0.0))

    def forward(self, z):
        x = torch.cat([z[:, :1], z[:, 1:2] * torch.exp(self.a * z[:, :1]), z[:, 2:]], dim=1)
        return x, self.a * z[:, 0]

    def inverse(self, x):
        z = torch.cat([x[:, :1], x[:, 1:2] * torch.exp(-self.a * x[:, :1]), x[:, 2:]], dim=1)
        return z, -self.a * x[:, 0]

def make_flow():
    return Shear()
"""


def blocks():
    """(language, text) of every fenced block of the README, in order."""
    text = (SOURCE / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def runnable(text):
    """The lines of a block without those in NOT_RUN."""
    return [
        line
        for line in text.splitlines()
        if not any(line.startswith(beginning) for beginning in NOT_RUN)
    ]


class Readme(ProgramTest):
    def clone(self):
        """A folder with links to all entries of the source folder. Commands may write there."""
        for entry in SOURCE.iterdir():
            if not entry.name.startswith(".git"):
                (self.directory / entry.name).symlink_to(entry)
        shutil.copy(FLOWS / "three_rings.h5", self.path("mine.h5"))
        rng = np.random.default_rng(1)
        np.save(self.path("draws.npy"), rng.normal(size=(600, 2)))
        images = rng.normal(128.0, 30.0, (5200, 4, 4))
        np.save(self.path("images.npy"), np.clip(images, 0, 255).astype(np.uint8))
        (self.directory / "mine.py").write_text(TORCH_FLOW, encoding="utf-8")
        state = "import torch; torch.save({'a': torch.tensor(0.3)}, 'trained.pt')"
        subprocess.run([PYTHON, "-c", state], cwd=self.directory, check=True)

    def run_script(self, lines, directory):
        """Runs lines of shell, each shown before what it prints; the output."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-v", "-c", "\n".join(lines)],
            env={**ENVIRONMENT, "HOME": str(self.directory), "MPLBACKEND": "Agg"},
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=MINUTES,
        )
        self.assertEqual(done.returncode, 0, done.stdout[-4000:])
        return done.stdout

    def test_every_command_runs_as_it_stands(self):
        self.clone()
        shell, seen = [], 0
        for language, text in blocks():
            if language == "sh" and text.startswith(BUILD):
                self.run_script(text.splitlines(), SOURCE)
                self.assertTrue(os.access(self.path(".local/bin/flotilla"), os.X_OK))
            elif language == "sh":
                shell += runnable(text)
            elif language == "python":
                shell += [f"{PYTHON} - <<'END'", *text.splitlines(), "assert x.size > 0", "END"]
            seen += language in ("sh", "python")
        self.assertGreaterEqual(seen, 9)
        self.assertGreaterEqual(len(shell), 18)
        printed = self.run_script(shell, self.directory)
        self.assertIn("converged: R-hat at most 1.01 and ESS at least 400", printed)
        for output in ("run.png", "run.html", "again.h5", "mine.pt", "trained_glow.h5"):
            self.assertTrue((self.directory / output).is_file(), output)
        for same in ("two_ranks.h5", "again.h5"):
            self.assert_same_datasets(self.path("run.h5"), self.path(same))

    def test_what_is_not_run_is_in_the_readme(self):
        lines = [line for language, text in blocks() if language == "sh" for line in text.split("\n")]
        for beginning, why in NOT_RUN.items():
            with self.subTest(beginning, why=why):
                self.assertTrue(any(line.startswith(beginning) for line in lines))

    def test_it_is_short_and_its_links_lead_somewhere(self):
        text = (SOURCE / "README.md").read_text(encoding="utf-8")
        self.assertLessEqual(text.count("\n"), 220)
        pages = [*SOURCE.glob("*.md"), *SOURCE.glob(".github/*.md")]
        for folder in ("apps", "scripts", "src", "tests"):
            pages += SOURCE.glob(f"{folder}/**/README.md")
        self.assertGreaterEqual(len(pages), 9)
        followed = 0
        for page in pages:
            text = page.read_text(encoding="utf-8")
            for link in re.findall(r"\]\(([^)\s]+)\)", text):
                if not link.startswith("http"):
                    followed += 1
                    with self.subTest(page=str(page.relative_to(SOURCE)), link=link):
                        self.assert_leads_somewhere(page, link)
        self.assertGreater(followed, 40)

    def assert_leads_somewhere(self, page, link):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        self.assertTrue(target.exists())
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings]
            self.assertIn(anchor, anchors)


if __name__ == "__main__":
    unittest.main()
