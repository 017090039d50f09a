// SPDX-License-Identifier: BSD-3-Clause
#include "reporter.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

#include "flotilla/core/error.hpp"
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

/// What a line of progress says, the most telling first.
std::vector<std::string> parts_of(const Progress& progress, const ConvergenceReport& report) {
  const double left = progress.seconds *
                      static_cast<double>(progress.steps_total - progress.steps) /
                      static_cast<double>(progress.steps);
  const double share =
      static_cast<double>(progress.steps) / static_cast<double>(progress.steps_total);
  std::vector<std::string> parts = {
      fmt::format("{:<8} {:>3.0f}%", progress.phase == Phase::kWarmUp ? "warm-up" : "sampling",
                  std::floor(100.0 * share)),
      duration(left) + " left",
      fmt::format("acceptance {}", printed(progress.acceptance_rate, Print::kRate)),
      fmt::format("step size {:.3g}", progress.step_size),
  };
  if (report.draws > 0) {
    parts.push_back(
        fmt::format("R-hat {} ({})", printed(report.rhat, Print::kRate), report.rhat_of));
    parts.push_back(fmt::format("ESS {}", printed(report.ess, Print::kCount)));
  }
  parts.push_back(
      fmt::format("{} chain-steps/s", printed(progress.chain_steps_per_second, Print::kCount)));
  parts.push_back(fmt::format("step {}/{}", progress.steps, progress.steps_total));
  return parts;
}

/// The first parts that find room in so many columns.
std::string line_of(const std::vector<std::string>& parts, std::size_t columns) {
  std::string line = parts.front().substr(0, columns);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (line.size() + 2 + parts[i].size() > columns) break;
    line += "  " + parts[i];
  }
  return line;
}

/// The name of the terminal that standard output goes to; empty if it goes elsewhere.
std::string terminal_name() {
  if (isatty(STDOUT_FILENO) == 0) return "";
  if (std::getenv("OMPI_COMM_WORLD_RANK") == nullptr) return "/proc/self/fd/1";
  std::error_code unknown;
  const std::string output =
      std::filesystem::read_symlink(fmt::format("/proc/{}/fd/1", getppid()), unknown).string();
  return output.starts_with("/dev/pts/") || output.starts_with("/dev/tty") ? output : "";
}

/// Columns of a terminal; 80 if it does not know.
std::size_t columns_of(const std::string& terminal) {
  constexpr std::size_t kUsual = 80;
  const int file = open(terminal.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC);
  if (file < 0) return kUsual;
  winsize size{};
  const int failed = ioctl(file, TIOCGWINSZ, &size);
  close(file);
  return failed == 0 && size.ws_col > 0 ? size.ws_col : kUsual;
}

}  // namespace

bool tell(const std::string& text) {
  return std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
}

void show(const std::string& text) {
  if (tell(text) || errno == EPIPE) return;
  throw EnvironmentError(fmt::format("cannot write on standard output: {}", std::strerror(errno)));
}

std::optional<std::size_t> terminal_columns() {
  const std::string terminal = terminal_name();
  const char* kind = std::getenv("TERM");
  const bool rewrites = kind != nullptr && *kind != '\0' && std::string(kind) != "dumb";
  if (terminal.empty() || !rewrites) return std::nullopt;
  return columns_of(terminal);
}

bool Reporter::due(const Progress& progress) {
  const Clock::time_point now = Clock::now();
  const bool ended = progress.steps == progress.steps_total;
  const bool waited =
      now - last_ >= (columns_ ? Clock::duration(kLiveInterval) : Clock::duration(kLogInterval));
  if (ended || waited) last_ = now;
  return ended || waited;
}

void Reporter::noted(const std::string& sentence) noexcept {
  tell(sentence + "\n");
}

void Reporter::advanced(const Progress& progress) noexcept {
  if (!due(progress)) return;
  const bool ended = progress.steps == progress.steps_total;
  const std::vector<std::string> parts = parts_of(progress, report_);
  if (!columns_) {
    tell(fmt::format("{}\n", fmt::join(parts, "  ")));
    return;
  }
  // A character in the last column would begin a new line on some terminals.
  tell(fmt::format("\r\x1b[K{}{}", line_of(parts, *columns_ - 1), ended ? "\n" : ""));
}

std::string summary_table(const RunConfig& config, const RunSummary& summary, int ranks) {
  std::string text = fmt::format("\n{} chains, {} draws each, {} rank{}\n", config.chains,
                                 summary.draws, ranks, ranks == 1 ? "" : "s");
  for (const MeasuredFigure& figure : measured_figures()) {
    text += fmt::format("  {:<31}{}\n", figure.title, printed(figure.of(summary), figure.print));
  }
  return text + fmt::format("\n{}\n", config.output);
}

}  // namespace flotilla::app
