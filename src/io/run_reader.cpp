// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/io/run_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/crash_sentence.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/core/undefined.hpp"
#include "io/hdf5.hpp"
#include "io/run_layout.hpp"

namespace flotilla {
namespace {

// Limits: of values in a variable, of its coordinates, and of draws in a chain. More would take
// days. Beside them, the file has to hold what its headers claim.
constexpr double kMostValues = 1e12;
constexpr hsize_t kMostCoordinates = hsize_t{1} << 22U;
constexpr hsize_t kMostDraws = hsize_t{1} << 32U;

/// Calls `work`. What it throws becomes an InputError about that place of the file.
template <typename Work>
auto reading(const std::string& path, const std::string& place, Work work) {
  const CrashSentence crash(hdf5::crash_sentence(path));
  try {
    return work();
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: '{}': {}", path, place, error.what()));
  } catch (const Hdf5Error& error) {
    throw InputError(
        fmt::format("{}: the file is damaged at '{}': {}", path, place, hdf5::reason(error)));
  }
}

/// @throws InputError if the shape of a variable is none, or is beyond the limits
void expect_shape(const hdf5::Sizes& sizes) {
  if (sizes.size() < 2) throw InputError("it should be [chain x draw] or [chain x draw x dim]");
  double values = 1.0;
  for (const hsize_t size : sizes) values *= static_cast<double>(size);
  double coordinates = 1.0;
  for (std::size_t d = 2; d < sizes.size(); ++d) coordinates *= static_cast<double>(sizes[d]);
  if (sizes[0] > 0 && coordinates > 0.0 && values <= kMostValues && sizes[1] <= kMostDraws &&
      coordinates <= static_cast<double>(kMostCoordinates)) {
    return;
  }
  throw InputError(fmt::format(
      "its shape is [{}], but a variable should have 1 chain or more, at most {} draws of each, 1 "
      "to {} coordinates, and at most {:g} values: choose others with --var",
      fmt::join(sizes, " x "), kMostDraws, kMostCoordinates, kMostValues));
}

bool is_run(const hdf5::File& file) {
  return file.has("draws_committed") && file.has("sample_stats");
}

}  // namespace

void expect_same_draws(const std::string& run, const RunVariable& one, const RunVariable& other) {
  if (one.chains == other.chains && one.draws == other.draws) return;
  throw InputError(fmt::format(
      "{}: variables of one run should have the same chains and draws, but '{}' has {} x {} and "
      "'{}' {} x {}: the file is damaged",
      run, one.name, one.chains, one.draws, other.name, other.chains, other.draws));
}

bool RunReader::is_run_file(const std::string& path) {
  const CrashSentence crash(path);
  if (!hdf5::is_hdf5(path)) return false;
  try {
    return is_run(hdf5::File::open(path));
  } catch (const Hdf5Error&) {  // it is damaged
    return false;
  }
}

RunReader::RunReader(const std::string& path) : path_(path) {
  const CrashSentence crash(hdf5::crash_sentence(path));
  hdf5::expect_readable(path);
  hdf5::expect_hdf5(path);
  try {
    file_ = std::make_shared<const hdf5::File>(hdf5::File::open(path));
  } catch (const Hdf5Error& error) {
    throw InputError(fmt::format("{}: it cannot be opened: {}", path, hdf5::reason(error)));
  }
  if (!is_run(*file_)) {
    throw InputError(fmt::format(
        "{}: not a run file, which has draws_committed and a group sample_stats: name the output "
        "of 'flotilla sample'",
        path));
  }
}

Index RunReader::committed_draws(const std::string& group) const {
  const std::string name =
      (group.starts_with("warmup_") ? "warmup_" : "") + std::string("draws_committed");
  return reading(path_, name, [&] {
    const std::int64_t draws = file_->dataset(name).read_whole_number();
    if (draws >= 0) return static_cast<Index>(draws);
    throw InputError(fmt::format("it should be a number of draws but is {}", draws));
  });
}

RunVariable RunReader::variable(const std::string& group, const std::string& name) const {
  if (!has_group(group)) {
    const std::vector<std::string> names = reading(path_, "/", [&] { return file_->names(); });
    throw InputError(fmt::format("{}: it has no group '{}': choose one of {}", path_, group,
                                 fmt::join(names, ", ")));
  }
  return reading(path_, group + "/" + name, [&] {
    const hdf5::Group parent = file_->group(group);
    if (parent.has(name)) {
      RunVariable found = variable_of(parent, name, committed_draws(group));
      const std::string fact = name == "x" ? kDataCircles : name == "z" ? kLatentCircles : "";
      if (!fact.empty() && file_->has_attribute(fact)) {
        found.circles = circles_from_text(file_->read_text(fact), found.dim);
      }
      return found;
    }
    throw InputError(fmt::format("there is no such variable: choose one of {}",
                                 fmt::join(parent.names(), ", ")));
  });
}

RunVariable RunReader::variable_of(const hdf5::Group& group, const std::string& name,
                                   Index committed) {
  RunVariable variable;
  variable.name = name;
  variable.dataset =
      std::make_shared<const hdf5::Dataset>(group.dataset(name, hdf5::Properties::uncached()));
  const hdf5::Sizes sizes = variable.dataset->sizes();
  expect_shape(sizes);
  const hdf5::Type type = variable.dataset->type();
  if (!type.is_number()) throw InputError("it should hold numbers");
  if (!variable.dataset->is_stored()) {
    throw InputError(fmt::format("it should hold [{}] values but the file stores fewer",
                                 fmt::join(sizes, " x ")));
  }
  const hdf5::Sizes chunk = variable.dataset->chunk();
  variable.chains = static_cast<Index>(sizes[0]);
  variable.draws = std::min(static_cast<Index>(sizes[1]), committed);
  variable.scalar = sizes.size() == 2;
  for (std::size_t d = 2; d < sizes.size(); ++d) {
    variable.shape.push_back(static_cast<Index>(sizes[d]));
    variable.dim *= variable.shape.back();
  }
  variable.chunk_chains = static_cast<Index>(chunk[0]);
  variable.chunk_draws = static_cast<Index>(chunk[1]);
  variable.in_double = type.is_real() && type.size() > sizeof(float);
  return variable;
}

template <typename T>
void RunReader::read(const RunVariable& variable, const RunSlab& slab, T* out) const {
  if (slab.size() == 0) return;
  if (variable.shape.size() > 1 && slab.coordinates < variable.dim) {
    read_some(variable, slab, out);
    return;
  }
  using hdf5::size_of;
  hdf5::Slab part = {{size_of(slab.first_chain), size_of(slab.first_draw)},
                     {size_of(slab.chains), size_of(slab.draws)}};
  if (variable.shape.size() == 1) {
    part.start.push_back(size_of(slab.first_coordinate));
    part.count.push_back(size_of(slab.coordinates));
  } else {
    for (const Index size : variable.shape) {
      part.start.push_back(0);
      part.count.push_back(size_of(size));
    }
  }
  reading(path_, variable.name, [&] { variable.dataset->read(part, out); });
}

/// A range of flat coordinates is no slab of the file: reads all of them and keeps these.
template <typename T>
void RunReader::read_some(const RunVariable& variable, const RunSlab& slab, T* out) const {
  RunSlab whole = slab;
  whole.first_coordinate = 0;
  whole.coordinates = variable.dim;
  std::vector<T> all(static_cast<std::size_t>(whole.size()));
  read(variable, whole, all.data());
  const T* draw = all.data() + slab.first_coordinate;
  for (Index k = 0; k < slab.chains * slab.draws; ++k) {
    out = std::copy_n(draw + k * variable.dim, slab.coordinates, out);
  }
}

std::vector<std::string> RunReader::variable_names(const std::string& group) const {
  return reading(path_, group, [&] {
    std::vector<std::string> found;
    if (!file_->has(group)) return found;
    const hdf5::Group parent = file_->group(group);
    for (const std::string& name : parent.names()) {
      if (parent.is_dataset(name) && parent.dataset(name).sizes().size() > 1) found.push_back(name);
    }
    return found;
  });
}

bool RunReader::has_group(const std::string& name) const {
  return reading(path_, name, [&] { return file_->has(name); });
}

bool RunReader::has_fact(const std::string& name) const {
  return reading(path_, name, [&] { return file_->has_attribute(name); });
}

std::string RunReader::text(const std::string& name) const {
  if (!has_fact(name)) {
    throw InputError(
        fmt::format("{}: it does not record its {}: name a run file that is whole", path_, name));
  }
  return reading(path_, name, [&] { return file_->read_text(name); });
}

double RunReader::number(const std::string& name) const {
  if (!has_fact(name)) return kUndefined;
  return reading(path_, name, [&] { return file_->read_number(name); });
}

template void RunReader::read(const RunVariable&, const RunSlab&, float*) const;
template void RunReader::read(const RunVariable&, const RunSlab&, double*) const;

}  // namespace flotilla
