// SPDX-License-Identifier: BSD-3-Clause
#include "target/torchscript_density.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "flotilla/core/error.hpp"
#include "flotilla/core/printed.hpp"
#include "flow/torchscript_plugin.hpp"

namespace flotilla {
namespace {

using torchscript::DensityDescription;
using torchscript::DensityEngine;

/// |found - exported| / max(1, |exported|) beyond which a module is another than was exported.
constexpr double kGoldenTolerance = 1e-9;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  if (!file || !(bytes << file.rdbuf())) {
    throw InputError(
        fmt::format("--density {}: it cannot be read: name a readable file", printable(path)));
  }
  return bytes.str();
}

class TorchScriptDensity final : public Density {
 public:
  TorchScriptDensity(std::string name, const std::string& bytes)
      : name_(std::move(name)),
        description_(torchscript_plugin().describe_density(bytes)),
        engine_(torchscript_plugin().make_density(bytes)) {
    slab_.resize(static_cast<std::size_t>(description_.width * description_.dim));
    gradient_.resize(slab_.size());
    values_.resize(static_cast<std::size_t>(description_.width));
    expect_golden();
  }

  const std::string& name() const override { return name_; }
  Index dim() const override { return description_.dim; }

  void evaluate(const DataPoints& points, double* log_density, double* gradient) const override {
    for (Index first = 0; first < points.count; first += description_.width) {
      const Index count = std::min<Index>(description_.width, points.count - first);
      fill_slab(points.x + first * points.dim, count);
      try {
        engine_->evaluate(slab_.data(), values_.data(),
                          gradient == nullptr ? nullptr : gradient_.data());
      } catch (const std::runtime_error& error) {
        throw DensityError(fmt::format("{}: {}", name_, error.what()));
      }
      std::copy_n(values_.begin(), count, log_density + first);
      if (gradient == nullptr) continue;
      std::copy_n(gradient_.begin(), count * points.dim, gradient + first * points.dim);
    }
  }

 private:
  /// Missing points repeat the last one.
  void fill_slab(const double* x, Index count) const {
    double* next = std::copy_n(x, count * description_.dim, slab_.data());
    for (Index k = count; k < description_.width; ++k, next += description_.dim) {
      std::copy_n(next - description_.dim, description_.dim, next);
    }
  }

  const std::vector<double>& golden(const char* what, std::int64_t size) const {
    const auto found = description_.golden.find(what);
    if (found != description_.golden.end() &&
        found->second.values.size() == static_cast<std::size_t>(size)) {
      return found->second.values;
    }
    throw InputError(fmt::format("its golden values '{}' should be {} numbers", what, size));
  }

  /// @throws InputError if the module does not compute the file's golden values
  void expect_golden() const {
    const std::int64_t width = description_.width;
    const std::int64_t size = width * description_.dim;
    const std::vector<double>& x = golden("x", size);
    std::vector<double> values(static_cast<std::size_t>(width));
    std::vector<double> gradient(static_cast<std::size_t>(size));
    evaluate({width, description_.dim, x.data()}, values.data(), gradient.data());
    expect_close("log density", values, golden("log_density", width));
    expect_close("gradient", gradient, golden("gradient", size));
  }

  /// NaN and infinities are held against nothing.
  static void expect_close(const char* what, const std::vector<double>& found,
                           const std::vector<double>& exported) {
    for (std::size_t k = 0; k < found.size(); ++k) {
      const double distance = std::abs(found[k] - exported[k]);
      if (!(distance > kGoldenTolerance * std::max(1.0, std::abs(exported[k])))) continue;
      throw InputError(fmt::format(
          "a {} should be {} as when it was exported, but is {}: export the module again", what,
          exported[k], found[k]));
    }
  }

  std::string name_;
  DensityDescription description_;
  std::unique_ptr<DensityEngine> engine_;

  // The points of one call.
  mutable std::vector<double> slab_;      ///< [width x dim]
  mutable std::vector<double> gradient_;  ///< [width x dim]
  mutable std::vector<double> values_;    ///< [width]
};

}  // namespace

std::unique_ptr<Density> open_torchscript_density(const DensitySource& source) {
  const std::string name = printable(std::filesystem::path(source.path).filename().string());
  if (!source.arguments.empty()) {
    throw InputError(fmt::format(
        "{}: a TorchScript density takes no --density-args, but found '{}': leave them out", name,
        printable(source.arguments)));
  }
  const std::string bytes = read_file(source.path);
  try {
    return blaming_the_file([&] { return std::make_unique<TorchScriptDensity>(name, bytes); });
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", name, error.what()));
  }
}

}  // namespace flotilla
