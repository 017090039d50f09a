#include "flow/conditioner/network.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/elementary.hpp"
#include "flow/conditioner/activation.hpp"
#include "flow/conditioner/blueprint.hpp"
#include "flow/conditioner/convolution.hpp"
#include "flow/matrix/product.hpp"

namespace flotilla {
namespace {

using Kind = Operation::Kind;

std::vector<Index> counting(Index count) {
  std::vector<Index> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), Index{0});
  return numbers;
}

/// Rows [first, end) of a batch: those that a slice is about.
struct Rows {
  Index first = 0;
  Index end = 0;
};

/// The block [rows x cols] of a matrix in C order.
std::vector<double> block(const std::vector<double>& values, Index stride, Rows rows, Rows cols) {
  std::vector<double> result;
  for (Index i = rows.first; i < rows.end; ++i) {
    const auto row = values.begin() + i * stride;
    result.insert(result.end(), row + cols.first, row + cols.end);
  }
  return result;
}

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

}  // namespace

Wiring Wiring::plain(Index inputs, Index outputs) {
  return {counting(inputs), counting(outputs)};
}

template <typename T>
Network<T>::Network(const LayerReader& reader, const Wiring& wiring)
    : inputs_(static_cast<Index>(wiring.inputs.size())),
      outputs_(static_cast<Index>(wiring.outputs.size())) {
  pack(read_blueprint(reader, wiring));
  lay_out();
}

/// Values [channel] for every unit of a convolution, in the order of the rows.
template <typename T>
std::vector<T> spread(const std::vector<double>& values, const PixelRows& rows) {
  std::vector<T> result;
  for (std::size_t c = 0; c < values.size(); ++c) {
    for (const Index pixel : rows.pixel) {
      if (pixel == PixelRows::kAbsent) continue;
      const auto row = static_cast<std::size_t>(rows.channel[c] + pixel);
      if (result.size() <= row) result.resize(row + 1);
      result[row] = static_cast<T>(values[c]);
    }
  }
  return result;
}

/// The kernel that takes cotangents back: outputs and inputs exchanged, turned by half a circle.
std::vector<double> turned(const LinearArrays& linear) {
  const Index positions = linear.kernel_rows * linear.kernel_columns;
  std::vector<double> result(linear.weight.size());
  for (Index o = 0; o < linear.rows; ++o) {
    for (Index i = 0; i < linear.cols; ++i) {
      for (Index p = 0; p < positions; ++p) {
        result[static_cast<std::size_t>((i * linear.rows + o) * positions + positions - 1 - p)] =
            linear.weight[static_cast<std::size_t>((o * linear.cols + i) * positions + p)];
      }
    }
  }
  return result;
}

/// Where the values of linear map k's outputs stand; of k = -1, the inputs.
PixelRows rows_of_map(const Blueprint& blueprint, Index k) {
  if (k < 0) return blueprint.image_inputs;
  if (k + 1 == static_cast<Index>(blueprint.linears.size())) return blueprint.image_outputs;
  return PixelRows::by_pixel(blueprint.linears[static_cast<std::size_t>(k)].rows,
                             blueprint.image.pixels());
}

template <typename T>
typename Network<T>::Linear Network<T>::pack_convolution(const Blueprint& blueprint,
                                                         std::size_t k) const {
  const LinearArrays& linear = blueprint.linears[k];
  const PixelRows in = rows_of_map(blueprint, static_cast<Index>(k) - 1);
  const PixelRows out = rows_of_map(blueprint, static_cast<Index>(k));
  const typename PackedConvolution<T>::Shape shape{linear.rows,          linear.cols,
                                                   linear.kernel_rows,   linear.kernel_columns,
                                                   blueprint.image.rows, blueprint.image.columns};
  typename PackedConvolution<T>::Shape back = shape;
  std::swap(back.outputs, back.inputs);
  Linear result;
  result.whole.convolution = PackedConvolution<T>(shape, linear.weight, in, out);
  result.whole_transposed.convolution = PackedConvolution<T>(back, turned(linear), out, in);
  result.bias = spread<T>(linear.bias, out);
  result.multiply_adds = result.whole.convolution.multiply_adds();
  return result;
}

