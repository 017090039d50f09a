#include "flotilla/io/run_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace flotilla {
namespace {

using hdf5::check;
using hdf5::Handle;

Handle open_uncached(hid_t file, const std::string& name) {
  const Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose, "H5Pcreate");
  check(H5Pset_chunk_cache(access.id(), 0, 0, 0.0), "H5Pset_chunk_cache");
  return Handle(H5Dopen2(file, name.c_str(), access.id()), H5Dclose, "H5Dopen " + name);
}

/// Draws that are complete, as the file's own record of the phase says.
Index committed_draws(hid_t file, const std::string& group) {
  const std::string name =
      group.rfind("warmup_", 0) == 0 ? "warmup_draws_committed" : "draws_committed";
  const Handle dataset(H5Dopen2(file, name.c_str(), H5P_DEFAULT), H5Dclose, "H5Dopen " + name);
  std::int64_t draws = 0;
  check(H5Dread(dataset.id(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, &draws),
        "H5Dread " + name);
  return static_cast<Index>(draws);
}

std::vector<hsize_t> extent(const Handle& dataset) {
  const Handle space(H5Dget_space(dataset.id()), H5Sclose, "H5Dget_space");
  const int rank = H5Sget_simple_extent_ndims(space.id());
  check(rank, "H5Sget_simple_extent_ndims");
  std::vector<hsize_t> sizes(static_cast<std::size_t>(rank));
  check(H5Sget_simple_extent_dims(space.id(), sizes.data(), nullptr), "H5Sget_simple_extent_dims");
  return sizes;
}

/// The chunk shape, or the extent where nothing is in chunks.
std::vector<hsize_t> chunk_of(const Handle& dataset, std::vector<hsize_t> sizes) {
  const Handle creation(H5Dget_create_plist(dataset.id()), H5Pclose, "H5Dget_create_plist");
  if (H5Pget_layout(creation.id()) == H5D_CHUNKED) {
    check(H5Pget_chunk(creation.id(), static_cast<int>(sizes.size()), sizes.data()),
          "H5Pget_chunk");
  }
  return sizes;
}

}  // namespace

RunReader::RunReader(const std::string& path) : path_(path) {
  hdf5::expect_readable(path);
  hdf5::expect_hdf5(path);
  try {
    file_ = hdf5::open_file(path);
  } catch (const Hdf5Error& error) {
    throw InputError(fmt::format("{}: it cannot be opened: {}", path, error.what()));
  }
  if (!hdf5::has_link(file_.id(), "draws_committed") ||
      !hdf5::has_link(file_.id(), "sample_stats")) {
    throw InputError(fmt::format(
        "{}: not a run file, which has draws_committed and a group sample_stats: name the output "
        "of 'flotilla sample'",
        path));
  }
}

RunVariable RunReader::variable(const std::string& group, const std::string& name) const {
  if (!has_group(group)) {
    throw InputError(fmt::format("{}: it has no group '{}': choose one of {}", path_, group,
                                 fmt::join(hdf5::link_names(file_.id()), ", ")));
  }
  const Handle parent = hdf5::open_group(file_.id(), group);
  if (!hdf5::has_link(parent.id(), name)) {
    throw InputError(fmt::format("{}: group '{}' has no variable '{}': choose one of {}", path_,
                                 group, name, fmt::join(hdf5::link_names(parent.id()), ", ")));
  }
  RunVariable variable;
  variable.name = name;
  variable.dataset = open_uncached(parent.id(), name);
  const std::vector<hsize_t> sizes = extent(variable.dataset);
  if (sizes.size() < 2 || sizes.size() > 3) {
    throw InputError(fmt::format("{}: '{}/{}' should be [chain x draw] or [chain x draw x dim]",
                                 path_, group, name));
  }
  const std::vector<hsize_t> chunk = chunk_of(variable.dataset, sizes);
  variable.chains = static_cast<Index>(sizes[0]);
  variable.draws = std::min(static_cast<Index>(sizes[1]), committed_draws(file_.id(), group));
  variable.scalar = sizes.size() == 2;
  variable.dim = variable.scalar ? 1 : static_cast<Index>(sizes[2]);
  variable.chunk_chains = static_cast<Index>(chunk[0]);
  variable.chunk_draws = static_cast<Index>(chunk[1]);
  const Handle type(H5Dget_type(variable.dataset.id()), H5Tclose, "H5Dget_type");
  const H5T_class_t kind = H5Tget_class(type.id());
  if (kind != H5T_FLOAT && kind != H5T_INTEGER) {
    throw InputError(fmt::format("{}: '{}/{}' should hold numbers", path_, group, name));
  }
  variable.in_double = kind == H5T_FLOAT && H5Tget_size(type.id()) > sizeof(float);
  return variable;
}

template <typename T>
void RunReader::read(const RunVariable& variable, const RunSlab& slab, T* out) const {
  if (slab.size() == 0) return;
  const auto size = [](Index value) { return static_cast<hsize_t>(value); };
  const int rank = variable.scalar ? 2 : 3;
  const std::array start = {size(slab.first_chain), size(slab.first_draw),
                            size(slab.first_coordinate)};
  const std::array count = {size(slab.chains), size(slab.draws), size(slab.coordinates)};
  const Handle space(H5Dget_space(variable.dataset.id()), H5Sclose, "H5Dget_space");
  check(
      H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr),
      "H5Sselect_hyperslab");
  const Handle memory(H5Screate_simple(rank, count.data(), nullptr), H5Sclose, "H5Screate_simple");
  check(H5Dread(variable.dataset.id(), hdf5::native_type<T>(), memory.id(), space.id(), H5P_DEFAULT,
                out),
        "H5Dread " + variable.name);
}

bool RunReader::has_group(const std::string& name) const {
  return hdf5::has_link(file_.id(), name);
}

bool RunReader::has_fact(const std::string& name) const {
  return hdf5::has_attribute(file_.id(), name);
}

std::string RunReader::text(const std::string& name) const {
  return hdf5::read_text(file_.id(), name);
}

double RunReader::number(const std::string& name) const {
  return has_fact(name) ? hdf5::read_number(file_.id(), name)
                        : std::numeric_limits<double>::quiet_NaN();
}

Index RunReader::superchains() const {
  const double count = number("superchains");
  return std::isnan(count) ? 0 : static_cast<Index>(count);
}

template void RunReader::read(const RunVariable&, const RunSlab&, float*) const;
template void RunReader::read(const RunVariable&, const RunSlab&, double*) const;

}  // namespace flotilla
