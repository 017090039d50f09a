# SPDX-License-Identifier: BSD-3-Clause
"""Spack builds flotilla with the MPI and the HDF5 of a cluster:

    git clone ... flotilla && cd flotilla
    spack repo add scripts/packaging/spack
    spack dev-build flotilla@main ^openmpi@4

The instruction set is that of Spack's target: 'spack dev-build flotilla@main target=x86_64_v3' runs
on every node that has it, and makes the same bits there.
"""

from spack.package import (
    CMakePackage,
    conflicts,
    depends_on,
    generator,
    license,
    variant,
    version,
)


class Flotilla(CMakePackage):
    """A distributed ensemble sampler for normalizing flows."""

    license("BSD-3-Clause")

    version("main")  # the clone that dev-build is started in

    variant("torchscript", default=False, description="TorchScript flows and densities")
    variant("shared", default=True, description="Shared library")

    generator("ninja")
    depends_on("c", type="build")
    depends_on("cxx", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("mpi")
    depends_on("hdf5@1.10: +mpi +hl")
    depends_on("eigen@3.4:")
    depends_on("boost@1.74: +serialization +math")
    depends_on("fmt")
    depends_on("nlohmann-json")
    depends_on("openssl")
    depends_on("random123")
    depends_on("tomlplusplus")
    depends_on("py-torch@1.13:", when="+torchscript")

    conflicts("%gcc@:11", msg="flotilla needs C++20 as g++ 12 has it")
    conflicts("%clang@:13", msg="flotilla needs C++20 as clang 14 has it")

    def cmake_args(self) -> list[str]:
        return [
            # Spack's compiler wrapper names the instruction set of the target.
            self.define("FLOTILLA_ARCH", ""),
            self.define("FLOTILLA_BUILD_BENCH", False),
            self.define("FLOTILLA_BUILD_TESTS", False),
            self.define_from_variant("FLOTILLA_TORCHSCRIPT", "torchscript"),
            self.define_from_variant("BUILD_SHARED_LIBS", "shared"),
            self.define("CMAKE_CXX_FLAGS_RELEASE", "-O3 -DNDEBUG"),
        ]