template <typename T>
void Network<T>::pack(const Blueprint& blueprint) {
  on_image_ = blueprint.image.channels > 0;
  program_ = blueprint.program;
  entry_names_ = blueprint.entry_names;
  slope_ = static_cast<T>(blueprint.slope);
  alpha_ = static_cast<T>(blueprint.alpha);
  epsilon_ = static_cast<T>(blueprint.epsilon);
  for (std::size_t k = 0; k < blueprint.linears.size(); ++k) {
    if (on_image_) {
      linears_.push_back(pack_convolution(blueprint, k));
      continue;
    }
    const LinearArrays& linear = blueprint.linears[k];
    linears_.push_back({{PackedMatrix<T>(linear.rows, linear.cols, linear.weight)},
                        {PackedMatrix<T>(linear.cols, linear.rows,
                                         transposed(linear.rows, linear.cols, linear.weight))},
                        {},
                        {},
                        std::vector<T>(linear.bias.begin(), linear.bias.end()),
                        linear.rows * linear.cols});
    if (!blueprint.first_of_degree.empty()) pack_slices(blueprint, k);
  }
  Index k = -1;
  for (const Operation& operation : program_) {
    if (operation.kind == Kind::kLinear) k = static_cast<Index>(operation.array);
    if (operation.kind != Kind::kAffine && operation.kind != Kind::kLayerNorm) continue;
    const NormArrays& norm = blueprint.norms[operation.array];
    const PixelRows rows = on_image_
                               ? rows_of_map(blueprint, k)
                               : PixelRows::by_channel(static_cast<Index>(norm.scale.size()), 1);
    norms_.push_back({spread<T>(norm.scale, rows), spread<T>(norm.shift, rows)});
  }
}

/// Rows of out <- the part's rows of the product with in, then finish(row) for each of them.
template <typename T>
template <typename Finish>
void Network<T>::product(const Part& part, const Batch<T>& in, Batch<T>& out, Finish finish) const {
  if (on_image_) {
    convolve(part.convolution, in, out, finish);
  } else {
    multiply(part.matrix, in, part.first_col, out, part.first_row, finish);
  }
}

template <typename T>
Index Network<T>::units(const Part& part) const {
  return on_image_ ? part.convolution.outputs() * part.convolution.pixels() : part.matrix.rows();
}

template <typename T>
void Network<T>::pack_slices(const Blueprint& blueprint, std::size_t k) {
  const LinearArrays& linear = blueprint.linears[k];
  const std::vector<double> turned = transposed(linear.rows, linear.cols, linear.weight);
  const std::vector<Index>& inputs = blueprint.first_of_degree[k];
  const std::vector<Index>& units = blueprint.first_of_degree[k + 1];
  for (std::size_t d = 0; d + 1 < units.size(); ++d) {
    const Rows rows{units[d], units[d + 1]};
    const Rows known{0, inputs[d + 1]};
    linears_[k].slices.push_back({PackedMatrix<T>(rows.end - rows.first, known.end,
                                                  block(linear.weight, linear.cols, rows, known)),
                                  rows.first, 0});
    const Rows sources{inputs[d], inputs[d + 1]};
    const Rows later{units[d], linear.rows};
    linears_[k].slices_transposed.push_back(
        {PackedMatrix<T>(sources.end - sources.first, later.end - later.first,
                         block(turned, linear.rows, sources, later)),
         sources.first, later.first});
  }
}

