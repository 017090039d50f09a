// SPDX-License-Identifier: BSD-3-Clause
#include "io/run_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <type_traits>

#include "flotilla/core/error.hpp"
#include "flotilla/core/undefined.hpp"
#include "io/run_layout.hpp"

namespace flotilla {
namespace {

using hdf5::Dataset;
using hdf5::Properties;
using hdf5::Sizes;
using hdf5::Slab;

// Of a rank's draws that wait, in data space; their statistics have as much.
constexpr Index kWaitingBytes = Index{1} << 27U;

// One number per draw: a chunk holds many draws, whatever the dimension.
constexpr Index kStatisticsChunkDraws = 100;
constexpr int kNumberOfStatistics = 7;
constexpr std::size_t kStatistics = 4 * sizeof(double) + 3 * sizeof(std::int8_t);  // bytes a draw
constexpr hsize_t kScaleChunk = hsize_t{1} << 16U;

/// What was never written reads as this: NaN, a flag that is missing, or no draws.
template <typename V>
V fill_value() {
  if constexpr (std::is_same_v<V, std::int8_t>) return kMissingFlag;
  if constexpr (std::numeric_limits<V>::has_quiet_NaN) return std::numeric_limits<V>::quiet_NaN();
  return V{};
}

Sizes sizes_of(const std::vector<Index>& shape) {
  Sizes sizes;
  for (const Index size : shape) sizes.push_back(hdf5::size_of(size));
  return sizes;
}

/// The extent of a chunk along a dimension of this size.
Index chunk_of(Index size, Index chunk) {
  return std::min(chunk, size);
}

/// The size of a dimension that is stored in whole chunks.
double padded(Index size, Index chunk) {
  const Index extent = chunk_of(size, chunk);
  const Index whole = (size + extent - 1) / extent * extent;
  return static_cast<double>(whole);
}

/// Variables of one group.
struct GroupVariables {
  std::string group;
  std::vector<std::string> names;
};

/// A dataset without values yet. Without chunks it is contiguous.
template <typename V>
Dataset make_dataset(hdf5::Group& group, const std::string& name, const Sizes& sizes,
                     const Sizes& chunk) {
  Properties creation = Properties::dataset();
  creation.allocated_early();
  if (!chunk.empty()) creation.chunked(chunk);
  creation.filled_with(fill_value<V>());
  return group.make_dataset(name, hdf5::Type::of<V>(), hdf5::Dataspace(sizes), creation);
}

}  // namespace

/// A group under construction. It has dimensions, each with its coordinate variable, and variables
/// with all these dimensions.
class GroupBuilder {
 public:
  GroupBuilder(const Communicator& comm, hdf5::File& file, const std::string& name,
               const RunFacts& facts)
      : comm_(&comm), group_(file.make_group(name)) {
    for (const auto& [fact_name, fact] : facts) {
      const bool expected =
          std::find(kGroupFacts.begin(), kGroupFacts.end(), fact_name) != kGroupFacts.end();
      if (expected) write_fact(group_, fact_name, fact);
    }
    group_.write_text(kStatus, kUnfinished);
  }

  /// Adds a dimension to all later variables, with coordinates 0, 1, 2, ... @param chunk  0: no
  /// chunks
  GroupBuilder& dimension(const std::string& name, Index size, Index chunk) {
    sizes_.push_back(hdf5::size_of(size));
    if (chunk > 0) chunk_.push_back(hdf5::size_of(chunk_of(size, chunk)));
    // In chunks, so that the run can end early.
    Dataset scale = make_dataset<std::int64_t>(group_, name, {sizes_.back()},
                                               {std::min(sizes_.back(), kScaleChunk)});
    scale.make_scale(name);
    std::vector<std::int64_t> values(comm_->is_root() ? static_cast<std::size_t>(size) : 0);
    std::iota(values.begin(), values.end(), 0);
    scale.write_together(comm_->is_root(), values.data());
    scales_.push_back(std::move(scale));
    return *this;
  }

  /// Leaves all but the first dimensions out of later variables.
  GroupBuilder& keep_dimensions(std::size_t count) {
    sizes_.erase(sizes_.begin() + static_cast<std::ptrdiff_t>(count), sizes_.end());
    chunk_.erase(chunk_.begin() + static_cast<std::ptrdiff_t>(count), chunk_.end());
    scales_.erase(scales_.begin() + static_cast<std::ptrdiff_t>(count), scales_.end());
    return *this;
  }

