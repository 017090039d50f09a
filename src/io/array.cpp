// SPDX-License-Identifier: BSD-3-Clause
#include "io/array.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "core/crash_sentence.hpp"
#include "flotilla/core/error.hpp"

namespace flotilla {
namespace {

/// The name in a location, or else the name of the file's only entry.
std::string entry_of(const hdf5::File& file, const std::string& path, const std::string& name) {
  const std::vector<std::string> names = file.names();
  if (!name.empty()) {
    if (file.has(name)) return name;
    throw InputError(fmt::format("{}: no usable numbers: it has no '{}', only {}", path, name,
                                 fmt::join(names, ", ")));
  }
  if (names.size() == 1) return names.front();
  throw InputError(
      fmt::format("{}: no usable numbers: it holds {} entries ({}): name one, as in "
                  "{}:NAME",
                  path, names.size(), fmt::join(names, ", "), path));
}

bool is_array(const hdf5::Group& parent, const std::string& name) {
  try {
    return parent.is_dataset(name);
  } catch (const Hdf5Error&) {  // a link to what is not there
    return false;
  }
}

hdf5::Dataset open_numbers(const hdf5::Group& parent, const std::string& name) {
  if (!is_array(parent, name)) {
    throw InputError(
        fmt::format("'{}' should be an array but is a group, or a link to nothing", name));
  }
  hdf5::Dataset dataset = parent.dataset(name);
  if (dataset.type().is_number()) return dataset;
  throw InputError(fmt::format("array '{}' should hold numbers", name));
}

/// HDF5 would invent the missing values, as many as the header claims.
void expect_stored(const hdf5::Dataset& dataset, const std::string& name) {
  if (dataset.is_stored()) return;
  throw InputError(fmt::format("array '{}' should hold {} values but the file stores fewer", name,
                               dataset.space().count()));
}

}  // namespace

ArrayPlace find_array(const Location& location) {
  const std::string& path = location.path;
  const CrashSentence crash(hdf5::crash_sentence(path));
  hdf5::expect_readable(path);
  hdf5::expect_hdf5(path);
  try {
    hdf5::File file = hdf5::File::open(path);
    std::string name = entry_of(file, path, location.dataset);
    return {path, std::move(file), std::move(name)};
  } catch (const Hdf5Error& error) {
    throw InputError(fmt::format("{}: no usable numbers: {}", path, hdf5::reason(error)));
  }
}

Tensor read_array(const hdf5::Group& parent, const std::string& name, double& budget) {
  const hdf5::Dataset dataset = open_numbers(parent, name);
  const hdf5::Sizes sizes = dataset.sizes();
  Tensor tensor{{sizes.begin(), sizes.end()}, {}};
  double count = 1.0;
  for (const Index size : tensor.shape) count *= static_cast<double>(size);
  budget -= count;
  if (count > kLargestArray || budget < 0.0) {
    throw InputError(
        fmt::format("array '{}' of shape [{}] is larger than any flow needs, or than this "
                    "machine's memory allows",
                    name, fmt::join(tensor.shape, " x ")));
  }
  expect_stored(dataset, name);
  tensor.values.resize(static_cast<std::size_t>(count));
  if (!tensor.values.empty()) dataset.read(tensor.values.data());
  return tensor;
}

RowReader::RowReader(const Location& location) {
  const CrashSentence crash(hdf5::crash_sentence(location.path));
  ArrayPlace place = find_array(location);
  try {
    path_ = place.path;
    file_ = std::move(place.file);
    dataset_ = open_numbers(file_, place.dataset);
    const hdf5::Sizes sizes = dataset_.sizes();
    if (sizes.size() != 2) {
      throw InputError(fmt::format("array '{}' should be [n x dim] but is [{}]", place.dataset,
                                   fmt::join(sizes, " x ")));
    }
    expect_stored(dataset_, place.dataset);
    rows_ = static_cast<Index>(sizes[0]);
    columns_ = static_cast<Index>(sizes[1]);
  } catch (const std::exception& error) {
    throw InputError(fmt::format("{}: no usable numbers: {}", place.path, hdf5::reason(error)));
  }
}

void RowReader::read(Index first, Index count, double* out) const {
  if (count == 0) return;
  const CrashSentence crash(hdf5::crash_sentence(path_));
  using hdf5::size_of;
  try {
    dataset_.read({{size_of(first), 0}, {size_of(count), size_of(columns_)}}, out);
  } catch (const Hdf5Error& error) {
    throw InputError(fmt::format("{}: no usable numbers: {}", path_, hdf5::reason(error)));
  }
}

}  // namespace flotilla
