# SPDX-License-Identifier: BSD-3-Clause
"""The recipes for Spack and Apptainer, as far as they can be held without either: they parse, and
name what the project has.
"""

import re
import subprocess
import sys
import types
import unittest
import unittest.mock
from pathlib import Path

SOURCE = Path(__file__).parents[2]
PACKAGING = SOURCE / "scripts/packaging"
# What a library is called by CMake, or the header that is looked for, and by Spack.
LIBRARIES = {
    "MPI": "mpi",
    "HDF5": "hdf5",
    "Eigen3": "eigen",
    "Boost": "boost",
    "fmt": "fmt",
    "nlohmann_json": "nlohmann-json",
    "OpenSSL": "openssl",
    "RANDOM123_INCLUDE_DIR": "random123",
    "TOMLPLUSPLUS_INCLUDE_DIR": "tomlplusplus",
}


class Recipe:
    """The recipe, run with stand-ins for the names that Spack gives it."""

    def __init__(self):
        self.calls = {}

        def keep(name):
            def call(*words, **_):
                self.calls.setdefault(name, []).append(words)

            return call

        class CMakePackage:
            def define(self, name, value):
                return name, value

            def define_from_variant(self, name, variant):
                return name, variant

        package = types.ModuleType("spack.package")
        package.CMakePackage = CMakePackage
        for name in ("license", "version", "variant", "generator", "depends_on", "conflicts"):
            setattr(package, name, keep(name))
        modules = {"spack": types.ModuleType("spack"), "spack.package": package}
        text = (PACKAGING / "spack/packages/flotilla/package.py").read_text(encoding="utf-8")
        names = {}
        with unittest.mock.patch.dict(sys.modules, modules):
            exec(compile(text, "package.py", "exec"), names)
        self.arguments = dict(names["Flotilla"]().cmake_args())

    def first_words(self, name):
        return {re.split("[@ ]", words[0])[0] for words in self.calls[name]}


def sections():
    """The image's sections by name, as text."""
    text = (PACKAGING / "flotilla.def").read_text(encoding="utf-8")
    parts = re.split(r"^%(\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


class Recipes(unittest.TestCase):
    def test_spack_depends_on_what_cmake_looks_for(self):
        looked_for = re.findall(
            r"^find_(?:package|path)\((\w+)",
            (SOURCE / "cmake/dependencies.cmake").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        self.assertEqual(set(looked_for), set(LIBRARIES))
        self.assertLessEqual(set(LIBRARIES.values()), Recipe().first_words("depends_on"))

    def test_spack_sets_options_that_cmake_has(self):
        recipe = Recipe()
        files = [SOURCE / "CMakeLists.txt", *SOURCE.glob("cmake/*.cmake")]
        files += SOURCE.glob("src/**/CMakeLists.txt")
        texts = "\n".join(path.read_text(encoding="utf-8") for path in files)
        own = [name for name in recipe.arguments if name.startswith("FLOTILLA_")]
        self.assertGreater(len(own), 2)
        for name in own:
            self.assertRegex(texts, rf"(?:option|set)\({name}\b")
        variants = recipe.first_words("variant")
        self.assertLessEqual({recipe.arguments["BUILD_SHARED_LIBS"]}, variants)

    def test_the_image_has_sections_that_a_shell_can_read(self):
        found = sections()
        self.assertEqual(set(found), {"files", "post", "environment", "runscript", "test"})
        for name in ("post", "environment", "runscript", "test"):
            done = subprocess.run(["sh", "-n"], input=found[name], text=True, capture_output=True)
            self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
