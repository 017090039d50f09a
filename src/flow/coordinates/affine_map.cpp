// SPDX-License-Identifier: BSD-3-Clause
#include "flow/coordinates/affine_map.hpp"

#include <fmt/format.h>

#include "core/elementary.hpp"

namespace flotilla {
namespace {

/// A scale, its logarithm, and the derivative of its logarithm.
template <typename T>
struct Scale {
  T value;
  T log_gradient;
  double log;
};

template <typename T>
Scale<T> scale_of_log(T log, T log_gradient) {
  return {elementary::exp(log), log_gradient, static_cast<double>(log)};
}

template <typename T>
Scale<T> scale_of_value(T value, T gradient) {
  return {value, gradient / value, elementary::log_of_any(static_cast<double>(value))};
}

// Rows of an affine map's record: the scale, the derivative of y by s, the derivative of log scale
// by s.
template <typename Row>
struct AffineRecord {
  AffineRecord(Row* rows, Index count)
      : scale(rows), by_s(rows + count), log_by_s(rows + 2 * count) {}
  Row* scale;
  Row* by_s;
  Row* log_by_s;
};

}  // namespace

template <typename T>
AffineMap<T>::AffineMap(const LayerReader& reader)
    : kind_(static_cast<ScaleKind>(
          reader.choice("scale", {"exp", "sigmoid", "reciprocal_sigmoid", "tanh", "softclip",
                                  "softplus", "arctan", "clamp"}))),
      shift_before_(reader.choice("shift", {"after", "before"}) == 1),
      entry_names_{"scale", "shift"} {
  read_numbers(reader);
}

/// Reads the numbers that the kind of scale has.
template <typename T>
void AffineMap<T>::read_numbers(const LayerReader& reader) {
  switch (kind_) {
    case ScaleKind::kExp:
      return;
    case ScaleKind::kTanh:
    case ScaleKind::kSoftclip:
    case ScaleKind::kArctan: {
      const double bound = reader.number("bound");
      if (bound <= 0.0)
        reader.fail(fmt::format("number 'bound' should be positive but is {}", bound));
      bound_ = static_cast<T>(bound);
      entry_names_.emplace_back("bound");
      return;
    }
    case ScaleKind::kClamp: {
      const double lowest = reader.number("lowest");
      const double highest = reader.number("highest");
      if (lowest >= highest) {
        reader.fail(fmt::format("number 'lowest' should be below 'highest' but they are {} and {}",
                                lowest, highest));
      }
      lowest_ = static_cast<T>(lowest);
      highest_ = static_cast<T>(highest);
      entry_names_.insert(entry_names_.end(), {"lowest", "highest"});
      return;
    }
    case ScaleKind::kSigmoid:
    case ScaleKind::kReciprocalSigmoid:
    case ScaleKind::kSoftplus:
      break;
  }
  offset_ = static_cast<T>(reader.number_or("offset", kind_ == ScaleKind::kSoftplus ? 0.0 : 2.0));
  entry_names_.emplace_back("offset");
  if (kind_ == ScaleKind::kReciprocalSigmoid) return;
  const double floor = reader.number_or("floor", 0.0);
  if (floor < 0.0) reader.fail(fmt::format("number 'floor' should be >= 0 but is {}", floor));
  floor_ = static_cast<T>(floor);
  entry_names_.emplace_back("floor");
  if (kind_ != ScaleKind::kSoftplus) return;
  const double ceiling = reader.number_or("ceiling", std::numeric_limits<double>::infinity());
  if (ceiling <= floor) {
    reader.fail(fmt::format("number 'ceiling' should exceed 'floor' but they are {} and {}",
                            ceiling, floor));
  }
  ceiling_ = static_cast<T>(ceiling);
  entry_names_.emplace_back("ceiling");
}

/// Calls work with a function that makes a Scale of s. Each kind has its own loop without branches.
template <typename T>
template <typename Work>
void AffineMap<T>::with_scale(Work work) const {
  const T offset = offset_;
  const T floor = floor_;
  const T bound = bound_;
  const T ceiling = ceiling_;
  const T lowest = lowest_;
  const T highest = highest_;
  switch (kind_) {
    case ScaleKind::kExp:
      return work([](T s) { return scale_of_log(s, T{1}); });
    case ScaleKind::kSigmoid:
      return work([=](T s) {
        const T rising = elementary::sigmoid(s + offset);
        return scale_of_value(rising + floor, rising * (T{1} - rising));
      });
    case ScaleKind::kReciprocalSigmoid:
      return work([=](T s) {
        const T tail = elementary::exp(-(s + offset));
        return scale_of_value(T{1} + tail, -tail);
      });
    case ScaleKind::kTanh:
      return work([=](T s) {
        const T bounded = elementary::tanh(s);
        return scale_of_log(bound * bounded, bound * (T{1} - bounded * bounded));
      });
    case ScaleKind::kSoftclip:
      return work([=](T s) {
        const T shrink = T{1} / (T{1} + (s < T{0} ? -s : s) / bound);
        return scale_of_log(s * shrink, shrink * shrink);
      });
    case ScaleKind::kSoftplus:
      return work([=](T s) {
        const T rising = elementary::softplus(s + offset) + floor;
        const bool below = !(rising > ceiling);
        return scale_of_value(below ? rising : ceiling,
                              below ? elementary::sigmoid(s + offset) : T{0});
      });
    case ScaleKind::kArctan:
      return work(
          [=](T s) { return scale_of_log(bound * elementary::atan(s), bound / (T{1} + s * s)); });
    case ScaleKind::kClamp:
      return work([=](T s) {
        const bool within = s >= lowest && s <= highest;
        return scale_of_log(elementary::clamp(s, lowest, highest), within ? T{1} : T{0});
      });
  }
}

/// Fills the record and adds to log_det. move(c, scale) moves column c and returns the moved value,
/// before any shift that follows the scale.
template <typename T>
template <typename Move>
void AffineMap<T>::record_scales(const T* s, T* record, double* log_det, Index count,
                                 Move move) const {
  const AffineRecord<T> rows(record, count);
  with_scale([&](auto scale_of) {
    for (Index c = 0; c < count; ++c) {
      const Scale<T> scale = scale_of(s[c]);
      const T stretched = move(c, scale.value);
      rows.scale[c] = scale.value;
      rows.by_s[c] = stretched * scale.log_gradient;
      rows.log_by_s[c] = scale.log_gradient;
      log_det[c] += scale.log;
    }
  });
}

template <typename T>
void AffineMap<T>::forward(const T* theta, T* record, T* value, double* log_det,
                           Index count) const {
  const T* t = theta + count;
  const T before = shift_before_ ? T{1} : T{0};
  const T after = T{1} - before;
  record_scales(theta, record, log_det, count, [=](Index c, T scale) {
    const T stretched = (value[c] + before * t[c]) * scale;
    value[c] = stretched + after * t[c];
    return stretched;
  });
}

template <typename T>
void AffineMap<T>::inverse(const T* theta, T* record, T* value, double* log_det,
                           Index count) const {
  const T* t = theta + count;
  const T before = shift_before_ ? T{1} : T{0};
  const T after = T{1} - before;
  record_scales(theta, record, log_det, count, [=](Index c, T scale) {
    const T stretched = value[c] - after * t[c];
    value[c] = stretched / scale - before * t[c];
    return stretched;
  });
}

template <typename T>
void AffineMap<T>::tangent(const T* record, const T* theta_dot, T* v, Index count) const {
  const AffineRecord<const T> rows(record, count);
  const T* s_dot = theta_dot;
  const T* t_dot = theta_dot + count;
  for (Index c = 0; c < count; ++c) {
    const T by_t = shift_before_ ? rows.scale[c] : T{1};
    v[c] = rows.scale[c] * v[c] + rows.by_s[c] * s_dot[c] + by_t * t_dot[c];
  }
}

template <typename T>
void AffineMap<T>::inverse_tangent(const T* record, const T* theta_dot, T* v, Index count) const {
  const AffineRecord<const T> rows(record, count);
  const T* s_dot = theta_dot;
  const T* t_dot = theta_dot + count;
  for (Index c = 0; c < count; ++c) {
    const T by_t = shift_before_ ? rows.scale[c] : T{1};
    v[c] = (v[c] - rows.by_s[c] * s_dot[c] - by_t * t_dot[c]) / rows.scale[c];
  }
}

template <typename T>
void AffineMap<T>::reverse(const T* record, const T* bar, T* w, T* theta_bar, Index count) const {
  const AffineRecord<const T> rows(record, count);
  for (Index c = 0; c < count; ++c) {
    const T by_t = shift_before_ ? rows.scale[c] : T{1};
    theta_bar[c] = w[c] * rows.by_s[c] + bar[c] * rows.log_by_s[c];
    theta_bar[count + c] = w[c] * by_t;
    w[c] *= rows.scale[c];
  }
}

template <typename T>
void AffineMap<T>::inverse_reverse(const T* record, const T* bar, T* w, T* theta_bar,
                                   Index count) const {
  const AffineRecord<const T> rows(record, count);
  for (Index c = 0; c < count; ++c) {
    const T by_t = shift_before_ ? rows.scale[c] : T{1};
    w[c] /= rows.scale[c];
    theta_bar[c] = bar[c] * rows.log_by_s[c] - w[c] * rows.by_s[c];
    theta_bar[count + c] = -w[c] * by_t;
  }
}

template class AffineMap<float>;
template class AffineMap<double>;

}  // namespace flotilla
