#include "flotilla/io/run_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <hdf5_hl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <numeric>

#include "flotilla/core/error.hpp"

namespace flotilla {
namespace {

using hdf5::check;
using hdf5::Handle;

// Data handed to the operating system survive the death of the program, not that of the machine:
// from time to time they go to the disk itself.
constexpr std::chrono::seconds kFlushInterval{10};

// One number a draw: many draws make a chunk, whatever the dimension.
constexpr Index kStatisticsChunkDraws = 100;
constexpr hsize_t kScaleChunk = hsize_t{1} << 16U;

// ArviZ expects these on every group.
constexpr std::array kGroupFacts = {
    "created_at",       "inference_library",        "inference_library_version",
    "creation_library", "creation_library_version", "creation_library_language"};

struct WriteFact {
  hid_t object;
  const std::string& name;
  void operator()(const std::string& value) const { hdf5::write_text(object, name, value); }
  void operator()(double value) const { hdf5::write_number(object, name, value); }
  void operator()(std::int64_t value) const { hdf5::write_whole_number(object, name, value); }
};

/// The extent of a dataset; no chunks make it contiguous.
struct Shape {
  std::vector<hsize_t> sizes;
  std::vector<hsize_t> chunks;
};

/// No time stamps in the file: two equal runs are to write equal bytes.
Handle creation_properties(const Shape& shape) {
  Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "H5Pcreate");
  check(H5Pset_obj_track_times(properties.id(), false), "H5Pset_obj_track_times");
  check(H5Pset_alloc_time(properties.id(), H5D_ALLOC_TIME_EARLY), "H5Pset_alloc_time");
  check(H5Pset_fill_time(properties.id(), H5D_FILL_TIME_ALLOC), "H5Pset_fill_time");
  if (!shape.chunks.empty()) {
    check(H5Pset_chunk(properties.id(), static_cast<int>(shape.chunks.size()), shape.chunks.data()),
          "H5Pset_chunk");
  }
  return properties;
}

/// A dataset filled with NaN, or with zero where the type has none.
template <typename V>
Handle make_dataset(hid_t group, const std::string& name, const Shape& shape) {
  const Handle properties = creation_properties(shape);
  const V fill = std::numeric_limits<V>::has_quiet_NaN ? std::numeric_limits<V>::quiet_NaN() : V{};
  check(H5Pset_fill_value(properties.id(), hdf5::native_type<V>(), &fill), "H5Pset_fill_value");
  const Handle space(shape.sizes.empty() ? H5Screate(H5S_SCALAR)
                                         : H5Screate_simple(static_cast<int>(shape.sizes.size()),
                                                            shape.sizes.data(), nullptr),
                     H5Sclose, "H5Screate");
  return Handle(H5Dcreate2(group, name.c_str(), hdf5::native_type<V>(), space.id(), H5P_DEFAULT,
                           properties.id(), H5P_DEFAULT),
                H5Dclose, "H5Dcreate " + name);
}

Handle transfer_properties() {
  Handle properties(H5Pcreate(H5P_DATASET_XFER), H5Pclose, "H5Pcreate");
  check(H5Pset_dxpl_mpio(properties.id(), H5FD_MPIO_COLLECTIVE), "H5Pset_dxpl_mpio");
  return properties;
}

/// Writes with all ranks together, and makes sure that they did.
template <typename V>
void write_collectively(const Handle& dataset, const Handle& memory_space, const Handle& file_space,
                        const V* values) {
  const Handle transfer = transfer_properties();
  check(H5Dwrite(dataset.id(), hdf5::native_type<V>(), memory_space.id(), file_space.id(),
                 transfer.id(), values),
        "H5Dwrite");
  std::uint32_t local = 0;
  std::uint32_t global = 0;
  check(H5Pget_mpio_no_collective_cause(transfer.id(), &local, &global),
        "H5Pget_mpio_no_collective_cause");
  if (global != H5D_MPIO_COLLECTIVE) {
    throw Hdf5Error(fmt::format("a write was not collective (cause {:#x})", global));
  }
}

/// Writes a whole, small dataset from rank 0; the others join with an empty selection.
template <typename V>
void write_from_root(const Communicator& comm, const Handle& dataset, const V* values) {
  const Handle space(H5Dget_space(dataset.id()), H5Sclose, "H5Dget_space");
  if (!comm.is_root()) check(H5Sselect_none(space.id()), "H5Sselect_none");
  write_collectively(dataset, space, space, values);
}

/// A group under construction: dimensions, each with its coordinate variable, and variables that
/// have them all.
class GroupBuilder {
 public:
  GroupBuilder(const Communicator& comm, hid_t file, const std::string& name, const RunFacts& facts)
      : comm_(&comm), group_(hdf5::make_group(file, name)) {
    for (const auto& [fact_name, fact] : facts) {
      const bool expected =
          std::find(kGroupFacts.begin(), kGroupFacts.end(), fact_name) != kGroupFacts.end();
      if (expected) std::visit(WriteFact{group_.id(), fact_name}, fact);
    }
  }

