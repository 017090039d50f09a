// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flotilla/sampler/local_move.hpp"

namespace flotilla::test {

// Deliberate mistakes, those that src/README.md names. A test must notice each of them.

/// log pi(z) = log q_Z(z): a tempered target without its log det.
template <typename T>
class TargetWithoutLogDet final : public Target<T> {
 public:
  explicit TargetWithoutLogDet(const Base<T>& base) : naive_(base, 0.0) {}
  void evaluate(const Batch<T>& z, const Batch<T>& x, const PerChain& log_det,
                PerChain& log_density, Cotangents<T>& cotangents) const override {
    naive_.evaluate(z, x, log_det, log_density, cotangents);
  }

 private:
  TemperedTarget<T> naive_;
};

/// Metric MALA with parts that can be replaced one by one.
template <typename T>
class ForwardingMove : public LocalMove<T> {
 public:
  void prepare(const Flow<T>& flow, const Cotangents<T>& cotangents, bool depends_on_x,
               Point<T>& point) const override {
    right_.prepare(flow, cotangents, depends_on_x, point);
  }
  bool needs_inverse() const override { return right_.needs_inverse(); }
  bool needs_tape() const override { return right_.needs_tape(); }
  void propose(const Flow<T>& flow, const Point<T>& from, StepSize step_size, const Batch<T>& noise,
               Batch<T>& displacement) const override {
    right_.propose(flow, from, step_size, noise, displacement);
  }
  void log_ratio(const Flow<T>& flow, const Point<T>& from, const Point<T>& to, StepSize step_size,
                 const Batch<T>& noise, Batch<T>& displacement, PerChain& out) const override {
    right_.log_ratio(flow, from, to, step_size, noise, displacement, out);
  }
  StepCost cost() const override { return right_.cost(); }

 private:
  MetricMala<T> right_;
};

/// log q(z'|z) without its own log det l(z).
template <typename T>
class OneSidedLogDet final : public ForwardingMove<T> {
 public:
  void log_ratio(const Flow<T>& flow, const Point<T>& from, const Point<T>& to, StepSize step_size,
                 const Batch<T>& noise, Batch<T>& displacement, PerChain& out) const override {
    ForwardingMove<T>::log_ratio(flow, from, to, step_size, noise, displacement, out);
    for (Index c = 0; c < out.stride(); ++c) out(0, c) += from.log_det(0, c);
  }
};

/// log q(z|z') with the noise xi that led forward, instead of the noise that would lead back.
template <typename T>
class ReusedReverseNoise final : public ForwardingMove<T> {
 public:
  void log_ratio(const Flow<T>& /*flow*/, const Point<T>& from, const Point<T>& to,
                 StepSize /*step_size*/, const Batch<T>& /*noise*/, Batch<T>& /*displacement*/,
                 PerChain& out) const override {
    for (Index c = 0; c < out.stride(); ++c) out(0, c) = to.log_det(0, c) - from.log_det(0, c);
  }
};

/// Proposes with the same xi at every step.
template <typename T>
class ReusedNoise final : public ForwardingMove<T> {
 public:
  explicit ReusedNoise(Batch<T> noise) : noise_(std::move(noise)) {}
  void propose(const Flow<T>& flow, const Point<T>& from, StepSize step_size,
               const Batch<T>& /*noise*/, Batch<T>& displacement) const override {
    ForwardingMove<T>::propose(flow, from, step_size, noise_, displacement);
  }
  void log_ratio(const Flow<T>& flow, const Point<T>& from, const Point<T>& to, StepSize step_size,
                 const Batch<T>& /*noise*/, Batch<T>& displacement, PerChain& out) const override {
    ForwardingMove<T>::log_ratio(flow, from, to, step_size, noise_, displacement, out);
  }

 private:
  Batch<T> noise_;
};

}  // namespace flotilla::test
