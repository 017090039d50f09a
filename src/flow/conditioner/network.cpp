// SPDX-License-Identifier: BSD-3-Clause
#include "flow/conditioner/network.hpp"

#include <algorithm>

#include "flow/conditioner/activation.hpp"
#include "flow/conditioner/convolution.hpp"
#include "flow/conditioner/layer_norm.hpp"
#include "flow/matrix/product.hpp"

namespace flotilla {
namespace {

using Kind = Operation::Kind;

/// Rows [first, end) of a batch: the rows of a slice.
struct Rows {
  Index first = 0;
  Index end = 0;
};

template <typename T>
void multiply_rows(const Batch<T>& factors, Rows rows, Batch<T>& values) {
  for (Index i = rows.first; i < rows.end; ++i) {
    const T* factor = factors.row(i);
    T* value = values.row(i);
    for (Index c = 0; c < values.stride(); ++c) value[c] *= factor[c];
  }
}

template <typename T>
void scale_rows(const std::vector<T>& scale, Rows rows, Batch<T>& values) {
  for (Index i = rows.first; i < rows.end; ++i) {
    T* value = values.row(i);
    const T factor = scale[static_cast<std::size_t>(i)];
    for (Index c = 0; c < values.stride(); ++c) value[c] *= factor;
  }
}

template <typename T>
void shift_rows(const std::vector<T>& shift, Rows rows, Batch<T>& values) {
  for (Index i = rows.first; i < rows.end; ++i) {
    T* value = values.row(i);
    const T addend = shift[static_cast<std::size_t>(i)];
    for (Index c = 0; c < values.stride(); ++c) value[c] += addend;
  }
}

template <typename T>
void copy_rows(const Batch<T>& from, Rows rows, Batch<T>& to) {
  if (rows.first == rows.end) return;
  std::copy_n(from.row(rows.first), (rows.end - rows.first) * from.stride(), to.row(rows.first));
}

template <typename T>
void add_rows(const Batch<T>& from, Rows rows, Batch<T>& to) {
  for (Index i = rows.first; i < rows.end; ++i) {
    const T* addend = from.row(i);
    T* sum = to.row(i);
    for (Index c = 0; c < to.stride(); ++c) sum[c] += addend[c];
  }
}

/// Shared by the three passes: the values they work on, and the rows in use.
template <typename T>
class Pass {
 public:
  /// Saves the current rows: a residual connection begins.
  void keep() { copy_rows(*current_, rows_, kept_); }
  /// Adds the saved rows: the connection ends.
  void add_kept() { add_rows(kept_, rows_, *current_); }

 protected:
  Pass(const PackedNetwork<T>& packed, Index slice, const Tape<T>& tape, std::size_t first_slot,
       Batch<T>& out)
      : packed_(packed),
        slice_(slice),
        tape_(tape),
        first_slot_(first_slot),
        current_(&out),
        kept_(tape.scratch(packed.linears.size() - 1)) {}

  std::size_t slot(const Operation& operation) const { return first_slot_ + operation.slot; }
  const PackedNorm<T>& norm(const Operation& operation) const {
    return packed_.norms[operation.array];
  }
  /// Two scratch rows for sums over units.
  Batch<T>& sums() const { return tape_.scratch(packed_.linears.size()); }

  /// Multiplies a direction or a cotangent by the derivative of an operation at the point.
  void times_derivative(const Operation& activation, Rows rows) {
    multiply_rows(tape_.recorded(slot(activation)), rows, *current_);
  }
  void times_scale(const Operation& operation) {
    scale_rows(norm(operation).scale, rows_, *current_);
  }
  void times_standardising(const Operation& operation) {
    normalise_direction(tape_.recorded(slot(operation)), tape_.recorded(slot(operation) + 1),
                        sums(), *current_);
  }

  /// result <- the part's rows of its product with `source`, then finish(row) for each row.
  template <typename Finish>
  void multiply_into(Batch<T>& result, const PackedPart<T>& part, const Batch<T>& source,
                     Finish finish) {
    current_ = &result;
    rows_ = {part.first_row, part.first_row + packed_.rows_of(part)};
    if (packed_.on_image) {
      convolve(part.convolution, source, result, finish);
    } else {
      multiply(part.matrix, source, part.first_col, result, part.first_row, finish);
    }
  }

  const PackedNetwork<T>& packed_;
  Index slice_;
  const Tape<T>& tape_;
  std::size_t first_slot_;
  Batch<T>* current_;  ///< the outputs of the last linear map
  Rows rows_;          ///< the slice's rows of them
  Batch<T>& kept_;
};

/// The pass from the inputs to the outputs.
template <typename T>
class OutwardPass : public Pass<T> {
 public:
  static constexpr bool kBackwards = false;

