// SPDX-License-Identifier: BSD-3-Clause
#include "io/point_file.hpp"

namespace flotilla {
namespace {

constexpr double kRestOfFile = 1U << 14U;  // bytes of names and attributes, at most

template <typename V>
hdf5::Dataset make_dataset(hdf5::File& file, const std::string& name, const hdf5::Sizes& sizes,
                           const std::string& meaning) {
  hdf5::Properties creation = hdf5::Properties::dataset();
  creation.allocated_early();
  hdf5::Dataset dataset =
      file.make_dataset(name, hdf5::Type::of<V>(), hdf5::Dataspace(sizes), creation);
  dataset.write_text("long_name", meaning);
  return dataset;
}

}  // namespace

template <typename T>
PointFile<T>::PointFile(const Communicator& comm, const std::string& path, bool force, Index points,
                        Index dim, const RunFacts& facts)
    : comm_(&comm), path_(path), dim_(dim) {
  const double row = 2.0 * static_cast<double>(dim) * sizeof(T) + 2.0 * sizeof(double);
  const double bytes = static_cast<double>(points) * row + kRestOfFile;
  const std::string advice = "write elsewhere, or take fewer points";
  comm.together([&] {
    if (!comm.is_root()) return;
    expect_space(path, bytes, advice);
    expect_replaceable(path, force);
    replacement_.emplace(path);
  });
  file_.emplace(comm, path, comm.is_root() ? replacement_->unfinished() : "", bytes, advice);
  file_->together("making room for the points", [&] { create(points, dim, facts); });
}

template <typename T>
void PointFile<T>::create(Index points, Index dim, const RunFacts& facts) {
  hdf5::File& file = file_->contents();
  write_facts(file, facts);
  const hdf5::Sizes rows = {hdf5::size_of(points)};
  const hdf5::Sizes matrix = {hdf5::size_of(points), hdf5::size_of(dim)};
  x_ = make_dataset<T>(file, "x", matrix, "points in data space, x = f(z)");
  z_ = make_dataset<T>(file, "z", matrix, "the same points in latent space");
  log_det_ = make_dataset<double>(file, "log_det_jacobian", rows, "log |det dx/dz|");
  log_density_ =
      make_dataset<double>(file, "log_density", rows, "log q_X(x) = log q_Z(z) - log |det dx/dz|");
}

template <typename T>
void PointFile<T>::write(Index first, const PointRows<T>& rows) {
  const hsize_t count = rows.size();
  const hdf5::Slab numbers = {{hdf5::size_of(first)}, {count}};
  const hdf5::Slab points = {{hdf5::size_of(first), 0}, {count, hdf5::size_of(dim_)}};
  file_->together("writing points", [&] {
    x_.write_together(points, rows.x.data());
    z_.write_together(points, rows.z.data());
    log_det_.write_together(numbers, rows.log_det.data());
    log_density_.write_together(numbers, rows.log_density.data());
  });
}

template <typename T>
void PointFile<T>::finish(const RunFacts& facts) {
  file_->together("finishing it", [&] {
    write_facts(file_->contents(), facts);
    for (hdf5::Dataset* dataset : {&x_, &z_, &log_det_, &log_density_}) dataset->close();
    file_->contents().flush();
  });
  file_->close();
  comm_->barrier();  // no rank may have the file open any more
  comm_->together([&] {
    if (!comm_->is_root()) return;
    release_space(replacement_->unfinished());
    replacement_->finish();
  });
}

template class PointFile<float>;
template class PointFile<double>;

}  // namespace flotilla
