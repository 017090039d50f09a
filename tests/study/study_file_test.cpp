// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <fstream>

#include "flotilla/core/error.hpp"
#include "flotilla/study/study.hpp"
#include "support/scratch_directory.hpp"

namespace flotilla::test {
namespace {

constexpr const char* kSound = R"(seeds = [3, 4]
rhat = 1.2

[sample]
flow = "../flows/a.h5"
chains = 64
latent = false

[grid]
kernel = ["mala", "metric-mala"]
draws = [40, 8e1]
)";

class StudyFile : public testing::Test {
 protected:
  StudyPlan read(const std::string& text) const {
    std::ofstream(path()) << text;
    return read_study(path(), "");
  }

  std::string path() const { return directory_.file("study.toml"); }
  std::string beside(const std::string& name) const { return directory_.file(name); }

 private:
  ScratchDirectory directory_;
};

TEST_F(StudyFile, IsAPlanOfEveryCombination) {
  const StudyPlan plan = read(kSound);
  EXPECT_EQ(plan.output, "study.h5");
  EXPECT_EQ(plan.rhat, 1.2);
  ASSERT_EQ(plan.cells.size(), 8U);
  const StudyCell& last = plan.cells.back();
  EXPECT_EQ(last.config.flow, beside("../flows/a.h5"));
  EXPECT_EQ(last.config.chains, 64);
  EXPECT_FALSE(last.config.latent);
  EXPECT_EQ(last.config.draws, 80);
  EXPECT_EQ(last.config.seed, 4U);
  EXPECT_EQ(last.config.output, "study.cells/0007.h5");
  EXPECT_FALSE(last.comparison);
  using Options = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(last.options, (Options{{"kernel", "metric-mala"}, {"draws", "80"}, {"seed", "4"}}));
  EXPECT_EQ(plan.cells.front().options,
            (Options{{"kernel", "mala"}, {"draws", "40"}, {"seed", "3"}}));
}

TEST_F(StudyFile, VariesAListTogetherAndComparisonsWithIt) {
  const StudyPlan plan = read(R"(
reference = "long.h5"
[sample]
draws = 7
[compare]
points = 20
[list]
flow = ["a.h5", "/abs/b.h5"]
compare_reference = ["pts:1.h5", "b.h5:x"]
context = [[0.5, -1], "c.h5:c"]
)");
  ASSERT_EQ(plan.cells.size(), 2U);
  EXPECT_EQ(plan.reference, beside("long.h5"));
  EXPECT_EQ(plan.cells[0].config.flow, beside("a.h5"));
  EXPECT_EQ(plan.cells[1].config.flow, "/abs/b.h5");
  EXPECT_EQ(plan.cells[0].comparison.value().reference, (Location{beside("pts:1.h5"), ""}));
  EXPECT_EQ(plan.cells[1].comparison.value().reference, (Location{beside("b.h5"), "x"}));
  EXPECT_EQ(plan.cells[1].comparison.value().points, 20);
  EXPECT_EQ(plan.cells[1].comparison.value().run, "study.cells/0001.h5");
  EXPECT_EQ(plan.cells[0].config.context, ContextSource(std::vector<double>{0.5, -1.0}));
  EXPECT_EQ(plan.cells[1].config.context, ContextSource(Location{beside("c.h5"), "c"}));
}

TEST_F(StudyFile, HasAReferenceThatIsNoPath) {
  EXPECT_EQ(read(std::string("reference = 'importance'\n") + kSound).reference, "importance");
}

TEST_F(StudyFile, IsRefusedWithLineAndKey) {
  struct Case {
    const char* before;  ///< text in the valid study to change; after '@': text in place of its
                         ///< flow
    const char* after;
    std::size_t line;
    const char* key;
    const char* expected;
  };
  const Case cases[] = {
      {"colour = 1\n", "", 1, "'colour'", "is no setting of a study"},
      {"keep_run = true\n", "", 1, "'keep_run'", "did you mean 'keep_runs'?"},
      {"ranks_per_run = 0\n", "", 1, "'ranks_per_run'", "at least 1"},
      {"ranks_per_run = 1.5\n", "", 1, "'ranks_per_run'", "a whole number"},
      {"keep_runs = 1\n", "", 1, "'keep_runs'", "true or false"},
      {"ess = 0\n", "", 1, "'ess'", "above 0"},
      {"", "[gird]\n", 12, "'gird'", "has nothing in it"},
      {"ess = [1, 2]\n", "", 1, "'ess'", "above 0"},
      {"reference = 3\n", "", 1, "'reference'", "the path of a file"},
      {"rhat = 1.3\n", "", 2 + 1, "rhat", "is no TOML"},
      {"chains = 5\n", "", 1, "'chains'", "stand in [sample]"},
      {"", "[girds]\nbeta = [1]\n", 13, "'beta'", "did you mean 'grid'?"},
      {"", "[sweep]\nbeta = [1]\n", 13, "'beta'", "none of [sample]"},
      {"", "drawz = [40]\n", 12, "'drawz'", "did you mean 'draws'?"},
      {"", "chain = [40]\n", 12, "'chain'", "did you mean 'chains'?"},
      {"", "beta = 1\n", 12, "'beta'", "an array of values"},
      {"", "beta = []\n", 12, "'beta'", "an array of values"},
      {"", "beta = [0.5, 1, 1.0]\n", 12, "'beta'", "has 1.0 twice"},
      {"", "[GRID]\nbeta = [1]\n", 13, "'beta'", "did you mean 'grid'?"},
      {"", "beta = [1, 'x']\n", 12, "'beta'", "a finite number"},
      {"", "beta = [1, nan]\n", 12, "'beta'", "a finite number"},
      {"", "beta = [1, [2]]\n", 12, "'beta'", "a finite number"},
      {"", "beta = [1, 1,5]\n", 12, "'beta'", "has 1 twice"},
      {"", "beta = [1, 2]\nthin = [0]\n", 13, "'thin'", "a whole number"},
      {"", "tile_width = [33]\n", 12, "'tile_width'", "a multiple of 32"},
      {"", "seed = [1]\n", 12, "'seed'", "the study's own"},
      {"", "output = ['a.h5']\n", 12, "'output'", "the study's own"},
      {"", "force = [true]\n", 12, "'force'", "the study's own"},
      {"", "no_latent = [true]\n", 12, "'no_latent'", "is no option"},
      {"", "report_every = [5]\nreport-every = [6]\n", 13, "'report-every'", "set twice"},
      {"", "[list]\ndraws = [1, 2]\n", 13, "'draws'", "set twice"},
      {"", "[list]\nbeta = [0, 1]\nthin = [1]\n", 14, "'thin'", "give both equally many"},
      {"", "[list]\nbeta = 0\n", 13, "'beta'", "an array of values"},
      {"", "[compare]\nreference = ['a.h5', 'b.h5']\n", 13, "'reference'", "a place"},
      {"", "[compare]\nflow = 'b.h5'\n", 13, "'flow'", "the study's own"},
      {"", "[compare]\nrun = 'b.h5'\n", 13, "'run'", "the study's own"},
      {"", "[compare]\npoints = 2\n", 13, "'points'", "from 8 to"},
      {"", "[compare]\npionts = 20\n", 13, "'pionts'", "did you mean 'points'?"},
      {"", "[compare]\nreference = ':x'\n", 13, "'reference'", "a place"},
      {"", "[compare]\nprecision = 2\n", 13, "'precision'", "is no option"},
      {"", "compare_points = [2]\n", 12, "'compare_points'", "from 8 to"},
      {"", "compare_pionts = [20]\n", 12, "'compare_pionts'", "did you mean 'compare_points'?"},
      {"@compare_points = 20", "", 5, "'compare_points'", "set it in [compare]"},
      {"@warmup = [64]", "", 5, "'warmup'", "a whole number"},
      {"@chains = many", "", 5, "chains", "is no TOML"},
      {"@beta = 1,5", "", 5, "beta", "is no TOML"},
      {"@kernel = 'hmc'", "", 5, "'kernel'", "one of metric-mala, mala"},
      {"@context = 'c.h5'\ncontext = 'd.h5'", "", 6, "context", "is no TOML"},
  };
  int refused = 0;
  for (const Case& one : cases) {
    std::string text = kSound;
    const std::string before = one.before;
    if (before.starts_with('@')) {
      const std::string flow = "flow = \"../flows/a.h5\"";
      text.replace(text.find(flow), flow.size(), before.substr(1));
    } else {
      text = before + text + one.after;
    }
    try {
      read(text);
      ADD_FAILURE() << one.before << one.after << " was read";
    } catch (const InputError& error) {
      const std::string message = error.what();
      EXPECT_EQ(message.rfind(path() + ":" + std::to_string(one.line) + ": ", 0), 0U) << message;
      EXPECT_NE(message.find(one.key), std::string::npos) << message;
      EXPECT_NE(message.find(one.expected), std::string::npos) << message;
      ++refused;
    }
  }
  EXPECT_EQ(refused, 48);
}

TEST_F(StudyFile, HasSeedsThatAreRunOnce) {
  int refused = 0;
  for (const char* seeds : {"[]", "[1, 2, 1]", "[-1]"}) {
    try {
      read(std::string("seeds = ") + seeds + "\n[sample]\nflow = 'a.h5'\n");
      ADD_FAILURE() << seeds << " was read";
    } catch (const InputError& error) {
      EXPECT_EQ(std::string(error.what()).rfind(path() + ":1: 'seeds' ", 0), 0U) << error.what();
      ++refused;
    }
  }
  EXPECT_EQ(refused, 3);
}

TEST_F(StudyFile, HasNotMoreRunsThanItCanKeepRecordsOf) {
  std::string many = "1";
  for (int k = 2; k <= 400; ++k) many += ", " + std::to_string(k);
  try {
    read("[sample]\nflow = 'a.h5'\n[grid]\ndraws = [" + many + "]\nwarmup = [" + many + "]\n");
    ADD_FAILURE() << "160000 runs were planned";
  } catch (const InputError& error) {
    EXPECT_EQ(std::string(error.what()),
              path() + ": a study should have at most 100000 runs but has 160000: vary less");
  }
}

TEST_F(StudyFile, CountsItsRunsBeforeItLooksAtThem) {
  std::string many = "1";
  for (int k = 2; k <= 100001; ++k) many += ", " + std::to_string(k);
  int refused = 0;
  for (const char* section : {"grid", "list"}) {
    try {
      // Each value would be refused, if it were looked at.
      read(std::string("[") + section + "]\nno_option = [" + many + "]\n");
      ADD_FAILURE() << "100001 runs were planned";
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find("at most 100000 runs but has 100001"),
                std::string::npos)
          << error.what();
      ++refused;
    }
  }
  EXPECT_EQ(refused, 2);
}

TEST_F(StudyFile, AsksForWhatARunCannotDoWithout) {
  const auto told = [&](const std::string& text) -> std::string {
    try {
      read(text);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(told("[sample]\nchains = 3\n").find("--flow is required"), std::string::npos);
  EXPECT_NE(told(std::string(kSound) + "[compare]\npoints = 20\n").find("give --reference (draws)"),
            std::string::npos);
  EXPECT_EQ(told(std::string(kSound) + "[compare]\ntruth = 'moments.toml'\n"), "");
}

}  // namespace
}  // namespace flotilla::test
