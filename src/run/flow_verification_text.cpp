// SPDX-License-Identifier: BSD-3-Clause

// The verification of a flow as text and as JSON.

#include <fmt/format.h>

#include "flotilla/core/printed.hpp"
#include "flotilla/run/flow_verification.hpp"
#include "run/finding_json.hpp"

namespace flotilla {
namespace {

nlohmann::ordered_json as_json(const Spread& spread) {
  return {{"median", json_number(spread.median)},
          {"quantile_99", json_number(spread.most)},
          {"largest", json_number(spread.largest)}};
}

std::string row(const char* precision, const GoldenDeviations& found, bool base_known,
                double tolerance, double bound) {
  const bool good = found.largest() <= tolerance;
  const bool right = found.largest() <= bound;
  const auto of_base = [&](double deviation) {
    return base_known ? fmt::format("{:.2e}", deviation) : std::string("-");
  };
  return fmt::format(
      "{:<10} {:>9.2e} {:>9.2e} {:>9.2e} {:>9.2e} {:>9.2e} {:>9.2e} {:>9} {:>9} {:>10.0e}  {}\n",
      precision, found.x, found.log_det, found.log_det_gradient, found.jvp, found.z_from_x,
      found.tangent_from_jvp, of_base(found.base_log_density), of_base(found.base_score), tolerance,
      good ? "ok" : (right ? "imprecise" : "FAILED"));
}

/// Deviations between the tolerance and what rounding explains mean imprecise, larger ones wrong.
std::string golden_table(const FlowVerification& found) {
  std::string text = fmt::format("{}: checksum ok; largest deviations from {} golden values\n",
                                 printable(found.flow), found.golden_points);
  text += fmt::format("{:<10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>10}\n",
                      "precision", "x", "log_det", "gradient", "J v", "f^-1(x)", "J^-1 J v",
                      "log q_Z", "score q_Z", "tolerance");
  text += row("double", found.in_double, found.has_base_golden, kDoubleTolerance, kDoubleTolerance);
  text += row("float", found.in_float, found.has_base_golden, kFloatTolerance,
              explained_in_float(found.in_double));
  if (found.reproduces_golden() && found.in_float.largest() > kFloatTolerance) {
    text +=
        "the flow is ill-conditioned: float loses that much of its Jacobian products;\nif the "
        "acceptance rate is too low, sample with --precision double\n";
  }
  return text;
}

std::string health_text(const FlowHealth& health) {
  return fmt::format("\n{} draws of the base density, {} coordinates\n\n{}\n{}\n", health.draws,
                     health.dim, findings_text(health.findings),
                     passed(health.findings)
                         ? "nothing stands against sampling from the flow"
                         : "do not sample from the flow with the defaults: see what has FAILED");
}

nlohmann::ordered_json as_json(const GoldenDeviations& found) {
  return {{"x", json_number(found.x)},
          {"log_det", json_number(found.log_det)},
          {"log_det_gradient", json_number(found.log_det_gradient)},
          {"jvp", json_number(found.jvp)},
          {"z_from_x", json_number(found.z_from_x)},
          {"tangent_from_jvp", json_number(found.tangent_from_jvp)},
          {"base_log_density", json_number(found.base_log_density)},
          {"base_score", json_number(found.base_score)}};
}

nlohmann::ordered_json as_json(const FlowHealth& health) {
  nlohmann::ordered_json all = {
      {"dim", health.dim},
      {"draws", health.draws},
      {"non_finite", health.non_finite},
      {"non_finite_float", health.non_finite_float},
      {"log_det",
       {{"smallest", json_number(health.smallest_log_det)},
        {"largest", json_number(health.largest_log_det)},
        {"size", as_json(health.log_det)},
        {"apart_from_median", as_json(health.log_det_apart)}}},
      {"round_trip", as_json(health.round_trip)},
      {"round_trip_log_det", as_json(health.round_trip_log_det)},
      {"round_trip_float", as_json(health.round_trip_float)},
      {"float_x", as_json(health.float_x)},
      {"float_log_det", as_json(health.float_log_det)},
      {"condition",
       {{"draws", health.condition.draws},
        {"exact", health.condition.exact},
        {"number", as_json(health.condition.number)}}},
      {"climb",
       {{"starts", health.climb.starts},
        {"highest_draw", json_number(health.climb.highest_draw)},
        {"highest", json_number(health.climb.highest)},
        {"distance", json_number(health.climb.distance)},
        {"rising", health.climb.rising}}},
  };
  add_findings(all, health.findings);
  return all;
}

}  // namespace

std::string as_table(const FlowVerification& found) {
  std::string text = found.golden_points > 0
                         ? golden_table(found)
                         : fmt::format(
                               "{}: checksum ok; no golden values, so whether it is computed "
                               "as its exporter did is not known\n",
                               printable(found.flow));
  return found.health ? text + health_text(*found.health) : text;
}

std::string as_json(const FlowVerification& found) {
  nlohmann::ordered_json all = {{"flow", found.flow}, {"golden_points", found.golden_points}};
  if (found.golden_points > 0) {
    all["golden"] = {{"reproduced", found.reproduces_golden()},
                     {"double", as_json(found.in_double)},
                     {"float", as_json(found.in_float)},
                     {"has_base", found.has_base_golden}};
  }
  if (found.health) all["health"] = as_json(*found.health);
  return printed_json(all);
}

}  // namespace flotilla
