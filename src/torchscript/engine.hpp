// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What libflotilla_torchscript.so offers to the library. It is plain C++17, because the headers of
// LibTorch do not compile as C++20 everywhere. It is a plugin, because LibTorch is some three
// hundred shared libraries that take a third of a second to load: only those who sample a
// TorchScript file wait for them or need them installed.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace flotilla::torchscript {

/// An array in C order.
struct Array {
  std::vector<std::int64_t> shape;
  std::vector<double> values;
};

/// The attributes of a file of scripts/export_torchscript.py.
struct Description {
  std::int64_t dim = 0;
  std::int64_t width = 0;         ///< number of points that the module takes at a time
  std::int64_t inverse_sign = 0;  ///< +1: inverse returns log|det dx/dz|; -1: its negative; 0: none
  std::string base_type;
  std::map<std::string, Array> base_arrays;
  std::map<std::string, Array> golden;
  std::map<std::string, std::string> provenance;
};

enum class Method { kForward, kInverse };

/// A module in one precision. All points are [width x dim], log dets [width].
///
/// Every call throws std::runtime_error with one line if the module fails or returns something
/// else. A call keeps nothing for the next one.
template <typename T>
class Engine {
 public:
  Engine() = default;
  virtual ~Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// The method's image and log det, as the module returns them.
  virtual void evaluate(Method method, const T* points, T* images, T* log_det) const = 0;
  /// v <- (Jacobian of the method) v.
  virtual void push(Method method, const T* points, T* v) const = 0;
  /// w <- (Jacobian of the method)^T w + log_det_bar * gradient of its log det.
  virtual void pull(Method method, const T* points, const T* log_det_bar, T* w) const = 0;
};

/// The attributes of a file of scripts/export_torchscript.py --density.
struct DensityDescription {
  std::int64_t dim = 0;
  std::int64_t width = 0;               ///< number of points that the module takes at a time
  std::map<std::string, Array> golden;  ///< "x", "log_density", "gradient"
};

/// A module that is a log density, in double precision. As with an Engine, a call throws
/// std::runtime_error with one line, and keeps nothing for the next one.
class DensityEngine {
 public:
  DensityEngine() = default;
  virtual ~DensityEngine() = default;
  DensityEngine(const DensityEngine&) = delete;
  DensityEngine& operator=(const DensityEngine&) = delete;

  /// @param points    [width x dim]
  /// @param values    [width]
  /// @param gradient  [width x dim]; null if it is not needed
  virtual void evaluate(const double* points, double* values, double* gradient) const = 0;
};

/// The plugin's entry point. All functions throw std::runtime_error with one line.
struct Plugin {
  Description (*describe)(const std::string& bytes);
  std::unique_ptr<Engine<float>> (*make_float)(const std::string& bytes);
  std::unique_ptr<Engine<double>> (*make_double)(const std::string& bytes);
  DensityDescription (*describe_density)(const std::string& bytes);
  std::unique_ptr<DensityEngine> (*make_density)(const std::string& bytes);
};

inline constexpr const char* kPluginFile = "libflotilla_torchscript.so";
inline constexpr const char* kPluginSymbol = "flotilla_torchscript_plugin";
using PluginEntry = const Plugin* (*)();

}  // namespace flotilla::torchscript

/// The plugin's entry point. kPluginSymbol is its name.
extern "C" const flotilla::torchscript::Plugin* flotilla_torchscript_plugin();
