// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "flow/layers/elementwise.hpp"

namespace flotilla {

/// A point of an increasing function x = f(z).
struct FunctionPoint {
  double value;
  double slope;
  double log_slope;
  double log_by_z;  ///< d log slope / dz
};

/// An increasing function of one number, in double. Pointwise makes a layer of it.
///
///   kType               the layer's type in flow files
///   Function(reader)    reads its entries; entry_names() are their names
///   at(z)               a point
///   inverse(x)          the z with f(z) = x; NaN or infinite if there is none
template <typename Function>
concept IncreasingFunction = std::constructible_from<Function, const LayerReader&> &&
    requires(const Function& function, double number) {
  { Function::kType } -> std::convertible_to<std::string_view>;
  { Function::entry_names() } -> std::convertible_to<std::vector<std::string>>;
  { function.at(number) } -> std::same_as<FunctionPoint>;
  { function.inverse(number) } -> std::same_as<double>;
};

/// x = exp(z): from R to the positive numbers.
struct Exponential {
  static constexpr std::string_view kType = "exp";
  explicit Exponential(const LayerReader& /*reader*/) {}
  static std::vector<std::string> entry_names() { return {}; }

  FunctionPoint at(double z) const;
  double inverse(double x) const;
};

/// x = tanh(z): from R to (-1, 1).
struct HyperbolicTangent {
  static constexpr std::string_view kType = "tanh";
  explicit HyperbolicTangent(const LayerReader& /*reader*/) {}
  static std::vector<std::string> entry_names() { return {}; }

  FunctionPoint at(double z) const;
  double inverse(double x) const;
};

/// x = tanh(z) where |z| <= cut, +-a log(b |z|) beyond, as nflows has it: continuous at the cut,
/// where its slope jumps to a / cut, a = (1 - tanh(tanh(cut))) / cut.
class LogarithmicTangent {
 public:
  static constexpr std::string_view kType = "log_tanh";
  /// Entry: number `cut_point` > 0.
  explicit LogarithmicTangent(const LayerReader& reader);
  static std::vector<std::string> entry_names() { return {"cut_point"}; }

  FunctionPoint at(double z) const;
  double inverse(double x) const;

 private:
  double cut_;
  double value_at_cut_;
  double factor_;
};

/// A function of each coordinate, in double whatever the precision of the flow.
template <typename T, IncreasingFunction Function>
class Pointwise final : public Elementwise<T> {
 public:
  static constexpr std::string_view kType = Function::kType;

  /// @throws InputError if an entry is missing or out of range
  explicit Pointwise(const LayerReader& reader)
      : Elementwise<T>(reader, Function::entry_names()), function_(reader) {}

  std::string_view type() const override { return kType; }
  void forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;
  /// A coordinate beyond the function's values becomes NaN or infinite; that is not an error.
  void inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const override;

 private:
  /// Passes every number through the function one way, and records the points.
  template <typename Pass>
  void run(Batch<T>& point, PerChain& log_det, Tape<T>& tape, Pass pass) const;

  Function function_;
};

}  // namespace flotilla