  OutwardPass(const PackedNetwork<T>& packed, Index slice, const Tape<T>& tape,
              std::size_t first_slot, const Batch<T>& in, Batch<T>& out)
      : Pass<T>(packed, slice, tape, first_slot, out), source_(&in), out_(out) {}

 protected:
  /// Computes the outputs of the next linear map, then calls finish(row) for each row.
  template <typename Finish>
  void advance(const Operation& operation, Finish finish) {
    const PackedLinear<T>& linear = this->packed_.linears[operation.array];
    const PackedPart<T>& part = linear.part(this->slice_);
    const Batch<T>& source = *source_;
    Batch<T>& result =
        this->packed_.is_last(operation.array) ? out_ : this->tape_.scratch(operation.array);
    source_ = &result;
    this->multiply_into(result, part, source, finish);
  }

 private:
  const Batch<T>* source_;  ///< input of the next linear map
  Batch<T>& out_;
};

template <typename T>
class ForwardPass : public OutwardPass<T> {
 public:
  ForwardPass(const PackedNetwork<T>& packed, Index slice, Tape<T>& tape, std::size_t first_slot,
              const Batch<T>& in, Batch<T>& out)
      : OutwardPass<T>(packed, slice, tape, first_slot, in, out), record_(tape) {}

  void linear(const Operation& operation, const Operation* activation) {
    const std::vector<T>& biases = this->packed_.linears[operation.array].bias;
    this->advance(operation, [&](Index row) {
      T* value = this->current_->row(row);
      const T bias = biases[static_cast<std::size_t>(row)];
      const Index count = this->current_->stride();
      for (Index c = 0; c < count; ++c) value[c] += bias;
      if (activation != nullptr) activate_row(*activation, row);
    });
  }
  void activation(const Operation& operation) {
    for (Index row = this->rows_.first; row < this->rows_.end; ++row) activate_row(operation, row);
  }
  void affine(const Operation& operation) {
    scale_rows(this->norm(operation).scale, this->rows_, *this->current_);
    shift_rows(this->norm(operation).shift, this->rows_, *this->current_);
  }
  void sine(const Operation& operation) {
    const std::vector<T>& chosen = this->packed_.sines[operation.array];
    for (Index row = this->rows_.first; row < this->rows_.end; ++row) {
      T* value = this->current_->row(row);
      T* derivative = record_.recorded(this->slot(operation)).row(row);
      const Index count = this->current_->stride();
      if (chosen[static_cast<std::size_t>(row)] == T{0}) {
        std::fill_n(derivative, count, T{1});
      } else {
        take_sines(value, derivative, count);
      }
    }
  }
  void layer_norm(const Operation& operation) {
    const std::size_t slot = this->slot(operation);
    normalise(this->norm(operation), this->packed_.epsilon, record_.recorded(slot),
              record_.recorded(slot + 1), this->sums(), *this->current_);
  }

 private:
  void activate_row(const Operation& operation, Index row) {
    activate(operation.activation, this->packed_.slope, this->packed_.alpha,
             this->current_->row(row), record_.recorded(this->slot(operation)).row(row),
             this->current_->stride());
  }

  Tape<T>& record_;
};

template <typename T>
class TangentPass : public OutwardPass<T> {
 public:
  using OutwardPass<T>::OutwardPass;

  void linear(const Operation& operation, const Operation* activation) {
    this->advance(operation, [&](Index row) {
      if (activation != nullptr) this->times_derivative(*activation, {row, row + 1});
    });
  }
  void activation(const Operation& operation) { this->times_derivative(operation, this->rows_); }
  void sine(const Operation& operation) { this->times_derivative(operation, this->rows_); }
  void affine(const Operation& operation) { this->times_scale(operation); }
  void layer_norm(const Operation& operation) {
    this->times_standardising(operation);
    this->times_scale(operation);
  }
};

template <typename T>
class ReversePass : public Pass<T> {
 public:
  static constexpr bool kBackwards = true;

  ReversePass(const PackedNetwork<T>& packed, Index slice, const Tape<T>& tape,
              std::size_t first_slot, Batch<T>& out_bar, Batch<T>& in_bar)
      : Pass<T>(packed, slice, tape, first_slot, out_bar), in_bar_(in_bar) {
    // The cotangents of a slice's outputs come from the caller.
    if (slice == kWhole) this->rows_ = {0, out_bar.dim()};
  }

