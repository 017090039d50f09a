// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/flow/context.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstddef>
#include <string>

#include "core/elementary.hpp"
#include "flotilla/core/error.hpp"
#include "flow/conditioner/activation.hpp"

namespace flotilla {
namespace {

void expect_fits(const FlowRecord& record, const std::vector<double>& context) {
  const auto given = static_cast<Index>(context.size());
  if (record.context_dim == 0 && given > 0) {
    throw InputError(fmt::format("the flow takes no context but was given {} numbers", given));
  }
  if (given != record.context_dim) {
    throw InputError(
        fmt::format("the flow is conditional and needs a context of {} numbers but was given {}: "
                    "say which one with --context",
                    record.context_dim, given));
  }
  for (const double value : context) {
    if (std::isfinite(value)) continue;
    throw InputError(fmt::format("a context should hold finite numbers but holds {}", value));
  }
}

/// weight c + bias; the bias is optional.
std::vector<double> linear_map(const LayerReader& reader, const std::string& weight,
                               const std::string& bias, Index rows,
                               const std::vector<double>& context) {
  const auto cols = static_cast<Index>(context.size());
  const std::vector<double>& matrix = reader.array(weight, {rows, cols});
  std::vector<double> result(static_cast<std::size_t>(rows), 0.0);
  if (reader.has_array(bias)) result = reader.array(bias, {rows});
  for (std::size_t i = 0; i < result.size(); ++i) {
    for (std::size_t j = 0; j < context.size(); ++j) {
      result[i] += matrix[i * context.size() + j] * context[j];
    }
  }
  return result;
}

/// One linear map of a conditioner once its context is fixed.
class LinearMap {
 public:
  LinearMap(const LayerReader& reader, std::size_t k, LayerRecord& layer)
      : reader_(&reader),
        layer_(&layer),
        k_(k),
        rows_(reader.shape(name("bias")).empty() ? 0 : reader.shape(name("bias"))[0]) {
    std::vector<Index> weight = reader.shape(name("weight"));  // four sizes for a convolution
    if (weight.size() < 2) weight.resize(2);
    weight[0] = rows_;
    cols_ = 1;
    for (std::size_t i = 1; i < weight.size(); ++i) cols_ *= weight[i];
    reader.array(name("weight"), weight);
    reader.array(name("bias"), {rows_});
  }

  void add(const std::vector<double>& context) {
    if (!take("context")) return;
    std::vector<double> sums =
        linear_map(*reader_, name("context_weight"), name("context_bias"), rows_, context);
    const std::string activation = name("context_activation");
    if (reader_->has_text(activation)) {
      activate_all(activation, sums);
      layer_->texts.erase(activation);
    }
    std::vector<double>& bias = layer_->arrays[name("bias")].values;
    for (std::size_t i = 0; i < bias.size(); ++i) bias[i] += sums[i];
  }

  void gate(const std::vector<double>& context) {
    if (!take("gate")) return;
    const std::vector<double> sums =
        linear_map(*reader_, name("gate_weight"), name("gate_bias"), rows_, context);
    std::vector<double>& weight = layer_->arrays[name("weight")].values;
    std::vector<double>& bias = layer_->arrays[name("bias")].values;
    for (std::size_t i = 0; i < bias.size(); ++i) {
      const double open = elementary::sigmoid(sums[i]);
      bias[i] *= open;
      const std::size_t first = i * static_cast<std::size_t>(cols_);
      for (std::size_t j = 0; j < static_cast<std::size_t>(cols_); ++j) weight[first + j] *= open;
    }
  }

 private:
  std::string name(const char* what) const { return fmt::format("{}_{}", what, k_); }

  /// Removes such a pair of arrays. False if the layer does not have it.
  bool take(const std::string& what) {
    const std::string weight = name((what + "_weight").c_str());
    const std::string bias = name((what + "_bias").c_str());
    if (layer_->arrays.erase(weight) == 0) {
      if (!reader_->has_array(bias)) return false;
      reader_->fail(fmt::format("array '{}' has no '{}' beside it", bias, weight));
    }
    layer_->arrays.erase(bias);
    return true;
  }

  void activate_all(const std::string& entry, std::vector<double>& values) const {
    std::vector<double> derivatives(values.size());
    activate(activation_named(*reader_, entry.c_str(), reader_->text(entry)),
             reader_->number_or("negative_slope", 0.01), reader_->number_or("alpha", 1.0),
             values.data(), derivatives.data(), static_cast<Index>(values.size()));
  }

  const LayerReader* reader_;
  LayerRecord* layer_;
  std::size_t k_;
  Index rows_;
  Index cols_ = 0;
};

void fold(const std::vector<double>& context, std::size_t position, LayerRecord& layer) {
  const LayerRecord original = layer;
  const LayerReader reader(original, fmt::format("layer {} ({})", position, layer.type), 0);
  for (std::size_t k = 0; reader.has_array(fmt::format("weight_{}", k)); ++k) {
    if (!reader.has_array(fmt::format("context_weight_{}", k)) &&
        !reader.has_array(fmt::format("gate_weight_{}", k))) {
      continue;
    }
    LinearMap map(reader, k, layer);
    map.add(context);
    map.gate(context);
  }
}

/// A diagonal normal whose mean and log scale the context shifts.
void fold_base(const std::vector<double>& context, LayerRecord& base) {
  const LayerRecord original = base;
  const LayerReader reader(original, fmt::format("base density ({})", base.type), 0);
  const bool shifts = base.arrays.erase("context_loc") > 0;
  const bool stretches = base.arrays.erase("context_log_scale") > 0;
  if (!shifts && !stretches) return;
  const std::vector<Index>& shape = reader.shape("loc");
  const Index dim = shape.size() == 1 ? shape[0] : 0;
  reader.array("loc", {dim});
  reader.array("scale", {dim});
  const std::vector<double> shift = linear_map(reader, "context_loc", "", dim, context);
  const std::vector<double> stretch = linear_map(reader, "context_log_scale", "", dim, context);
  for (std::size_t i = 0; i < shift.size(); ++i) {
    base.arrays["loc"].values[i] += shift[i];
    base.arrays["scale"].values[i] *= elementary::exp(stretch[i]);
  }
}

}  // namespace

FlowRecord at_context(FlowRecord record, const std::vector<double>& context) {
  expect_fits(record, context);
  if (record.context_dim == 0) return record;
  fold_base(context, record.base);
  for (std::size_t k = 0; k < record.layers.size(); ++k) fold(context, k, record.layers[k]);
  record.context_dim = 0;
  record.context = context;
  return record;
}

}  // namespace flotilla
