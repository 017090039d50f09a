#include "run/make_target.hpp"

#include "run/calibration.hpp"

namespace flotilla {

template <typename T>
std::optional<double> target_level(const RunConfig& config, const Flow<T>& flow,
                                   const Communicator& comm) {
  if (config.target != "clipped") return std::nullopt;
  if (config.clip_level) return config.clip_level;
  return clip_level(flow, Random(config.seed), config.tile_width, config.clip_quantile, comm);
}

template <typename T>
std::unique_ptr<Target<T>> make_target(const RunConfig& config, const Flow<T>& flow,
                                       std::optional<double> level) {
  if (!level) return std::make_unique<TemperedTarget<T>>(flow.base(), config.beta);
  return std::make_unique<ClippedTarget<T>>(flow.base(), config.beta, *level,
                                            config.clip_sharpness);
}

template std::optional<double> target_level(const RunConfig&, const Flow<float>&,
                                            const Communicator&);
template std::optional<double> target_level(const RunConfig&, const Flow<double>&,
                                            const Communicator&);
template std::unique_ptr<Target<float>> make_target(const RunConfig&, const Flow<float>&,
                                                    std::optional<double>);
template std::unique_ptr<Target<double>> make_target(const RunConfig&, const Flow<double>&,
                                                     std::optional<double>);

}  // namespace flotilla
