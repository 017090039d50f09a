// SPDX-License-Identifier: BSD-3-Clause
#include "run/course.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "flotilla/core/error.hpp"
#include "io/archive.hpp"
#include "io/checkpoint.hpp"

namespace flotilla {
namespace {

/// Hands the sums of the window under way to rank 0: who had which chains does not matter any more.
void pool_window(const Communicator& comm, MoveStatistics& window) {
  const MoveStatistics::Sums& own = window.sums();
  const std::vector<std::int64_t> sums = comm.begin_sum({own.begin(), own.end()}).wait();
  MoveStatistics::Sums all{};
  if (comm.is_root()) std::copy(sums.begin(), sums.end(), all.begin());
  window = MoveStatistics(all);
}

/// The record of a tile. @param tile  counted within this rank
template <typename T, typename Archive>
void archive_tile(Course<T>& course, Index tile, ChainState<T>& state, Archive& with) {
  with(state);
  if (course.monitor != nullptr) course.monitor->archive_tile(tile, with);
}

}  // namespace

template <typename T>
double save_course(const Communicator& comm, const CheckpointPlace& place, Course<T>& course) {
  course.exchange.settle();
  pool_window(comm, course.window);
  std::string shared;
  comm.together([&] {
    if (!comm.is_root()) return;
    ArchiveWriter archive;
    archive(course);
    shared = place.run_id + std::move(archive).bytes();
  });
  const Tiling& tiling = course.pool->tiling();
  return write_checkpoint(comm, place.path, shared, {place.tiles, tiling.first_tile, tiling.tiles},
                          [&](Index tile) {
                            ArchiveWriter archive;
                            ChainState<T> state = course.pool->state(tile);
                            archive_tile(course, tile, state, archive);
                            return std::move(archive).bytes();
                          });
}

template <typename T>
void restore_course(const Communicator& comm, const CheckpointPlace& place, Course<T>& course) {
  comm.together([&] {
    const CheckpointReader checkpoint(place.path);
    if (!checkpoint.shared().starts_with(place.run_id) || checkpoint.tiles() != place.tiles) {
      throw InputError(fmt::format("{} is the checkpoint of another run", place.path));
    }
    ArchiveReader shared(checkpoint.shared().substr(place.run_id.size()), place.path);
    shared(course);
    if (!comm.is_root()) course.window = {};
    const Tiling& tiling = course.pool->tiling();
    for (Index tile = 0; tile < tiling.tiles; ++tile) {
      ArchiveReader archive(checkpoint.tile(tiling.first_tile + tile), place.path);
      ChainState<T> state = course.pool->state(tile);
      archive_tile(course, tile, state, archive);
      course.pool->restore(tile, std::move(state));
    }
  });
}

template double save_course(const Communicator&, const CheckpointPlace&, Course<float>&);
template double save_course(const Communicator&, const CheckpointPlace&, Course<double>&);
template void restore_course(const Communicator&, const CheckpointPlace&, Course<float>&);
template void restore_course(const Communicator&, const CheckpointPlace&, Course<double>&);

}  // namespace flotilla
