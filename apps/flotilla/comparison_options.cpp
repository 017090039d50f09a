#include "comparison_options.hpp"

namespace flotilla::app {

void define_comparison(CLI::App& app, ComparisonConfig& config) {
  app.add_option("run,--run", config.run, "run file")->required();
  app.add_option("--reference", config.reference,
                 "draws of the truth, FILE.h5[:dataset] of shape [n x dim]; half of them are "
                 "compared with the other half, as the floor")
      ->required();
  app.add_option("--flow", config.flow, "the run's flow file, where it has moved");
  app.add_option("--modes", config.modes,
                 "points on modes, FILE.h5[:dataset] of shape [m x dim + 1]; the last column "
                 "numbers the modes from 0");
  app.add_option("--points", config.points, "of each set, fewer where there are fewer");
  app.add_option("--neighbours", config.neighbours, "k of precision, recall, density and coverage");
  app.add_option("--projections", config.projections, "directions of the sliced distance");
  app.add_option("--resamples", config.resamples, "of the bootstrap");
  app.add_option("--quantile", config.quantile,
                 "of the reference's log q_X, below which draws are counted");
  app.add_option("--seed", config.seed, "of directions, resamples and naive draws");
}

ComparisonConfig read_comparison(const std::string& toml) {
  ComparisonConfig config;
  const CommandLine command_line("compare", "",
                                 [&](CLI::App& app) { define_comparison(app, config); });
  command_line.read(toml);
  return config;
}

}  // namespace flotilla::app