  /// The next dimension of all variables, with coordinates 0, 1, 2, ... @param chunk  0 for none
  GroupBuilder& dimension(const std::string& name, Index size, Index chunk) {
    shape_.sizes.push_back(static_cast<hsize_t>(size));
    if (chunk > 0) shape_.chunks.push_back(static_cast<hsize_t>(std::min(chunk, size)));
    // In chunks, so that it can end early.
    const hsize_t chunk_size = std::min<hsize_t>(shape_.sizes.back(), kScaleChunk);
    scales_.push_back(
        make_dataset<std::int64_t>(group_.id(), name, {{shape_.sizes.back()}, {chunk_size}}));
    check(H5DSset_scale(scales_.back().id(), name.c_str()), "H5DSset_scale " + name);
    std::vector<std::int64_t> values(comm_->is_root() ? static_cast<std::size_t>(size) : 0);
    std::iota(values.begin(), values.end(), 0);
    write_from_root(*comm_, scales_.back(), values.data());
    return *this;
  }

  /// Says of each chain, the first dimension, which superchain it belongs to: a coordinate of all
  /// variables that follow, as netCDF's conventions name them.
  GroupBuilder& superchains(Index superchains) {
    if (superchains == 0) return *this;
    const Handle dataset =
        make_dataset<std::int64_t>(group_.id(), "superchain", {{shape_.sizes.front()}, {}});
    check(H5DSattach_scale(dataset.id(), scales_.front().id(), 0), "H5DSattach_scale superchain");
    hdf5::write_text(dataset.id(), "long_name", "chains of one superchain start from one point");
    std::vector<std::int64_t> values(comm_->is_root() ? shape_.sizes.front() : 0);
    const auto width = static_cast<std::int64_t>(shape_.sizes.front()) / superchains;
    for (std::size_t c = 0; c < values.size(); ++c) {
      values[c] = static_cast<std::int64_t>(c) / width;
    }
    write_from_root(*comm_, dataset, values.data());
    coordinates_ = "superchain";
    return *this;
  }

  template <typename V>
  Handle variable(const std::string& name, const std::string& meaning) const {
    Handle dataset = make_dataset<V>(group_.id(), name, shape_);
    for (std::size_t i = 0; i < scales_.size(); ++i) {
      check(H5DSattach_scale(dataset.id(), scales_[i].id(), static_cast<unsigned>(i)),
            "H5DSattach_scale " + name);
    }
    hdf5::write_text(dataset.id(), "long_name", meaning);
    if (!coordinates_.empty()) hdf5::write_text(dataset.id(), "coordinates", coordinates_);
    return dataset;
  }

  /// A variable of truth values, marked as xarray marks them in netCDF.
  Handle flag(const std::string& name, const std::string& meaning) const {
    Handle dataset = variable<std::int8_t>(name, meaning);
    hdf5::write_text(dataset.id(), "dtype", "bool");
    return dataset;
  }

