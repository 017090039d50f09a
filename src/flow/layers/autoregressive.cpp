#include "flow/layers/autoregressive.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "flow/coordinates/coordinate_rows.hpp"

namespace flotilla {
namespace {

// Recorded slots; the conditioner's follow.
constexpr std::size_t kMap = 0;
constexpr std::size_t kConditioner = 1;

}  // namespace

template <typename T, template <typename> class Map>
std::vector<Index> Autoregressive<T, Map>::read_sequence(const LayerReader& reader) {
  const std::vector<Index> order = reader.whole_numbers("order", reader.dim());
  std::vector<Index> sequence(order.size(), -1);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto place = static_cast<std::size_t>(order[i]);
    if (place >= sequence.size() || sequence[place] >= 0) {
      reader.fail(
          fmt::format("array 'order' should hold each of 0 .. {} once, but element {} is {}{}",
                      reader.dim() - 1, i, place, place < sequence.size() ? " again" : ""));
    }
    sequence[place] = static_cast<Index>(i);
  }
  return sequence;
}

template <typename T, template <typename> class Map>
Autoregressive<T, Map>::Autoregressive(const LayerReader& reader)
    : Autoregressive(reader, read_sequence(reader)) {}

template <typename T, template <typename> class Map>
Autoregressive<T, Map>::Autoregressive(const LayerReader& reader, std::vector<Index> sequence)
    : Layer<T>(reader.dim()),
      sequence_(std::move(sequence)),
      map_(reader),
      conditioner_(reader, {sequence_, by_coordinate(sequence_, map_.parameters()), reader.dim()}) {
  std::vector<std::string> names = conditioner_.entry_names();
  for (const std::string& name : map_.entry_names()) names.push_back(name);
  names.emplace_back("order");
  reader.expect_only(names);
}

template <typename T, template <typename> class Map>
TapeShape Autoregressive<T, Map>::tape_shape() const {
  TapeShape shape;
  shape.recorded = {this->dim() * map_.recorded()};
  for (const Index rows : conditioner_.recorded()) shape.recorded.push_back(rows);
  shape.scratch = conditioner_.scratch();
  shape.scratch.push_back(conditioner_.inputs());
  shape.scratch.push_back(conditioner_.outputs());
  return shape;
}

template <typename T, template <typename> class Map>
Batch<T>& Autoregressive<T, Map>::gather(const Tape<T>& tape, const Batch<T>& point) const {
  Batch<T>& input = tape.scratch(input_slot());
  for (Index place = 0; place < this->dim(); ++place) {
    std::copy_n(point.row(coordinate(place)), point.stride(), input.row(place));
  }
  return input;
}

template <typename T, template <typename> class Map>
void Autoregressive<T, Map>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  Batch<T>& theta = tape.scratch(theta_slot());
  conditioner_.forward(gather(tape, point), theta, tape, kConditioner);
  for (Index place = 0; place < this->dim(); ++place) {
    map_.forward(theta.row(place * map_.parameters()),
                 rows_of(tape.recorded(kMap), place, map_.recorded()), point.row(coordinate(place)),
                 log_det.row(0), point.stride());
  }
}

template <typename T, template <typename> class Map>
void Autoregressive<T, Map>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  Batch<T>& input = tape.scratch(input_slot());
  Batch<T>& theta = tape.scratch(theta_slot());
  for (Index place = 0; place < this->dim(); ++place) {
    conditioner_.forward_slice(place, input, theta, tape, kConditioner);
    T* value = point.row(coordinate(place));
    map_.inverse(theta.row(place * map_.parameters()),
                 rows_of(tape.recorded(kMap), place, map_.recorded()), value, log_det.row(0),
                 point.stride());
    std::copy_n(value, point.stride(), input.row(place));
  }
  // Units that only the last coordinate decides: no output sees them, but the tape is whole.
  conditioner_.forward_slice(this->dim(), input, theta, tape, kConditioner);
}

template <typename T, template <typename> class Map>
void Autoregressive<T, Map>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  Batch<T>& theta_dot = tape.scratch(theta_slot());
  conditioner_.tangent(tape, kConditioner, gather(tape, v), theta_dot);
  for (Index place = 0; place < this->dim(); ++place) {
    map_.tangent(rows_of(tape.recorded(kMap), place, map_.recorded()),
                 theta_dot.row(place * map_.parameters()), v.row(coordinate(place)), v.stride());
  }
}

template <typename T, template <typename> class Map>
void Autoregressive<T, Map>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  Batch<T>& input = tape.scratch(input_slot());
  Batch<T>& theta_dot = tape.scratch(theta_slot());
  for (Index place = 0; place < this->dim(); ++place) {
    conditioner_.tangent_slice(place, tape, kConditioner, input, theta_dot);
    T* row = v.row(coordinate(place));
    map_.inverse_tangent(rows_of(tape.recorded(kMap), place, map_.recorded()),
                         theta_dot.row(place * map_.parameters()), row, v.stride());
    std::copy_n(row, v.stride(), input.row(place));
  }
}

template <typename T, template <typename> class Map>
void Autoregressive<T, Map>::add_in_bar(const Tape<T>& tape, Index place, Batch<T>& w) const {
  const T* addend = tape.scratch(input_slot()).row(place);
  T* row = w.row(coordinate(place));
  for (Index c = 0; c < w.stride(); ++c) row[c] += addend[c];
}

template <typename T, template <typename> class Map>
void Autoregressive<T, Map>::vjp(const Tape<T>& tape, Batch<T>& w,
                                 const Batch<T>& log_det_bar) const {
  Batch<T>& theta_bar = tape.scratch(theta_slot());
  for (Index place = 0; place < this->dim(); ++place) {
    map_.reverse(rows_of(tape.recorded(kMap), place, map_.recorded()), log_det_bar.row(0),
                 w.row(coordinate(place)), theta_bar.row(place * map_.parameters()), w.stride());
  }
  conditioner_.reverse(tape, kConditioner, theta_bar, tape.scratch(input_slot()));
  for (Index place = 0; place < this->dim(); ++place) add_in_bar(tape, place, w);
}

// J = S + G C with S = diag g', G the derivatives by theta and C the conditioner's Jacobian,
// strictly lower triangular; grad log|det J| = L_u + C^T L_theta. So J^T y = w + bar grad log|det
// J| is S y = w + bar L_u + C^T (bar L_theta - G^T y), where C^T leads from later coordinates to
// earlier ones: solved from the last one back.
template <typename T, template <typename> class Map>
void Autoregressive<T, Map>::inverse_vjp(const Tape<T>& tape, Batch<T>& w,
                                         const Batch<T>& log_det_bar) const {
  Batch<T>& theta_bar = tape.scratch(theta_slot());
  for (Index place = this->dim() - 1; place >= 0; --place) {
    conditioner_.reverse_slice(place + 1, tape, kConditioner, theta_bar,
                               tape.scratch(input_slot()));
    add_in_bar(tape, place, w);
    map_.inverse_reverse(rows_of(tape.recorded(kMap), place, map_.recorded()), log_det_bar.row(0),
                         w.row(coordinate(place)), theta_bar.row(place * map_.parameters()),
                         w.stride());
  }
}

template class Autoregressive<float, AdditiveMap>;
template class Autoregressive<double, AdditiveMap>;
template class Autoregressive<float, AffineMap>;
template class Autoregressive<double, AffineMap>;
template class Autoregressive<float, SplineMap>;
template class Autoregressive<double, SplineMap>;

}  // namespace flotilla
