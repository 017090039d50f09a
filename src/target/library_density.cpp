// SPDX-License-Identifier: BSD-3-Clause
#include "target/library_density.hpp"

#include <fmt/format.h>

#include <array>

#include "core/crash_sentence.hpp"
#include "flotilla/core/error.hpp"
#include "flotilla/core/printed.hpp"
#include "flotilla/target/log_density.h"

namespace flotilla {
namespace {

constexpr std::int64_t kMostDim = std::int64_t{1} << 27U;
constexpr std::int64_t kMostOutputs = std::int64_t{1} << 20U;

/// Where a library writes why it failed.
class MessageBuffer {
 public:
  char* data() { return text_.data(); }
  std::size_t size() const { return text_.size(); }

  /// ": WORDS", on one line.
  std::string words() {
    text_.back() = '\0';
    const std::string line = on_one_line(text_.data());
    return line.empty() ? ", without a reason" : ": " + line;
  }

 private:
  std::array<char, 1024> text_{};
};

class LibraryDensity final : public Density {
 public:
  LibraryDensity(const SharedLibrary& library, const std::string& arguments)
      : name_(library.name()),
        evaluate_(
            library.get<decltype(flotilla_log_density_evaluate)>("flotilla_log_density_evaluate")),
        close_(library.get<decltype(flotilla_log_density_close)>("flotilla_log_density_close")),
        derive_(library.find<decltype(flotilla_log_density_derive)>("flotilla_log_density_derive")),
        crash_(fmt::format("{}: the density crashed in mid-run: mend it; 'flotilla density "
                           "check' may find where",
                           name_),
               1, CrashSentence::When::kWhereSpeaking),
        density_(nullptr, close_) {
    const CrashSentence crash(fmt::format(
        "{}: the density crashed as it was opened: mend it, or give it other --density-args",
        name_));
    const auto open = library.get<decltype(flotilla_log_density_open)>("flotilla_log_density_open");
    const auto dim = library.get<decltype(flotilla_log_density_dim)>("flotilla_log_density_dim");
    MessageBuffer message;
    density_.reset(calling<InputError>(name_, "flotilla_log_density_open", [&] {
      return open(arguments.c_str(), message.data(), message.size());
    }));
    if (density_ == nullptr) {
      throw InputError(fmt::format("{}: it cannot be opened with --density-args '{}'{}", name_,
                                   printable(arguments), message.words()));
    }
    const std::int64_t claimed = dim(density_.get());
    if (claimed < 0 || claimed > kMostDim) {
      throw InputError(
          fmt::format("{}: its number of coordinates should be from 0 (any) to {} but is {}", name_,
                      kMostDim, claimed));
    }
    dim_ = static_cast<Index>(claimed);
    if (derive_ != nullptr) read_outputs(library);
  }

  const std::string& name() const override { return name_; }
  Index dim() const override { return dim_; }
  const std::vector<std::string>& outputs() const override { return outputs_; }

  void evaluate(const DataPoints& points, double* log_density, double* gradient) const override {
    const CrashSentence::Speaking speaking(crash_);
    MessageBuffer message;
    const int failed = calling<DensityError>(name_, "flotilla_log_density_evaluate", [&] {
      return evaluate_(density_.get(), points.count, points.dim, points.x, log_density, gradient,
                       message.data(), message.size());
    });
    if (failed != 0) fail("flotilla_log_density_evaluate", failed, message);
  }

  void derive(const DataPoints& points, double* values) const override {
    const CrashSentence::Speaking speaking(crash_);
    MessageBuffer message;
    const int failed = calling<DensityError>(name_, "flotilla_log_density_derive", [&] {
      return derive_(density_.get(), points.count, points.dim, points.x, values, message.data(),
                     message.size());
    });
    if (failed != 0) fail("flotilla_log_density_derive", failed, message);
  }

 private:
  void read_outputs(const SharedLibrary& library) {
    const auto count =
        library.get<decltype(flotilla_log_density_outputs)>("flotilla_log_density_outputs");
    const auto names = library.get<decltype(flotilla_log_density_output_names)>(
        "flotilla_log_density_output_names");
    const std::int64_t claimed = count(density_.get());
    const char* const text = names(density_.get());
    if (claimed < 1 || claimed > kMostOutputs || text == nullptr) {
      throw InputError(
          fmt::format("{}: flotilla_log_density_outputs should be from 1 to {} and have names, but "
                      "is {}{}",
                      name_, kMostOutputs, claimed, text == nullptr ? " without names" : ""));
    }
    outputs_ = between_commas(text);
    if (static_cast<std::int64_t>(outputs_.size()) != claimed) {
      throw InputError(fmt::format(
          "{}: flotilla_log_density_outputs is {}, but flotilla_log_density_output_names has {} "
          "names",
          name_, claimed, outputs_.size()));
    }
  }

  [[noreturn]] void fail(const char* function, int code, MessageBuffer& message) const {
    throw DensityError(
        fmt::format("{}: {} failed with {}{}", name_, function, code, message.words()));
  }

  std::string name_;
  decltype(flotilla_log_density_evaluate)* evaluate_;
  decltype(flotilla_log_density_close)* close_;
  decltype(flotilla_log_density_derive)* derive_;  ///< null without outputs
  CrashSentence crash_;                            ///< of evaluate and derive
  std::unique_ptr<flotilla_log_density, decltype(flotilla_log_density_close)*> density_;
  Index dim_ = 0;
  std::vector<std::string> outputs_;
};

}  // namespace

std::unique_ptr<Density> open_library_density(const SharedLibrary& library,
                                              const std::string& arguments) {
  const auto abi = library.get<decltype(flotilla_log_density_abi)>("flotilla_log_density_abi");
  const int version = abi();
  if (version != FLOTILLA_LOG_DENSITY_ABI) {
    throw InputError(fmt::format(
        "{}: it was built for version {} of flotilla/target/log_density.h, but this flotilla has "
        "version {}: build it again with this flotilla's header",
        library.name(), version, FLOTILLA_LOG_DENSITY_ABI));
  }
  return std::make_unique<LibraryDensity>(library, arguments);
}

}  // namespace flotilla