 private:
  const Communicator* comm_;
  Handle group_;
  Shape shape_;
  std::vector<Handle> scales_;
  std::string coordinates_;  ///< beside those of the dimensions
};

/// Refuses what can be refused before any rank calls HDF5, with the system's own reason.
void expect_writable(const std::string& path, const std::string& unfinished, bool force) {
  std::error_code unknown;
  if (std::filesystem::is_directory(path, unknown)) {
    throw InputError(fmt::format("{} is a directory: give the output a file name", path));
  }
  if (std::filesystem::exists(path, unknown) && !force) {
    throw InputError(
        fmt::format("{} exists already: choose another output, or replace it with --force", path));
  }
  const int file = open(unfinished.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
  if (file < 0) {
    throw InputError(
        fmt::format("cannot write {}: {}: choose an output in a directory that exists "
                    "and may be written to",
                    path, std::strerror(errno)));
  }
  close(file);
}

void expect_space(const std::string& path, double bytes) {
  std::error_code unknown;
  const std::filesystem::path directory = std::filesystem::absolute(path, unknown).parent_path();
  const std::filesystem::space_info space = std::filesystem::space(directory, unknown);
  if (unknown || static_cast<double>(space.available) >= bytes) return;
  throw EnvironmentError(fmt::format(
      "cannot write {}: its draws take {:.3g} MB, but {} has {:.3g} MB left: keep fewer "
      "(--draws, --no-latent), or write elsewhere",
      path, bytes * 1e-6, directory.string(), static_cast<double>(space.available) * 1e-6));
}

Handle create_parallel_file(const Communicator& comm, const std::string& path) {
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "H5Pcreate");
  check(H5Pset_fapl_mpio(access.id(), comm.handle(), MPI_INFO_NULL), "H5Pset_fapl_mpio");
  check(H5Pset_all_coll_metadata_ops(access.id(), true), "H5Pset_all_coll_metadata_ops");
  check(H5Pset_coll_metadata_write(access.id(), true), "H5Pset_coll_metadata_write");
  const Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "H5Pcreate");
  check(H5Pset_link_creation_order(creation.id(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED),
        "H5Pset_link_creation_order");
  return Handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.id(), access.id()), H5Fclose,
                "H5Fcreate " + path);
}

/// Where one rank's part of a block goes: [chains x draws] or [chains x draws x dim] at an offset.
struct Slab {
  std::array<hsize_t, 3> start;
  std::array<hsize_t, 3> count;
};

/// Writes this rank's slab of a dataset and makes sure that all ranks wrote together.
template <typename V>
void write_slab(const Handle& dataset, const Slab& slab, const V* values) {
  const Handle file_space(H5Dget_space(dataset.id()), H5Sclose, "H5Dget_space");
  const int rank = H5Sget_simple_extent_ndims(file_space.id());
  const Handle memory_space(H5Screate_simple(rank, slab.count.data(), nullptr), H5Sclose,
                            "H5Screate_simple");
  if (slab.count[0] == 0) {
    check(H5Sselect_none(file_space.id()), "H5Sselect_none");
    check(H5Sselect_none(memory_space.id()), "H5Sselect_none");
  } else {
    check(H5Sselect_hyperslab(file_space.id(), H5S_SELECT_SET, slab.start.data(), nullptr,
                              slab.count.data(), nullptr),
          "H5Sselect_hyperslab");
  }
  write_collectively(dataset, memory_space, file_space, values);
}

}  // namespace

double RunFileLayout::bytes(std::size_t scalar) const {
  constexpr double kStatistics = 4 * sizeof(double) + 3 * sizeof(std::int8_t);
  const double points = static_cast<double>(dim) * static_cast<double>(scalar) * (latent ? 2 : 1);
  const double start = static_cast<double>(dim) * static_cast<double>(scalar);
  return static_cast<double>(chains) *
         (start + static_cast<double>(draws + warmup_draws) * (points + kStatistics));
}

template <typename T>
RunFile<T>::RunFile(const Communicator& comm, const std::string& path, bool force,
                    const RunFileLayout& layout, const RunFacts& facts,
                    const std::vector<std::string>& measured)
    : comm_(&comm), layout_(layout), path_(path), unfinished_(path + ".unfinished") {
  comm.together([&] {
    if (!comm.is_root()) return;
    expect_space(path, layout.bytes(sizeof(T)));
    expect_writable(path, unfinished_, force);
  });
  try {
    comm.together([&] { create(facts, measured); });
    comm.together([&] {
      if (comm.is_root()) std::filesystem::rename(unfinished_, path);
    });
  } catch (const std::exception&) {
    // Everything that keeps the file open goes first, then its name.
    start_.close();
    warmup_ = {};
    sampling_ = {};
    for (Handle& dataset : adaptation_) dataset.close();
    file_.close();
    if (comm.is_root()) unlink(unfinished_.c_str());
    throw;
  }
  unfinished_.clear();
  last_flush_ = std::chrono::steady_clock::now();
}

template <typename T>
RunFile<T>::~RunFile() = default;

