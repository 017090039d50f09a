#include "flow/layers/coupling.hpp"

#include <algorithm>
#include <numeric>

#include "flow/coordinates/coordinate_rows.hpp"

namespace flotilla {
namespace {

// Recorded slots; the conditioner's follow.
constexpr std::size_t kMap = 0;
constexpr std::size_t kConditioner = 1;

Wiring wiring(const LayerReader& reader, const std::vector<Index>& kept,
              const std::vector<Index>& moved, Index parameters) {
  std::vector<Index> coordinates(moved.size());
  std::iota(coordinates.begin(), coordinates.end(), Index{0});
  Wiring result = Wiring::plain(static_cast<Index>(kept.size()), 0);
  result.outputs = by_coordinate(coordinates, parameters);
  result.on_image = reader.has_array("image");
  result.kept = kept;
  result.moved = moved;
  return result;
}

}  // namespace

template <typename T, template <typename> class Map>
typename Coupling<T, Map>::Split Coupling<T, Map>::read_split(const LayerReader& reader) {
  Split split;
  const std::vector<Index> mask = reader.whole_numbers("mask", reader.dim());
  for (Index i = 0; i < reader.dim(); ++i) {
    const Index bit = mask[static_cast<std::size_t>(i)];
    if (bit > 1) reader.fail("array 'mask' should hold zeros and ones");
    (bit == 1 ? split.a : split.b).push_back(i);
  }
  if (split.b.empty()) reader.fail("array 'mask' has no zero: the layer would transform nothing");
  return split;
}

template <typename T, template <typename> class Map>
Coupling<T, Map>::Coupling(const LayerReader& reader) : Coupling(reader, read_split(reader)) {}

template <typename T, template <typename> class Map>
Coupling<T, Map>::Coupling(const LayerReader& reader, Split split)
    : Layer<T>(reader.dim()),
      split_(std::move(split)),
      map_(reader),
      conditioner_(reader, wiring(reader, split_.a, split_.b, map_.parameters())) {
  std::vector<std::string> names = conditioner_.entry_names();
  for (const std::string& name : map_.entry_names()) names.push_back(name);
  names.emplace_back("mask");
  reader.expect_only(names);
}

template <typename T, template <typename> class Map>
TapeShape Coupling<T, Map>::tape_shape() const {
  TapeShape shape;
  shape.recorded = {static_cast<Index>(split_.b.size()) * map_.recorded()};
  for (const Index rows : conditioner_.recorded()) shape.recorded.push_back(rows);
  shape.scratch = conditioner_.scratch();
  shape.scratch.push_back(conditioner_.inputs());
  shape.scratch.push_back(conditioner_.outputs());
  return shape;
}

template <typename T, template <typename> class Map>
Batch<T>& Coupling<T, Map>::gather_a(const Tape<T>& tape, const Batch<T>& point) const {
  Batch<T>& input = tape.scratch(input_slot());
  for (std::size_t i = 0; i < split_.a.size(); ++i) {
    std::copy_n(point.row(split_.a[i]), point.stride(), input.row(static_cast<Index>(i)));
  }
  return input;
}

/// Calls work(theta, record, b) with the rows of each transformed coordinate.
template <typename T, typename Map, typename AnyTape, typename Work>
void for_each_moved(const std::vector<Index>& b, const Map& map, Batch<T>& theta, AnyTape& tape,
                    Batch<T>& batch, Work work) {
  for (Index i = 0; i < static_cast<Index>(b.size()); ++i) {
    work(theta.row(i * map.parameters()), rows_of(tape.recorded(kMap), i, map.recorded()),
         batch.row(b[static_cast<std::size_t>(i)]));
  }
}

template <typename T, template <typename> class Map>
void Coupling<T, Map>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  Batch<T>& theta = tape.scratch(theta_slot());
  conditioner_.forward(gather_a(tape, point), theta, tape, kConditioner);
  for_each_moved(split_.b, map_, theta, tape, point, [&](const T* rows, T* record, T* b) {
    map_.forward(rows, record, b, log_det.row(0), point.stride());
  });
}

template <typename T, template <typename> class Map>
void Coupling<T, Map>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  Batch<T>& theta = tape.scratch(theta_slot());
  conditioner_.forward(gather_a(tape, point), theta, tape, kConditioner);
  for_each_moved(split_.b, map_, theta, tape, point, [&](const T* rows, T* record, T* b) {
    map_.inverse(rows, record, b, log_det.row(0), point.stride());
  });
}

template <typename T, template <typename> class Map>
void Coupling<T, Map>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  Batch<T>& theta_dot = tape.scratch(theta_slot());
  conditioner_.tangent(tape, kConditioner, gather_a(tape, v), theta_dot);
  for_each_moved(split_.b, map_, theta_dot, tape, v, [&](const T* rows, const T* record, T* b) {
    map_.tangent(record, rows, b, v.stride());
  });
}

template <typename T, template <typename> class Map>
void Coupling<T, Map>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  Batch<T>& theta_dot = tape.scratch(theta_slot());
  conditioner_.tangent(tape, kConditioner, gather_a(tape, v), theta_dot);
  for_each_moved(split_.b, map_, theta_dot, tape, v, [&](const T* rows, const T* record, T* b) {
    map_.inverse_tangent(record, rows, b, v.stride());
  });
}

template <typename T, template <typename> class Map>
void Coupling<T, Map>::vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  for_each_moved(split_.b, map_, tape.scratch(theta_slot()), tape, w,
                 [&](T* rows, const T* record, T* b) {
                   map_.reverse(record, log_det_bar.row(0), b, rows, w.stride());
                 });
  add_reverse_to_a(tape, w);
}

// With g = grad log|det J|, C the conditioner's Jacobian, S = diag g' and G its derivatives by
// theta, solving J^T y = w + bar g gives S y_b = w_b + bar L_u and y_a = w_a + C^T [bar L_theta -
// G^T y_b]: one reverse pass again.
template <typename T, template <typename> class Map>
void Coupling<T, Map>::inverse_vjp(const Tape<T>& tape, Batch<T>& w,
                                   const Batch<T>& log_det_bar) const {
  for_each_moved(split_.b, map_, tape.scratch(theta_slot()), tape, w,
                 [&](T* rows, const T* record, T* b) {
                   map_.inverse_reverse(record, log_det_bar.row(0), b, rows, w.stride());
                 });
  add_reverse_to_a(tape, w);
}

template <typename T, template <typename> class Map>
void Coupling<T, Map>::add_reverse_to_a(const Tape<T>& tape, Batch<T>& w) const {
  if (split_.a.empty()) return;
  Batch<T>& in_bar = tape.scratch(input_slot());
  conditioner_.reverse(tape, kConditioner, tape.scratch(theta_slot()), in_bar);
  for (std::size_t i = 0; i < split_.a.size(); ++i) {
    const T* addend = in_bar.row(static_cast<Index>(i));
    T* a = w.row(split_.a[i]);
    for (Index c = 0; c < w.stride(); ++c) a[c] += addend[c];
  }
}

template class Coupling<float, AdditiveMap>;
template class Coupling<double, AdditiveMap>;
template class Coupling<float, AffineMap>;
template class Coupling<double, AffineMap>;
template class Coupling<float, SplineMap>;
template class Coupling<double, SplineMap>;

}  // namespace flotilla
