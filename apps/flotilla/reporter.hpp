#pragma once

#include <chrono>
#include <string>

#include "flotilla/run/ensemble.hpp"

namespace flotilla::app {

/// Tells people how a run goes: a live line on a terminal, a plain line now and then in a log.
class Reporter final : public ProgressObserver {
 public:
  /// @param terminal  whether standard output is one
  explicit Reporter(bool terminal) : terminal_(terminal) {}

  void advanced(const Progress& progress) override;

 private:
  using Clock = std::chrono::steady_clock;
  bool due(const Progress& progress);

  bool terminal_;
  Clock::time_point last_{};
};

/// The table at the end of a run.
std::string summary_table(const RunConfig& config, const RunSummary& summary, int ranks);

}  // namespace flotilla::app
