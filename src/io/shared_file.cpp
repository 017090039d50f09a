// SPDX-License-Identifier: BSD-3-Clause
#include "io/shared_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>

#include "io/replace_file.hpp"

namespace flotilla {
namespace {

// Often all ranks fail at once. The first to tell ends the others: so they tell one after another,
// those first that know why.
constexpr std::chrono::milliseconds kBetweenRanks{100};
constexpr int kMostRanksToWaitFor = 20;
constexpr std::chrono::milliseconds kForThoseThatKnow{1000};

}  // namespace

// Rank 0 makes the empty file: to open a file that is there takes no call that could fail on one
// rank alone and leave the others waiting.
SharedFile::SharedFile(const Communicator& comm, std::string path, std::string unfinished,
                       double bytes, const std::string& advice)
    : comm_(&comm), path_(std::move(path)), unfinished_(std::move(unfinished)) {
  comm.together([&] {
    if (!comm.is_root()) return;
    make_empty();
    reserve_space(path_, unfinished_, bytes, advice);
  });
  comm.broadcast(unfinished_);
  together("opening it", [&] { file_ = hdf5::File::open_together(unfinished_, comm.handle()); });
}

SharedFile::SharedFile(const Communicator& comm, std::string path)
    : comm_(&comm), path_(std::move(path)), worth_("it keeps what it held") {
  together("opening it", [&] { file_ = hdf5::File::open_together(path_, comm.handle()); });
}

void SharedFile::make_empty() const {
  try {
    hdf5::File::create_for_ranks(unfinished_);
  } catch (const Hdf5Error& error) {
    throw Hdf5Error(fmt::format("cannot write {}: {}: {}", path_, error.what(), worth_));
  }
}

SharedFile::~SharedFile() {
  close();
}

void SharedFile::together(const std::string& doing, const std::function<void()>& work) {
  const hdf5::FailureEnds watch([&](const hdf5::Failure& failure) { end(doing, failure); });
  try {
    work();
  } catch (const std::exception& error) {
    end(doing, {"this rank", "", error.what()});
  }
}

void SharedFile::keep(const std::string& worth) {
  unfinished_.clear();
  worth_ = worth;
}

void SharedFile::close() {
  together("closing it", [&] { file_.close_file(); });
}

void SharedFile::end(const std::string& doing, const hdf5::Failure& failure) const {
  std::this_thread::sleep_for(kBetweenRanks * std::min(comm_->rank(), kMostRanksToWaitFor));
  if (failure.system.empty()) std::this_thread::sleep_for(kForThoseThatKnow);
  if (!unfinished_.empty()) unlink(unfinished_.c_str());
  comm_->abort(fmt::format("cannot write {}: {}: {}: {}", path_, doing, failure.text(), worth_));
}

}  // namespace flotilla
