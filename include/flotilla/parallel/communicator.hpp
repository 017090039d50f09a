// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <mpi.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "flotilla/core/error.hpp"

namespace flotilla {

/// A sum over ranks under way. Destroying it waits for the sum if wait() has not been called.
class PendingSum {
 public:
  PendingSum() = default;
  PendingSum(MPI_Comm comm, std::vector<std::int64_t> addends);
  PendingSum(PendingSum&& other) noexcept;
  PendingSum& operator=(PendingSum&& other) noexcept;
  ~PendingSum();

  /// Whether a sum is under way that wait() has not returned.
  bool active() const { return request_ != MPI_REQUEST_NULL; }
  /// Waits for the sums over all ranks. Collective: every rank waits. @pre active()
  /// @throws MpiError
  std::vector<std::int64_t> wait();

 private:
  void swap(PendingSum& other) noexcept;

  std::vector<std::int64_t> addends_;
  std::vector<std::int64_t> sums_;
  MPI_Request request_ = MPI_REQUEST_NULL;
};

/// The ranks of one run: a private duplicate of an MPI communicator.
///
/// All but rank(), size(), handle() and abort() is collective. Everything throws MpiError if MPI
/// fails.
class Communicator {
 public:
  /// Duplicates `comm`, and frees the duplicate on destruction. Collective.
  explicit Communicator(MPI_Comm comm);
  /// The ranks of `whole` that give the same group number, in the same order. Collective over
  /// `whole`. @param group  >= 0
  Communicator(const Communicator& whole, int group);
  /// All ranks of the program.
  static Communicator world() { return Communicator(MPI_COMM_WORLD); }
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool is_root() const { return rank_ == 0; }
  MPI_Comm handle() const { return comm_; }

  /// Ends the program on all ranks and prints the reason on standard error, if claim_last_words()
  /// allows. Use it for a failure that only this rank knows of while others may wait for it. Not
  /// collective.
  [[noreturn]] void abort(const std::string& reason) const;

  /// Returns once every rank has called it.
  void barrier() const;
  /// Whether `vote` is true on every rank.
  bool all_agree(bool vote) const;
  /// Replaces `bytes` by those of rank 0, on every rank. Any size.
  void broadcast(std::string& bytes) const;
  /// The values of all ranks, in rank order, on every rank.
  std::vector<double> gather(const std::vector<double>& values) const;
  /// Sends a part of `values` to each rank: the first counts[0] of them to rank 0, and so on.
  /// Returns what all ranks sent to this one, in rank order.
  /// @param counts  [ranks]; sums to the number of values
  std::vector<double> exchange(const std::vector<double>& values,
                               const std::vector<int>& counts) const;
  /// The mean of all ranks' values. Its last bits depend on the number of ranks.
  double mean(double value) const;
  /// The largest value of all ranks.
  double largest(double value) const;
  /// Starts an element-wise sum of integers over ranks. The sum is exact, so its order does not
  /// matter.
  PendingSum begin_sum(std::vector<std::int64_t> addends) const;

  /// Runs work that may fail on some ranks, and makes all ranks agree: either all succeed, or all
  /// throw what the lowest failing rank threw.
  ///
  /// So no rank waits in the next collective call for one that has failed. `work` must not be
  /// collective, unless its collective calls fail alike on all ranks.
  void together(const std::function<void()>& work) const;

 private:
  void adopt();

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace flotilla