  /// Records the superchain of each chain (the first dimension). It is a coordinate of all later
  /// variables, marked as the netCDF conventions ask.
  GroupBuilder& superchains(Index superchains) {
    if (superchains == 0) return *this;
    Dataset dataset = make_dataset<std::int64_t>(group_, "superchain", {sizes_.front()}, {});
    dataset.attach_scale(scales_.front(), 0);
    dataset.write_text("long_name", "chains of one superchain start from one point");
    std::vector<std::int64_t> values(comm_->is_root() ? sizes_.front() : 0);
    const auto width = static_cast<std::int64_t>(sizes_.front()) / superchains;
    for (std::size_t c = 0; c < values.size(); ++c) {
      values[c] = static_cast<std::int64_t>(c) / width;
    }
    dataset.write_together(comm_->is_root(), values.data());
    coordinates_ = "superchain";
    return *this;
  }

  template <typename V>
  Dataset variable(const std::string& name, const std::string& meaning) {
    Dataset dataset = make_dataset<V>(group_, name, sizes_, chunk_);
    for (std::size_t i = 0; i < scales_.size(); ++i) dataset.attach_scale(scales_[i], i);
    dataset.write_text("long_name", meaning);
    if (!coordinates_.empty()) dataset.write_text("coordinates", coordinates_);
    return dataset;
  }

  /// Adds a variable of truth values, marked as xarray marks them in netCDF once they are complete.
  Dataset flag(const std::string& name, const std::string& meaning) {
    Dataset dataset = variable<std::int8_t>(name, meaning);
    dataset.write_text(kFlagType, kNumbers);
    dataset.write_fill_value(kMissingFlag);
    return dataset;
  }