  void linear(const Operation& operation, const Operation* activation) {
    const PackedLinear<T>& linear = this->packed_.linears[operation.array];
    const bool first = operation.array == 0;
    Batch<T>& result = first ? in_bar_ : this->tape_.scratch(operation.array - 1);
    this->multiply_into(result, linear.transposed_part(this->slice_), *this->current_,
                        [&](Index row) {
                          if (activation != nullptr) {
                            this->times_derivative(*activation, {row, row + 1});
                          }
                        });
  }
  void activation(const Operation& operation) { this->times_derivative(operation, this->rows_); }
  void sine(const Operation& operation) { this->times_derivative(operation, this->rows_); }
  void affine(const Operation& operation) { this->times_scale(operation); }
  void layer_norm(const Operation& operation) {
    this->times_scale(operation);
    this->times_standardising(operation);
  }

 private:
  Batch<T>& in_bar_;
};

/// Takes a pass through the program, forwards or backwards.
///
/// An activation next to a linear map is applied row by row, while the product's panel is in the
/// first cache. Any other operation is a sweep of its own.
template <typename AnyPass>
void walk(const std::vector<Operation>& program, AnyPass pass) {
  const auto nth = [&](std::size_t n) -> const Operation& {
    return program[AnyPass::kBackwards ? program.size() - 1 - n : n];
  };
  for (std::size_t n = 0; n < program.size(); ++n) {
    const Operation& operation = nth(n);
    switch (operation.kind) {
      case Kind::kLinear: {
        const bool fused = n + 1 < program.size() && nth(n + 1).kind == Kind::kActivation;
        pass.linear(operation, fused ? &nth(n + 1) : nullptr);
        if (fused) ++n;
        break;
      }
      case Kind::kActivation:
        pass.activation(operation);
        break;
      case Kind::kAffine:
        pass.affine(operation);
        break;
      case Kind::kSine:
        pass.sine(operation);
        break;
      case Kind::kLayerNorm:
        pass.layer_norm(operation);
        break;
      case Kind::kRemember:  // backwards, the two ends of a connection swap roles
        AnyPass::kBackwards ? pass.add_kept() : pass.keep();
        break;
      case Kind::kAdd:
        AnyPass::kBackwards ? pass.keep() : pass.add_kept();
        break;
    }
  }
}

}  // namespace

template <typename T>
Network<T>::Network(const LayerReader& reader, const Wiring& wiring)
    : Network(read_blueprint(reader, wiring), wiring) {}

template <typename T>
Network<T>::Network(const Blueprint& blueprint, const Wiring& wiring)
    : inputs_(static_cast<Index>(wiring.inputs.size())),
      outputs_(static_cast<Index>(wiring.outputs.size())),
      packed_(blueprint),
      entry_names_(blueprint.entry_names) {
  lay_out();
}

/// Recorded slots are in the order of the program. Scratch slots are: one for each hidden linear
/// map, one for the saved value of a residual connection, one for sums over units.
template <typename T>
void Network<T>::lay_out() {
  Index width = 0;
  Index kept = 0;
  Index sums = 0;
  for (Operation& operation : packed_.program) {
    operation.slot = recorded_.size();
    switch (operation.kind) {
      case Kind::kLinear:
        width = packed_.rows_of(packed_.linears[operation.array].whole);
        if (!packed_.is_last(operation.array)) scratch_.push_back(width);
        break;
      case Kind::kActivation:
      case Kind::kSine:
        recorded_.push_back(width);
        break;
      case Kind::kLayerNorm:
        recorded_.insert(recorded_.end(), {width, 1});
        sums = 2;
        break;
      case Kind::kRemember:
        kept = std::max(kept, width);
        break;
      case Kind::kAffine:
      case Kind::kAdd:
        break;
    }
  }
  scratch_.insert(scratch_.end(), {kept, sums});
}

template <typename T>
Index Network<T>::multiply_adds() const {
  Index count = 0;
  for (const PackedLinear<T>& linear : packed_.linears) count += linear.multiply_adds;
  return count;
}

template <typename T>
void Network<T>::forward(const Batch<T>& in, Batch<T>& out, Tape<T>& tape, std::size_t first_slot,
                         Index slice) const {
  walk(packed_.program, ForwardPass<T>(packed_, slice, tape, first_slot, in, out));
}

template <typename T>
void Network<T>::tangent(const Tape<T>& tape, std::size_t first_slot, const Batch<T>& in,
                         Batch<T>& out, Index slice) const {
  walk(packed_.program, TangentPass<T>(packed_, slice, tape, first_slot, in, out));
}

template <typename T>
void Network<T>::reverse(const Tape<T>& tape, std::size_t first_slot, Batch<T>& out_bar,
                         Batch<T>& in_bar, Index slice) const {
  walk(packed_.program, ReversePass<T>(packed_, slice, tape, first_slot, out_bar, in_bar));
}

template class Network<float>;
template class Network<double>;

}  // namespace flotilla
