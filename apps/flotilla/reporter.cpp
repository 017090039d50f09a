// SPDX-License-Identifier: BSD-3-Clause
#include "reporter.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "flotilla/core/printed.hpp"
#include "flotilla/run/measured.hpp"

namespace flotilla::app {
namespace {

constexpr std::chrono::milliseconds kLiveInterval{100};
constexpr std::chrono::seconds kLogInterval{10};

/// A duration as people write it: 42s, 3m05s, 2h07m.
std::string duration(double seconds) {
  const auto whole = static_cast<long long>(std::ceil(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
}

std::string describe(const Progress& progress) {
  const double left = progress.seconds *
                      static_cast<double>(progress.steps_total - progress.steps) /
                      static_cast<double>(progress.steps);
  return fmt::format(
      "{:<8} {:>3.0f}%  step {}/{}  {} chain-steps/s  acceptance {}  step size {:.3g}  {} left",
      progress.phase == Phase::kWarmUp ? "warm-up" : "sampling",
      std::floor(100.0 * static_cast<double>(progress.steps) /
                 static_cast<double>(progress.steps_total)),
      progress.steps, progress.steps_total, printed(progress.chain_steps_per_second, Print::kCount),
      printed(progress.acceptance_rate, Print::kRate), progress.step_size, duration(left));
}

/// The figures of the last report, to append to the line; empty before the first report.
std::string describe(const ConvergenceReport& report) {
  if (report.draws == 0) return "";
  return fmt::format("  R-hat {} ({})  ESS {}", printed(report.rhat, Print::kRate), report.rhat_of,
                     printed(report.ess, Print::kCount));
}

}  // namespace

void show(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

bool prints_on_terminal() {
  if (isatty(STDOUT_FILENO) == 0) return false;
  if (std::getenv("OMPI_COMM_WORLD_RANK") == nullptr) return true;
  std::error_code unknown;
  const std::string output =
      std::filesystem::read_symlink(fmt::format("/proc/{}/fd/1", getppid()), unknown).string();
  return output.starts_with("/dev/pts/") || output.starts_with("/dev/tty");
}

bool Reporter::due(const Progress& progress) {
  const Clock::time_point now = Clock::now();
  const bool ended = progress.steps == progress.steps_total;
  const bool waited =
      now - last_ >= (terminal_ ? Clock::duration(kLiveInterval) : Clock::duration(kLogInterval));
  if (ended || waited) last_ = now;
  return ended || waited;
}

void Reporter::advanced(const Progress& progress) noexcept {
  if (!due(progress)) return;
  const bool ended = progress.steps == progress.steps_total;
  const std::string line = describe(progress) + describe(report_);
  show(terminal_ ? fmt::format("\r\x1b[K{}{}", line, ended ? "\n" : "")
                 : fmt::format("{}\n", line));
}

std::string summary_table(const RunConfig& config, const RunSummary& summary, int ranks) {
  std::string text = fmt::format("\n{} chains, {} draws each, {} rank{}\n", config.chains,
                                 summary.draws, ranks, ranks == 1 ? "" : "s");
  for (const MeasuredFigure& figure : measured_figures()) {
    text += fmt::format("  {:<28}{}\n", figure.title, printed(figure.of(summary), figure.print));
  }
  return text + fmt::format("\n{}\n", config.output);
}

}  // namespace flotilla::app
