// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/target/registry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core/registry.hpp"

namespace flotilla {
namespace {

constexpr const char* kBetaHelp =
    "how far the target is from the base density: 0 is naive sampling; of tempered and clipped how "
    "much they charge for l = log|det J|, of the others a share of at most 1";

constexpr Parameter kBeta = {"beta", 1.0, {}, "", kBetaHelp};
/// Of targets that anneal. Beyond 1 they need not have a finite integral.
constexpr Parameter kShare = {"beta", 1.0, {.low = 0.0, .high = 1.0}, "", kBetaHelp};

constexpr Parameter kClipQuantile = {
    "clip-quantile",
    0.7,
    {.low = 0.0, .high = 1.0, .open = true},
    "",
    "charge where l exceeds this quantile of l under the base density"};

constexpr Parameter kClipLevel = {"clip-level",
                                  std::nullopt,
                                  {},
                                  "nats",
                                  "charge where l exceeds this level, in place of the quantile",
                                  "clip-quantile"};

constexpr Parameter kClipSharpness = {"clip-sharpness",
                                      5.0,
                                      {.low = 0.0, .open = true},
                                      "per nat",
                                      "how sharply the charge sets in: k of the softplus"};

template <typename T>
std::unique_ptr<Target<T>> make_tempered(const ParameterValues& values,
                                         const TargetInputs<T>& inputs) {
  return std::make_unique<TemperedTarget<T>>(inputs.flow.base(), values.at("beta"));
}

template <typename T>
std::unique_ptr<Target<T>> make_clipped(const ParameterValues& values,
                                        const TargetInputs<T>& inputs) {
  return std::make_unique<ClippedTarget<T>>(inputs.flow.base(), values.at("beta"),
                                            values.at("clip-level"), values.at("clip-sharpness"));
}

template <typename T>
std::unique_ptr<Target<T>> make_explicit(const ParameterValues& values,
                                         const TargetInputs<T>& inputs) {
  return std::make_unique<DensityTarget<T>>(inputs.flow.base(), *inputs.density,
                                            DensityRole::kExplicit, values.at("beta"));
}

template <typename T>
std::unique_ptr<Target<T>> make_posterior(const ParameterValues& values,
                                          const TargetInputs<T>& inputs) {
  return std::make_unique<DensityTarget<T>>(inputs.flow.base(), *inputs.density,
                                            DensityRole::kPosterior, values.at("beta"));
}

/// The level replaces the quantile that it was found from.
void find_clip_level(ParameterValues& values, const LogDetQuantile& quantile) {
  if (values.count("clip-level") > 0) return;
  const double probability = values.at("clip-quantile");
  values.erase("clip-quantile");
  const double level = quantile(probability);
  if (!std::isfinite(level)) {
    throw InputError(
        fmt::format("the {} quantile of log|det J| under the base density is {}: verify the flow, "
                    "or choose a level with --clip-level",
                    probability, level));
  }
  values["clip-level"] = level;
}

}  // namespace

const std::vector<TargetRow>& target_registry() {
  static const std::vector<TargetRow> rows = {
      {{"tempered", "log q_Z - beta l, the paper's density at beta = 1", {kBeta}},
       false,
       true,
       false,
       nullptr,
       make_tempered<float>,
       make_tempered<double>},
      {{"clipped",
        "log q_Z - beta softplus(l - level): charges for large l alone, keeps weights of modes",
        {kBeta, kClipQuantile, kClipLevel, kClipSharpness}},
       false,
       true,
       true,
       find_clip_level,
       make_clipped<float>,
       make_clipped<double>},
      {{"explicit", "log p(f(z)) + l: draws x ~ p of --density, whatever the flow", {kShare}},
       true,
       false,
       false,
       nullptr,
       make_explicit<float>,
       make_explicit<double>},
      {{"posterior",
        "log q_Z + log L(f(z)): the flow is the prior, --density or --observe the likelihood L",
        {kShare}},
       true,
       false,
       false,
       nullptr,
       make_posterior<float>,
       make_posterior<double>,
       true},
  };
  return rows;
}

const TargetRow& target_row(const std::string& name) {
  return find_row(target_registry(), "target", name);
}

bool has_bounded_weight(const std::string& name) {
  const std::vector<TargetRow>& rows = target_registry();
  return std::any_of(rows.begin(), rows.end(), [&](const TargetRow& row) {
    return row.bounded_weight && row.choice.name == name;
  });
}

void expect_target(const Specification& specification) {
  expect_parameters(target_row(specification.name).choice, specification);
}

Specification resolve_target(const Specification& specification, const LogDetQuantile& quantile) {
  const TargetRow& row = target_row(specification.name);
  ParameterValues values = with_defaults(row.choice, specification);
  if (row.complete != nullptr) row.complete(values, quantile);
  return {specification.name, values};
}

template <typename T>
std::unique_ptr<Target<T>> make_target(const Specification& specification, const Flow<T>& flow,
                                       const Density* density) {
  const TargetRow& row = target_row(specification.name);
  const ParameterValues values = with_defaults(row.choice, specification);
  for (const Parameter& parameter : row.choice.parameters) {
    if (parameter.otherwise || values.count(parameter.name) > 0) continue;
    throw InputError(fmt::format("target '{}' has no value of '{}': resolve its specification",
                                 row.choice.name, parameter.name));
  }
  if (row.needs_density != (density != nullptr)) {
    throw InputError(fmt::format("target '{}' {} a density: {}", row.choice.name,
                                 row.needs_density ? "needs" : "does not take",
                                 row.needs_density ? "give it one" : "leave it out"));
  }
  if constexpr (std::is_same_v<T, float>) {
    return row.in_float(values, {flow, density});
  } else {
    return row.in_double(values, {flow, density});
  }
}

template std::unique_ptr<Target<float>> make_target(const Specification&, const Flow<float>&,
                                                    const Density*);
template std::unique_ptr<Target<double>> make_target(const Specification&, const Flow<double>&,
                                                     const Density*);

}  // namespace flotilla
