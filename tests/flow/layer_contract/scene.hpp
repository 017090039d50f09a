// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "flotilla/core/batch.hpp"
#include "flow/layer_contract/layer_cases.hpp"
#include "support/dense_jacobian.hpp"

// What the tests of the layers' contract work on: a layer in either precision, seen through
// matrices in double. A property is then written, and compiled, only once.

namespace flotilla::test {

/// A point that forward() or inverse() recorded, and the products at it. Matrices are [dim x
/// chains]; log dets and their cotangents are [1 x chains].
class RecordedPoint {
 public:
  RecordedPoint() = default;
  virtual ~RecordedPoint() = default;
  RecordedPoint(const RecordedPoint&) = delete;
  RecordedPoint& operator=(const RecordedPoint&) = delete;

  virtual Eigen::MatrixXd image() const = 0;
  virtual Eigen::MatrixXd log_det() const = 0;
  virtual Eigen::MatrixXd jvp(const Eigen::MatrixXd& v) const = 0;
  virtual Eigen::MatrixXd vjp(const Eigen::MatrixXd& w,
                              const Eigen::MatrixXd& log_det_bar) const = 0;
  virtual Eigen::MatrixXd inverse_jvp(const Eigen::MatrixXd& v) const = 0;
  virtual Eigen::MatrixXd inverse_vjp(const Eigen::MatrixXd& w,
                                      const Eigen::MatrixXd& log_det_bar) const = 0;
  /// Copies the masked columns of another point's tape. @pre both are of the same layer
  virtual void select(const ColumnMask& mask, const RecordedPoint& other) = 0;
};

/// A layer in one precision.
class Subject {
 public:
  Subject() = default;
  virtual ~Subject() = default;
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  /// @param log_det  the log dets are added to it
  virtual std::unique_ptr<RecordedPoint> forward(const Eigen::MatrixXd& z,
                                                 double log_det = 0.0) const = 0;
  virtual std::unique_ptr<RecordedPoint> inverse(const Eigen::MatrixXd& x,
                                                 double log_det = 0.0) const = 0;
  /// How often the six operations allocate, once their batches and their tape exist.
  virtual std::uint64_t allocations(const Eigen::MatrixXd& z, const Eigen::MatrixXd& v,
                                    const Eigen::MatrixXd& log_det_bar) const = 0;
  /// The nearest numbers in the layer's precision.
  virtual Eigen::MatrixXd rounded(const Eigen::MatrixXd& values) const = 0;
  virtual double epsilon() const = 0;
};

enum class Precision { kFloat, kDouble };

/// Points, directions and cotangents for one batch: [dim x chains], log_det_bar [1 x chains].
struct Inputs {
  Eigen::MatrixXd z;
  Eigen::MatrixXd x;  ///< the image of z, in the precision under test
  Eigen::MatrixXd v;
  Eigen::MatrixXd w;
  Eigen::MatrixXd log_det_bar;

  Inputs columns(const std::vector<Index>& chosen) const;
};

/// A layer in the precision under test, with its inputs.
struct Scene : Inputs {
  Scene(const LayerCase& tested, Precision precision, Index width);

  Index dim() const { return reference->dim(); }

  /// Rounding error of the few dozen operations that make a value of a layer; errors have either
  /// sign.
  double rounding() const { return 8.0 * layer->epsilon(); }
  /// The same for values that went through an inverse of the layer. Its slopes are at most 32,
  /// which TheCasesAreWellConditioned asserts.
  double amplified_rounding() const { return 32.0 * rounding(); }
  /// Error of finite differences, beside the rounding of the layer under test. Smooth layers:
  /// truncation. Kinked layers: the rounding of a value, 8 epsilon per layer, over the smallest
  /// step 2^-19, doubled by extrapolation. Products sum over dim such errors of either sign.
  double differencing() const;

  /// The dense derivatives at every point.
  std::vector<Differences> differences() const;

  std::unique_ptr<Subject> layer;
  std::unique_ptr<Layer<double>> reference;
  double step;
  double layers;
  Index chains;
  Eigen::MatrixXd no_bar;  ///< zeros, [1 x chains]
};

/// The four products at one recorded point, stacked: [4 dim x chains].
Eigen::MatrixXd products(const RecordedPoint& point, const Inputs& inputs);

/// The properties that layers promise, tested for every case, in both precisions, in batches of
/// four widths.
class LayerContract : public testing::TestWithParam<LayerCase> {
 protected:
  template <typename Property>
  void holds(Property property) const {
    constexpr std::array<Index, 4> kWidths = {1, 3, 17, 64};
    int scenes = 0;
    for (const Index width : kWidths) {
      for (const Precision precision : {Precision::kDouble, Precision::kFloat}) {
        const char* name = precision == Precision::kDouble ? "double" : "float";
        SCOPED_TRACE(testing::Message() << name << ", batch width " << width);
        property(Scene(GetParam(), precision, width));
        ++scenes;
      }
    }
    ASSERT_EQ(scenes, 8);
  }
};

inline std::string name_of(const testing::TestParamInfo<LayerCase>& tested) {
  return tested.param.name;
}

}  // namespace flotilla::test
