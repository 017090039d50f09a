// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/run/option.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "flotilla/core/error.hpp"
#include "support/scratch_directory.hpp"

namespace flotilla::test {
namespace {

/// One option of every kind.
struct Everything {
  bool on = true;
  bool off = false;
  Index count = 4;
  std::uint64_t seed = 1;
  double share = 0.25;
  std::optional<double> step;
  std::string name = "mala";
  std::string flow;
  std::string output = "run.h5";
  Location start;
  ContextSource context;
  std::vector<std::string> words;
  std::vector<std::uint64_t> seeds = {1};
  std::map<std::string, double> parameters;
  std::string config;
};

std::vector<Option> options_of(Everything& all) {
  return {
      {.name = "on", .place = &all.on, .help = "h"},
      {.name = "off", .place = &all.off, .kind = OptionKind::kManner, .help = "h"},
      {.name = "count", .place = &all.count, .help = "h", .range = {2.0, 64.0}, .multiple = 2},
      {.name = "seed", .place = &all.seed, .help = "h"},
      {.name = "share", .place = &all.share, .help = "h", .range = {0.0, 1.0}},
      {.name = "step-size", .place = &all.step, .help = "h", .range = {.low = 0.0, .open = true}},
      {.name = "name", .place = &all.name, .help = "h", .choices = {"mala", "metric-mala"}},
      {.name = "flow",
       .place = &all.flow,
       .kind = OptionKind::kFlow,
       .help = "h",
       .required = true},
      {.name = "output", .place = &all.output, .kind = OptionKind::kOutput, .help = "h"},
      {.name = "start", .place = &all.start, .kind = OptionKind::kArray, .help = "h"},
      {.name = "context", .place = &all.context, .kind = OptionKind::kArray, .help = "h"},
      {.name = "words", .place = &all.words, .help = "h"},
      {.name = "seeds", .place = &all.seeds, .help = "h"},
      {.name = "beta", .place = &all.parameters, .help = "h", .range = {.high = 9.0}},
      {.name = "config", .place = &all.config, .kind = OptionKind::kText, .help = "h"},
  };
}

/// The message when a value is set; empty if it is accepted.
std::string told(const std::function<void(const std::vector<Option>&)>& set) {
  Everything all;
  try {
    set(options_of(all));
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

std::string told_of_word(const char* option, const std::string& word) {
  return told([&](const auto& options) { set_option(*find_option(options, option), word); });
}

TEST(Option, TakesWordsOfACommandLine) {
  Everything all;
  const std::vector<Option> options = options_of(all);
  const auto set = [&](const char* option, const char* word) {
    set_option(*find_option(options, option), word);
  };
  set("on", "false");
  set("count", "1e1");
  set("count", "8.0");
  set("seed", "9223372036854775807");
  set("share", "1e-3");
  set("step-size", "0.5");
  set("name", "metric-mala");
  set("start", "pts:1.h5");
  set("context", "0.5,-1");
  set("words", "x,lp");
  set("seeds", "3,4");
  set("beta", "-2");
  EXPECT_FALSE(all.on);
  EXPECT_EQ(all.count, 8);
  EXPECT_EQ(all.seed, 9223372036854775807U);
  EXPECT_EQ(all.share, 1e-3);
  EXPECT_EQ(all.step, 0.5);
  EXPECT_EQ(all.name, "metric-mala");
  EXPECT_EQ(all.start, (Location{"pts:1.h5", ""}));
  EXPECT_EQ(all.context, ContextSource(std::vector<double>{0.5, -1.0}));
  EXPECT_EQ(all.words, (std::vector<std::string>{"x", "lp"}));
  EXPECT_EQ(all.seeds, (std::vector<std::uint64_t>{3, 4}));
  EXPECT_EQ(all.parameters.at("beta"), -2.0);
}

TEST(Option, RefusesWordsThatAreNoValue) {
  struct Case {
    const char* option;
    const char* word;
    const char* expected;
  };
  const Case cases[] = {
      {"count", "many", "a whole number from 2 to 64, a multiple of 2"},
      {"count", "", "a whole number"},
      {"count", "3", "a multiple of 2"},
      {"count", "0", "from 2"},
      {"count", "66", "to 64"},
      {"count", "4x", "a whole number"},
      {"count", " 4", "a whole number"},
      {"count", "4 ", "a whole number"},
      {"count", "4.5", "a whole number"},
      {"count", "08", "a whole number"},
      {"count", "0x10", "a whole number"},
      {"count", "+4", "a whole number"},
      {"count", "4,6", "a whole number"},
      {"count", "1e99", "a whole number"},
      {"count", "nan", "a whole number"},
      {"seed", "-1", "a whole number from 0 to 9223372036854775807"},
      {"seed", "010", "a whole number"},
      {"seed", "0x10", "a whole number"},
      {"seed", "9223372036854775808", "a whole number"},
      {"share", "1,5", "a number from 0 to 1"},
      {"share", "nan", "a number from 0 to 1"},
      {"share", "inf", "a number from 0 to 1"},
      {"share", "1.5", "a number from 0 to 1"},
      {"share", "0.5f", "a number from 0 to 1"},
      {"step-size", "0", "a number above 0"},
      {"step-size", "inf", "a number above 0"},
      {"name", "hmc", "one of mala, metric-mala"},
      {"name", "", "one of mala, metric-mala"},
      {"output", "", "the path of a file"},
      {"flow", "", "the path of a file"},
      {"config", "", "the path of a file"},
      {"start", "", "a place FILE.h5[:dataset]"},
      {"start", ":x", "a place FILE.h5[:dataset]"},
      {"start", ":", "a place FILE.h5[:dataset]"},
      {"context", "", "a list of finite numbers or a place"},
      {"context", ":x", "a list of finite numbers or a place"},
      {"context", "0.5,nan", "a list of finite numbers or a place"},
      {"context", "inf", "a list of finite numbers or a place"},
      {"seeds", "", "a list of one or more"},
      {"words", "", "a list of names"},
      {"seeds", "1,x", "a list of one or more, each a whole number"},
      {"seeds", "1,-2", "a list of one or more, each a whole number"},
      {"beta", "10", "a number of at most 9"},
      {"beta", "-inf", "a number of at most 9"},
  };
  int refused = 0;
  for (const Case& one : cases) {
    const std::string message = told_of_word(one.option, one.word);
    const std::string begin = std::string("--") + one.option + " should be ";
    EXPECT_EQ(message.rfind(begin, 0), 0U) << message;
    EXPECT_NE(message.find(one.expected), std::string::npos) << message;
    EXPECT_NE(message.find(std::string("but is '") + one.word + "'"), std::string::npos) << message;
    ++refused;
  }
  EXPECT_EQ(refused, 44);
}

TEST(Option, TakesTomlAsTheStandardHasIt) {
  Everything all;
  read_options(options_of(all),
               "\xef\xbb\xbfon = false\ncount = 1_0\nseed = 0x10\nshare = 1\nstep_size = 1e-1\n"
               "name = 'metric-mala'\ncontext = [\n  0.5, # one\n  -1,\n]\nwords = ['x', \"lp\"]\n"
               "seeds = [ 3,\n 4 ]\nbeta = 2\nstart = 'a#\"b.h5:x'\n",
               "t");
  EXPECT_FALSE(all.on);
  EXPECT_EQ(all.count, 10);
  EXPECT_EQ(all.seed, 16U);
  EXPECT_EQ(all.share, 1.0);
  EXPECT_EQ(all.step, 0.1);
  EXPECT_EQ(all.name, "metric-mala");
  EXPECT_EQ(all.context, ContextSource(std::vector<double>{0.5, -1.0}));
  EXPECT_EQ(all.words, (std::vector<std::string>{"x", "lp"}));
  EXPECT_EQ(all.seeds, (std::vector<std::uint64_t>{3, 4}));
  EXPECT_EQ(all.parameters.at("beta"), 2.0);
  EXPECT_EQ(all.start, (Location{"a#\"b.h5", "x"}));
  read_options(options_of(all), "count = 1e1\nseed = 64.0\ncontext = 'c.h5:x'", "t");
  EXPECT_EQ(all.count, 10);
  EXPECT_EQ(all.seed, 64U);
  EXPECT_EQ(all.context, ContextSource(Location{"c.h5", "x"}));
}

TEST(Option, RefusesTomlThatIsNoValue) {
  struct Case {
    const char* line;
    const char* key;
    const char* expected;
  };
  const Case cases[] = {
      {"on = 1", "on", "true or false but is 1"},
      {"on = 'true'", "on", "true or false"},
      {"on = [true]", "on", "true or false"},
      {"count = 'four'", "count", "a whole number from 2 to 64, a multiple of 2 but is \"four\""},
      {"count = '4'", "count", "a whole number"},
      {"count = 4.5", "count", "a whole number"},
      {"count = [4]", "count", "a whole number"},
      {"count = true", "count", "a whole number"},
      {"count = nan", "count", "a whole number"},
      {"count = inf", "count", "a whole number"},
      {"count = 1e99", "count", "a whole number"},
      {"count = 5", "count", "a multiple of 2"},
      {"count = 100", "count", "from 2 to 64"},
      {"seed = -1", "seed", "a whole number"},
      {"share = [0.5, 2]", "share", "a number from 0 to 1 but is [0.5, 2]"},
      {"share = nan", "share", "a number from 0 to 1"},
      {"share = 'x'", "share", "a number from 0 to 1"},
      {"share = 2", "share", "a number from 0 to 1"},
      {"step-size = 0", "step-size", "above 0"},
      {"step_size = -1", "step_size", "above 0"},
      {"name = 'hmc'", "name", "one of mala, metric-mala but is \"hmc\""},
      {"name = 3", "name", "one of mala"},
      {"name = ['mala']", "name", "one of mala"},
      {"flow = 3", "flow", "the path of a file"},
      {"flow = ['a.h5', 'b.h5']", "flow", "the path of a file"},
      {"output = ''", "output", "the path of a file"},
      {"start = 0.5", "start", "a place FILE.h5[:dataset]"},
      {"start = ':x'", "start", "a place FILE.h5[:dataset]"},
      {"context = ':x'", "context", "a list of finite numbers or a place"},
      {"context = ['a.h5']", "context", "a list of finite numbers or a place"},
      {"context = [0.5, 'x']", "context", "a list of finite numbers or a place"},
      {"context = [0.5, nan]", "context", "a list of finite numbers or a place"},
      {"context = [[0.5]]", "context", "a list of finite numbers or a place"},
      {"context = true", "context", "a list of finite numbers or a place"},
      {"words = 3", "words", "a list of names"},
      {"seeds = [1, 2.5]", "seeds", "a list of one or more, each a whole number"},
      {"seeds = ['1']", "seeds", "a list of one or more, each a whole number"},
      {"seeds = []", "seeds", "a list of one or more, each a whole number"},
      {"beta = 10", "beta", "of at most 9"},
      {"beta = 'x'", "beta", "of at most 9"},
      {"beta = 1979-05-27", "beta", "but is a date or a time"},
      {"beta = {}", "beta", "has nothing in it"},
      {"beta = {a = 1}", "a", "stands in a section [beta]"},
      {"share = 0,5", "share", "is no TOML"},
      {"count = 010", "count", "is no TOML"},
      {"count = many", "count", "a text in quotes"},
      {"on = yes", "on", "is no TOML"},
      {"BETA = 4", "BETA", "did you mean 'beta'?"},
      {"name = 'open", "name", "is no TOML"},
      {"[sample]\ncount = 4", "count", "stands in a section [sample]"},
      {"coutn = 4", "coutn", "is no option: did you mean 'count'?"},
      {"colour = 4", "colour", "is no option"},
      {"no-on = true", "no-on", "write 'on = false'"},
      {"no_off = true", "no_off", "write 'off = false'"},
  };
  int refused = 0;
  for (const Case& one : cases) {
    const std::string text = std::string("\n# second line\n") + one.line + "\n";
    const std::string message =
        told([&](const auto& options) { read_options(options, text, "run.toml"); });
    const std::string begin = one.line[0] == '[' ? "run.toml:4: " : "run.toml:3: ";
    EXPECT_EQ(message.rfind(begin, 0), 0U) << one.line << ": " << message;
    EXPECT_NE(message.find(one.key), std::string::npos) << one.line << ": " << message;
    EXPECT_NE(message.find(one.expected), std::string::npos) << one.line << ": " << message;
    ++refused;
  }
  EXPECT_EQ(refused, 54);
}

TEST(Option, IsSetOnceInAFile) {
  const auto read = [](const char* text) {
    return told([&](const auto& options) { read_options(options, text, "f"); });
  };
  EXPECT_EQ(read("step-size = 1\nseed = 2\n"), "");
  EXPECT_EQ(read("step-size = 1\nstep_size = 2\n"), "f:2: 'step_size' is set twice");
  EXPECT_NE(read("seed = 1\nseed = 2\n").find("f:2: "), std::string::npos);
}

TEST(Option, IsSuggestedWhereOneIsNear) {
  const std::vector<std::string> names = {"chains", "draws", "thin"};
  EXPECT_EQ(suggestion("chians", names), ": did you mean 'chains'?");
  EXPECT_EQ(suggestion("drawz", names), ": did you mean 'draws'?");
  EXPECT_EQ(suggestion("thn", names), ": did you mean 'thin'?");
  EXPECT_EQ(suggestion("CHAINS", names), ": did you mean 'chains'?");
  EXPECT_EQ(suggestion("cha", names), ": did you mean 'chains'?");
  EXPECT_EQ(suggestion("ch", names), "");
  EXPECT_EQ(suggestion("colour", names), "");
  EXPECT_EQ(suggestion("chians", {}), "");
}

TEST(Option, ThatIsRequiredIsAskedFor) {
  const std::string message = told([](const auto& options) { check_required(options); });
  EXPECT_EQ(message, "--flow is required: give it the path of a file");
  EXPECT_EQ(told([](const auto& options) {
              set_option(*find_option(options, "flow"), "a.h5");
              check_required(options);
            }),
            "");
}

TEST(Option, TextReadsBack) {
  Everything all;
  const std::vector<Option> options = options_of(all);
  read_options(options,
               "on = false\nstep-size = 0.1\ncontext = [0.1, -1]\nbeta = 0.3\nwords = ['a']", "t");
  Everything again;
  read_options(options_of(again), options_text(options), "t");
  EXPECT_EQ(options_text(options_of(again)), options_text(options));
  EXPECT_EQ(again.step, 0.1);
  EXPECT_FALSE(again.on);
}

TEST(Option, IsRecordedWithAbsolutePathsAndWithoutManners) {
  Everything all;
  all.flow = "flows/a.h5";
  all.start = {"pts:1.h5", "x"};
  all.off = true;
  const std::string text = recorded_text(options_of(all));
  const std::string here = std::filesystem::current_path().string();
  EXPECT_NE(text.find("flow = \"" + here + "/flows/a.h5\"\n"), std::string::npos) << text;
  EXPECT_NE(text.find("output = \"" + here + "/run.h5\"\n"), std::string::npos) << text;
  EXPECT_NE(text.find("start = \"" + here + "/pts:1.h5:x\"\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("off"), std::string::npos) << text;
  EXPECT_EQ(text.find("step-size"), std::string::npos) << text;
}

TEST(Option, IsRecordedWhateverItsPathIs) {
  int read_back = 0;
  for (const char* path : {"/a/b#c.h5", "/a/b\"c.h5", "/a/b'c.h5", "/a b/c.h5", "/a:b/points",
                           "/a/\\c.h5", "/a/b\nc", "/ü/ñ.h5", "/a/b = [c].h5", "/a/%20,1.h5"}) {
    Everything all;
    all.flow = all.start.path = path;
    Everything again;
    read_options(options_of(again), recorded_text(options_of(all)), "t");
    EXPECT_EQ(again.flow, path);
    EXPECT_EQ(again.start.path, path);
    ++read_back;
  }
  EXPECT_EQ(read_back, 10);
  EXPECT_NE(told([](const auto& options) {
              set_option(*find_option(options, "flow"), "/a/\xff.h5");
              options_text(options);
            }).find("--flow is "),
            std::string::npos);
}

TEST(Option, ThatIsReadIsMeantBesideItsFile) {
  Everything all;
  all.flow = "../flows/a.h5";
  all.start = {"pts.h5", "x"};
  all.context = Location{"/abs/c.h5", ""};
  resolve_paths(options_of(all), "studies");
  EXPECT_EQ(all.flow, "studies/../flows/a.h5");
  EXPECT_EQ(all.start, (Location{"studies/pts.h5", "x"}));
  EXPECT_EQ(all.context, ContextSource(Location{"/abs/c.h5", ""}));
  EXPECT_EQ(all.output, "run.h5");
}

TEST(Option, ThatIsReadIsNotWritten) {
  const ScratchDirectory directory;
  const std::string input = directory.file("pts:1.h5");
  std::ofstream(input) << "precious";
  std::filesystem::create_symlink(input, directory.file("soft.h5"));
  std::filesystem::create_hard_link(input, directory.file("hard.h5"));
  std::filesystem::create_directory(directory.file("folder"));
  int refused = 0;
  for (const char* name : {"pts:1.h5", "soft.h5", "hard.h5", "./pts:1.h5", "folder/../pts:1.h5"}) {
    for (int which = 0; which < 4; ++which) {
      Everything all;
      (which == 0   ? all.flow
       : which == 1 ? all.start.path
       : which == 2 ? all.config
                    : all.context.emplace<Location>().path) = input;
      all.output = directory.file(name);
      try {
        check_outputs(options_of(all));
        ADD_FAILURE() << name << " would be written";
      } catch (const InputError& error) {
        EXPECT_EQ(std::string(error.what()).rfind("--output is a file that is read", 0), 0U);
        ++refused;
      }
    }
  }
  EXPECT_EQ(refused, 20);
  for (const char* beside : {"run.h5.unfinished.vm-1", "run.jsonl"}) {
    std::ofstream(directory.file(beside)) << "precious";
    Everything all;
    all.config = directory.file(beside);
    all.output = directory.file("run.h5");
    const std::string message = told([&](const auto&) { check_outputs(options_of(all)); });
    EXPECT_NE(message.find("would overwrite a file that is read"), std::string::npos) << message;
    ++refused;
  }
  EXPECT_EQ(refused, 22);
  Everything all;
  all.flow = input;
  all.output = directory.file("other.h5");
  EXPECT_NO_THROW(check_outputs(options_of(all)));
}

TEST(Option, KeysHoldValuesAndContents) {
  Everything all;
  all.flow = "a.h5";
  all.context = std::vector<double>{0.5};
  const auto key = [&](const char* content) {
    return key_text(options_of(all), [&](const Option&) { return content; });
  };
  const std::string first = key("one");
  EXPECT_NE(first.find("flow = one\n"), std::string::npos) << first;
  EXPECT_EQ(first.find("start = one"), std::string::npos) << first;
  EXPECT_NE(key("two"), first);
  all.output = "elsewhere.h5";
  all.off = true;
  all.flow = "moved.h5";
  EXPECT_EQ(key("one"), first);
  all.context = std::vector<double>{0.25};
  EXPECT_NE(key("one"), first);
}

}  // namespace
}  // namespace flotilla::test
