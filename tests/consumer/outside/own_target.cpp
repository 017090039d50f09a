// SPDX-License-Identifier: BSD-3-Clause

// An outside program's own density, x ~ N((1, -2), 0.25 I) for any flow. All ranks sample it
// through a flow into a run file, which is then read and diagnosed.

#include <cstdio>
#include <memory>
#include <string>

#include <flotilla/flow/record.hpp>
#include <flotilla/io/run_reader.hpp>
#include <flotilla/parallel/communicator.hpp>
#include <flotilla/parallel/environment.hpp>
#include <flotilla/quality/diagnosis.hpp>
#include <flotilla/run/ensemble.hpp>
#include <flotilla/target/target.hpp>

namespace {

constexpr double kMean[] = {1.0, -2.0};
constexpr double kDeviation = 0.5;

/// log pi(z) = log N(f(z); mean, deviation^2 I) + l(z), up to a constant.
class Normal final : public flotilla::Target<double> {
 public:
  bool depends_on_x() const override { return true; }

  void evaluate(const flotilla::Batch<double>& z, const flotilla::Batch<double>& x,
                const flotilla::PerChain& log_det, flotilla::PerChain& log_density,
                flotilla::Cotangents<double>& cotangents) const override {
    cotangents.z_bar.fill(0.0);
    cotangents.log_det_bar.fill(1.0);
    for (flotilla::Index chain = 0; chain < z.stride(); ++chain) {
      log_density(0, chain) = log_det(0, chain);
      for (flotilla::Index i = 0; i < x.dim(); ++i) {
        const double gap = (x(i, chain) - kMean[i]) / kDeviation;
        log_density(0, chain) -= 0.5 * gap * gap;
        cotangents.x_bar(i, chain) = -gap / kDeviation;
      }
    }
  }
};

/// x = (z_0, z_1 + z_0 / 2).
flotilla::FlowRecord shear() {
  flotilla::LayerRecord layer;
  layer.type = "affine_coupling";
  layer.texts["activation"] = "tanh";
  layer.arrays["mask"] = {{2}, {1, 0}};
  layer.arrays["weight_0"] = {{2, 1}, {0, 0.5}};
  layer.arrays["bias_0"] = {{2}, {0, 0}};
  flotilla::FlowRecord record;
  record.dim = 2;
  record.layers = {layer};
  return record;
}

}  // namespace

int main(int argc, char** argv) {
  const flotilla::MpiEnvironment environment(argc, argv);
  const flotilla::Communicator comm = flotilla::Communicator::world();

  flotilla::RunConfig config;
  config.output = argv[1];
  config.force = true;
  config.chains = 256;
  config.precision = "double";
  config.target = {"normal", {{"deviation", kDeviation}}};
  const flotilla::RunSummary summary = flotilla::run_ensemble<double>(
      config, shear(), [](const flotilla::Flow<double>&) { return std::make_unique<Normal>(); },
      comm, nullptr);

  const flotilla::Diagnosis diagnosis = flotilla::diagnose(config.output, {}, comm);
  if (!comm.is_root()) return 0;
  const flotilla::RunReader run(config.output);
  std::printf("%s with deviation %g: %td draws of each chain on %g ranks\n",
              run.text("target").c_str(), run.number("deviation"), summary.draws,
              run.number("ranks"));
  for (const flotilla::NamedQuantity& quantity : diagnosis.quantities) {
    if (quantity.name.front() != 'x') continue;
    std::printf("%s: mean %.1f, sd %.1f, %s\n", quantity.name.c_str(), quantity.summary.mean,
                quantity.summary.sd, quantity.summary.rhat < 1.01 ? "converged" : "not converged");
  }
}
