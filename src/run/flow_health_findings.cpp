// SPDX-License-Identifier: BSD-3-Clause
#include "run/flow_health_findings.hpp"

#include <fmt/format.h>

#include <cmath>

namespace flotilla {
namespace {

using Verdict = Finding::Verdict;

constexpr double kMostNonFinite = 0.01;      // share of draws: more, and the flow is not usable
constexpr double kLargestRoundTrip = 1e-3;   // beyond it an inverse is none
constexpr double kUnusualRoundTrip = 1e-6;   // of double: the flow amplifies rounding
constexpr double kLargestFloatX = 1e-2;      // more than the golden values of float may deviate
constexpr double kLargestFloatLogDet = 0.1;  // nats: it shows in acceptance rates
constexpr double kOutlier = 10.0;            // times the 99 % quantile
constexpr double kFloatCondition = 1e6;      // float keeps seven digits
constexpr double kDoubleCondition = 1e14;    // double keeps sixteen
// A mode of a normal is dim / 2 nats above a draw; far above that lies a density that is unbounded
// or as good as unbounded.
constexpr double kClimbOfAll = 100.0;
constexpr double kClimbOfEach = 10.0;

std::string shown(const Spread& spread) {
  return fmt::format("median {:.2g}, 99 % within {:.2g}, largest {:.2g}", spread.median,
                     spread.most, spread.largest);
}

Finding draws_finding(const FlowHealth& health) {
  if (health.non_finite == 0) {
    return {"draws", Verdict::kPassed,
            fmt::format("all {} have a finite x, l and log q_X", health.draws)};
  }
  const double share = static_cast<double>(health.non_finite) / static_cast<double>(health.draws);
  const std::string found = fmt::format("{} of {} are not finite ({:.2g} %)", health.non_finite,
                                        health.draws, 100.0 * share);
  if (share > kMostNonFinite) {
    return {"draws", Verdict::kFailed, found + ": the flow has exploded; train it again"};
  }
  return {"draws", Verdict::kNoted, found + ": a run rejects and counts such proposals"};
}

Finding log_det_finding(const FlowHealth& health) {
  const std::string found =
      fmt::format("l from {:.4g} to {:.4g} nats; |l| {}", health.smallest_log_det,
                  health.largest_log_det, shown(health.log_det));
  if (health.log_det_apart.largest > kOutlier * health.log_det_apart.most) {
    return {"log det", Verdict::kNoted,
            found + fmt::format(": outliers, up to {:.3g} nats from the median, to which beta > 0 "
                                "gives weight; see --target clipped",
                                health.log_det_apart.largest)};
  }
  return {"log det", Verdict::kPassed, found};
}

Finding round_trip_finding(const FlowHealth& health) {
  if (!health.has_inverse) {
    return {"round trip", Verdict::kNoted, "the flow has no inverse: kernels without one only"};
  }
  const std::string found = fmt::format(
      "f^-1(f(z)) from z: {}; l of both ways within {:.2g} nats; in float {}",
      shown(health.round_trip), health.round_trip_log_det.largest, shown(health.round_trip_float));
  if (!(health.round_trip.most <= kLargestRoundTrip)) {
    return {"round trip", Verdict::kFailed,
            found + ": the inverse is none; --kernel mala and global moves do without it"};
  }
  if (!(health.round_trip.largest <= kUnusualRoundTrip)) {
    return {"round trip", Verdict::kNoted, found + ": the inverse is inexact, or ill-conditioned"};
  }
  return {"round trip", Verdict::kPassed, found};
}

Finding precision_finding(const FlowHealth& health) {
  std::string found = fmt::format("x in float from x in double: {}; l {} nats",
                                  shown(health.float_x), shown(health.float_log_det));
  if (health.non_finite_float > 0) {
    found += fmt::format("; {} draws are finite in double only", health.non_finite_float);
  }
  const double lost =
      static_cast<double>(health.non_finite_float) / static_cast<double>(health.draws);
  if (lost > kMostNonFinite || !(health.float_x.most <= kLargestFloatX) ||
      !(health.float_log_det.most <= kLargestFloatLogDet)) {
    return {"float", Verdict::kNoted, found + ": sample with --precision double"};
  }
  return {"float", Verdict::kPassed, found};
}

Finding condition_finding(const FlowHealth& health) {
  if (health.condition.draws == 0) {
    return {"condition", Verdict::kNoted,
            "not told: without an inverse it takes the dense Jacobian, up to 64 coordinates"};
  }
  const std::string found =
      fmt::format("of J at {} draws, {}: {}", health.condition.draws,
                  health.condition.exact ? "by singular values" : "at least, by power iteration",
                  shown(health.condition.number));
  if (!(health.condition.number.median <= kDoubleCondition)) {
    return {"condition", Verdict::kFailed,
            found + ": products with J^-1 mean nothing; train it again"};
  }
  if (!(health.condition.number.largest <= kFloatCondition)) {
    return {"condition", Verdict::kNoted,
            found + ": float loses most digits of J^-1 v; metric MALA wants --precision double"};
  }
  return {"condition", Verdict::kPassed, found};
}

Finding density_finding(const FlowHealth& health) {
  const Climb& climb = health.climb;
  const double rise = climb.highest - climb.highest_draw;
  const std::string found = fmt::format(
      "log q_X is {:.4g} at the best draw; climbing from the best {} reaches {:.4g} at |z| = "
      "{:.3g}",
      climb.highest_draw, climb.starts, climb.highest, climb.distance);
  if (!(rise <= kClimbOfAll + kClimbOfEach * static_cast<double>(health.dim))) {
    return {"density", Verdict::kFailed,
            found + (climb.rising ? " and still rises" : "") +
                ": unbounded, or as good as that, and beta = 1 drives chains there; keep to a "
                "small --beta or to --target clipped"};
  }
  return {"density", climb.rising ? Verdict::kNoted : Verdict::kPassed,
          found + (climb.rising ? " and still rises" : "")};
}

}  // namespace

std::vector<Finding> findings_of(const FlowHealth& health) {
  std::vector<Finding> findings = {draws_finding(health)};
  if (health.non_finite == health.draws) return findings;  // there is nothing to look at
  for (const auto& finding : {log_det_finding, round_trip_finding, precision_finding,
                              condition_finding, density_finding}) {
    findings.push_back(finding(health));
  }
  return findings;
}

}  // namespace flotilla
