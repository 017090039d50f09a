#include "flotilla/run/config.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "flotilla/core/error.hpp"

namespace flotilla::test {
namespace {

struct Mistake {
  const char* option;
  std::function<void(RunConfig&)> make;
};

std::vector<Mistake> mistakes() {
  return {
      {"--output", [](RunConfig& c) { c.output = ""; }},
      {"--chains", [](RunConfig& c) { c.chains = 0; }},
      {"--chains", [](RunConfig& c) { c.chains = -4; }},
      {"--chains", [](RunConfig& c) { c.chains = (Index{1} << 27U) + 1; }},
      {"--warmup", [](RunConfig& c) { c.warmup = -1; }},
      {"--draws", [](RunConfig& c) { c.draws = 0; }},
      {"--thin", [](RunConfig& c) { c.thin = 0; }},
      {"--thin", [](RunConfig& c) { c.thin = Index{1} << 40U; }},
      {"--seed", [](RunConfig& c) { c.seed = ~std::uint64_t{0}; }},
      {"--tile-width", [](RunConfig& c) { c.tile_width = 33; }},
      {"--tile-width", [](RunConfig& c) { c.tile_width = 0; }},
      {"--target", [](RunConfig& c) { c.target.name = "flat"; }},
      {"--beta", [](RunConfig& c) { c.target.parameters["beta"] = std::nan(""); }},
      {"--clip-quantile",
       [](RunConfig& c) {
         c.target = {"clipped", {{"clip-quantile", 1.0}}};
       }},
      {"--clip-level",
       [](RunConfig& c) {
         c.target = {"clipped", {{"clip-level", std::nan("")}}};
       }},
      {"--clip-sharpness",
       [](RunConfig& c) {
         c.target = {"clipped", {{"clip-sharpness", 0.0}}};
       }},
      {"--kernel", [](RunConfig& c) { c.kernel.name = "hmc"; }},
      {"--global-fraction", [](RunConfig& c) { c.global_fraction = 1.5; }},
      {"--step-size", [](RunConfig& c) { c.step_size = 0.0; }},
      {"--step-size", [](RunConfig& c) { c.step_size = std::nan(""); }},
      {"--target-accept", [](RunConfig& c) { c.target_accept = 1.0; }},
      {"--exchange-every", [](RunConfig& c) { c.exchange_every = 0; }},
      {"--exchange-every",
       [](RunConfig& c) {
         c.chains = 65536;
         c.warmup = c.exchange_every = 4096;
       }},
      {"--precision", [](RunConfig& c) { c.precision = "half"; }},
      {"--superchains", [](RunConfig& c) { c.superchains = 1; }},
      {"--superchains", [](RunConfig& c) { c.superchains = 7; }},
      {"--superchains", [](RunConfig& c) { c.superchains = -2; }},
      {"--report-every", [](RunConfig& c) { c.report_every = -1; }},
      {"--until-rhat", [](RunConfig& c) { c.until_rhat = 0.9; }},
      {"--until-ess", [](RunConfig& c) { c.until_ess = std::nan(""); }},
  };
}

TEST(RunConfig, IsValidAsItComes) {
  EXPECT_NO_THROW(RunConfig().validate());
}

TEST(RunConfig, NamesTheOptionThatIsWrong) {
  int tried = 0;
  for (const Mistake& mistake : mistakes()) {
    RunConfig config;
    mistake.make(config);
    try {
      config.validate();
      ADD_FAILURE() << mistake.option << " was accepted";
    } catch (const InputError& error) {
      EXPECT_EQ(std::string(error.what()).rfind(std::string(mistake.option) + " should ", 0), 0U)
          << error.what();
    }
    ++tried;
  }
  EXPECT_EQ(tried, 30);
}

}  // namespace
}  // namespace flotilla::test
