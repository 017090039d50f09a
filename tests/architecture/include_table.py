#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Holds the table of who may include whom, and a few more rules that no compiler checks.

    include_table.py ROOT                   look at every file below ROOT; exit 1 on a violation
    include_table.py ROOT --words WORD,...  the same, and none of these words in any text
    include_table.py --self-check           show that each rule catches what it is there to catch

Why a test: a wrong include compiles, works, and is found a year later, when a room cannot be
tested without MPI any more.
"""

import argparse
import re
import sys
from pathlib import Path, PurePosixPath

# ---- The table. A room may include itself and the rooms named here; arrows point one way only:
# ---- each row names earlier rows, so that there can be no cycle.
ROOMS = {
    "core": set(),
    "torchscript": set(),  # a plugin of its own: plain C++ in front of LibTorch
    "flow": {"core", "torchscript"},
    "target": {"core", "flow", "torchscript"},
    "diagnostics": {"core"},
    "parallel": {"core"},
    "sampler": {"core", "flow", "target"},
    "io": {"core", "flow", "target", "sampler", "parallel"},
    "run": {"core", "flow", "target", "diagnostics", "sampler", "parallel", "io"},
    "quality": {"core", "flow", "target", "diagnostics", "sampler", "parallel", "io", "run"},
    "study": {"core", "flow", "diagnostics", "parallel", "io", "run", "quality"},
}

# ---- Rooms inside a room. They may include what their room may, its public headers and each other
# ---- as listed. Only their own room, tests and benchmarks may include them, and who is named below.
ROOMS_INSIDE = {
    "flow": {
        "matrix": set(),  # packed matrices and products with them
        "coordinates": set(),  # images, rows, circles, monotone maps of one coordinate
        "base": {"coordinates"},
        "linear": {"matrix", "coordinates"},
        "conditioner": {"matrix", "coordinates"},
        "curves": {"matrix", "coordinates", "conditioner"},  # maps that are solved for
        "layers": {"matrix", "coordinates", "conditioner"},
    },
}

# ---- Rooms inside a room that other rooms may include too.
SHARED_INSIDE = {
    "flow/matrix": {"target"},  # an observation through a matrix is the flows' matrix product
}

# What other people wrote, and the only places that may include it. Public headers stand on MPI,
# HDF5 and Eigen alone; everything else stays out of a consumer's sight.
LIBRARIES = {
    "Eigen/": [
        "include/flotilla/core/matrix_view.hpp",
        "src/flow/linear/linear.cpp",  # an inverse, once a flow
        "apps/bench/peak.cpp",  # a yardstick
        "apps/densities/",  # plug-ins stand on what they like
        "tests/",
    ],
    "unsupported/Eigen/": [
        "src/diagnostics/autocovariance.cpp",  # its Fourier transform
        "apps/densities/",
    ],
    "mpi.h": ["include/flotilla/parallel/", "src/parallel/", "src/io/", "tests/"],
    "hdf5.h": ["src/io/hdf5.hpp", "apps/densities/"],  # plug-ins read their own data
    "hdf5_hl.h": ["src/io/hdf5.cpp"],
    "boost/": ["src/io/", "src/diagnostics/rank_scores.cpp", "tests/stan/bridge.cpp"],
    "stan/": ["tests/stan/bridge.cpp"],
    "openssl/": ["src/io/"],
    "Random123/": ["src/core/"],
    "fmt/": ["src/", "apps/", "tests/"],
    "torch/": ["src/torchscript/"],
    "toml++/": ["src/io/toml.cpp"],
    "nlohmann/": ["src/run/json_number.hpp", "tests/quality/", "apps/densities/"],
    "benchmark/": ["apps/bench/"],
    "gtest/": ["tests/"],
}

# Outside the library, these alone may include its private headers.
MEASURES_INSIDES = ["tests/", "apps/bench/"]

OPERATING_SYSTEM = [
    "src/io/", "src/run/", "src/parallel/", "apps/", "tests/",
    "src/flow/torchscript_plugin.cpp", "src/torchscript/",  # a plugin is loaded
    "src/target/shared_library.cpp", "src/core/crash_sentence.cpp", "src/core/processor.cpp",
]
OPERATING_SYSTEM_HEADER = re.compile(r"(sys/[a-z_]+|unistd|fcntl|signal|dlfcn|sched|spawn)\.h")

STANDARD_HEADERS = set(
    """
    algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono
    cinttypes climits clocale cmath compare complex concepts condition_variable coroutine csetjmp
    csignal cstdarg cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque
    exception execution filesystem format forward_list fstream functional future initializer_list
    iomanip ios iosfwd iostream istream iterator latch limits list locale map memory memory_resource
    mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator
    semaphore set shared_mutex source_location span sstream stack stdexcept stop_token streambuf
    string string_view syncstream system_error thread tuple type_traits typeindex typeinfo
    unordered_map unordered_set utility valarray variant vector version
    """.split()
)

GENERATED = {"build_facts.hpp": "src/core/version.cpp"}

# Links lead to papers, to documentation and to the projects we build on.
LINK_HOSTS = {
    "arxiv.org",
    "cmake.org",
    "docs.hdfgroup.org",
    "doi.org",
    "eigen.tuxfamily.org",
    "github.com",
    "python.arviz.org",
    "www.hdfgroup.org",
    "www.open-mpi.org",
}

# Names that say nothing of what is inside.
EMPTY_NAMES = re.compile(r"util|helper|manager", re.IGNORECASE)

SKIPPED_DIRECTORIES = {".git", "build", "__pycache__", ".cache", ".vscode", ".idea"}
CODE = {".cpp", ".hpp"}
LICENCE = "SPDX-License-Identifier: BSD-3-Clause"
LICENSED = CODE | {".py", ".cmake", ".sh", ".sbatch", ".R"}
LEAST_FILES = 50  # fewer means that this script looked in the wrong place

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]')
# An expression of Eigen's kept under `auto` holds references to its parts, which may be gone.
AUTO_EXPRESSION = re.compile(r"\bauto\b[\w\s&*]*=(?P<value>[^;{]*\bmatrix_of\([^;{]*);")
# ...but one that ends in one of these is a number or a matrix of its own.
EVALUATED = re.compile(
    r"\.(eval|norm|squaredNorm|sum|mean|prod|dot|trace|determinant|maxCoeff|minCoeff|all|any|count"
    r"|allFinite|isApprox|isZero|rows|cols|size|data)\([^()]*\)\)*\s*$"
)
MACHINE_PATH = re.compile(r"(?<![\w.~})\]-])/(home|work|root|tmp|Users)/")
LINK = re.compile(r"\bhttps?://(?:[^\s/@]*@)?([A-Za-z0-9.-]+)")


def under(path, places):
    return any(path == place or place[-1] == "/" and path.startswith(place) for place in places)


def without_comments(text):
    """The text with comments blanked out and lines kept, well enough for the rules here."""
    blank = lambda match: re.sub(r"[^\n]", " ", match.group())
    return re.sub(r"//[^\n]*|/\*.*?\*/", blank, text, flags=re.DOTALL)


def room_of(path):
    """The room that a file belongs to: "flow", "flow/layers", "apps", "tests", or None."""
    parts = PurePosixPath(path).parts
    if parts[0] in ("apps", "tests"):
        return parts[0]
    if parts[:2] == ("include", "flotilla") and len(parts) == 4:
        return parts[2]
    if parts[0] == "src" and len(parts) in (3, 4):
        return "/".join(parts[1:-1])
    return None


def in_table(room):
    outer, _, inner = room.partition("/")
    return outer in ROOMS and (not inner or inner in ROOMS_INSIDE.get(outer, {}))


def may_include(room, target, public):
    """Whether a file of `room` may include a file of `target`, public or private."""
    outer, _, inner = room.partition("/")
    target_outer, _, target_inner = target.partition("/")
    if outer != target_outer:
        shared = not target_inner or outer in SHARED_INSIDE.get(target, ())
        return shared and target_outer in ROOMS[outer]
    if not inner or target_inner == inner:
        return True
    if not target_inner:
        return public
    return target_inner in ROOMS_INSIDE[outer][inner]


def included_file(path, name, known):
    """The file that a quoted include leads to, or None where it leads nowhere."""
    beside = str(PurePosixPath(path).parent / name)
    for candidate in (f"include/{name}", f"src/{name}", f"tests/{name}", beside):
        if candidate in known:
            return candidate
    return None


def include_problem(path, quote, name, known):
    room = room_of(path)
    if quote == '"':
        if name in GENERATED:
            return None if path == GENERATED[name] else f"only {GENERATED[name]} may include {name}"
        file = included_file(path, name, known)
        if file is None:
            return f'"{name}" leads to no file of ours'
        target = room_of(file)
        public = file.startswith("include/")
        if room in ("apps", "tests"):
            if target == "apps" and room == "tests" or target == "tests" and room == "apps":
                return f"{room} may not include {target}"
            if file.startswith("src/") and not under(path, MEASURES_INSIDES):
                return f'"{name}" is private to the library'
            return None
        if path.startswith("include/") and not public:
            return f'a public header includes the private "{name}"'
        if not may_include(room, target, public):
            return f"room {room} may not include room {target}"
        return None
    if name in STANDARD_HEADERS:
        return None
    if OPERATING_SYSTEM_HEADER.fullmatch(name):
        allowed = under(path, OPERATING_SYSTEM)
        return None if allowed else f"<{name}> belongs to {', '.join(OPERATING_SYSTEM)}"
    for prefix, places in LIBRARIES.items():
        if name == prefix or prefix.endswith("/") and name.startswith(prefix):
            return None if under(path, places) else f"<{name}> belongs to {', '.join(places)}"
    return f"<{name}> is not in the table"


def code_problems(path, text, known):
    """Yields (line, message) for one C++ file."""
    room = room_of(path)
    if room is None or not in_table(room) and room not in ("apps", "tests"):
        yield 1, "stands in no room of the table"
        return
    code = without_comments(text)
    for number, line in enumerate(code.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            problem = include_problem(path, *match.groups(), known)
            if problem:
                yield number, problem
    if path.endswith(".hpp"):
        first = next((line for line in code.splitlines() if line.strip()), "")
        if first.strip() != "#pragma once":
            yield 1, "a header begins with #pragma once"
    for match in AUTO_EXPRESSION.finditer(code):
        if not EVALUATED.search(match["value"]):
            yield (
                code.count("\n", 0, match.start()) + 1,
                "auto holds an unevaluated Eigen expression: name the type",
            )


def text_problems(text, words):
    """Yields (line, message) for any text file."""
    forbidden = re.compile(r"\b(" + "|".join(map(re.escape, words)) + r")\b", re.IGNORECASE)
    for number, line in enumerate(text.splitlines(), 1):
        for match in MACHINE_PATH.finditer(line):
            yield number, f"{match.group()} is a path of somebody's machine"
        for host in LINK.findall(line):
            if host.lower() not in LINK_HOSTS:
                yield number, f"links to {host}, which is not in LINK_HOSTS"
        if words:
            for match in forbidden.finditer(line):
                yield number, f"says '{match.group()}'"


def unlicensed(files):
    """A violation for each source that does not name its licence in its first lines."""
    return [
        f"{path}:1: has no line '{LICENCE}'"
        for path, text in sorted(files.items())
        if (Path(path).suffix in LICENSED or (text or "").startswith("#!"))
        and LICENCE not in (text or "")[:200]
    ]


def violations(files, words=()):
    """All violations in {path: text, or None where binary}, as "path:line: message"."""
    found = []
    known = set(files)
    for path, text in sorted(files.items()):
        problems = []
        if EMPTY_NAMES.search(PurePosixPath(path).name):
            problems.append((1, "is named after nothing: say what is inside"))
        if text is not None:
            problems.extend(text_problems(text, words))
            # The outside project stands for someone else's code: it includes us with < >.
            if Path(path).suffix in CODE and not path.startswith("tests/consumer/outside/"):
                problems.extend(code_problems(path, text, known))
        found.extend(f"{path}:{line}: {message}" for line, message in problems)
    return found


def read_tree(root):
    files = {}
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if SKIPPED_DIRECTORIES.intersection(relative.parts) or not path.is_file():
            continue
        try:
            files[relative.as_posix()] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            files[relative.as_posix()] = None
    return files


def check(root, words):
    for table in (ROOMS, *ROOMS_INSIDE.values()):
        earlier = set()
        for room, allowed in table.items():
            if not allowed <= earlier:
                sys.exit(f"the table itself points backwards: {room} includes {allowed - earlier}")
            earlier.add(room)

    files = read_tree(root)
    code = [path for path in files if Path(path).suffix in CODE]
    lines = [line for path in code for line in (files[path] or "").splitlines()]
    includes = sum(INCLUDE.match(line) is not None for line in lines)
    found = violations(files, words) + unlicensed(files)
    for violation in found:
        print(violation)
    print(
        f"{len(files)} files, {len(code)} of C++ with {includes} includes: {len(found)} violations"
    )
    if len(code) <= LEAST_FILES or includes <= LEAST_FILES:
        sys.exit(f"expected more than {LEAST_FILES} C++ files and includes below {root}")
    return 1 if found else 0


# ---- Negative controls. Each names a rule, a file that breaks it and one that just does not.
def header(text):
    return "#pragma once\n" + text + "\n"


CONTROLS = [
    ("rooms", "include/flotilla/core/a.hpp", header('#include "flotilla/io/known.hpp"'),
     "include/flotilla/run/a.hpp", header('#include "flotilla/io/known.hpp"')),
    ("rooms, through src", "src/target/a.cpp", '#include "sampler/known.hpp"\n',
     "src/io/a.cpp", '#include "sampler/known.hpp"\n'),
    ("sampler knows no MPI", "src/sampler/a.cpp", '#include "flotilla/parallel/known.hpp"\n',
     "src/run/a.cpp", '#include "flotilla/parallel/known.hpp"\n'),
    ("mpi.h", "src/run/a.cpp", "#include <mpi.h>\n", "src/io/a.cpp", "#include <mpi.h>\n"),
    ("mpi.h, indented", "apps/flotilla/a.cpp", "  #  include <mpi.h>\n",
     "apps/flotilla/a.cpp", "// #include <mpi.h>\n"),
    ("hdf5.h", "src/io/a.cpp", "#include <hdf5.h>\n",
     "src/io/hdf5.hpp", header("#include <hdf5.h>")),
    ("hdf5.h in a test", "tests/io/a.cpp", "#include <hdf5.h>\n",
     "tests/io/a.cpp", '#include "flotilla/io/known.hpp"\n'),
    ("Boost", "include/flotilla/io/a.hpp", header("#include <boost/archive/x.hpp>"),
     "src/io/a.cpp", "#include <boost/archive/x.hpp>\n"),
    ("TOML", "src/run/a.cpp", "#include <toml++/toml.h>\n",
     "src/io/toml.cpp", "#include <toml++/toml.h>\n"),
    ("Eigen", "src/flow/a.cpp", "#include <Eigen/Dense>\n",
     "include/flotilla/core/matrix_view.hpp", header("#include <Eigen/Core>")),
    ("fmt in public", "include/flotilla/flow/a.hpp", header("#include <fmt/format.h>"),
     "src/flow/a.cpp", "#include <fmt/format.h>\n"),
    ("private in public", "include/flotilla/sampler/a.hpp", header('#include "sampler/known.hpp"'),
     "src/sampler/a.cpp", '#include "sampler/known.hpp"\n'),
    ("private in apps", "apps/flotilla/a.cpp", '#include "sampler/known.hpp"\n',
     "apps/bench/a.cpp", '#include "sampler/known.hpp"\n'),
    ("rooms inside", "src/flow/linear/a.cpp", '#include "flow/layers/known.hpp"\n',
     "src/flow/layers/a.cpp", '#include "flow/matrix/known.hpp"\n'),
    ("rooms inside, from within", "src/flow/layers/a.cpp", '#include "flow/known.hpp"\n',
     "src/flow/layers/a.cpp", '#include "flotilla/flow/known.hpp"\n'),
    ("rooms inside, from outside", "src/io/a.cpp", '#include "flow/layers/known.hpp"\n',
     "src/flow/a.cpp", '#include "flow/layers/known.hpp"\n'),
    ("rooms inside see what their room sees", "src/flow/layers/a.cpp",
     '#include "flotilla/io/known.hpp"\n',
     "src/flow/layers/a.cpp", '#include "flotilla/core/known.hpp"\n'),
    ("unknown room inside", "src/flow/extras/a.cpp", "int x;\n",
     "src/flow/layers/a.cpp", "int x;\n"),
    ("a room too deep", "src/flow/layers/extras/a.cpp", "int x;\n",
     "src/flow/layers/a.cpp", "int x;\n"),
    ("operating system", "src/sampler/a.cpp", "#include <unistd.h>\n",
     "src/run/a.cpp", "#include <unistd.h>\n"),
    ("unknown library", "src/run/a.cpp", "#include <zlib.h>\n",
     "src/run/a.cpp", "#include <bit>\n"),
    ("unknown room", "src/extras/a.cpp", "int x;\n", "src/core/a.cpp", "int x;\n"),
    ("lost include", "src/core/a.cpp", '#include "nowhere.hpp"\n', "src/core/a.cpp", "int x;\n"),
    ("generated", "src/run/a.cpp", '#include "build_facts.hpp"\n',
     "src/core/version.cpp", '#include "build_facts.hpp"\n'),
    ("header guard", "src/flow/a.hpp", "#ifndef A\n#define A\n#endif\n",
     "src/flow/a.hpp", "// What it is.\n#pragma once\n"),
    ("auto", "src/flow/a.cpp", "const auto y =\n    matrix_of(a) * matrix_of(b);\n",
     "src/flow/a.cpp", "const auto y = (matrix_of(a) - matrix_of(b)).norm();\n"),
    ("auto, a view", "tests/flow/a.cpp", "auto m = matrix_of(a);\n",
     "tests/flow/a.cpp", "Matrix m = matrix_of(a);\nauto n = (matrix_of(a) * 2.0).eval();\n"),
    ("names", "src/flow/tape_utils.cpp", "", "src/flow/tape.cpp", ""),
    ("machine paths", "README.md", "see /" + "home/x/flotilla\n", "README.md", "see src/home/x\n"),
    ("links", "README.md", "http" + "://example.org/x\n", "README.md", "https://doi.org/10.1/x\n"),
    ("words", "README.md", "an Unwanted word\n", "README.md", "unwantedness\n"),
]

FURNITURE = {
    "include/flotilla/core/known.hpp": header(""),
    "include/flotilla/flow/known.hpp": header(""),
    "include/flotilla/io/known.hpp": header(""),
    "include/flotilla/parallel/known.hpp": header(""),
    "src/flow/known.hpp": header(""),
    "src/flow/layers/known.hpp": header(""),
    "src/flow/matrix/known.hpp": header(""),
    "src/sampler/known.hpp": header(""),
}


def self_check():
    failures = 0
    for rule, bad_path, bad_text, good_path, good_text in CONTROLS:
        caught = violations(FURNITURE | {bad_path: bad_text}, ["unwanted"])
        spared = violations(FURNITURE | {good_path: good_text}, ["unwanted"])
        if len(caught) != 1 or not caught[0].startswith(bad_path + ":"):
            print(f"rule '{rule}': should be caught once, was: {caught}")
            failures += 1
        if spared:
            print(f"rule '{rule}': should be let through, was: {spared}")
            failures += 1
    bare = {"src/a.cpp": "int x;\n", "scripts/a": "#!/bin/sh\n", "README.md": "no source\n"}
    if len(unlicensed(bare)) != 2 or unlicensed({"src/a.cpp": f"// {LICENCE}\n"}):
        print("rule 'licence': should catch sources without it, and no others")
        failures += 1
    print(f"{len(CONTROLS) + 1} rules, {2 * len(CONTROLS) + 4} controls: {failures} failures")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", nargs="?", type=Path)
    parser.add_argument("--words", default="", help="further words that no text may hold")
    parser.add_argument("--self-check", action="store_true")
    options = parser.parse_args()
    if options.self_check:
        return self_check()
    if options.root is None:
        parser.error("expected ROOT or --self-check")
    return check(options.root, [word for word in options.words.split(",") if word])


if __name__ == "__main__":
    sys.exit(main())
