// SPDX-License-Identifier: BSD-3-Clause

// The table of kinds of densities: what each is recognised by, and how it is opened.
#include "flotilla/target/density.hpp"

#include <fmt/format.h>

#include <optional>

#include "flotilla/core/error.hpp"
#include "flotilla/core/printed.hpp"
#include "target/library_density.hpp"
#include "target/shared_library.hpp"
#include "target/stan_density.hpp"
#include "target/torchscript_density.hpp"

namespace flotilla {
namespace {

/// A kind of file, by the ending of its name.
struct FileKind {
  const char* ending;
  std::unique_ptr<Density> (*open)(const DensitySource& source);
};

/// A kind of shared library, by a function that all of the kind have.
struct LibraryKind {
  const char* symbol;
  const char* what;  ///< for messages
  std::unique_ptr<Density> (*open)(const SharedLibrary& library, const std::string& arguments);
};

const std::vector<FileKind>& file_kinds() {
  static const std::vector<FileKind> kinds = {
      {".pt", open_torchscript_density},
  };
  return kinds;
}

const std::vector<LibraryKind>& library_kinds() {
  static const std::vector<LibraryKind> kinds = {
      {"flotilla_log_density_abi", "flotilla/target/log_density.h", open_library_density},
      {"bs_log_density_gradient", "a Stan model by BridgeStan", open_stan_density},
  };
  return kinds;
}

std::unique_ptr<Density> open_library(const DensitySource& source) {
  const SharedLibrary library(source.path);
  std::string known;
  for (const LibraryKind& kind : library_kinds()) {
    if (library.has(kind.symbol)) return kind.open(library, source.arguments);
    known += fmt::format("{}{} ({})", known.empty() ? "" : " or ", kind.symbol, kind.what);
  }
  throw InputError(fmt::format(
      "{}: a density should have a function {}, but this library has none: build it as the manual "
      "says",
      library.name(), known));
}

std::unique_ptr<Density> open(const DensitySource& source) {
  for (const FileKind& kind : file_kinds()) {
    if (source.path.ends_with(kind.ending)) return kind.open(source);
  }
  return open_library(source);
}

}  // namespace

const std::vector<std::string>& Density::outputs() const {
  static const std::vector<std::string> none;
  return none;
}

void Density::derive(const DataPoints& /*points*/, double* /*values*/) const {}

std::unique_ptr<Density> open_density(const DensitySource& source, Index dim) {
  std::unique_ptr<Density> density = open(source);
  if (dim > 0 && density->dim() > 0 && density->dim() != dim) {
    throw InputError(fmt::format(
        "{}: the density has {} coordinates, but the flow has {}: use a flow of {} dimensions",
        density->name(), density->dim(), dim, density->dim()));
  }
  return density;
}

}  // namespace flotilla
