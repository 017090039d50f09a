// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/parallel/communicator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <new>
#include <numeric>
#include <utility>

#include "flotilla/core/crashes.hpp"
#include "parallel/mpi_check.hpp"

namespace flotilla {
namespace {

/// The kind of an error, so that every rank can throw the same type.
enum class Kind : int { kNone = 0, kInput, kHdf5, kMpi, kMemory, kOther };

struct Failure {
  Kind kind = Kind::kNone;
  std::string message;
};

Failure run(const std::function<void()>& work) {
  try {
    work();
    return {};
  } catch (const InputError& error) {
    return {Kind::kInput, error.what()};
  } catch (const Hdf5Error& error) {
    return {Kind::kHdf5, error.what()};
  } catch (const MpiError& error) {
    return {Kind::kMpi, error.what()};
  } catch (const std::bad_alloc&) {
    return {Kind::kMemory, "out of memory: use fewer chains per rank, or more ranks"};
  } catch (const std::exception& error) {
    return {Kind::kOther, error.what()};
  }
}

[[noreturn]] void raise(const Failure& failure) {
  switch (failure.kind) {
    case Kind::kInput:
      throw InputError(failure.message);
    case Kind::kHdf5:
      throw Hdf5Error(failure.message);
    case Kind::kMpi:
      throw MpiError(failure.message);
    default:
      throw EnvironmentError(failure.message);
  }
}

void broadcast_from(std::string& bytes, int root, int rank, MPI_Comm comm) {
  std::uint64_t size = bytes.size();
  check(MPI_Bcast(&size, 1, MPI_UINT64_T, root, comm), "MPI_Bcast");
  if (rank != root) bytes.resize(size);
  constexpr std::uint64_t kPiece = std::uint64_t{1} << 30U;  // MPI counts are ints
  for (std::uint64_t first = 0; first < size; first += kPiece) {
    const auto count = static_cast<int>(std::min(kPiece, size - first));
    check(MPI_Bcast(bytes.data() + first, count, MPI_BYTE, root, comm), "MPI_Bcast");
  }
}

/// Where each part begins, if parts of these sizes follow one another; the end of the last one.
std::vector<int> places_of(const std::vector<int>& counts) {
  std::vector<int> places(counts.size() + 1, 0);
  std::partial_sum(counts.begin(), counts.end(), places.begin() + 1);
  return places;
}

}  // namespace

PendingSum::PendingSum(MPI_Comm comm, std::vector<std::int64_t> addends)
    : addends_(std::move(addends)), sums_(addends_.size()) {
  check(MPI_Iallreduce(addends_.data(), sums_.data(), static_cast<int>(addends_.size()),
                       MPI_INT64_T, MPI_SUM, comm, &request_),
        "MPI_Iallreduce");
}

PendingSum::PendingSum(PendingSum&& other) noexcept {
  swap(other);
}

PendingSum& PendingSum::operator=(PendingSum&& other) noexcept {
  PendingSum taken(std::move(other));
  swap(taken);
  return *this;
}

PendingSum::~PendingSum() {
  if (active()) MPI_Wait(&request_, MPI_STATUS_IGNORE);
}

void PendingSum::swap(PendingSum& other) noexcept {
  addends_.swap(other.addends_);
  sums_.swap(other.sums_);
  std::swap(request_, other.request_);
}

std::vector<std::int64_t> PendingSum::wait() {
  check(MPI_Wait(&request_, MPI_STATUS_IGNORE), "MPI_Wait");
  return std::move(sums_);
}

Communicator::Communicator(MPI_Comm comm) {
  check(MPI_Comm_dup(comm, &comm_), "MPI_Comm_dup");
  adopt();
}

Communicator::Communicator(const Communicator& whole, int group) {
  check(MPI_Comm_split(whole.comm_, group, whole.rank_, &comm_), "MPI_Comm_split");
  adopt();
}

void Communicator::adopt() {
  check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check(MPI_Comm_rank(comm_, &rank_), "MPI_Comm_rank");
  check(MPI_Comm_size(comm_, &size_), "MPI_Comm_size");
}

Communicator::~Communicator() {
  if (comm_ != MPI_COMM_NULL) MPI_Comm_free(&comm_);
}

void Communicator::abort(const std::string& reason) const {
  int ranks = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const std::string who = ranks == 1 ? "" : fmt::format("rank {}: ", rank_);
  if (claim_last_words()) fmt::print(stderr, "flotilla: {}{}\n", who, reason);
  std::fflush(nullptr);
  // Nobody waits for a single process, and MPI would add lines of its own.
  if (ranks == 1) std::_Exit(EXIT_FAILURE);
  MPI_Abort(comm_, EXIT_FAILURE);
  std::abort();
}

void Communicator::barrier() const {
  check(MPI_Barrier(comm_), "MPI_Barrier");
}

bool Communicator::all_agree(bool vote) const {
  int mine = vote ? 1 : 0;
  int all = 0;
  check(MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, comm_), "MPI_Allreduce");
  return all == 1;
}

