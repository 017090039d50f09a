// SPDX-License-Identifier: BSD-3-Clause
#include "io/point_file.hpp"

#include <exception>

namespace flotilla {
namespace {

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
  comm.together([&] {
    if (!comm.is_root()) return;
    const double row = 2.0 * static_cast<double>(dim) * sizeof(T) + 2.0 * sizeof(double);
    expect_space(path, static_cast<double>(points) * row, "write elsewhere, or take fewer points");
    expect_replaceable(path, force);
    replacement_.emplace(path);
  });
  comm.together([&] { create(points, dim, facts); });
}

template <typename T>
void PointFile<T>::create(Index points, Index dim, const RunFacts& facts) {
  file_ = hdf5::File::create(unfinished_name(path_), comm_->handle());
  write_facts(file_, facts);
  const hdf5::Sizes rows = {hdf5::size_of(points)};
  const hdf5::Sizes matrix = {hdf5::size_of(points), hdf5::size_of(dim)};
  x_ = make_dataset<T>(file_, "x", matrix, "points in data space, x = f(z)");
  z_ = make_dataset<T>(file_, "z", matrix, "the same points in latent space");
  log_det_ = make_dataset<double>(file_, "log_det_jacobian", rows, "log |det dx/dz|");
  log_density_ =
      make_dataset<double>(file_, "log_density", rows, "log q_X(x) = log q_Z(z) - log |det dx/dz|");
}

// Every rank makes every one of these collective calls, even after a failure: the others would wait
// for a rank that left early. The first failure is thrown at the end.
template <typename T>
void PointFile<T>::write(Index first, const PointRows<T>& rows) {
  const hsize_t count = rows.size();
  const hdf5::Slab numbers = {{hdf5::size_of(first)}, {count}};
  const hdf5::Slab points = {{hdf5::size_of(first), 0}, {count, hdf5::size_of(dim_)}};
  std::exception_ptr failure;
  const auto write = [&](hdf5::Dataset& dataset, const hdf5::Slab& slab, const auto* values) {
    try {
      dataset.write_together(slab, values);
    } catch (...) {
      if (!failure) failure = std::current_exception();
    }
  };
  comm_->together([&] {
    write(x_, points, rows.x.data());
    write(z_, points, rows.z.data());
    write(log_det_, numbers, rows.log_det.data());
    write(log_density_, numbers, rows.log_density.data());
    if (failure) std::rethrow_exception(failure);
  });
}

template <typename T>
void PointFile<T>::finish(const RunFacts& facts) {
  comm_->together([&] {
    write_facts(file_, facts);
    for (hdf5::Dataset* dataset : {&x_, &z_, &log_det_, &log_density_}) dataset->close();
    file_.flush();
    file_.close();
  });
  comm_->together([&] {
    if (comm_->is_root()) replacement_->finish();
  });
}

template class PointFile<float>;
template class PointFile<double>;

}  // namespace flotilla
