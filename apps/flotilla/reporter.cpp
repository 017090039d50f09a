#include "reporter.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace flotilla::app {
namespace {

constexpr std::chrono::milliseconds kLiveInterval{100};
constexpr std::chrono::seconds kLogInterval{10};

std::string rate(double value) {
  return std::isnan(value) ? "-" : fmt::format("{:.3f}", value);
}

/// A number of seconds as people say it: 42s, 3m05s, 2h07m.
std::string duration(double seconds) {
  const auto whole = static_cast<long long>(std::ceil(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
}

/// 12345678 as 1.23e+07, 12345 as 12345.
std::string count(double value) {
  return value < 1e6 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
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
      progress.steps, progress.steps_total, count(progress.chain_steps_per_second),
      rate(progress.acceptance_rate), progress.step_size, duration(left));
}

/// What the last report said, behind the line; nothing before the first.
std::string describe(const ConvergenceReport& report) {
  if (report.draws == 0) return "";
  const std::string ess = std::isnan(report.ess) ? "-" : count(report.ess);
  return fmt::format("  R-hat {} ({})  ESS {}", rate(report.rhat), report.rhat_of, ess);
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
  return output.rfind("/dev/pts/", 0) == 0 || output.rfind("/dev/tty", 0) == 0;
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
  std::string text;
  const auto line = [&](const char* name, const std::string& value) {
    text += fmt::format("  {:<28}{}\n", name, value);
  };
  const MoveTotals& moves = summary.moves;
  text += fmt::format("\n{} chains, {} draws each, {} rank{}\n", config.chains, summary.draws,
                      ranks, ranks == 1 ? "" : "s");
  line("acceptance rate, local", rate(moves.local_acceptance_rate()));
  line("acceptance rate, global", rate(moves.global_acceptance_rate()));
  line("step size", fmt::format("{:.4g}", summary.step_size));
  line("mean squared jump", fmt::format("{:.4g}", moves.mean_squared_jump()));
  line("non-finite proposals", fmt::format("{:.0f}", moves.non_finite()));
  line("chain-steps per second", count(summary.chain_steps_per_second));
  line("warm-up, sampling",
       fmt::format("{:.2f} s, {:.2f} s", summary.warmup_seconds, summary.sampling_seconds));
  line("share of time in flow", fmt::format("{:.1f} %", 100.0 * summary.flow_share));
  line("share of time in exchange", fmt::format("{:.1f} %", 100.0 * summary.exchange_share));
  line("share of time in I/O", fmt::format("{:.1f} %", 100.0 * summary.output_share));
  text += fmt::format("\n{}\n", config.output);
  return text;
}

}  // namespace flotilla::app