 private:
  const Communicator* comm_;
  hdf5::Group group_;
  Sizes sizes_;
  Sizes chunk_;  ///< empty if the variables are contiguous
  std::vector<Dataset> scales_;
  std::string coordinates_;  ///< in addition to those of the dimensions
};

namespace {

/// Says in the file that all its draws were made. Collective in a file that ranks share.
void mark_complete(hdf5::File& file) {
  for (const std::string& name : file.names()) {
    if (file.is_dataset(name)) continue;
    hdf5::Group group = file.group(name);
    group.overwrite_text(kStatus, kComplete);
    for (const std::string& variable : group.names()) {
      Dataset dataset = group.dataset(variable);
      if (!dataset.has_attribute(kFlagType)) continue;
      dataset.overwrite_text(kFlagType, kTruthValues);
      // It is gone if the run was killed right here and went on.
      if (dataset.has_attribute(hdf5::kFillValue)) dataset.remove_attribute(hdf5::kFillValue);
    }
  }
  // What the root says counts. HDF5 writes in an order of its own: all else is written before.
  file.flush();
  file.overwrite_text(kStatus, kComplete);
}

}  // namespace

Index RunFileLayout::tiles() const {
  return (chains + chunk_chains - 1) / chunk_chains;
}

std::size_t RunFileLayout::derived_bytes() const {
  std::size_t bytes = 0;
  for (const DerivedVariable& variable : derived) {
    bytes += sizeof(double) * static_cast<std::size_t>(variable.size());
  }
  return bytes;
}

double RunFileLayout::bytes(std::size_t scalar) const {
  constexpr double kEntry = 100;  // of a chunk in the index of its dataset; at least half full
  constexpr double kVariable = 1U << 13U;  // names and attributes of a derived one
  constexpr double kRest = 1U << 18U;      // names, attributes, indices of few chunks
  const double point = static_cast<double>(dim) * static_cast<double>(scalar);
  const double whole_chains = padded(chains, chunk_chains);
  const double chains_in_chunk = static_cast<double>(chunk_of(chains, chunk_chains));
  double bytes = kRest + whole_chains * point + whole_chains / chains_in_chunk * kEntry;
  for (const Index phase : {draws, warmup_draws}) {
    if (phase == 0) continue;
    const auto chunks = [&](Index chunk_draws_of) {
      return whole_chains / chains_in_chunk * padded(phase, chunk_draws_of) /
             static_cast<double>(chunk_of(phase, chunk_draws_of));
    };
    const double variables = latent ? 2 : 1;
    bytes += variables *
             (whole_chains * padded(phase, chunk_draws) * point + chunks(chunk_draws) * kEntry);
    bytes += whole_chains * padded(phase, chunk_draws) * static_cast<double>(derived_bytes()) +
             static_cast<double>(derived.size()) * (chunks(chunk_draws) * kEntry + kVariable);
    bytes += whole_chains * padded(phase, kStatisticsChunkDraws) * double{kStatistics} +
             kNumberOfStatistics * chunks(kStatisticsChunkDraws) * kEntry;
    const double entries = chunks(chunk_draws) * (variables + static_cast<double>(derived.size())) +
                           chunks(kStatisticsChunkDraws) * kNumberOfStatistics;
    bytes += static_cast<double>(sizeof(std::int64_t)) * entries;
    const double coordinates = static_cast<double>(phase + dim) + whole_chains;
    bytes += 3 * sizeof(std::int64_t) * (coordinates + (superchains > 0 ? whole_chains : 0.0));
  }
  return bytes + 3 * sizeof(double) * static_cast<double>(windows);
}

template <typename T>
RunFile<T>::RunFile(const Communicator& comm, const std::string& path, bool force,
                    const RunFileLayout& layout, const RunFacts& facts,
                    const std::vector<std::string>& measured)
    : comm_(&comm), layout_(layout), path_(path) {
  const double bytes = layout.bytes(sizeof(T));
  const std::string advice = "keep fewer draws (--draws, --no-latent), or write elsewhere";
  comm.together([&] {
    if (!comm.is_root()) return;
    expect_space(path, bytes, advice);
    expect_replaceable(path, force);
    replacement_.emplace(path);
  });
  file_.emplace(comm, path, comm.is_root() ? replacement_->unfinished() : "", bytes, advice);
  file_->together("making room for the draws", [&] { create(facts, measured); });
}

template <typename T>
RunFile<T>::RunFile(const Communicator& comm, const std::string& path, const RunFileLayout& layout,
                    const DrawsSoFar& so_far)
    : comm_(&comm), layout_(layout), path_(path) {
  sampling_.draws = so_far.committed;
  confirmed_ = so_far.committed;
  sampling_.points.written = so_far.sampling;
  warmup_.draws = so_far.committed_warmup;
  warmup_.points.written = so_far.warmup;
  file_.emplace(comm, path);
  published_ = true;
  tell_worth();
  file_->together("opening its parts", [&] { open(); });
  comm.together([&] {
    if (comm.is_root()) made_ = FileIdentity::of(path).value_or(FileIdentity());
  });
}

template <typename T>
void RunFile<T>::publish() {
  comm_->barrier();  // only once all ranks have written does it get its name
  comm_->together([&] {
    if (!comm_->is_root()) return;
    release_space(replacement_->unfinished());
    replacement_->finish();
    made_ = FileIdentity::of(path_).value_or(FileIdentity());
  });
  published_ = true;
  tell_worth();
}

template <typename T>
RunFile<T>::~RunFile() = default;

template <typename T>
void RunFile<T>::create(const RunFacts& facts, const std::vector<std::string>& measured) {
  hdf5::File& file = file_->contents();
  write_facts(file, facts);
  file.write_text(kStatus, kUnfinished);
  for (const std::string& name : measured) file.write_number(name, kUndefined);
  create_start(facts);
  create_draw_set("", layout_.draws, facts, sampling_);
  const Index warmup = layout_.warmup_draws;
  if (warmup > 0) create_draw_set(kWarmupPrefix, warmup, facts, warmup_);
  if (layout_.windows > 0) create_adaptation(facts);
  file.flush();
}

/// @param bytes  of one draw
template <typename T>
DrawProgress RunFile<T>::progress(Index draws, Index chunk, std::size_t bytes) const {
  const Index most = kWaitingBytes / (layout_.largest_share * static_cast<Index>(bytes));
  chunk = std::min(chunk, draws);
  return {.total = draws, .chunk = chunk, .most = std::clamp<Index>(most, 1, chunk)};
}

template <typename T>
void RunFile<T>::create_draw_set(const std::string& prefix, Index draws, const RunFacts& facts,
                                 DrawSet& set) {
  const auto make_group = [&](const char* name, Index chunk_draws) {
    GroupBuilder group(*comm_, file_->contents(), prefix + name, facts);
    group.dimension("chain", layout_.chains, layout_.chunk_chains);
    group.dimension("draw", draws, chunk_draws);
    group.superchains(layout_.superchains);
    return group;
  };
  GroupBuilder data = make_group("posterior", layout_.chunk_draws);
  data.dimension("x_dim_0", layout_.dim, layout_.dim);
  size_draw_set(draws, set);
  set.x.dataset = data.variable<T>("x", "draws in data space, x = f(z)");
  add_derived(data, set);
  if (layout_.latent) {
    GroupBuilder latent = make_group("unconstrained_posterior", layout_.chunk_draws);
    latent.dimension("z_dim_0", layout_.dim, layout_.dim);
    set.z.dataset = latent.variable<T>("z", "draws in latent space");
  }
  GroupBuilder stats = make_group("sample_stats", kStatisticsChunkDraws);
  const auto number = [&](const char* name, const char* meaning) {
    return stats.variable<double>(name, meaning);
  };
  const auto flag = [&](const char* name, const char* meaning) {
    return stats.flag(name, meaning);
  };
  set.lp.dataset = number("lp", "log density of the target in latent space, unnormalised");
  set.acceptance_rate.dataset =
      number("acceptance_rate", "acceptance probability of the last step");
  set.step_size.dataset = number("step_size", "step size of local moves");
  set.diverging.dataset = flag("diverging", "the last proposal had a non-finite value");
  set.log_det_jacobian.dataset = number("log_det_jacobian", "log |det dx/dz|");
  set.is_global.dataset = flag("is_global", "the last step proposed a global move");
  set.accepted.dataset = flag("accepted", "the last step's proposal was accepted");

  create_checksums(prefix, facts, set);
  set.committed = make_dataset<std::int64_t>(file_->contents(), prefix + kCommitted, {}, {});
  set.committed.write_text("long_name",
                           "draws of each chain that are complete; later ones are missing");
}

/// Each variable has dimensions of its own behind chain and draw.
template <typename T>
void RunFile<T>::add_derived(GroupBuilder& data, DrawSet& set) const {
  for (std::size_t v = 0; v < layout_.derived.size(); ++v) {
    const DerivedVariable& variable = layout_.derived[v];
    data.keep_dimensions(2);
    for (std::size_t d = 0; d < variable.shape.size(); ++d) {
      data.dimension(fmt::format("{}_dim_{}", variable.name, d), variable.shape[d],
                     variable.shape[d]);
    }
    set.derived[v].dataset = data.variable<double>(variable.name, "derived from x by the density");
  }
}

/// Makes room for the draws that wait.
template <typename T>
void RunFile<T>::size_draw_set(Index draws, DrawSet& set) const {
  const auto sized = [&](auto& variable, const DrawProgress& progress, Index width) {
    variable.waiting = {layout_.local_chains, progress.most, width};
  };
  const Index written = set.points.written;
  set.points =
      progress(draws, layout_.chunk_draws,
               sizeof(T) * static_cast<std::size_t>(layout_.dim) + layout_.derived_bytes());
  set.statistics = progress(draws, kStatisticsChunkDraws, kStatistics);
  set.points.written = written;
  set.statistics.written = written;
  sized(set.x, set.points, layout_.dim);
  if (layout_.latent) sized(set.z, set.points, layout_.dim);
  set.derived.resize(layout_.derived.size());
  for (std::size_t v = 0; v < set.derived.size(); ++v) {
    sized(set.derived[v], set.points, layout_.derived[v].size());
  }
  sized(set.lp, set.statistics, 1);
  sized(set.acceptance_rate, set.statistics, 1);
  sized(set.step_size, set.statistics, 1);
  sized(set.diverging, set.statistics, 1);
  sized(set.log_det_jacobian, set.statistics, 1);
  sized(set.is_global, set.statistics, 1);
  sized(set.accepted, set.statistics, 1);
  const auto summed = [&](Index variables) {
    return DrawChecksums(layout_.local_chains, layout_.chunk_chains, variables);
  };
  const auto derived = static_cast<Index>(set.derived.size());
  set.point_checksums.sums = summed(layout_.latent ? 2 + derived : 1 + derived);
  set.statistics_checksums.sums = summed(kNumberOfStatistics);
}

template <typename T>
void RunFile<T>::open() {
  open_draw_set("", layout_.draws, sampling_);
  if (layout_.warmup_draws > 0) open_draw_set("warmup_", layout_.warmup_draws, warmup_);
  if (layout_.windows == 0) return;
  const hdf5::Group group = file_->contents().group("adaptation");
  adaptation_ = {group.dataset("step_size"), group.dataset("acceptance_rate"),
                 group.dataset("global_acceptance_rate")};
}

/// @pre the draws that count are in set.points.written
template <typename T>
void RunFile<T>::open_draw_set(const std::string& prefix, Index draws, DrawSet& set) {
  size_draw_set(draws, set);
  const hdf5::File& file = file_->contents();
  const hdf5::Group data = file.group(prefix + "posterior");
  set.x.dataset = data.dataset("x");
  for (std::size_t v = 0; v < set.derived.size(); ++v) {
    set.derived[v].dataset = data.dataset(layout_.derived[v].name);
  }
  if (layout_.latent) {
    set.z.dataset = file.group(prefix + "unconstrained_posterior").dataset("z");
  }
  const hdf5::Group stats = file.group(prefix + "sample_stats");
  set.lp.dataset = stats.dataset("lp");
  set.acceptance_rate.dataset = stats.dataset("acceptance_rate");
  set.step_size.dataset = stats.dataset("step_size");
  set.diverging.dataset = stats.dataset("diverging");
  set.log_det_jacobian.dataset = stats.dataset("log_det_jacobian");
  set.is_global.dataset = stats.dataset("is_global");
  set.accepted.dataset = stats.dataset("accepted");
  set.committed = file.dataset(prefix + kCommitted);
  const hdf5::Group checksums = file.group(prefix + kChecksumGroup);
  set.point_checksums.dataset = checksums.dataset("points");
  set.statistics_checksums.dataset = checksums.dataset("statistics");
  recall_checksums(set);
}

/// Reads the draws of a block that is not full yet, since its checksums go on.
template <typename T>
void RunFile<T>::recall_checksums(DrawSet& set) {
  Index column = 0;
  const auto recall = [&]<typename V>(Variable<V>& variable, const DrawProgress& progress,
                                      ChecksumTable& table, const Sizes& inner) {
    const Index draws = progress.written % progress.chunk;
    if (draws > 0 && layout_.local_chains > 0) {
      Slab slab = {{hdf5::size_of(layout_.first_chain), hdf5::size_of(progress.written - draws)},
                   {hdf5::size_of(layout_.local_chains), hdf5::size_of(draws)}};
      slab.start.resize(2 + inner.size(), 0);
      slab.count.insert(slab.count.end(), inner.begin(), inner.end());
      const hsize_t per_chain =
          std::accumulate(inner.begin(), inner.end(), slab.count[1], std::multiplies<>());
      std::vector<V> values(slab.count[0] * per_chain);
      variable.dataset.read(slab, values.data());
      table.sums.add(column, values.data(), static_cast<Index>(per_chain));
    }
    ++column;
  };
  const Sizes dim = {hdf5::size_of(layout_.dim)};
  recall(set.x, set.points, set.point_checksums, dim);
  for (std::size_t v = 0; v < set.derived.size(); ++v) {
    recall(set.derived[v], set.points, set.point_checksums, sizes_of(layout_.derived[v].shape));
  }
  if (layout_.latent) recall(set.z, set.points, set.point_checksums, dim);
  column = 0;
  recall(set.lp, set.statistics, set.statistics_checksums, {});
  recall(set.acceptance_rate, set.statistics, set.statistics_checksums, {});
  recall(set.step_size, set.statistics, set.statistics_checksums, {});
  recall(set.diverging, set.statistics, set.statistics_checksums, {});
  recall(set.log_det_jacobian, set.statistics, set.statistics_checksums, {});
  recall(set.is_global, set.statistics, set.statistics_checksums, {});
  recall(set.accepted, set.statistics, set.statistics_checksums, {});
}

template <typename T>
void RunFile<T>::create_checksums(const std::string& prefix, const RunFacts& facts, DrawSet& set) {
  GroupBuilder group(*comm_, file_->contents(), prefix + kChecksumGroup, facts);
  const auto add = [&](const std::string& name, const DrawProgress& progress,
                       const std::vector<GroupVariables>& groups) {
    Index variables = 0;
    for (const GroupVariables& of : groups) variables += static_cast<Index>(of.names.size());
    group.keep_dimensions(0);
    group.dimension(name + "_block", (progress.total + progress.chunk - 1) / progress.chunk, 0);
    group.dimension(name + "_tile", layout_.tiles(), 0);
    group.dimension(name + "_variable", variables, 0);
    Dataset table =
        group.variable<std::int64_t>(name, "2^32 times the number of draws, and their CRC-32C");
    table.write_whole_number(kBlockDraws, progress.chunk);
    table.write_whole_number(kTileChains, layout_.chunk_chains);
    for (const GroupVariables& of : groups) {
      table.write_text(prefix + of.group, fmt::format("{}", fmt::join(of.names, " ")));
    }
    return table;
  };
  std::vector<GroupVariables> points = {{"posterior", {"x"}}};
  for (const DerivedVariable& derived : layout_.derived) points[0].names.push_back(derived.name);
  if (layout_.latent) points.push_back({"unconstrained_posterior", {"z"}});
  set.point_checksums.dataset = add("points", set.points, points);
  set.statistics_checksums.dataset = add("statistics", set.statistics,
                                         {{"sample_stats",
                                           {"lp", "acceptance_rate", "step_size", "diverging",
                                            "log_det_jacobian", "is_global", "accepted"}}});
}

template <typename T>
void RunFile<T>::create_start(const RunFacts& facts) {
  GroupBuilder group(*comm_, file_->contents(), "start", facts);
  group.dimension("chain", layout_.chains, layout_.chunk_chains);
  group.superchains(layout_.superchains);
  group.dimension("x_dim_0", layout_.dim, layout_.dim);
  start_ = group.variable<T>("x", "where each chain begins, in data space");
}

template <typename T>
void RunFile<T>::write_start(const DrawBlock<T>& block) {
  const Slab slab = {{hdf5::size_of(layout_.first_chain), 0},
                     {hdf5::size_of(block.chains()), hdf5::size_of(layout_.dim)}};
  file_->together("writing the start", [&] {
    start_.write_together(slab, block.x.data());
    start_.close();
  });
}

template <typename T>
void RunFile<T>::write_measured(const std::string& name, double value) {
  file_->together("writing " + name, [&] {
    file_->contents().overwrite_number(name, value);
    file_->contents().flush();
  });
}

template <typename T>
void RunFile<T>::create_adaptation(const RunFacts& facts) {
  GroupBuilder group(*comm_, file_->contents(), "adaptation", facts);
  group.dimension("window", layout_.windows, 0);
  adaptation_ = {
      group.variable<double>("step_size", "step size of the window's local moves"),
      group.variable<double>("acceptance_rate", "mean acceptance probability of local moves"),
      group.variable<double>("global_acceptance_rate", "the same of global moves"),
  };
}

template <typename T>
void RunFile<T>::append(Phase phase, const DrawBlock<T>& block,
                        const std::vector<std::vector<double>>& derived, StepSize step_size) {
  if (block.draws() == 0) return;
  DrawSet& set = phase == Phase::kWarmUp ? warmup_ : sampling_;
  comm_->together([&] {
    step_sizes_.assign(static_cast<std::size_t>(block.chains() * block.draws()), step_size.value());
  });
  for (Index first = 0; first < block.draws();) {
    const Index count = std::min({block.draws() - first, set.points.left(), set.statistics.left()});
    keep(set, block, derived, first, count);
    first += count;
    write_waiting(set, false);
  }
}

template <typename T>
void RunFile<T>::keep(DrawSet& set, const DrawBlock<T>& block,
                      const std::vector<std::vector<double>>& derived, Index first, Index count) {
  const auto keep = [&](auto& variable, const auto& values, const DrawProgress& progress,
                        DrawChecksums& sums, Index column) {
    variable.waiting.add(progress, values.data(), block.draws(), first, count,
                         sums.of_chains(column));
  };
  Index column = 0;
  const auto keep_points = [&](auto& variable, const auto& values) {
    keep(variable, values, set.points, set.point_checksums.sums, column++);
  };
  keep_points(set.x, block.x);
  for (std::size_t v = 0; v < set.derived.size(); ++v) keep_points(set.derived[v], derived.at(v));
  if (layout_.latent) keep_points(set.z, block.z);
  column = 0;
  const auto keep_statistic = [&](auto& variable, const auto& values) {
    keep(variable, values, set.statistics, set.statistics_checksums.sums, column++);
  };
  keep_statistic(set.lp, block.log_density);
  keep_statistic(set.acceptance_rate, block.acceptance);
  keep_statistic(set.step_size, step_sizes_);
  keep_statistic(set.diverging, block.diverging);
  keep_statistic(set.log_det_jacobian, block.log_det);
  keep_statistic(set.is_global, block.global);
  keep_statistic(set.accepted, block.accepted);
  set.points.waiting += count;
  set.statistics.waiting += count;
}

/// @param all  also those that do not fill a chunk
template <typename T>
void RunFile<T>::write_waiting(DrawSet& set, bool all) {
  const auto due = [&](const DrawProgress& progress) {
    return progress.waiting > 0 && (all || progress.left() == 0);
  };
  const bool points = due(set.points);
  const bool statistics = due(set.statistics);
  if (!points && !statistics) return;
  file_->together("writing draws", [&] { write(set, points, statistics); });
  comm_->barrier();  // only once all ranks have written do the draws count as good
  file_->together("writing checksums", [&] {
    if (points) write_checksums(set.point_checksums, set.points, set.draws);
    if (statistics) write_checksums(set.statistics_checksums, set.statistics, set.draws);
  });
  if (points) set.points.count_as_written();
  if (statistics) set.statistics.count_as_written();
  const Index good = std::min(set.points.written, set.statistics.written);
  // A run that goes on makes draws again that count already.
  if (good <= set.draws) return;
  set.draws = good;
  comm_->barrier();  // committed draws have checksums
  file_->together("committing draws", [&] { commit(set); });
  tell_worth();
}

template <typename T>
void RunFile<T>::write(DrawSet& set, bool points, bool statistics) {
  const auto write = [&](auto& variable, const DrawProgress& progress, const Sizes& inner) {
    Slab slab = {{hdf5::size_of(layout_.first_chain), hdf5::size_of(progress.written)},
                 {hdf5::size_of(layout_.local_chains), hdf5::size_of(progress.waiting)}};
    slab.start.resize(2 + inner.size(), 0);
    slab.count.insert(slab.count.end(), inner.begin(), inner.end());
    variable.dataset.write_together(slab, variable.waiting.closed_up(progress));
  };
  if (points) {
    const Sizes dim = {hdf5::size_of(layout_.dim)};
    write(set.x, set.points, dim);
    for (std::size_t v = 0; v < set.derived.size(); ++v) {
      write(set.derived[v], set.points, sizes_of(layout_.derived[v].shape));
    }
    if (layout_.latent) write(set.z, set.points, dim);
  }
  if (statistics) {
    write(set.lp, set.statistics, {});
    write(set.acceptance_rate, set.statistics, {});
    write(set.step_size, set.statistics, {});
    write(set.diverging, set.statistics, {});
    write(set.log_det_jacobian, set.statistics, {});
    write(set.is_global, set.statistics, {});
    write(set.accepted, set.statistics, {});
  }
}

/// Writes the checksums of the block under way, those draws included that wait. @pre those are in
/// the file: a checksum never speaks of draws that a kill kept out
/// @param committed  draws that the file had checksums of: those are left while they are made again
template <typename T>
void RunFile<T>::write_checksums(ChecksumTable& table, const DrawProgress& progress,
                                 Index committed) {
  const Index block = progress.written / progress.chunk;
  const Index draws = progress.written % progress.chunk + progress.waiting;
  const Index variables = table.sums.variables();
  const Index first_tile = layout_.first_chain / layout_.chunk_chains;
  if (progress.written + progress.waiting >= committed) {
    table.dataset.write_together({{hdf5::size_of(block), hdf5::size_of(first_tile), 0},
                                  {1, hdf5::size_of(table.sums.tiles()), hdf5::size_of(variables)}},
                                 table.sums.entries(draws).data());
  }
  if (draws == progress.chunk) table.sums.restart();
}

template <typename T>
void RunFile<T>::commit(DrawSet& set) {
  const auto draws = static_cast<std::int64_t>(set.draws);
  set.committed.write_together(comm_->is_root(), &draws);
}

template <typename T>
void RunFile<T>::save(bool waiting) {
  if (waiting) {
    write_waiting(warmup_, true);
    write_waiting(sampling_, true);
  }
  flush();
}

template <typename T>
void RunFile<T>::flush() {
  file_->together("forcing it to the disk", [&] { file_->contents().flush(); });
  confirmed_ = sampling_.draws;
  tell_worth();
  expect_still_there();
}

template <typename T>
void RunFile<T>::tell_worth() {
  if (!published_) return;
  file_->keep(
      fmt::format("it keeps {} complete draws of each chain, of which the disk has confirmed {}",
                  sampling_.draws, confirmed_));
}

template <typename T>
void RunFile<T>::expect_still_there() const {
  if (!published_) return;
  comm_->together([&] {
    if (!comm_->is_root()) return;
    flotilla::expect_still_there(path_, made_, "the draws of this run are lost");
  });
}

template <typename T>
void RunFile<T>::write_adaptation(const std::vector<AdaptationWindow>& windows) {
  if (layout_.windows == 0) return;
  std::array<std::vector<double>, 3> columns;
  for (std::vector<double>& column : columns) {
    column.assign(static_cast<std::size_t>(layout_.windows), kUndefined);
  }
  for (std::size_t i = 0; i < std::min(windows.size(), columns[0].size()); ++i) {
    columns[0][i] = windows[i].step_size;
    columns[1][i] = windows[i].acceptance_rate;
    columns[2][i] = windows[i].global_acceptance_rate;
  }
  file_->together("writing the adaptation", [&] {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      adaptation_[i].write_together(comm_->is_root(), columns[i].data());
    }
  });
}

