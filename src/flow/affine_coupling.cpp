#include "flotilla/flow/affine_coupling.hpp"

#include <algorithm>

#include "core/elementary.hpp"

namespace flotilla {
namespace {

// Recorded slots; the conditioner's follow. Scratch slots; the conditioner has 0 and 1.
constexpr std::size_t kStretched = 0;  // u = z_b exp(s)
constexpr std::size_t kScale = 1;      // exp(s)
constexpr std::size_t kConditioner = 2;
constexpr std::size_t kInput = 2;   // what enters the conditioner, or comes back from it
constexpr std::size_t kOutput = 3;  // (s, t), their tangents or their cotangents

/// Calls work(s, t, exp(s), u, b) with the rows of each transformed coordinate: s and t are rows of
/// the scratch output, exp(s) and u = z_b exp(s) of the tape, b of the batch.
template <typename T, typename AnyTape, typename Work>
void for_each_transformed(const std::vector<Index>& b, AnyTape& tape, Batch<T>& batch, Work work) {
  Batch<T>& output = tape.scratch(kOutput);
  const auto count = static_cast<Index>(b.size());
  for (Index i = 0; i < count; ++i) {
    work(output.row(i), output.row(count + i), tape.recorded(kScale).row(i),
         tape.recorded(kStretched).row(i), batch.row(b[static_cast<std::size_t>(i)]));
  }
}

}  // namespace

template <typename T>
typename AffineCoupling<T>::Split AffineCoupling<T>::read_split(const LayerReader& reader) {
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

template <typename T>
AffineCoupling<T>::AffineCoupling(const LayerReader& reader)
    : AffineCoupling(reader, read_split(reader)) {}

template <typename T>
AffineCoupling<T>::AffineCoupling(const LayerReader& reader, Split split)
    : Layer<T>(reader.dim()),
      split_(std::move(split)),
      conditioner_(reader, static_cast<Index>(split_.a.size()),
                   2 * static_cast<Index>(split_.b.size())) {
  std::vector<std::string> names = conditioner_.entry_names();
  names.emplace_back("mask");
  reader.expect_only(names);
}

template <typename T>
TapeShape AffineCoupling<T>::tape_shape() const {
  const auto transformed = static_cast<Index>(split_.b.size());
  TapeShape shape;
  shape.recorded = {transformed, transformed};
  for (const Index rows : conditioner_.recorded()) shape.recorded.push_back(rows);
  const Index hidden = conditioner_.scratch_rows();
  shape.scratch = {hidden, hidden, conditioner_.inputs(), conditioner_.outputs()};
  return shape;
}

template <typename T>
Batch<T>& AffineCoupling<T>::gather_a(const Tape<T>& tape, const Batch<T>& point) const {
  Batch<T>& input = tape.scratch(kInput);
  for (std::size_t i = 0; i < split_.a.size(); ++i) {
    std::copy_n(point.row(split_.a[i]), point.stride(), input.row(static_cast<Index>(i)));
  }
  return input;
}

template <typename T>
void AffineCoupling<T>::forward(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  conditioner_.forward(gather_a(tape, point), tape.scratch(kOutput), tape, kConditioner);
  double* total = log_det.row(0);
  for_each_transformed(split_.b, tape, point,
                       [&](const T* s, const T* t, T* scale, T* stretched, T* b) {
                         for (Index c = 0; c < point.stride(); ++c) {
                           scale[c] = elementary::exp(s[c]);
                           stretched[c] = b[c] * scale[c];
                           b[c] = stretched[c] + t[c];
                           total[c] += static_cast<double>(s[c]);
                         }
                       });
}

template <typename T>
void AffineCoupling<T>::inverse(Batch<T>& point, PerChain& log_det, Tape<T>& tape) const {
  conditioner_.forward(gather_a(tape, point), tape.scratch(kOutput), tape, kConditioner);
  double* total = log_det.row(0);
  for_each_transformed(split_.b, tape, point,
                       [&](const T* s, const T* t, T* scale, T* stretched, T* b) {
                         for (Index c = 0; c < point.stride(); ++c) {
                           scale[c] = elementary::exp(s[c]);
                           stretched[c] = b[c] - t[c];
                           b[c] = stretched[c] * elementary::exp(-s[c]);
                           total[c] += static_cast<double>(s[c]);
                         }
                       });
}

template <typename T>
void AffineCoupling<T>::jvp(const Tape<T>& tape, Batch<T>& v) const {
  conditioner_.tangent(tape, kConditioner, gather_a(tape, v), tape.scratch(kOutput));
  for_each_transformed(split_.b, tape, v,
                       [&](const T* ds, const T* dt, const T* scale, const T* stretched, T* b) {
                         for (Index c = 0; c < v.stride(); ++c) {
                           b[c] = scale[c] * b[c] + stretched[c] * ds[c] + dt[c];
                         }
                       });
}

template <typename T>
void AffineCoupling<T>::inverse_jvp(const Tape<T>& tape, Batch<T>& v) const {
  conditioner_.tangent(tape, kConditioner, gather_a(tape, v), tape.scratch(kOutput));
  for_each_transformed(split_.b, tape, v,
                       [&](const T* ds, const T* dt, const T* scale, const T* stretched, T* b) {
                         for (Index c = 0; c < v.stride(); ++c) {
                           b[c] = (b[c] - stretched[c] * ds[c] - dt[c]) / scale[c];
                         }
                       });
}

template <typename T>
void AffineCoupling<T>::vjp(const Tape<T>& tape, Batch<T>& w, const Batch<T>& log_det_bar) const {
  const T* bar = log_det_bar.row(0);
  for_each_transformed(split_.b, tape, w,
                       [&](T* s_bar, T* t_bar, const T* scale, const T* stretched, T* b) {
                         for (Index c = 0; c < w.stride(); ++c) {
                           t_bar[c] = b[c];
                           s_bar[c] = b[c] * stretched[c] + bar[c];
                           b[c] *= scale[c];
                         }
                       });
  add_reverse_to_a(tape, tape.scratch(kOutput), T{1}, w);
}

// With g = grad log|det J| = (C^T [1; 0], 0) and C the conditioner's Jacobian, solving J^T y = w +
// bar g gives y_b = w_b / exp(s) and y_a = w_a + C^T [bar - u y_b; -y_b]: one reverse pass again.
template <typename T>
void AffineCoupling<T>::inverse_vjp(const Tape<T>& tape, Batch<T>& w,
                                    const Batch<T>& log_det_bar) const {
  const T* bar = log_det_bar.row(0);
  for_each_transformed(split_.b, tape, w,
                       [&](T* s_bar, T* t_bar, const T* scale, const T* stretched, T* b) {
                         for (Index c = 0; c < w.stride(); ++c) {
                           b[c] /= scale[c];
                           t_bar[c] = b[c];
                           s_bar[c] = b[c] * stretched[c] - bar[c];
                         }
                       });
  add_reverse_to_a(tape, tape.scratch(kOutput), T{-1}, w);
}

template <typename T>
void AffineCoupling<T>::add_reverse_to_a(const Tape<T>& tape, const Batch<T>& out_bar, T sign,
                                         Batch<T>& w) const {
  if (split_.a.empty()) return;
  Batch<T>& in_bar = tape.scratch(kInput);
  conditioner_.reverse(tape, kConditioner, out_bar, in_bar);
  for (std::size_t i = 0; i < split_.a.size(); ++i) {
    const T* addend = in_bar.row(static_cast<Index>(i));
    T* a = w.row(split_.a[i]);
    for (Index c = 0; c < w.stride(); ++c) a[c] += sign * addend[c];
  }
}

template class AffineCoupling<float>;
template class AffineCoupling<double>;

}  // namespace flotilla
