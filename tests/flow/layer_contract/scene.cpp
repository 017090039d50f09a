// SPDX-License-Identifier: BSD-3-Clause
#include "flow/layer_contract/scene.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "flotilla/flow/flow.hpp"
#include "support/allocation_counter.hpp"
#include "support/batches.hpp"

namespace flotilla::test {
namespace {

template <typename T>
std::unique_ptr<Layer<T>> build(const FlowRecord& record) {
  if (record.layers.size() == 1) return make_layer<T>(record.layers.front(), 0, record.dim);
  return std::make_unique<Flow<T>>(record);
}

template <typename T>
class RecordedPointOf final : public RecordedPoint {
 public:
  using Operation = void (Layer<T>::*)(Batch<T>&, PerChain&, Tape<T>&) const;

  RecordedPointOf(const Layer<T>& layer, Operation operation, const Eigen::MatrixXd& from,
                  double log_det)
      : layer_(layer),
        image_(to_batch<T>(from)),
        log_det_(1, from.cols()),
        tape_(layer.tape_shape(), from.cols()) {
    log_det_.fill(log_det);
    (layer.*operation)(image_, log_det_, tape_);
  }

  Eigen::MatrixXd image() const override { return to_matrix(image_); }
  Eigen::MatrixXd log_det() const override { return to_matrix(log_det_); }

  Eigen::MatrixXd jvp(const Eigen::MatrixXd& v) const override {
    Batch<T> batch = to_batch<T>(v);
    layer_.jvp(tape_, batch);
    return to_matrix(batch);
  }
  Eigen::MatrixXd vjp(const Eigen::MatrixXd& w, const Eigen::MatrixXd& log_det_bar) const override {
    Batch<T> batch = to_batch<T>(w);
    layer_.vjp(tape_, batch, to_batch<T>(log_det_bar));
    return to_matrix(batch);
  }
  Eigen::MatrixXd inverse_jvp(const Eigen::MatrixXd& v) const override {
    Batch<T> batch = to_batch<T>(v);
    layer_.inverse_jvp(tape_, batch);
    return to_matrix(batch);
  }
  Eigen::MatrixXd inverse_vjp(const Eigen::MatrixXd& w,
                              const Eigen::MatrixXd& log_det_bar) const override {
    Batch<T> batch = to_batch<T>(w);
    layer_.inverse_vjp(tape_, batch, to_batch<T>(log_det_bar));
    return to_matrix(batch);
  }
  void select(const ColumnMask& mask, const RecordedPoint& other) override {
    tape_.select(mask, dynamic_cast<const RecordedPointOf&>(other).tape_);
  }

 private:
  const Layer<T>& layer_;
  Batch<T> image_;
  PerChain log_det_;
  Tape<T> tape_;
};

template <typename T>
class SubjectOf final : public Subject {
 public:
  explicit SubjectOf(const FlowRecord& record) : layer_(build<T>(record)) {}

  std::unique_ptr<RecordedPoint> forward(const Eigen::MatrixXd& z, double log_det) const override {
    return std::make_unique<RecordedPointOf<T>>(*layer_, &Layer<T>::forward, z, log_det);
  }
  std::unique_ptr<RecordedPoint> inverse(const Eigen::MatrixXd& x, double log_det) const override {
    return std::make_unique<RecordedPointOf<T>>(*layer_, &Layer<T>::inverse, x, log_det);
  }
  std::uint64_t allocations(const Eigen::MatrixXd& z, const Eigen::MatrixXd& v,
                            const Eigen::MatrixXd& log_det_bar) const override {
    Tape<T> tape(layer_->tape_shape(), z.cols());
    Batch<T> point = to_batch<T>(z);
    Batch<T> direction = to_batch<T>(v);
    const Batch<T> bar = to_batch<T>(log_det_bar);
    PerChain log_det(1, z.cols());
    const std::uint64_t before = test::allocations();
    layer_->forward(point, log_det, tape);
    layer_->jvp(tape, direction);
    layer_->vjp(tape, direction, bar);
    layer_->inverse_jvp(tape, direction);
    layer_->inverse_vjp(tape, direction, bar);
    layer_->inverse(point, log_det, tape);
    return test::allocations() - before;
  }
  Eigen::MatrixXd rounded(const Eigen::MatrixXd& values) const override {
    return to_matrix(to_batch<T>(values));
  }
  double epsilon() const override { return static_cast<double>(std::numeric_limits<T>::epsilon()); }

 private:
  std::unique_ptr<Layer<T>> layer_;
};

std::unique_ptr<Subject> subject_of(const FlowRecord& record, Precision precision) {
  if (precision == Precision::kFloat) return std::make_unique<SubjectOf<float>>(record);
  return std::make_unique<SubjectOf<double>>(record);
}

}  // namespace

Scene::Scene(const LayerCase& tested, Precision precision, Index width)
    : layer(subject_of(tested.record, precision)),
      reference(build<double>(tested.record)),
      step(tested.kinked ? kKinkedStep : kSmoothStep),
      layers(static_cast<double>(tested.record.layers.size())),
      chains(width) {
  NumberStream numbers(static_cast<std::uint64_t>(width));
  z = numbers.matrix(dim(), width, 1.5);
  if (tested.on_unit_interval) z = (0.5 + z.array() * 0.25).matrix();
  v = numbers.matrix(dim(), width, 1.0);
  w = numbers.matrix(dim(), width, 1.0);
  log_det_bar = numbers.matrix(1, width, 2.0);
  no_bar = Eigen::MatrixXd::Zero(1, width);
  x = layer->rounded(images(*reference, z).x);
}

double Scene::differencing() const {
  const double undecided = 16.0 * std::numeric_limits<double>::epsilon() / (0.25 * step) *
                           std::sqrt(static_cast<double>(dim()) * layers);
  return std::max(1e-10, undecided) + amplified_rounding();
}

std::vector<Differences> Scene::differences() const {
  std::vector<Differences> all;
  for (Index c = 0; c < chains; ++c) all.push_back(differentiate(*reference, z.col(c), step));
  return all;
}

Inputs Inputs::columns(const std::vector<Index>& chosen) const {
  return {z(Eigen::all, chosen), x(Eigen::all, chosen), v(Eigen::all, chosen),
          w(Eigen::all, chosen), log_det_bar(Eigen::all, chosen)};
}

Eigen::MatrixXd products(const RecordedPoint& point, const Inputs& inputs) {
  Eigen::MatrixXd all(4 * inputs.v.rows(), inputs.v.cols());
  all << point.jvp(inputs.v), point.vjp(inputs.w, inputs.log_det_bar), point.inverse_jvp(inputs.v),
      point.inverse_vjp(inputs.w, inputs.log_det_bar);
  return all;
}

}  // namespace flotilla::test
