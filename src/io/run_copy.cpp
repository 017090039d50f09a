// SPDX-License-Identifier: BSD-3-Clause
#include "io/run_copy.hpp"

#include <algorithm>
#include <vector>

#include "flotilla/io/run_reader.hpp"
#include "io/hdf5.hpp"

namespace flotilla {
namespace {

/// A block of draws as one file has it and another takes it.
template <typename T>
struct Copied {
  DrawBlock<T> draws;
  std::vector<std::vector<double>> derived;
  std::vector<double> step_sizes;  ///< of each draw; all chains have the same
};

/// Reads `count` draws of this rank's chains, from `first` on.
template <typename T>
class Source {
 public:
  Source(const std::string& path, const RunFileLayout& layout, Phase phase)
      : run_(path), layout_(layout), prefix_(phase == Phase::kWarmUp ? "warmup_" : "") {}

  void read(Index first, Index count, Copied<T>& into) const {
    DrawBlock<T>& draws = into.draws;
    draws.restart(count);
    read("posterior", "x", first, count, draws.x.data());
    if (layout_.latent) read("unconstrained_posterior", "z", first, count, draws.z.data());
    into.derived.resize(layout_.derived.size());
    for (std::size_t v = 0; v < into.derived.size(); ++v) {
      const DerivedVariable& variable = layout_.derived[v];
      into.derived[v].resize(
          static_cast<std::size_t>(layout_.local_chains * count * variable.size()));
      read("posterior", variable.name, first, count, into.derived[v].data());
    }
    read("sample_stats", "lp", first, count, draws.log_density.data());
    read("sample_stats", "acceptance_rate", first, count, draws.acceptance.data());
    read("sample_stats", "log_det_jacobian", first, count, draws.log_det.data());
    read_flags("diverging", first, count, draws.diverging);
    read_flags("is_global", first, count, draws.global);
    read_flags("accepted", first, count, draws.accepted);
    // Of chain 0 on every rank: all ranks have to cut the block alike.
    into.step_sizes.resize(static_cast<std::size_t>(count));
    run_.read(run_.variable(prefix_ + "sample_stats", "step_size"),
              {.chains = 1, .first_draw = first, .draws = count}, into.step_sizes.data());
  }

 private:
  template <typename V>
  void read(const std::string& group, const std::string& name, Index first, Index count,
            V* out) const {
    if (layout_.local_chains == 0) return;
    const RunVariable variable = run_.variable(prefix_ + group, name);
    run_.read(variable,
              {.first_chain = layout_.first_chain,
               .chains = layout_.local_chains,
               .first_draw = first,
               .draws = count,
               .coordinates = variable.dim},
              out);
  }

  void read_flags(const std::string& name, Index first, Index count,
                  std::vector<std::int8_t>& out) const {
    std::vector<float> values(static_cast<std::size_t>(layout_.local_chains * count));
    read("sample_stats", name, first, count, values.data());
    std::transform(values.begin(), values.end(), out.begin(),
                   [](float value) { return static_cast<std::int8_t>(value); });
  }

  RunReader run_;
  RunFileLayout layout_;
  std::string prefix_;
};

template <typename T>
void copy_phase(const Communicator& comm, const std::string& path, const RunFileLayout& layout,
                Phase phase, Index draws, RunFile<T>& to) {
  if (draws == 0) return;
  Copied<T> block;
  std::optional<Source<T>> source;
  const Index most = std::max<Index>(1, layout.chunk_draws);
  comm.together([&] {
    source.emplace(path, layout, phase);
    block.draws = DrawBlock<T>(layout.dim, layout.local_chains, most, layout.latent);
  });
  for (Index first = 0; first < draws;) {
    Index count = std::min(most, draws - first);
    comm.together([&] {
      source->read(first, count, block);
      // Of a warm-up, draws of one step size at a time.
      const auto same = std::find_if(block.step_sizes.begin(), block.step_sizes.end(),
                                     [&](double step) { return step != block.step_sizes[0]; });
      const Index of_one = same - block.step_sizes.begin();
      if (of_one < count) source->read(first, count = of_one, block);
    });
    to.append(phase, block.draws, block.derived, StepSize(block.step_sizes[0]));
    first += count;
  }
}

/// Where the chains started.
template <typename T>
void copy_start(const Communicator& comm, const std::string& path, const RunFileLayout& layout,
                RunFile<T>& to) {
  DrawBlock<T> start;
  comm.together([&] {
    start = DrawBlock<T>(layout.dim, layout.local_chains, 1, false);
    start.restart(1);
    if (layout.local_chains == 0) return;
    const hdf5::File file = hdf5::File::open(path);
    file.group("start").dataset("x").read(
        {{hdf5::size_of(layout.first_chain), 0},
         {hdf5::size_of(layout.local_chains), hdf5::size_of(layout.dim)}},
        start.x.data());
  });
  to.write_start(start);
}

}  // namespace

template <typename T>
void copy_draws(const Communicator& comm, const std::string& path, const RunFileLayout& layout,
                const DrawsSoFar& so_far, RunFile<T>& to) {
  copy_start(comm, path, layout, to);
  copy_phase(comm, path, layout, Phase::kWarmUp, so_far.warmup, to);
  copy_phase(comm, path, layout, Phase::kSampling, so_far.sampling, to);
  to.save(true);
}

template void copy_draws(const Communicator&, const std::string&, const RunFileLayout&,
                         const DrawsSoFar&, RunFile<float>&);
template void copy_draws(const Communicator&, const std::string&, const RunFileLayout&,
                         const DrawsSoFar&, RunFile<double>&);

}  // namespace flotilla
