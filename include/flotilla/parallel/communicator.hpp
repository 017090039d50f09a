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

/// MPI's life: initialises on construction, finalises on destruction. One per process, in main().
class MpiEnvironment {
 public:
  /// @throws MpiError
  MpiEnvironment(int& argc, char**& argv);
  ~MpiEnvironment();
  MpiEnvironment(const MpiEnvironment&) = delete;
  MpiEnvironment& operator=(const MpiEnvironment&) = delete;
};

/// The MPI library that runs, in one line. @throws MpiError
std::string mpi_version();

/// A sum over ranks that is under way; waits for it when asked, or at the latest when destroyed.
class PendingSum {
 public:
  PendingSum() = default;
  PendingSum(MPI_Comm comm, std::vector<std::int64_t> addends);
  PendingSum(PendingSum&& other) noexcept;
  PendingSum& operator=(PendingSum&& other) noexcept;
  ~PendingSum();

  bool active() const { return request_ != MPI_REQUEST_NULL; }
  /// The sums over all ranks. Collective with the other ranks' wait. @pre active()
  /// @throws MpiError
  std::vector<std::int64_t> wait();

 private:
  void swap(PendingSum& other) noexcept;

  std::vector<std::int64_t> addends_;
  std::vector<std::int64_t> sums_;
  MPI_Request request_ = MPI_REQUEST_NULL;
};

/// The ranks that make one run together: a private duplicate of an MPI communicator.
///
/// Everything but rank(), size() and handle() is collective; all throw MpiError when MPI fails.
class Communicator {
 public:
  explicit Communicator(MPI_Comm comm);
  /// The ranks of another communicator that name the same group, in the same order. Collective
  /// there. @param group  >= 0
  Communicator(const Communicator& whole, int group);
  /// All ranks that were started together.
  static Communicator world() { return Communicator(MPI_COMM_WORLD); }
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool is_root() const { return rank_ == 0; }
  MPI_Comm handle() const { return comm_; }

  /// Ends the program on all ranks, whatever they are doing, and says why on standard error: for
  /// what one rank knows and the others, who may wait for it, do not. Not collective.
  [[noreturn]] void abort(const std::string& reason) const;

  void barrier() const;
  /// Whether `vote` is true on every rank.
  bool all_agree(bool vote) const;
  /// Rank 0's bytes, on every rank; what the other ranks pass is overwritten. Any size.
  void broadcast(std::string& bytes) const;
  /// The ranks' values one after another, in rank order, on every rank.
  std::vector<double> gather(const std::vector<double>& values) const;
  /// The largest value of all ranks.
  double largest(double value) const;
  /// Begins to add up integers element by element; exact, so in no particular order.
  PendingSum begin_sum(std::vector<std::int64_t> addends) const;

  /// Runs work that can fail on some ranks and not on others, and makes it fail on all or on none:
  /// afterwards every rank has either succeeded or thrown what the lowest failing rank threw.
  ///
  /// Nobody waits in the next collective for a rank that is gone. `work` itself must not be
  /// collective, unless its collectives fail alike everywhere.
  void together(const std::function<void()>& work) const;

 private:
  void adopt();

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace flotilla
