// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/run/evaluation.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "flotilla/core/error.hpp"
#include "flotilla/flow/flow.hpp"
#include "flotilla/flow/golden.hpp"
#include "flotilla/io/replication.hpp"
#include "io/array.hpp"
#include "io/output_owner.hpp"
#include "io/point_file.hpp"
#include "run/facts.hpp"

namespace flotilla {
namespace {

constexpr Index kPassWidth = 64;        // points per pass through the flow
constexpr Index kMostRows = 4096;       // of a block; a rank holds one block at a time
constexpr Index kMostValues = 1 << 19;  // coordinates of a block
constexpr Index kMostEvaluated = Index{1} << 40U;

/// Number of rows of a block: whole batches, the same on any number of ranks.
Index block_rows(Index dim) {
  return std::max(kPassWidth, std::min(kMostRows, kMostValues / dim) / kPassWidth * kPassWidth);
}

/// Points of latent or of data space, row by row. Each rank has its own source.
class PointSource {
 public:
  PointSource(const EvaluationConfig& config, Index dim) {
    if (config.points.empty()) {
      rows_ = config.naive;
      return;
    }
    reader_.emplace(config.points);
    rows_ = reader_->rows();
    if (reader_->columns() != dim) {
      throw InputError(
          fmt::format("{}: points should be [n x {}], as the flow is, but are [{} x {}]",
                      config.points.text(), dim, rows_, reader_->columns()));
    }
    if (rows_ == 0) throw InputError(fmt::format("{}: it holds no points", config.points.text()));
  }

  Index rows() const { return rows_; }
  bool is_file() const { return reader_.has_value(); }
  /// @param out  [count x dim] @pre is_file()
  void read(Index first, Index count, double* out) const { reader_->read(first, count, out); }

 private:
  std::optional<RowReader> reader_;
  Index rows_ = 0;
};

/// Evaluates a flow at a block of points.
template <typename T>
class BlockEvaluator {
 public:
  BlockEvaluator(const EvaluationConfig& config, const Flow<T>& flow, const PointSource& source)
      : flow_(flow),
        source_(source),
        inverse_(config.inverse),
        random_(config.seed),
        z_(flow.dim(), kPassWidth),
        x_(flow.dim(), kPassWidth),
        log_det_(1, kPassWidth),
        log_density_(1, kPassWidth),
        tape_(flow.tape_shape(), kPassWidth) {}

  /// Evaluates the rows from `first` on. The result is valid until the next call.
  const PointRows<T>& evaluate(Index first, Index count) {
    rows_ = {};
    if (count == 0) return rows_;
    if (source_.is_file()) {
      given_.resize(static_cast<std::size_t>(count * flow_.dim()));
      source_.read(first, count, given_.data());
    }
    for (Index c = 0; c < count; c += kPassWidth) {
      load(first, c, count);
      pass();
      store(std::min(kPassWidth, count - c));
    }
    return rows_;
  }

  /// Number of points so far with a value that is not finite.
  Index non_finite() const { return non_finite_; }

 private:
  /// Evaluates the batch that begins at row `c` of the block. Padding repeats the last point.
  void load(Index first, Index c, Index count) {
    if (!source_.is_file()) {
      flow_.base().sample(random_, Purpose::kNaive, 0, static_cast<std::uint64_t>(first + c),
                          ColumnMask::all(kPassWidth), z_);
      return;
    }
    Batch<T>& given = inverse_ ? x_ : z_;
    for (Index k = 0; k < kPassWidth; ++k) {
      const double* row = given_.data() + std::min(c + k, count - 1) * flow_.dim();
      for (Index i = 0; i < flow_.dim(); ++i) given(i, k) = static_cast<T>(row[i]);
    }
  }

  void pass() {
    log_det_.fill(0.0);
    log_density_.fill(0.0);
    if (inverse_) {
      z_ = x_;
      flow_.inverse(z_, log_det_, tape_);
    } else {
      x_ = z_;
      flow_.forward(x_, log_det_, tape_);
    }
    flow_.base().add_log_density(z_, 1.0, log_density_);
  }

  void store(Index count) {
    for (Index c = 0; c < count; ++c) {
      // J is the Jacobian of f, in either direction.
      const double density = log_density_(0, c) - log_det_(0, c);
      bool finite = std::isfinite(log_det_(0, c)) && std::isfinite(density);
      for (Index i = 0; i < flow_.dim(); ++i) {
        rows_.x.push_back(x_(i, c));
        rows_.z.push_back(z_(i, c));
        finite = finite && std::isfinite(x_(i, c)) && std::isfinite(z_(i, c));
      }
      rows_.log_det.push_back(log_det_(0, c));
      rows_.log_density.push_back(density);
      non_finite_ += finite ? 0 : 1;
    }
  }

