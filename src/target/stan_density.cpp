// SPDX-License-Identifier: BSD-3-Clause
#include "target/stan_density.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>

#include "core/crash_sentence.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/core/printed.hpp"

namespace flotilla {
namespace {

constexpr int kNewestVersion = 2;
constexpr unsigned int kSeed = 1;  // of random numbers in transformed data: the same on every rank
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// Behind the data in the arguments.
constexpr const char* kGenerated = "generated";

// Functions as version 2 declares them. The types of a model and of a generator are its own.
using Model = void;
using Generator = void;
using Construct = Model*(const char* data, unsigned int seed, char** error);
using Destruct = void(Model*);
using FreeError = void(char*);
using ParamUncNum = int(const Model*);
using ParamNum = int(const Model*, bool transformed, bool generated);
using ParamNames = const char*(const Model*, bool transformed, bool generated);
using LogDensityGradient = int(const Model*, bool propto, bool jacobian, const double* point,
                               double* value, double* gradient, char** error);
using ParamConstrain = int(const Model*, bool transformed, bool generated, const double* point,
                           double* outputs, Generator*, char** error);
using RngConstruct = Generator*(unsigned int seed, char** error);
using RngDestruct = void(Generator*);
using Print = void(const char* text, std::size_t size);
using SetPrintCallback = int(Print*, char** error);

// Functions of version 1 that differ. They write why they failed to stderr.
using Construct1 = Model*(const char* data, unsigned int seed, unsigned int chain);
using Destruct1 = int(Model*);
using LogDensityGradient1 = int(const Model*, bool propto, bool jacobian, const double* point,
                                double* value, double* gradient);
using ParamConstrain1 = int(const Model*, bool transformed, bool generated, const double* point,
                            double* outputs);

/// The functions of a library of either version, with the arguments of version 2.
struct Functions {
  std::function<Construct> construct;
  std::function<Destruct> destruct;
  std::function<LogDensityGradient> log_density_gradient;
  std::function<ParamConstrain> param_constrain;
  ParamUncNum* param_unc_num = nullptr;
  ParamNum* param_num = nullptr;
  ParamNames* param_names = nullptr;
  FreeError* free_error = nullptr;
  RngConstruct* rng_construct = nullptr;  ///< null if the library has no generators
  RngDestruct* rng_destruct = nullptr;
  SetPrintCallback* set_print_callback = nullptr;  ///< null if print() cannot be led elsewhere
};

Functions functions_of_version_1(const SharedLibrary& library) {
  Functions functions;
  functions.construct = [construct = library.get<Construct1>("bs_construct")](
                            const char* data, unsigned int seed, char** /*error*/) {
    return construct(data, seed, 0);
  };
  functions.destruct = [destruct = library.get<Destruct1>("bs_destruct")](Model* model) {
    destruct(model);
  };
  functions.log_density_gradient =
      [evaluate = library.get<LogDensityGradient1>("bs_log_density_gradient")](
          const Model* model, bool propto, bool jacobian, const double* point, double* value,
          double* gradient,
          char** /*error*/) { return evaluate(model, propto, jacobian, point, value, gradient); };
  functions.param_constrain = [constrain = library.get<ParamConstrain1>("bs_param_constrain")](
                                  const Model* model, bool transformed, bool generated,
                                  const double* point, double* outputs, Generator* /*generator*/,
                                  char** /*error*/) {
    return constrain(model, transformed, generated, point, outputs);
  };
  return functions;
}

Functions functions_of_version_2(const SharedLibrary& library) {
  Functions functions;
  functions.construct = library.get<Construct>("bs_model_construct");
  functions.destruct = library.get<Destruct>("bs_model_destruct");
  functions.log_density_gradient = library.get<LogDensityGradient>("bs_log_density_gradient");
  functions.param_constrain = library.get<ParamConstrain>("bs_param_constrain");
  functions.free_error = library.get<FreeError>("bs_free_error_msg");
  functions.rng_construct = library.find<RngConstruct>("bs_rng_construct");
  functions.rng_destruct = library.find<RngDestruct>("bs_rng_destruct");
  functions.set_print_callback = library.find<SetPrintCallback>("bs_set_print_callback");
  return functions;
}

/// A library says its version, or has functions that only one version has.
Functions functions_of(const SharedLibrary& library) {
  const int* const claimed = library.find<const int>("bs_major_version");
  const int version = claimed != nullptr ? *claimed : (library.has("bs_construct") ? 1 : 2);
  if (version < 1 || version > kNewestVersion) {
    throw InputError(
        fmt::format("{}: it is of version {} of BridgeStan, but this flotilla knows versions 1 to "
                    "{}: build it with one of these",
                    library.name(), version, kNewestVersion));
  }
  Functions functions =
      version == 1 ? functions_of_version_1(library) : functions_of_version_2(library);
  functions.param_unc_num = library.get<ParamUncNum>("bs_param_unc_num");
  functions.param_num = library.get<ParamNum>("bs_param_num");
  functions.param_names = library.get<ParamNames>("bs_param_names");
  return functions;
}

/// Why a function of BridgeStan failed. Its text is the library's to free.
class Message {
 public:
  explicit Message(FreeError* release) : release_(release) {}
  ~Message() {
    if (text_ != nullptr && release_ != nullptr) release_(text_);
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  char** place() { return &text_; }

  std::string words() const {
    const std::string line = on_one_line(text_ == nullptr ? "" : text_);
    return line.empty() ? "without a reason" : line;
  }

 private:
  FreeError* release_;
  char* text_ = nullptr;
};

/// What a model prints is no result of this program.
void print_to_stderr(const char* text, std::size_t size) {
  std::fwrite(text, 1, size, stderr);
}

/// The arguments of a model: "DATA", "DATA generated", "generated" or nothing.
struct Arguments {
  std::string data;
  bool generated = false;
};

Arguments parse(const std::string& text) {
  if (text == kGenerated) return {"", true};
  const std::string ending = fmt::format(" {}", kGenerated);
  if (!text.ends_with(ending)) return {text, false};
  return {text.substr(0, text.size() - ending.size()), true};
}

/// A seed that depends on the bits of a point alone. Source: the hash FNV-1a, folded.
unsigned int seed_of(const double* point, Index dim) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (Index i = 0; i < dim; ++i) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &point[i], sizeof bits);
    for (int byte = 0; byte < 8; ++byte) {
      hash = (hash ^ (bits >> (8 * byte) & 0xffU)) * 0x100000001b3U;
    }
  }
  return static_cast<unsigned int>((hash >> 32U) ^ (hash & 0xffffffffU));
}

