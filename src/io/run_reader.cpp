// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/io/run_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flotilla/core/undefined.hpp"
#include "io/hdf5.hpp"

namespace flotilla {
namespace {

/// Complete draws, according to the file's record of the phase.
Index committed_draws(const hdf5::File& file, const std::string& group) {
  const std::string phase = group.starts_with("warmup_") ? "warmup_" : "";
  std::int64_t draws = 0;
  file.dataset(phase + "draws_committed").read(&draws);
  return static_cast<Index>(draws);
}

}  // namespace

RunReader::RunReader(const std::string& path) : path_(path) {
  hdf5::expect_readable(path);
  hdf5::expect_hdf5(path);
  try {
    file_ = std::make_shared<const hdf5::File>(hdf5::File::open(path));
  } catch (const Hdf5Error& error) {
    throw InputError(fmt::format("{}: it cannot be opened: {}", path, error.what()));
  }
  if (!file_->has("draws_committed") || !file_->has("sample_stats")) {
    throw InputError(fmt::format(
        "{}: not a run file, which has draws_committed and a group sample_stats: name the output "
        "of 'flotilla sample'",
        path));
  }
}

RunVariable RunReader::variable(const std::string& group, const std::string& name) const {
  if (!has_group(group)) {
    throw InputError(fmt::format("{}: it has no group '{}': choose one of {}", path_, group,
                                 fmt::join(file_->names(), ", ")));
  }
  const hdf5::Group parent = file_->group(group);
  if (!parent.has(name)) {
    throw InputError(fmt::format("{}: group '{}' has no variable '{}': choose one of {}", path_,
                                 group, name, fmt::join(parent.names(), ", ")));
  }
  RunVariable variable;
  variable.name = name;
  variable.dataset =
      std::make_shared<const hdf5::Dataset>(parent.dataset(name, hdf5::Properties::uncached()));
  const hdf5::Sizes sizes = variable.dataset->sizes();
  if (sizes.size() < 2 || sizes.size() > 3) {
    throw InputError(fmt::format("{}: '{}/{}' should be [chain x draw] or [chain x draw x dim]",
                                 path_, group, name));
  }
  const hdf5::Sizes chunk = variable.dataset->chunk();
  variable.chains = static_cast<Index>(sizes[0]);
  variable.draws = std::min(static_cast<Index>(sizes[1]), committed_draws(*file_, group));
  variable.scalar = sizes.size() == 2;
  variable.dim = variable.scalar ? 1 : static_cast<Index>(sizes[2]);
  variable.chunk_chains = static_cast<Index>(chunk[0]);
  variable.chunk_draws = static_cast<Index>(chunk[1]);
  const hdf5::Type type = variable.dataset->type();
  if (!type.is_number()) {
    throw InputError(fmt::format("{}: '{}/{}' should hold numbers", path_, group, name));
  }
  variable.in_double = type.is_real() && type.size() > sizeof(float);
  return variable;
}

template <typename T>
void RunReader::read(const RunVariable& variable, const RunSlab& slab, T* out) const {
  if (slab.size() == 0) return;
  using hdf5::size_of;
  hdf5::Slab part = {{size_of(slab.first_chain), size_of(slab.first_draw)},
                     {size_of(slab.chains), size_of(slab.draws)}};
  if (!variable.scalar) {
    part.start.push_back(size_of(slab.first_coordinate));
    part.count.push_back(size_of(slab.coordinates));
  }
  variable.dataset->read(part, out);
}

bool RunReader::has_group(const std::string& name) const {
  return file_->has(name);
}

bool RunReader::has_fact(const std::string& name) const {
  return file_->has_attribute(name);
}

std::string RunReader::text(const std::string& name) const {
  if (!has_fact(name)) {
    throw InputError(
        fmt::format("{}: it does not record its {}: name a run file that is whole", path_, name));
  }
  return file_->read_text(name);
}

double RunReader::number(const std::string& name) const {
  return has_fact(name) ? file_->read_number(name) : kUndefined;
}

Index RunReader::superchains() const {
  const double count = number("superchains");
  return std::isnan(count) ? 0 : static_cast<Index>(count);
}

template void RunReader::read(const RunVariable&, const RunSlab&, float*) const;
template void RunReader::read(const RunVariable&, const RunSlab&, double*) const;

}  // namespace flotilla