  const Flow<T>& flow_;
  const PointSource& source_;
  bool inverse_;
  Random random_;
  Batch<T> z_;
  Batch<T> x_;
  PerChain log_det_;
  PerChain log_density_;
  Tape<T> tape_;
  std::vector<double> given_;
  PointRows<T> rows_;
  Index non_finite_ = 0;
};

RunFacts facts_of(const EvaluationConfig& config, const FlowRecord& record,
                  const Communicator& comm) {
  RunFacts facts = library_facts();
  facts.emplace_back("flow_file", absolute_on_root(comm, config.flow));
  facts.emplace_back("flow_checksum", record.checksum);
  facts.emplace_back("precision", config.precision);
  if (config.points.empty()) {
    facts.emplace_back("points", "draws of the base density");
    facts.emplace_back("seed", static_cast<std::int64_t>(config.seed));
  } else {
    const std::string file = absolute_on_root(comm, config.points.path);
    facts.emplace_back("points", Location{file, config.points.dataset}.text());
  }
  facts.emplace_back("direction", config.inverse ? "inverse" : "forward");
  if (!record.context.empty()) {
    facts.emplace_back("context", fmt::format("{}", fmt::join(record.context, ",")));
  }
  return facts;
}

template <typename T>
Evaluation evaluate_record(const EvaluationConfig& config, const FlowRecord& record,
                           const Communicator& comm) {
  std::unique_ptr<const Flow<T>> flow;
  std::unique_ptr<const PointSource> source;
  std::unique_ptr<BlockEvaluator<T>> evaluator;
  comm.together([&] {
    if (record.is_module()) expect_golden<T>(record);
    flow = std::make_unique<const Flow<T>>(record);
    if (config.inverse && !flow->has_inverse()) {
      throw InputError(fmt::format("{}: --inverse needs a flow that has an inverse", config.flow));
    }
    source = std::make_unique<const PointSource>(config, flow->dim());
    evaluator = std::make_unique<BlockEvaluator<T>>(config, *flow, *source);
  });
  const Index points = source->rows();
  const Index block = block_rows(flow->dim());
  PointFile<T> file(comm, config.output, config.force, points, flow->dim(),
                    facts_of(config, record, comm));
  // Rank r takes blocks r, r + size, ... A rank without a block takes part with no rows.
  for (Index round = 0; round < points; round += block * comm.size()) {
    const Index first = std::min(points, round + block * comm.rank());
    const PointRows<T>* rows = nullptr;
    comm.together([&] { rows = &evaluator->evaluate(first, std::min(block, points - first)); });
    file.write(first, *rows);
  }
  const Index non_finite = comm.begin_sum({evaluator->non_finite()}).wait().front();
  file.finish({{"non_finite", std::int64_t{non_finite}}});
  return {points, non_finite, ""};
}

}  // namespace

std::vector<Option> options_of(EvaluationConfig& evaluation) {
  return {
      {.name = "flow",
       .place = &evaluation.flow,
       .kind = OptionKind::kFlow,
       .help = "flow file",
       .positional = true,
       .required = true},
      {.name = "points",
       .place = &evaluation.points,
       .kind = OptionKind::kArray,
       .help = "points of shape [n x dim]: latent points z, or x with --inverse"},
      {.name = "naive",
       .place = &evaluation.naive,
       .help = "number of draws of the base density, in place of points",
       .range = {0.0, kMostEvaluated}},
      {.name = "seed", .place = &evaluation.seed, .help = "of those draws"},
      {.name = "context",
       .place = &evaluation.context,
       .kind = OptionKind::kArray,
       .help = "what a conditional flow is conditioned on: numbers as in 0.5,-1, or an array"},
      {.name = "inverse",
       .place = &evaluation.inverse,
       .group = OptionGroup::kHow,
       .help = "the points are in data space: find their z"},
      {.name = "precision",
       .place = &evaluation.precision,
       .group = OptionGroup::kHow,
       .help = "numbers that the flow is computed in",
       .choices = {"float", "double"}},
      {.name = "output",
       .place = &evaluation.output,
       .kind = OptionKind::kOutput,
       .group = OptionGroup::kOutput,
       .help = "file to write: x, z [n x dim], log_det_jacobian, log_density [n]",
       .letter = 'o'},
      {.name = "force",
       .place = &evaluation.force,
       .kind = OptionKind::kManner,
       .group = OptionGroup::kOutput,
       .help = "replace an existing output"},
  };
}

void EvaluationConfig::validate() const {
  EvaluationConfig evaluation = *this;  // options_of() needs a configuration that can be changed
  check_options(options_of(evaluation));
  if (points.empty() == (naive == 0)) {
    throw InputError("exactly one of --points and --naive should be given");
  }
  if (inverse && points.empty()) {
    throw InputError("--inverse is for --points in data space: draws of --naive are latent");
  }
}

Evaluation evaluate(const EvaluationConfig& config, const Communicator& comm) {
  config.validate();
  std::optional<OutputOwner> owner;  // on rank 0
  std::string removed;
  comm.together([&] {
    if (!comm.is_root()) return;
    EvaluationConfig own = config;  // options_of() needs a configuration that can be changed
    check_outputs(options_of(own));
    expect_replaceable(config.output, true);
    owner.emplace(config.output);
    expect_replaceable(config.output, config.force);
    removed = owner->remove_leftovers();
  });
  const FlowRecord record = replicate_flow(comm, config.flow, config.context);
  Evaluation found = config.precision == "float" ? evaluate_record<float>(config, record, comm)
                                                 : evaluate_record<double>(config, record, comm);
  found.removed = removed;
  return found;
}

}  // namespace flotilla