// Rank 0 does this alone, once no other rank has the file open. In a shared file every rank would
// read and write every chunk that the new end cuts.
template <typename T>
void RunFile<T>::shorten() const {
  // HDF5 crashes if it closes a file after a failed write.
  const hdf5::FailureEnds watch([this](const hdf5::Failure& failure) {
    comm_->abort(
        fmt::format("cannot write {}: {}: all {} draws of each chain were written, but taking off "
                    "the draws that an early stop left out failed: the file may be damaged",
                    path_, failure.text(), sampling_draws_));
  });
  hdf5::File file = hdf5::File::open_to_change(path_);
  for (const char* group_name : {"posterior", "unconstrained_posterior", "sample_stats"}) {
    if (!file.has(group_name)) continue;
    const hdf5::Group group = file.group(group_name);
    for (const std::string& name : group.names()) {
      Dataset dataset = group.dataset(name);
      Sizes sizes = dataset.sizes();
      if (name != "draw" && sizes.size() < 2) continue;  // coordinates of another dimension
      sizes[name == "draw" ? 0 : 1] = hdf5::size_of(sampling_draws_);
      dataset.resize(sizes);
    }
  }
  mark_complete(file);
  file.flush();
  file.close_file();
  force_to_disk(path_);
}

template <typename T>
void RunFile<T>::finish(const std::vector<std::pair<std::string, double>>& measured, bool early) {
  write_waiting(sampling_, true);
  file_->together("writing what was measured", [&] {
    for (const auto& [name, value] : measured) file_->contents().overwrite_number(name, value);
    if (!early) mark_complete(file_->contents());
  });
  flush();
  file_->together("closing its parts", [&] {
    warmup_ = {};
    sampling_draws_ = sampling_.draws;
    sampling_ = {};
    start_.close();
    for (Dataset& dataset : adaptation_) dataset.close();
  });
  file_->close();
  comm_->barrier();  // no rank may have the file open any more
  expect_still_there();
  if (!early) return;
  comm_->together([&] {
    if (comm_->is_root()) shorten();
  });
}

template class RunFile<float>;
template class RunFile<double>;

}  // namespace flotilla