template <typename T>
void RunFile<T>::create(const RunFacts& facts, const std::vector<std::string>& measured) {
  file_ = create_parallel_file(*comm_, unfinished_);
  for (const auto& [name, fact] : facts) std::visit(WriteFact{file_.id(), name}, fact);
  for (const std::string& name : measured) {
    hdf5::write_number(file_.id(), name, std::numeric_limits<double>::quiet_NaN());
  }
  create_start(facts);
  create_draw_set("", layout_.draws, facts, sampling_);
  if (layout_.warmup_draws > 0) create_draw_set("warmup_", layout_.warmup_draws, facts, warmup_);
  if (layout_.windows > 0) create_adaptation(facts);
  check(H5Fflush(file_.id(), H5F_SCOPE_GLOBAL), "H5Fflush");
}

template <typename T>
void RunFile<T>::create_draw_set(const std::string& prefix, Index draws, const RunFacts& facts,
                                 DrawSet& set) {
  const auto make_group = [&](const char* name, Index chunk_draws) {
    GroupBuilder group(*comm_, file_.id(), prefix + name, facts);
    group.dimension("chain", layout_.chains, layout_.chunk_chains);
    group.dimension("draw", draws, chunk_draws);
    group.superchains(layout_.superchains);
    return group;
  };
  GroupBuilder data = make_group("posterior", layout_.chunk_draws);
  data.dimension("x_dim_0", layout_.dim, layout_.dim);
  set.x = data.variable<T>("x", "draws in data space, x = f(z)");
  if (layout_.latent) {
    GroupBuilder latent = make_group("unconstrained_posterior", layout_.chunk_draws);
    latent.dimension("z_dim_0", layout_.dim, layout_.dim);
    set.z = latent.variable<T>("z", "draws in latent space");
  }
  GroupBuilder stats = make_group("sample_stats", kStatisticsChunkDraws);
  set.lp = stats.variable<double>("lp", "log density of the target in latent space, unnormalised");
  set.acceptance_rate =
      stats.variable<double>("acceptance_rate", "acceptance probability of the last step");
  set.step_size = stats.variable<double>("step_size", "step size of local moves");
  set.diverging = stats.flag("diverging", "the last proposal had a non-finite value");
  set.log_det_jacobian = stats.variable<double>("log_det_jacobian", "log |det dx/dz|");
  set.is_global = stats.flag("is_global", "the last step proposed a global move");
  set.accepted = stats.flag("accepted", "the last step's proposal was accepted");

  set.committed = make_dataset<std::int64_t>(file_.id(), prefix + "draws_committed", {});
  hdf5::write_text(set.committed.id(), "long_name",
                   "draws of each chain that are complete; later ones read as NaN");
}

template <typename T>
void RunFile<T>::create_start(const RunFacts& facts) {
  GroupBuilder group(*comm_, file_.id(), "start", facts);
  group.dimension("chain", layout_.chains, layout_.chunk_chains);
  group.superchains(layout_.superchains);
  group.dimension("x_dim_0", layout_.dim, layout_.dim);
  start_ = group.variable<T>("x", "where each chain begins, in data space");
}

template <typename T>
void RunFile<T>::write_start(const DrawBlock<T>& block) {
  const auto size = [](Index value) { return static_cast<hsize_t>(value); };
  const Slab slab = {{size(layout_.first_chain), 0, 0},
                     {size(block.chains()), size(layout_.dim), 0}};
  comm_->together([&] {
    write_slab(start_, slab, block.x.data());
    start_.close();
  });
}

template <typename T>
void RunFile<T>::create_adaptation(const RunFacts& facts) {
  GroupBuilder group(*comm_, file_.id(), "adaptation", facts);
  group.dimension("window", layout_.windows, 0);
  adaptation_ = {
      group.variable<double>("step_size", "step size of the window's local moves"),
      group.variable<double>("acceptance_rate", "mean acceptance probability of local moves"),
      group.variable<double>("global_acceptance_rate", "the same of global moves"),
  };
}

template <typename T>
void RunFile<T>::append(Phase phase, const DrawBlock<T>& block, StepSize step_size) {
  if (block.draws() == 0) return;
  DrawSet& set = phase == Phase::kWarmUp ? warmup_ : sampling_;
  comm_->together([&] {
    step_sizes_.assign(static_cast<std::size_t>(block.chains() * block.draws()), step_size.value());
  });
  // Returns on every rank once all have written: only then may the block be called good.
  comm_->together([&] { write_block(set, block); });
  set.draws += block.draws();
  comm_->together([&] { commit(set); });
  flush_now_and_then();
}

