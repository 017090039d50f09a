// SPDX-License-Identifier: BSD-3-Clause
#include "flow/circles.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "flotilla/flow/base.hpp"

namespace flotilla {
namespace {

constexpr double kRounding = 1e-6;  // of ends that were stored in single precision

using Circles = std::vector<Circle>;

const std::vector<double>& values_of(const LayerRecord& layer, const std::string& name) {
  return layer.arrays.at(name).values;
}

bool is_inverse(const LayerRecord& layer) {
  const auto found = layer.texts.find("direction");
  return found != layer.texts.end() && found->second == "inverse";
}

/// Whether a circle is [-bound, bound).
bool spans(const Circle& circle, double bound) {
  return std::abs(circle.low + bound) <= kRounding * bound &&
         std::abs(circle.length - 2.0 * bound) <= kRounding * bound;
}

/// x[i] = z[indices[i]], or the other way round.
void permute(const LayerRecord& layer, Circles& circles) {
  const Circles before = circles;
  const std::vector<double>& indices = values_of(layer, "indices");
  for (std::size_t i = 0; i < circles.size(); ++i) {
    const auto other = static_cast<std::size_t>(indices[i]);
    if (is_inverse(layer)) {
      circles[other] = before[i];
    } else {
      circles[i] = before[other];
    }
  }
}

/// x = scale z + shift, or the other way round.
void stretch_circles(const LayerRecord& layer, Circles& circles) {
  for (std::size_t i = 0; i < circles.size(); ++i) {
    Circle& circle = circles[i];
    if (circle.is_line()) continue;
    const double scale = values_of(layer, "scale")[i];
    const double shift = values_of(layer, "shift")[i];
    const auto image = [&](double z) {
      return is_inverse(layer) ? (z - shift) / scale : scale * z + shift;
    };
    const double low = image(circle.low);
    const double high = image(circle.low + circle.length);
    circle = {std::min(low, high), std::abs(high - low)};
  }
}

/// Those that the layer turns have to be the circles that it turns.
void keep_turned(const LayerRecord& layer, Circles& circles) {
  for (std::size_t i = 0; i < circles.size(); ++i) {
    if (values_of(layer, "circular")[i] == 0.0) continue;
    if (!spans(circles[i], values_of(layer, "bound")[i])) circles[i] = {};
  }
}

/// A map of [-bound, bound] to itself keeps a circle of these ends.
void keep_bounded(const LayerRecord& layer, Circles& circles) {
  const auto mask = layer.arrays.find("mask");
  for (std::size_t i = 0; i < circles.size(); ++i) {
    const bool moved = mask == layer.arrays.end() || mask->second.values[i] == 0.0;
    if (moved && !spans(circles[i], layer.numbers.at("bound"))) circles[i] = {};
  }
}

/// Couplings of other maps keep what they do not move.
void keep_seen(const LayerRecord& layer, Circles& circles) {
  const std::vector<double>& mask = values_of(layer, "mask");
  for (std::size_t i = 0; i < circles.size(); ++i) {
    if (mask[i] == 0.0) circles[i] = {};
  }
}

struct Rule {
  std::string_view types;  ///< a type, or its end
  void (*apply)(const LayerRecord&, Circles&);
};

/// The first that fits counts. A layer of no rule leaves no circle.
constexpr std::array kRules = {
    Rule{"permutation", permute},
    Rule{"diagonal_affine", stretch_circles},
    Rule{"wrap", keep_turned},
    Rule{"spline_coupling", keep_bounded},
    Rule{"spline_autoregressive", keep_bounded},
    Rule{"rational_linear_coupling", keep_bounded},
    Rule{"rational_linear_autoregressive", keep_bounded},
    Rule{"_coupling", keep_seen},
};

void carry(const LayerRecord& layer, Circles& circles) {
  const bool all = layer.numbers.count("coordinates") == 0 && layer.numbers.count("pixels") == 0;
  const auto* const rule = std::find_if(kRules.begin(), kRules.end(), [&](const Rule& one) {
    return all && std::string_view(layer.type).ends_with(one.types);
  });
  if (rule == kRules.end()) {
    std::fill(circles.begin(), circles.end(), Circle{});
  } else {
    rule->apply(layer, circles);
  }
}

}  // namespace

std::vector<Circle> latent_circles(const FlowRecord& record) {
  return make_base<double>(record.base, record.dim)->circles();
}

std::vector<Circle> data_circles(const FlowRecord& record) {
  std::vector<Circle> circles = latent_circles(record);
  const auto on_circle = [](const Circle& circle) { return !circle.is_line(); };
  for (const LayerRecord& layer : record.layers) {
    if (std::none_of(circles.begin(), circles.end(), on_circle)) break;
    carry(layer, circles);
  }
  return circles;
}

}  // namespace flotilla
