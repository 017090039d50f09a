// SPDX-License-Identifier: BSD-3-Clause
#include "flow/conditioner/activation.hpp"

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

namespace flotilla {
namespace {

constexpr std::array<std::pair<std::string_view, Activation>, 8> kActivations = {{
    {"tanh", Activation::kTanh},
    {"relu", Activation::kRelu},
    {"leaky_relu", Activation::kLeakyRelu},
    {"silu", Activation::kSilu},
    {"elu", Activation::kElu},
    {"sigmoid", Activation::kSigmoid},
    {"softplus", Activation::kSoftplus},
    {"gelu", Activation::kGelu},
}};

}  // namespace

Activation activation_named(const LayerReader& reader, const char* what, std::string_view name) {
  std::string names;
  for (const auto& [known, activation] : kActivations) {
    if (known == name) return activation;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", known);
  }
  reader.fail(fmt::format("{} '{}' is unknown ({})", what, name, names));
}

}  // namespace flotilla