// Every rank makes every one of these collective calls, whatever became of the one before: a rank
// that left early would let the others wait for it. The first failure is thrown at the end.
template <typename T>
void RunFile<T>::write_block(DrawSet& set, const DrawBlock<T>& block) {
  const auto size = [](Index value) { return static_cast<hsize_t>(value); };
  const Slab slab = {{size(layout_.first_chain), size(set.draws), 0},
                     {size(block.chains()), size(block.draws()), size(layout_.dim)}};
  std::exception_ptr failure;
  const auto write = [&](const Handle& dataset, const auto* values) {
    try {
      write_slab(dataset, slab, values);
    } catch (...) {
      if (!failure) failure = std::current_exception();
    }
  };
  write(set.x, block.x.data());
  if (layout_.latent) write(set.z, block.z.data());
  write(set.lp, block.log_density.data());
  write(set.acceptance_rate, block.acceptance.data());
  write(set.step_size, step_sizes_.data());
  write(set.diverging, block.diverging.data());
  write(set.log_det_jacobian, block.log_det.data());
  write(set.is_global, block.global.data());
  write(set.accepted, block.accepted.data());
  if (failure) std::rethrow_exception(failure);
}

template <typename T>
void RunFile<T>::commit(DrawSet& set) {
  const auto draws = static_cast<std::int64_t>(set.draws);
  write_from_root(*comm_, set.committed, &draws);
}

template <typename T>
void RunFile<T>::flush_now_and_then() {
  const auto now = std::chrono::steady_clock::now();
  const bool due = comm_->is_root() && now - last_flush_ >= kFlushInterval;
  if (comm_->largest(due ? 1.0 : 0.0) == 0.0) return;
  comm_->together([&] { check(H5Fflush(file_.id(), H5F_SCOPE_GLOBAL), "H5Fflush"); });
  last_flush_ = std::chrono::steady_clock::now();
}

template <typename T>
void RunFile<T>::write_adaptation(const std::vector<AdaptationWindow>& windows) {
  if (layout_.windows == 0) return;
  std::array<std::vector<double>, 3> columns;
  for (std::vector<double>& column : columns) {
    column.assign(static_cast<std::size_t>(layout_.windows),
                  std::numeric_limits<double>::quiet_NaN());
  }
  for (std::size_t i = 0; i < std::min(windows.size(), columns[0].size()); ++i) {
    columns[0][i] = windows[i].step_size;
    columns[1][i] = windows[i].acceptance_rate;
    columns[2][i] = windows[i].global_acceptance_rate;
  }
  comm_->together([&] {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      write_from_root(*comm_, adaptation_[i], columns[i].data());
    }
  });
}

// By rank 0 alone, once no other rank has the file open: in a file that ranks share, each of them
// would read and write every chunk that the new end cuts.
template <typename T>
void RunFile<T>::shorten() const {
  const Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose,
                    "H5Fopen " + path_);
  for (const char* group_name : {"posterior", "unconstrained_posterior", "sample_stats"}) {
    if (!hdf5::has_link(file.id(), group_name)) continue;
    const Handle group = hdf5::open_group(file.id(), group_name);
    for (const std::string& name : hdf5::link_names(group.id())) {
      const Handle dataset(H5Dopen2(group.id(), name.c_str(), H5P_DEFAULT), H5Dclose, "H5Dopen");
      const Handle space(H5Dget_space(dataset.id()), H5Sclose, "H5Dget_space");
      std::array<hsize_t, 3> extent{};
      const int rank = H5Sget_simple_extent_dims(space.id(), extent.data(), nullptr);
      if (name != "draw" && rank < 2) continue;  // another dimension
      extent[name == "draw" ? 0 : 1] = static_cast<hsize_t>(sampling_draws_);
      check(H5Dset_extent(dataset.id(), extent.data()), "H5Dset_extent " + name);
    }
  }
}

template <typename T>
void RunFile<T>::finish(const std::vector<std::pair<std::string, double>>& measured, bool early) {
  comm_->together([&] {
    for (const auto& [name, value] : measured) hdf5::overwrite_number(file_.id(), name, value);
    warmup_ = {};
    sampling_draws_ = sampling_.draws;
    sampling_ = {};
    for (Handle& dataset : adaptation_) dataset.close();
    check(H5Fflush(file_.id(), H5F_SCOPE_GLOBAL), "H5Fflush");
    file_.close();
  });
  comm_->together([&] {
    if (comm_->is_root() && early) shorten();
  });
}

template class RunFile<float>;
template class RunFile<double>;

}  // namespace flotilla
