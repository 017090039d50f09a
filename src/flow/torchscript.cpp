// SPDX-License-Identifier: BSD-3-Clause
#include "flow/torchscript.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flow/torchscript_plugin.hpp"
#include "torchscript/engine.hpp"

namespace flotilla {
namespace {

using torchscript::Engine;
using torchscript::Method;

template <typename T>
std::unique_ptr<Engine<T>> make_engine(const std::string& bytes) {
  return blaming_the_file([&] {
    if constexpr (std::is_same_v<T, float>) {
      return torchscript_plugin().make_float(bytes);
    } else {
      return torchscript_plugin().make_double(bytes);
    }
  });
}

// Recorded slots: z and x, so that no product has to compute either again.
constexpr std::size_t kLatent = 0;
constexpr std::size_t kImage = 1;

/// Points of one slab of a batch, [width x dim], as the module takes them.
template <typename T>
using Slab = std::vector<T>;

template <typename T>
class TorchScript final : public Layer<T> {
 public:
  TorchScript(const LayerRecord& record, Index dim)
      : Layer<T>(dim),
        width_(static_cast<Index>(record.numbers.at("tile_width"))),
        inverse_sign_(static_cast<T>(record.numbers.at("inverse_sign"))),
        engine_(make_engine<T>(record.module)) {}

  std::string_view type() const override { return kTorchScript; }
  TapeShape tape_shape() const override { return {{this->dim(), this->dim()}, {}, {}}; }
  Index multiply_adds() const override { return 0; }
  bool has_inverse() const override { return inverse_sign_ != T{0}; }
  Directions directions() const override {
    return {.inverse = {.method = "the module's own"},
            .inverse_products = {.method = "derivatives of the module's inverse"}};
  }

  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override {
    tape.recorded(kLatent) = point;
    evaluate(Method::kForward, T{1}, point, log_det);
    tape.recorded(kImage) = point;
  }

  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override {
    tape.recorded(kImage) = point;
    evaluate(Method::kInverse, inverse_sign_, point, log_det);
    tape.recorded(kLatent) = point;
  }

  void jvp(const Tape<T>& tape, Batch<T>& v) const override {
    push(Method::kForward, tape.recorded(kLatent), v);
  }

  void vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override {
    pull(Method::kForward, T{1}, tape.recorded(kLatent), w, log_det_bar);
  }

  void inverse_jvp(const Tape<T>& tape, Batch<T>& v) const override {
    push(Method::kInverse, tape.recorded(kImage), v);
  }

  // J^-T (w + bar grad_z l) = grad_x (w . z + bar l), with z and l as functions of x: those of the
  // inverse.
  void inverse_vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const override {
    pull(Method::kInverse, inverse_sign_, tape.recorded(kImage), w, log_det_bar);
  }

 private:
  /// Calls work(first, count) for each slab of a batch's columns.
  template <typename Work>
  void for_each_slab(const Batch<T>& batch, Work work) const {
    blaming_the_file([&] {
      for (Index first = 0; first < batch.chains(); first += width_) {
        work(first, std::min(width_, batch.chains() - first));
      }
    });
  }

  /// Columns first, ..., first + count - 1. Missing columns repeat the last one.
  Slab<T> slab_of(const Batch<T>& batch, Index first, Index count) const {
    Slab<T> slab;
    slab.reserve(static_cast<std::size_t>(width_ * batch.dim()));
    for (Index c = 0; c < width_; ++c) {
      for (Index i = 0; i < batch.dim(); ++i) {
        slab.push_back(batch(i, first + std::min(c, count - 1)));
      }
    }
    return slab;
  }

  void store(const Slab<T>& slab, Index first, Index count, Batch<T>& batch) const {
    const T* next = slab.data();
    for (Index c = 0; c < count; ++c) {
      for (Index i = 0; i < batch.dim(); ++i) batch(i, first + c) = *next++;
    }
  }

  void evaluate(Method method, T sign, Batch<T>& point, PerChain& log_det) const {
    Slab<T> change(static_cast<std::size_t>(width_));
    for_each_slab(point, [&](Index first, Index count) {
      Slab<T> slab = slab_of(point, first, count);
      engine_->evaluate(method, slab.data(), slab.data(), change.data());
      store(slab, first, count, point);
      for (Index c = 0; c < count; ++c) {
        log_det(0, first + c) += static_cast<double>(sign * change[static_cast<std::size_t>(c)]);
      }
    });
  }

  void push(Method method, const Batch<T>& point, Batch<T>& v) const {
    for_each_slab(v, [&](Index first, Index count) {
      Slab<T> slab = slab_of(v, first, count);
      engine_->push(method, slab_of(point, first, count).data(), slab.data());
      store(slab, first, count, v);
    });
  }

  void pull(Method method, T sign, const Batch<T>& point, Batch<T>& w,
            const Batch<T>& log_det_bar) const {
    for_each_slab(w, [&](Index first, Index count) {
      Slab<T> slab = slab_of(w, first, count);
      Slab<T> bar = slab_of(log_det_bar, first, count);
      for (T& value : bar) value *= sign;
      engine_->pull(method, slab_of(point, first, count).data(), bar.data(), slab.data());
      store(slab, first, count, w);
    });
  }

  Index width_;
  T inverse_sign_;
  std::unique_ptr<Engine<T>> engine_;
};

Tensor to_tensor(const std::map<std::string, torchscript::Array>& arrays, const std::string& name) {
  const auto found = arrays.find(name);
  if (found == arrays.end()) return {};
  return {{found->second.shape.begin(), found->second.shape.end()}, found->second.values};
}

}  // namespace

bool torchscript_available() {
  try {
    torchscript_plugin();
    return true;
  } catch (const InputError&) {
    return false;
  }
}

FlowRecord torchscript_record(const std::string& bytes) {
  const torchscript::Description found =
      blaming_the_file([&] { return torchscript_plugin().describe(bytes); });
  FlowRecord record;
  record.dim = found.dim;
  record.base.type = found.base_type;
  for (const auto& [name, array] : found.base_arrays) {
    record.base.arrays[name] = to_tensor(found.base_arrays, name);
  }
  LayerRecord layer{std::string(kTorchScript), {}, {}, {}};
  layer.numbers["tile_width"] = static_cast<double>(found.width);
  layer.numbers["inverse_sign"] = static_cast<double>(found.inverse_sign);
  layer.module = bytes;
  record.layers.push_back(std::move(layer));
  const auto golden = [&](const char* name) { return to_tensor(found.golden, name); };
  record.golden = {golden("z"),
                   golden("x"),
                   golden("log_det"),
                   golden("log_det_gradient"),
                   golden("tangent"),
                   golden("jvp"),
                   golden("base_log_density"),
                   golden("base_score"),
                   {},
                   golden("z_from_x"),
                   golden("tangent_from_jvp")};
  record.provenance = found.provenance;
  return record;
}

template <typename T>
std::unique_ptr<Layer<T>> make_torchscript_layer(const LayerRecord& record, Index dim) {
  return std::make_unique<TorchScript<T>>(record, dim);
}

template std::unique_ptr<Layer<float>> make_torchscript_layer(const LayerRecord&, Index);
template std::unique_ptr<Layer<double>> make_torchscript_layer(const LayerRecord&, Index);

}  // namespace flotilla
