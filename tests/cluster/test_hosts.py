# SPDX-License-Identifier: BSD-3-Clause
"""Several hosts with TCP between them: network namespaces of this machine, which root alone makes.

FLOTILLA_HOSTS=1: also a host that is cut off in mid-run, and a network so slow that a run's time is
that of its messages, which the model of scaling has to give; five minutes.
"""

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import h5py

from flotilla_tools.measuring import scaling_model

PROGRAM = os.environ["FLOTILLA_PROGRAM"]
FOLDER = Path(__file__).parent
FLOW = FOLDER.parents[1] / "apps/flows/two_moons.h5"
SKIPPED = 77  # exit code of hosts_here
TIME_LIMIT = 300  # seconds
# Seconds after which a connection without a sign of life is lost: those of scripts/cluster/job.
SIGNS_OF_LIFE = {
    f"OMPI_MCA_oob_tcp_keepalive_{name}": value
    for name, value in (("time", "10"), ("intvl", "5"), ("probes", "3"))
}

CUT = """
mpirun --host $HOSTS_HERE -n 3 {run} &
run=$!
until [[ -s cut.jsonl ]]; do kill -0 $run; sleep 0.1; done
sleep 10
ip -n ${{HOSTS_PREFIX}}2 link set net down
begun=$SECONDS
code=0
wait $run || code=$?
echo "$((SECONDS - begun)) seconds, exit code $code"
sleep 1
echo "$(ip netns pids ${{HOSTS_PREFIX}}2 | wc -l) processes left"
mpirun --host 10.91.0.1,10.91.0.3 -n 2 {run}
"""

LATENCY = 0.1  # seconds, beside which waiting for a core is little
SLOW = """
{switch} {latency} ${{HOSTS_PREFIX}}1 ${{HOSTS_PREFIX}}2 &
switch=$!
until ip -n ${{HOSTS_PREFIX}}2 address show dev slow up 2>/dev/null | grep -q 10.92; do
  sleep 0.1
done
export OMPI_MCA_btl_tcp_if_include=10.92.0.0/24
mpirun --host $HOSTS_HERE -n 2 {run}
kill $switch
"""
BY_HAND = unittest.skipUnless(os.environ.get("FLOTILLA_HOSTS"), "FLOTILLA_HOSTS=1 does this")


class Hosts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="flotilla_hosts_")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def sample(self, output, *options):
        words = [PROGRAM, "sample", FLOW, "-o", output, "--chains", 192, *options]
        return " ".join(str(word) for word in words)

    def on_hosts(self, count, script):
        """What bash prints on the first host."""
        words = [FOLDER / "hosts_here", self.folder / "hosts", str(count), "bash", "-ec", script]
        environment = {**os.environ, **SIGNS_OF_LIFE}
        for chosen in ("OMPI_MCA_pml", "OMPI_MCA_btl"):
            environment.pop(chosen, None)
        with subprocess.Popen(
            words,
            env=environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as hosts:
            try:
                output, errors = hosts.communicate(timeout=TIME_LIMIT)
            except subprocess.TimeoutExpired:
                hosts.terminate()  # hosts_here then removes what it made
                output, errors = hosts.communicate()
                self.fail(f"no end within {TIME_LIMIT} s\n{output}{errors}")
        if hosts.returncode == SKIPPED:
            self.skipTest(errors.strip())
        self.assertEqual(hosts.returncode, 0, output + errors)
        return output

    def expect_equal(self, one, other):
        """All datasets of two runs, bit for bit."""
        compared = []
        with h5py.File(self.folder / one) as first, h5py.File(self.folder / other) as second:

            def compare(name, item):
                if isinstance(item, h5py.Dataset):
                    self.assertEqual(item[()].tobytes(), second[name][()].tobytes(), name)
                    compared.append(name)

            first.visititems(compare)
        self.assertIn("posterior/x", compared)

    def test_hosts_make_the_draws_of_one_process(self):
        one = self.sample("one.h5", "--quiet")
        subprocess.run(["bash", "-c", one], cwd=self.folder, check=True)
        found = self.on_hosts(
            3,
            "mpirun --host $HOSTS_HERE -n 3 hostname\n"
            f"mpirun --host $HOSTS_HERE -n 3 {self.sample('three.h5', '--quiet')}",
        )
        self.assertEqual(sorted(found.split()), ["host1", "host2", "host3"])
        self.expect_equal("one.h5", "three.h5")

    @BY_HAND
    def test_a_host_that_is_cut_off_ends_the_run_within_a_minute_and_others_go_on(self):
        size = ("--draws", 2000, "--thin", 30)
        run = self.sample("cut.h5", *size, "--checkpoint-every", 0.05, "--resume")
        found = self.on_hosts(3, CUT.format(run=run))
        seconds, code = re.search("([0-9]+) seconds, exit code ([0-9]+)", found).groups()
        self.assertLess(int(seconds), 60)
        self.assertNotEqual(int(code), 0)
        self.assertIn("0 processes left", found)
        self.assertRegex(found, "cut.h5 goes on after [1-9][0-9]* of 2000 draws")
        twin = self.sample("twin.h5", "--quiet", *size)
        subprocess.run(["bash", "-c", twin], cwd=self.folder, check=True)
        self.expect_equal("twin.h5", "cut.h5")

    @BY_HAND
    def test_a_slow_network_takes_the_time_that_the_model_says(self):
        self.on_hosts(
            2,
            SLOW.format(
                switch=f"{sys.executable} {FOLDER / 'slow_switch.py'}",
                latency=LATENCY,
                run=self.sample("slow.h5", "--draws", 200, "--warmup", 20),
            ),
        )
        with h5py.File(self.folder / "slow.h5") as file:
            measured = float(file.attrs["sampling_seconds"]) / 2
        block = scaling_model.in_a_block(2)
        report = scaling_model.in_a_report(2, tiles=2, dim=2)
        predicted = LATENCY * (block.rounds + report.rounds + report.messages)
        print(f"100 draws: {measured:.2f} s measured, {predicted:.2f} s predicted")
        self.assertGreater(measured, 0.9 * predicted)
        # The switch is a process too, and waits for a core on a busy machine.
        self.assertLess(measured, 1.5 * predicted)


if __name__ == "__main__":
    unittest.main()