class StanDensity final : public Density {
 public:
  StanDensity(const SharedLibrary& library, const Arguments& arguments)
      : name_(library.name()),
        functions_(functions_of(library)),
        generated_(arguments.generated),
        crash_(fmt::format("{}: the Stan model crashed in mid-run: 'flotilla density check' may "
                           "find where",
                           name_),
               1, CrashSentence::When::kWhereSpeaking),
        model_(nullptr, functions_.destruct) {
    const CrashSentence crash(fmt::format(
        "{}: the Stan model crashed as it was made: give it other data, or build it again", name_));
    if (generated_ && (functions_.rng_construct == nullptr || functions_.rng_destruct == nullptr)) {
      throw InputError(
          fmt::format("{}: generated quantities need bs_rng_construct and bs_rng_destruct, which "
                      "BridgeStan has from version 2 on: build it with that, or leave out '{}'",
                      name_, kGenerated));
    }
    if (functions_.set_print_callback != nullptr) {
      Message message(functions_.free_error);
      functions_.set_print_callback(print_to_stderr, message.place());
    }
    Message message(functions_.free_error);
    model_.reset(calling<InputError>(name_, "bs_model_construct", [&] {
      return functions_.construct(arguments.data.c_str(), kSeed, message.place());
    }));
    if (model_ == nullptr) {
      throw InputError(fmt::format("{}: the Stan model cannot be made from the data '{}': {}",
                                   name_, printable(arguments.data), message.words()));
    }
    dim_ = functions_.param_unc_num(model_.get());
    if (dim_ < 1) {
      throw InputError(
          fmt::format("{}: a Stan model should have parameters, but it has none", name_));
    }
    read_outputs();
  }

  const std::string& name() const override { return name_; }
  Index dim() const override { return dim_; }
  const std::vector<std::string>& outputs() const override { return outputs_; }

  // The value comes from the function with the gradient even where none is wanted: the one without
  // it may round otherwise.
  void evaluate(const DataPoints& points, double* log_density, double* gradient) const override {
    const CrashSentence::Speaking speaking(crash_);
    unwanted_.resize(static_cast<std::size_t>(dim_));
    for (Index k = 0; k < points.count; ++k) {
      double* const place = gradient == nullptr ? unwanted_.data() : gradient + k * dim_;
      Message message(functions_.free_error);
      const int failed = calling<DensityError>(name_, "bs_log_density_gradient", [&] {
        return functions_.log_density_gradient(model_.get(), /*propto=*/false, /*jacobian=*/true,
                                               points.x + k * dim_, &log_density[k], place,
                                               message.place());
      });
      if (failed == 0) continue;
      log_density[k] = kNone;
      std::fill_n(place, dim_, kNone);
    }
  }

  void derive(const DataPoints& points, double* values) const override {
    const CrashSentence::Speaking speaking(crash_);
    const auto width = static_cast<Index>(outputs_.size());
    for (Index k = 0; k < points.count; ++k) {
      double* const place = values + k * width;
      const int failed = calling<DensityError>(
          name_, "bs_param_constrain", [&] { return constrain(points.x + k * dim_, place); });
      if (failed != 0) std::fill_n(place, width, kNone);
    }
  }

 private:
  void read_outputs() {
    const char* const names = functions_.param_names(model_.get(), true, generated_);
    if (names != nullptr) outputs_ = between_commas(names);
    const int expected = functions_.param_num(model_.get(), true, generated_);
    if (expected >= 0 && outputs_.size() == static_cast<std::size_t>(expected)) return;
    throw InputError(fmt::format("{}: bs_param_num is {}, but bs_param_names has {} names", name_,
                                 expected, outputs_.size()));
  }

  /// Returns 0, or another number if the model threw.
  int constrain(const double* point, double* outputs) const {
    Message message(functions_.free_error);
    if (!generated_) {
      return functions_.param_constrain(model_.get(), true, false, point, outputs, nullptr,
                                        message.place());
    }
    const std::unique_ptr<Generator, RngDestruct*> generator(
        functions_.rng_construct(seed_of(point, dim_), message.place()), functions_.rng_destruct);
    if (generator == nullptr) {
      throw DensityError(fmt::format("{}: bs_rng_construct failed: {}", name_, message.words()));
    }
    return functions_.param_constrain(model_.get(), true, true, point, outputs, generator.get(),
                                      message.place());
  }

  std::string name_;
  Functions functions_;
  bool generated_;
  CrashSentence crash_;  ///< of evaluate and derive
  std::unique_ptr<Model, std::function<Destruct>> model_;
  Index dim_ = 0;
  std::vector<std::string> outputs_;
  mutable std::vector<double> unwanted_;  ///< a gradient [dim]
};

}  // namespace

std::unique_ptr<Density> open_stan_density(const SharedLibrary& library,
                                           const std::string& arguments) {
  return std::make_unique<StanDensity>(library, parse(arguments));
}

}  // namespace flotilla
