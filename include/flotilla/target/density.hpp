// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "flotilla/core/batch.hpp"

namespace flotilla {

/// A density failed in the midst of its work. The message begins with the density's name.
class DensityError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Points of data space, one after another, in double.
struct DataPoints {
  Index count = 0;
  Index dim = 0;
  const double* x = nullptr;  ///< [count x dim]
};

/// A log density of data points, up to a constant: p_X or a likelihood. It comes from outside.
///
/// A density is a function of x alone: two calls with one point give the same bits, whatever other
/// points stand beside it. One thread calls it at a time.
class Density {
 public:
  Density() = default;
  virtual ~Density() = default;
  Density(const Density&) = delete;
  Density& operator=(const Density&) = delete;

  /// Its name in messages: "funnel.so".
  virtual const std::string& name() const = 0;

  /// The number of coordinates of x; 0 if any number will do.
  virtual Index dim() const = 0;

  /// Evaluates the log density, in nats, and its gradient with respect to x. Values need not be
  /// finite: NaN and -inf say that there is no density here.
  ///
  /// @param log_density  [count], overwritten
  /// @param gradient     [count x dim], overwritten; null if it is not needed
  /// @throws DensityError
  virtual void evaluate(const DataPoints& points, double* log_density, double* gradient) const = 0;

  /// The names of quantities derived from x, that a run file stores beside it: "mu", "theta.1".
  /// Names that differ in their indices alone make one variable.
  virtual const std::vector<std::string>& outputs() const;

  /// Computes these quantities.
  ///
  /// @param values  [count x outputs().size()], overwritten
  /// @throws DensityError
  virtual void derive(const DataPoints& points, double* values) const;
};

/// What a density is opened from.
struct DensitySource {
  std::string path;              ///< --density
  std::string arguments;         ///< --density-args; what it means depends on the density
  std::string observation = {};  ///< --observe: a file of what was observed, in place of the others

  bool operator==(const DensitySource&) const = default;
};

/// Opens a density. The rows of a table in src/target/density.cpp say which kinds there are.
///
/// @param dim  of the flow; 0 if it is not known
/// @pre source.observation is empty: likelihood() takes what was read of such a file
/// @throws InputError with one sentence if it cannot be opened, or is for another dimension
std::unique_ptr<Density> open_density(const DensitySource& source, Index dim);

/// A variable that some outputs of a density make together.
struct DerivedVariable {
  std::string name;            ///< without indices
  std::vector<Index> shape;    ///< empty for a number
  std::vector<Index> columns;  ///< the place of each value, in C order, among the outputs

  Index size() const { return static_cast<Index>(columns.size()); }
};

/// The variables that outputs of these names make: "mu", "theta.1", "theta.2" are the number mu and
/// theta of shape [2]. Indices count from 1. Names whose indices leave gaps stay as they are. A
/// name that the run file has for itself, "x", gets a '_' behind it.
///
/// @throws InputError if two outputs have one name, or a name is not allowed
std::vector<DerivedVariable> derived_variables(const std::vector<std::string>& names);

}  // namespace flotilla
