# SPDX-License-Identifier: BSD-3-Clause
"""Help, man pages, completion and version: all follow from the tables."""

import pathlib
import re
import subprocess
import unittest

from program import PROGRAM, ProgramTest, run

COMMANDS = [
    "sample", "resume", "summary", "compare", "evidence", "verify", "study", "flow show",
    "flow verify", "flow evaluate", "flow identity", "density check", "doctor",
]
GROUPS = ["What", "How", "How much", "Stopping", "Output"]
OPTION = re.compile(r"^  (?:[A-Za-z.0-9]+, )?(?:-\w, )?(--[a-z-]+)(.*)$")


def help_of(command):
    done = run(*command.split(), "--help")
    assert done.returncode == 0, done.stderr
    return done.stdout


def options_of(text):
    """The options of a help text, each with all text beside and below it."""
    found, name = {}, None
    for line in text.splitlines():
        match = OPTION.match(line)
        if match:
            name = match[1]
            found[name] = match[2]
        elif name and line.startswith(" " * 20):
            found[name] += " " + line.strip()
        else:
            name = None
    return found


class Help(ProgramTest):
    def setUp(self):
        super().setUp()
        done = subprocess.run([PROGRAM, "--write-documents", str(self.directory)], capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def man(self, command):
        name = "-".join(["flotilla", *command.split()]) + ".1"
        return pathlib.Path(self.path("man1/" + name)).read_text(encoding="utf-8")

    def complete(self, *words):
        """The completions that bash offers for the last of these words."""
        script = (
            f"source {self.path('completions/flotilla')}\n"
            f"COMP_WORDS=({' '.join(repr(word) for word in words)}) COMP_CWORD={len(words) - 1}\n"
            '_flotilla\nprintf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_commands_are_those_of_the_overview(self):
        overview = run("--help").stdout
        listed = re.findall(r"^  flotilla ([a-z]+(?: [a-z]+)?)  ", overview, re.MULTILINE)
        self.assertEqual(listed, COMMANDS)
        self.assertEqual(run().stdout, overview)
        pages = sorted(path.name for path in pathlib.Path(self.path("man1")).iterdir())
        expected = ["flotilla.1"] + ["flotilla-" + c.replace(" ", "-") + ".1" for c in COMMANDS]
        self.assertEqual(pages, sorted(expected))

    def test_no_line_is_longer_than_100_columns(self):
        lines = run("--help").stdout.splitlines()
        for command in COMMANDS:
            lines += help_of(command).splitlines()
        self.assertGreater(len(lines), 150)
        self.assertEqual([line for line in lines if len(line) > 100], [])

    def test_every_option_is_in_help_page_and_completion(self):
        seen = 0
        for command in COMMANDS:
            options = options_of(help_of(command))
            self.assertIn("--config", options)
            page = self.man(command).replace("\\-", "-")
            offered = self.complete("flotilla", *command.split(), "--")
            self.assertEqual(set(offered), {"--help", *options})
            for option, text in options.items():
                meaning = text.split("(")[0].split("  ")[-1].strip()
                self.assertGreater(len(meaning), 5, (command, option, text))
                self.assertRegex(page, rf"\.TP\n\.B .*{option}(?![\w-]).*\n\S")
                seen += 1
        self.assertGreater(seen, 60)

    def test_help_has_groups_ranges_units_choices_and_defaults(self):
        text = help_of("sample")
        self.assertEqual(re.findall(r"^([A-Z][a-z ]+):$", text, re.MULTILINE),
                         GROUPS + ["Examples", "Exit codes"])
        options = options_of(text)
        for option, words in (
            ("--chains", ["from 1 to 134217728", "default: 256"]),
            ("--tile-width", ["a multiple of 32", "default: 64"]),
            ("--clip-level", ["unit: nats"]),
            ("--step-size", ["between 0 and", "default: dim^(-1/6)"]),
            ("--target", ["tempered", "clipped", "default: tempered"]),
            ("--precision", ["auto, float, double", "default: auto"]),
            ("--no-latent", ["in a file: latent = false"]),
            ("--flow", ["FLOW.h5", "required"]),
            ("--start", ["FILE.h5[:dataset]", "default: draws of the base density"]),
        ):
            for word in words:
                self.assertIn(word, options[option])
        self.assertIn("  2  the input cannot be used", text)
        self.assertIn("  3  with --strict", help_of("summary"))
        self.assertIn(".SH EXIT STATUS", self.man("summary"))
        self.assertIn("with \\-\\-strict", self.man("summary"))

    def test_completion_knows_commands_and_choices(self):
        self.assertEqual(self.complete("flotilla", "s"), ["sample", "summary", "study"])
        self.assertEqual(
            self.complete("flotilla", "flow", ""), ["show", "verify", "evaluate", "identity"]
        )
        self.assertEqual(self.complete("flotilla", "sample", "--kernel", "m"),
                         ["metric-mala", "mala"])
        self.assertEqual(self.complete("flotilla", "sample", "--cha"), ["--chains"])
        self.assertEqual(self.complete("flotilla", "sample", "x"), [])

    def test_the_program_says_what_it_is_made_of(self):
        text = run("--version").stdout
        names = [line[:16].strip() for line in text.splitlines()]
        self.assertEqual(names, ["flotilla", "commit", "compiler", "instruction set", "MPI", "HDF5",
                                 "LibTorch"])
        for line in text.splitlines():
            self.assertRegex(line[16:], r"^\S.*$")
        self.assertEqual(run("--version", ranks=2).stdout, text)

    def test_the_examples_are_read(self):
        """If an example fails, its files are at fault, never its options."""
        tried = 0
        for command in COMMANDS:
            text = help_of(command)
            for line in text[text.index("Examples:"):text.index("Exit codes:")].splitlines()[1:]:
                words = line.split("&&")[0].split()
                words = words[words.index("flotilla") + 1:] if words else []
                if not words:
                    continue
                with open(self.path("run.toml"), "w", encoding="utf-8"):
                    pass
                done = run(*words, directory=self.directory)
                if command == "flow identity" and "--dim" in words:  # it reads no file
                    self.assertEqual(done.returncode, 0, done.stderr)
                else:
                    self.assertEqual(done.returncode, 2, line)
                    self.assertRegex(done.stderr, "no such (file|folder)", line)
                tried += 1
        self.assertGreaterEqual(tried, 10)


class Mistakes(ProgramTest):
    """Wrong command lines: the message is one sentence that names the option."""

    def test_is_refused_and_named(self):
        refused = 0
        seed = "--seed should be a whole number from 0 to 9223372036854775807"
        for words, expected in (
            (["--chians", 5], "--chians is no option: did you mean '--chains'?"),
            (["--no-latnet"], "--no-latnet is no option: did you mean '--no-latent'?"),
            (["--chains"], "--chains should be a whole number from 1 to 134217728 but has no value"),
            (["--start", "--chains", 5], "--start should be a place FILE.h5[:dataset] but has no"),
            (["--seed", "010"], f"{seed} but is '010'"),
            (["--seed", "0x10"], f"{seed} but is '0x10'"),
            (["--seed", "1.5"], f"{seed} but is '1.5'"),
            (["--beta", "1,5"], "--beta should be a finite number but is '1,5'"),
            (["--beta="], "--beta should be a finite number but is ''"),
            (["--force=yes"], "--force should stand alone but has the value 'yes'"),
            (["--no-chains"], "--no-chains is no option"),
            (["-x"], "-x is no option"),
            (["-o"], "--output should be the path of a file but has no value"),
            (["-o", ""], "--output should be the path of a file but is ''"),
            (["one", "two"], "'two' is one word too many"),
            ([], "--flow is required: give it the path of a file"),
            (["a.h5", "--chains", 100, "--superchains", 7], "--superchains should be 0, or"),
        ):
            for ranks in (None, 2) if refused < 2 else (None,):
                done = run("sample", *words, ranks=ranks)
                self.assertEqual(done.returncode, 2, words)
                self.assertEqual(done.stderr.count("flotilla: "), 1, done.stderr)
                self.assertIn("flotilla: " + expected, done.stderr)
            refused += 1
        self.assertEqual(refused, 17)

    def test_of_a_command_is_refused_and_named(self):
        for words, expected in (
            (["smaple"], "'smaple' is no command: did you mean 'sample'?"),
            (["flow"], "'flow' is no command"),
            (["flow", "shwo"], "'flow shwo' is no command: did you mean 'flow show'?"),
            (["summary", "a.h5", "--max-rhat", "0.9"], "--max-rhat should be a number of at least 1"),
            (["compare", "a.h5"], "give --reference (draws), --truth (moments)"),
            (["compare", "a.h5", "--reference", "b.h5", "--quantile", 1], "--quantile should be"),
            (["study", "a.toml", "-o", ""], "--output should be the path of a file but is ''"),
            (["study", "a.toml"], "a.toml: it cannot be read: there is no such file"),
            (["sample", "a.h5", "--config", "b.toml"], "b.toml: it cannot be read"),
            (["sample", "a.h5", "--config", self.path("")], "it is a folder"),
        ):
            done = run(*words)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn("flotilla: ", done.stderr)
            self.assertIn(expected, done.stderr)


if __name__ == "__main__":
    unittest.main()
