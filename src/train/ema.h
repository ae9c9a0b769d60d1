// An exponential moving average of the weights:  e <- d e + (1 - d) w  after every optimiser step that was made (Polyak and Juditsky 1992).
#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/fields.h"

namespace liere {

struct EmaConfig {
  std::optional<double> decay;
  bool warmup = false;
};
template <class V> void fields(V& v, EmaConfig& c) {
  v("decay", c.decay, "keep an exponential moving average of the weights with this decay per step (default: none)", FieldRule{.low = 0, .high = 1, .low_open = true, .high_open = true});
  v("warmup", c.warmup, "decay of step t is at most (1 + t) / (10 + t), so that the start is soon forgotten");
}

/// The average of named weights, in their own dtype and on their device.
class Ema {
 public:
  using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;
  /// Starts as a copy of the weights. `config.decay` must be set.
  Ema(const EmaConfig& config, const NamedTensors& weights);
  /// After optimiser update number `updates` (1 is the first).
  void update(const NamedTensors& weights, int64_t updates);
  /// The same with both known to the device alone (scalars there; no host synchronisation): `updates`, and `skip`, which is 1 where the update was not made and
  /// the average must stay. Weights must be finite.
  void update_unless(const torch::Tensor& skip, const NamedTensors& weights, const torch::Tensor& updates);
  /// Decay used at that update.
  double decay(int64_t updates) const;
  /// Becomes a copy of the weights again.
  void reset(const NamedTensors& weights);
  /// ema.NAME, shared storage: what a checkpoint holds.
  NamedTensors state() const;
  const std::vector<torch::Tensor>& tensors() const { return averages_; }

 private:
  EmaConfig config_;
  std::vector<std::string> names_;
  std::vector<torch::Tensor> averages_;
};

/// While it lives the model's weights hold other values of the same shapes (for an evaluation); then their own again.
class SwappedWeights {
 public:
  SwappedWeights(const Ema::NamedTensors& weights, const std::vector<torch::Tensor>& values);
  ~SwappedWeights();
  SwappedWeights(const SwappedWeights&) = delete;
  SwappedWeights& operator=(const SwappedWeights&) = delete;

 private:
  std::vector<torch::Tensor> weights_, own_;
};

}  // namespace liere