/// Slots: recorded in the order of the program; scratch one for each hidden linear map, one for
/// what a residual connection keeps, one for sums over units.
template <typename T>
void Network<T>::lay_out() {
  Index width = 0;
  Index kept = 0;
  Index sums = 0;
  for (Operation& operation : program_) {
    operation.slot = recorded_.size();
    switch (operation.kind) {
      case Kind::kLinear:
        width = units(linears_[operation.array].whole);
        if (!is_last(operation)) scratch_.push_back(width);
        break;
      case Kind::kActivation:
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
  for (const Linear& linear : linears_) count += linear.multiply_adds;
  return count;
}

/// rows <- (rows - mean) / sqrt(variance + epsilon) over the units, then scale and shift.
template <typename T>
void Network<T>::normalise(const Operation& operation, Batch<T>& rows, Tape<T>& tape,
                           std::size_t first_slot) const {
  const Norm& norm = norms_[operation.array];
  Batch<T>& standard = tape.recorded(first_slot + operation.slot);
  T* rate = tape.recorded(first_slot + operation.slot + 1).row(0);
  T* mean = tape.scratch(linears_.size()).row(0);
  const Index units = standard.dim();
  const T share = T{1} / static_cast<T>(units);
  std::fill_n(mean, rows.stride(), T{0});
  std::fill_n(rate, rows.stride(), T{0});
  for (Index i = 0; i < units; ++i) {
    const T* value = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) mean[c] += share * value[c];
  }
  for (Index i = 0; i < units; ++i) {
    const T* value = rows.row(i);
    for (Index c = 0; c < rows.stride(); ++c) {
      rate[c] += share * (value[c] - mean[c]) * (value[c] - mean[c]);
    }
  }
  for (Index c = 0; c < rows.stride(); ++c) rate[c] = T{1} / std::sqrt(rate[c] + epsilon_);
  for (Index i = 0; i < units; ++i) {
    T* value = rows.row(i);
    T* standardised = standard.row(i);
    const T scale = norm.scale[static_cast<std::size_t>(i)];
    const T shift = norm.shift[static_cast<std::size_t>(i)];
    for (Index c = 0; c < rows.stride(); ++c) {
      standardised[c] = (value[c] - mean[c]) * rate[c];
      value[c] = scale * standardised[c] + shift;
    }
  }
}

/// rows <- (rows - mean(rows) - y mean(y rows)) rate, y the standardised units: the derivative of
/// standardising, which is symmetric.
template <typename T>
void Network<T>::normalise_direction(const Operation& operation, const Tape<T>& tape,
                                     std::size_t first_slot, Batch<T>& rows) const {
  const Batch<T>& standard = tape.recorded(first_slot + operation.slot);
  const T* rate = tape.recorded(first_slot + operation.slot + 1).row(0);
  T* mean = tape.scratch(linears_.size()).row(0);
  T* overlap = tape.scratch(linears_.size()).row(1);
  const Index units = standard.dim();
  const T share = T{1} / static_cast<T>(units);
  std::fill_n(mean, rows.stride(), T{0});
  std::fill_n(overlap, rows.stride(), T{0});
  for (Index i = 0; i < units; ++i) {
    const T* value = rows.row(i);
    const T* y = standard.row(i);
    for (Index c = 0; c < rows.stride(); ++c) {
      mean[c] += share * value[c];
      overlap[c] += share * y[c] * value[c];
    }
  }
  for (Index i = 0; i < units; ++i) {
    T* value = rows.row(i);
    const T* y = standard.row(i);
    for (Index c = 0; c < rows.stride(); ++c) {
      value[c] = (value[c] - mean[c] - y[c] * overlap[c]) * rate[c];
    }
  }
}

template <typename T>
const typename Network<T>::Part& Network<T>::part_of(const Operation& operation,
                                                     Index slice) const {
  const Linear& linear = linears_[operation.array];
  return slice == kWhole ? linear.whole : linear.slices[static_cast<std::size_t>(slice)];
}

/// result <- linear map of source, then the activation that follows it, if one does.
template <typename T>
void Network<T>::run_linear(const Part& part, const Operation& operation,
                            const Operation* activation, const Batch<T>& source, Batch<T>& result,
                            Tape<T>& tape, std::size_t first_slot) const {
  const std::vector<T>& biases = linears_[operation.array].bias;
  const Index count = source.stride();
  Batch<T>* derivative =
      activation == nullptr ? nullptr : &tape.recorded(first_slot + activation->slot);
  product(part, source, result, [&](Index row) {
    T* value = result.row(row);
    const T bias = biases[static_cast<std::size_t>(row)];
    for (Index c = 0; c < count; ++c) value[c] += bias;
    if (derivative != nullptr) {
      activate(activation->activation, slope_, alpha_, value, derivative->row(row), count);
    }
  });
}

// An activation behind a linear map is applied row by row while the product's panel is in the first
// cache; any other operation makes a pass of its own.
template <typename T>
void Network<T>::run_forward(Index slice, const Batch<T>& in, Batch<T>& out, Tape<T>& tape,
                             std::size_t first_slot) const {
  const Index count = in.stride();
  const Batch<T>* source = &in;
  Batch<T>* current = &out;
  Rows rows;
  Batch<T>& kept = tape.scratch(linears_.size() - 1);
  for (std::size_t i = 0; i < program_.size(); ++i) {
    const Operation& operation = program_[i];
    switch (operation.kind) {
      case Kind::kLinear: {
        const bool fused = i + 1 < program_.size() && program_[i + 1].kind == Kind::kActivation;
        current = is_last(operation) ? &out : &tape.scratch(operation.array);
        const Part& part = part_of(operation, slice);
        rows = {part.first_row, part.first_row + units(part)};
        run_linear(part, operation, fused ? &program_[i + 1] : nullptr, *source, *current, tape,
                   first_slot);
        if (fused) ++i;
        source = current;
        break;
      }
      case Kind::kActivation:
        for (Index row = rows.first; row < rows.end; ++row) {
          activate(operation.activation, slope_, alpha_, current->row(row),
                   tape.recorded(first_slot + operation.slot).row(row), count);
        }
        break;
      case Kind::kAffine:
        scale_rows(norms_[operation.array].scale, rows, *current);
        shift_rows(norms_[operation.array].shift, rows, *current);
        break;
      case Kind::kLayerNorm:
        normalise(operation, *current, tape, first_slot);
        break;
      case Kind::kRemember:
        copy_rows(*current, rows, kept);
        break;
      case Kind::kAdd:
        add_rows(kept, rows, *current);
        break;
    }
  }
}

template <typename T>
void Network<T>::run_tangent(Index slice, const Tape<T>& tape, std::size_t first_slot,
                             const Batch<T>& in, Batch<T>& out) const {
  const Batch<T>* source = &in;
  Batch<T>* current = &out;
  Rows rows;
  Batch<T>& kept = tape.scratch(linears_.size() - 1);
  for (std::size_t i = 0; i < program_.size(); ++i) {
    const Operation& operation = program_[i];
    switch (operation.kind) {
      case Kind::kLinear: {
        const Part& part = part_of(operation, slice);
        current = is_last(operation) ? &out : &tape.scratch(operation.array);
        rows = {part.first_row, part.first_row + units(part)};
        const bool fused = i + 1 < program_.size() && program_[i + 1].kind == Kind::kActivation;
        product(part, *source, *current, [&](Index row) {
          if (!fused) return;
          multiply_rows(tape.recorded(first_slot + program_[i + 1].slot), {row, row + 1}, *current);
        });
        if (fused) ++i;
        source = current;
        break;
      }
      case Kind::kActivation:
        multiply_rows(tape.recorded(first_slot + operation.slot), rows, *current);
        break;
      case Kind::kAffine:
        scale_rows(norms_[operation.array].scale, rows, *current);
        break;
      case Kind::kLayerNorm:
        normalise_direction(operation, tape, first_slot, *current);
        scale_rows(norms_[operation.array].scale, rows, *current);
        break;
      case Kind::kRemember:
        copy_rows(*current, rows, kept);
        break;
      case Kind::kAdd:
        add_rows(kept, rows, *current);
        break;
    }
  }
}

template <typename T>
void Network<T>::run_reverse(Index slice, const Tape<T>& tape, std::size_t first_slot,
                             Batch<T>& out_bar, Batch<T>& in_bar) const {
  Batch<T>* current = &out_bar;
  Rows rows{0, slice == kWhole ? outputs_ : 0};  // a slice's outputs come with their cotangents
  Batch<T>& kept = tape.scratch(linears_.size() - 1);
  for (std::size_t i = program_.size(); i-- > 0;) {
    const Operation& operation = program_[i];
    switch (operation.kind) {
      case Kind::kLinear: {
        const Linear& linear = linears_[operation.array];
        const Part& part = slice == kWhole
                               ? linear.whole_transposed
                               : linear.slices_transposed[static_cast<std::size_t>(slice)];
        const Batch<T>& source = *current;
        current = operation.array == 0 ? &in_bar : &tape.scratch(operation.array - 1);
        rows = {part.first_row, part.first_row + units(part)};
        const bool fused = i > 0 && program_[i - 1].kind == Kind::kActivation;
        product(part, source, *current, [&](Index row) {
          if (!fused) return;
          multiply_rows(tape.recorded(first_slot + program_[i - 1].slot), {row, row + 1}, *current);
        });
        if (fused) --i;
        break;
      }
      case Kind::kActivation:
        multiply_rows(tape.recorded(first_slot + operation.slot), rows, *current);
        break;
      case Kind::kAffine:
        scale_rows(norms_[operation.array].scale, rows, *current);
        break;
      case Kind::kLayerNorm:
        scale_rows(norms_[operation.array].scale, rows, *current);
        normalise_direction(operation, tape, first_slot, *current);
        break;
      case Kind::kAdd:  // the two ends of a connection change their parts
        copy_rows(*current, rows, kept);
        break;
      case Kind::kRemember:
        add_rows(kept, rows, *current);
        break;
    }
  }
}

template <typename T>
void Network<T>::forward(const Batch<T>& in, Batch<T>& out, Tape<T>& tape,
                         std::size_t first_slot) const {
  run_forward(kWhole, in, out, tape, first_slot);
}

template <typename T>
void Network<T>::tangent(const Tape<T>& tape, std::size_t first_slot, const Batch<T>& in,
                         Batch<T>& out) const {
  run_tangent(kWhole, tape, first_slot, in, out);
}

template <typename T>
void Network<T>::reverse(const Tape<T>& tape, std::size_t first_slot, Batch<T>& out_bar,
                         Batch<T>& in_bar) const {
  run_reverse(kWhole, tape, first_slot, out_bar, in_bar);
}

template <typename T>
void Network<T>::forward_slice(Index slice, const Batch<T>& in, Batch<T>& out, Tape<T>& tape,
                               std::size_t first_slot) const {
  run_forward(slice, in, out, tape, first_slot);
}

template <typename T>
void Network<T>::tangent_slice(Index slice, const Tape<T>& tape, std::size_t first_slot,
                               const Batch<T>& in, Batch<T>& out) const {
  run_tangent(slice, tape, first_slot, in, out);
}

template <typename T>
void Network<T>::reverse_slice(Index slice, const Tape<T>& tape, std::size_t first_slot,
                               Batch<T>& out_bar, Batch<T>& in_bar) const {
  run_reverse(slice, tape, first_slot, out_bar, in_bar);
}

template class Network<float>;
template class Network<double>;

}  // namespace flotilla