void Communicator::broadcast(std::string& bytes) const {
  broadcast_from(bytes, 0, rank_, comm_);
}

std::vector<double> Communicator::gather(const std::vector<double>& values) const {
  const int mine = static_cast<int>(values.size());
  std::vector<int> counts(static_cast<std::size_t>(size_));
  check(MPI_Allgather(&mine, 1, MPI_INT, counts.data(), 1, MPI_INT, comm_), "MPI_Allgather");
  const std::vector<int> places = places_of(counts);
  std::vector<double> all(static_cast<std::size_t>(places.back()));
  check(MPI_Allgatherv(values.data(), mine, MPI_DOUBLE, all.data(), counts.data(), places.data(),
                       MPI_DOUBLE, comm_),
        "MPI_Allgatherv");
  return all;
}

std::vector<double> Communicator::exchange(const std::vector<double>& values,
                                           const std::vector<int>& counts) const {
  std::vector<int> incoming(counts.size());
  check(MPI_Alltoall(counts.data(), 1, MPI_INT, incoming.data(), 1, MPI_INT, comm_),
        "MPI_Alltoall");
  const std::vector<int> from = places_of(counts);
  const std::vector<int> to = places_of(incoming);
  std::vector<double> received(static_cast<std::size_t>(to.back()));
  // MPI_Alltoallv would send empty messages to everybody.
  std::vector<MPI_Request> requests;
  for (int rank = 0; rank < size_; ++rank) {
    const auto r = static_cast<std::size_t>(rank);
    if (incoming[r] == 0) continue;
    check(MPI_Irecv(received.data() + to[r], incoming[r], MPI_DOUBLE, rank, 0, comm_,
                    &requests.emplace_back(MPI_REQUEST_NULL)),
          "MPI_Irecv");
  }
  for (int rank = 0; rank < size_; ++rank) {
    const auto r = static_cast<std::size_t>(rank);
    if (counts[r] == 0) continue;
    check(MPI_Isend(values.data() + from[r], counts[r], MPI_DOUBLE, rank, 0, comm_,
                    &requests.emplace_back(MPI_REQUEST_NULL)),
          "MPI_Isend");
  }
  check(MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE),
        "MPI_Waitall");
  return received;
}

double Communicator::mean(double value) const {
  double sum = 0.0;
  check(MPI_Allreduce(&value, &sum, 1, MPI_DOUBLE, MPI_SUM, comm_), "MPI_Allreduce");
  return sum / size_;
}

double Communicator::largest(double value) const {
  double result = 0.0;
  check(MPI_Allreduce(&value, &result, 1, MPI_DOUBLE, MPI_MAX, comm_), "MPI_Allreduce");
  return result;
}

PendingSum Communicator::begin_sum(std::vector<std::int64_t> addends) const {
  return PendingSum(comm_, std::move(addends));
}

void Communicator::together(const std::function<void()>& work) const {
  Failure failure = run(work);
  const int mine = failure.kind == Kind::kNone ? std::numeric_limits<int>::max() : rank_;
  int first = 0;
  check(MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, comm_), "MPI_Allreduce");
  if (first == std::numeric_limits<int>::max()) return;
  int kind = static_cast<int>(failure.kind);
  check(MPI_Bcast(&kind, 1, MPI_INT, first, comm_), "MPI_Bcast");
  broadcast_from(failure.message, first, rank_, comm_);
  failure.kind = static_cast<Kind>(kind);
  raise(failure);
}

}  // namespace flotilla
