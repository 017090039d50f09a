// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/run/identity_flow.hpp"

#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <utility>

#include "flotilla/core/error.hpp"
#include "flotilla/diagnostics/moments.hpp"
#include "flotilla/io/flow_file.hpp"
#include "flotilla/io/numbers.hpp"
#include "flow/identity.hpp"
#include "io/points.hpp"
#include "io/replace_file.hpp"

namespace flotilla {
namespace {

constexpr double kMostDim = 1U << 20U;  // its golden values then have 1.3 GB

struct LocAndScale {
  std::vector<double> loc;
  std::vector<double> scale;
};

/// Means and standard deviations of the coordinates of points.
LocAndScale moments_of(const Location& points) {
  std::vector<Moments> moments;
  read_point_blocks(points, [&](const double* rows, Index count, Index dim) {
    moments.resize(static_cast<std::size_t>(dim));
    for (Index r = 0; r < count; ++r) {
      for (Moments& column : moments) column.observe(*rows++);
    }
  });
  LocAndScale found;
  for (std::size_t i = 0; i < moments.size(); ++i) {
    found.loc.push_back(moments[i].mean());
    found.scale.push_back(std::sqrt(moments[i].variance()));
    if (found.scale[i] > 0.0 && std::isfinite(found.scale[i])) continue;
    throw InputError(fmt::format(
        "{}: every coordinate should have a spread > 0, but the standard deviation of coordinate "
        "{} is {}: give --loc and --scale in place of --like",
        points.text(), i, found.scale[i]));
  }
  return found;
}

/// The flow's dim: the option, or else the number of values. identity_flow() checks the rest.
Index dim_of(const IdentityConfig& config, const LocAndScale& numbers) {
  if (config.dim > 0) return config.dim;
  return static_cast<Index>(std::max(numbers.loc.size(), numbers.scale.size()));
}

bool is_given(const ContextSource& source) {
  const auto* numbers = std::get_if<std::vector<double>>(&source);
  return numbers == nullptr || !numbers->empty();
}

FlowRecord record_of(const IdentityConfig& config) {
  LocAndScale numbers;
  if (config.like.empty()) {
    numbers = {read_context(config.loc), read_context(config.scale)};
  } else {
    numbers = moments_of(config.like);
  }
  const Index dim = dim_of(config, numbers);
  FlowRecord record = identity_flow(dim, std::move(numbers.loc), std::move(numbers.scale));
  if (!config.like.empty()) record.provenance["moments_of"] = config.like.text();
  return record;
}

}  // namespace

std::vector<Option> options_of(IdentityConfig& identity) {
  return {
      {.name = "dim",
       .place = &identity.dim,
       .help = "number of coordinates; 0: as many as --loc, --scale or --like have",
       .range = {0.0, kMostDim}},
      {.name = "loc",
       .place = &identity.loc,
       .kind = OptionKind::kArray,
       .help = "x at z = 0: numbers as in 0.5,-1, or an array of shape [dim]",
       .otherwise = "zeros"},
      {.name = "scale",
       .place = &identity.scale,
       .kind = OptionKind::kArray,
       .help = "factor of each coordinate, > 0: numbers as in 2,0.1, or an array of shape [dim]",
       .otherwise = "ones"},
      {.name = "like",
       .place = &identity.like,
       .kind = OptionKind::kArray,
       .help = "points of shape [n x dim] or a run file, in place of --loc and --scale: their "
               "means and standard deviations are taken"},
      {.name = "output",
       .place = &identity.output,
       .kind = OptionKind::kOutput,
       .group = OptionGroup::kOutput,
       .help = "flow file to write",
       .letter = 'o'},
      {.name = "force",
       .place = &identity.force,
       .kind = OptionKind::kManner,
       .group = OptionGroup::kOutput,
       .help = "replace an existing output"},
  };
}

void IdentityConfig::validate() const {
  IdentityConfig identity = *this;  // options_of() needs a configuration that can be changed
  check_options(options_of(identity));
  const bool has_numbers = is_given(loc) || is_given(scale);
  if (!like.empty() && has_numbers) {
    throw InputError("--like takes the place of --loc and --scale: leave one or the others out");
  }
  if (dim == 0 && like.empty() && !has_numbers) {
    throw InputError("--dim should say how many coordinates the flow has, from 1 on");
  }
}

Index write_identity_flow(const IdentityConfig& config, const Communicator& comm) {
  config.validate();
  std::vector<Index> dim = {0};
  comm.together([&] {
    if (!comm.is_root()) return;
    IdentityConfig own = config;  // options_of() needs a configuration that can be changed
    check_outputs(options_of(own));
    expect_replaceable(config.output, config.force);
    const FlowRecord record = record_of(config);
    write_flow_file(config.output, record);
    dim[0] = record.dim;
  });
  return comm.begin_sum(dim).wait().front();
}

}  // namespace flotilla
