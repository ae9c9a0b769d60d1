// Adam and AdamW through ATen's fused kernels (torch::optim loops over tensors one by one), and clipping by the global norm.
//
//   m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,  w <- w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)      (Kingma and Ba 2015)
//
// AdamW decays w by lr * weight_decay first (Loshchilov and Hutter 2019). Nothing decays 1-D parameters, cls_token, position_embedding and generators.
#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/fields.h"

namespace liere {

struct AdamBase {
  double lr = 1e-4, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double encoding_lr_factor = 1;
};
struct AdamConfig : AdamBase {
  static constexpr auto kind = "adam";
};
struct AdamWConfig : AdamBase {
  static constexpr auto kind = "adamw";
  double weight_decay = 0.05;
};
template <class V> void adam_fields(V& v, AdamBase& c) {
  v("lr", c.lr, "learning rate at its highest", positive());
  v("beta1", c.beta1, "decay of the first moment", from_until(0, 1));
  v("beta2", c.beta2, "decay of the second moment", from_until(0, 1));
  v("eps", c.eps, "added to the root of the second moment", positive());
  v("encoding_lr_factor", c.encoding_lr_factor, "the encoding's own parameters (generators, position_embedding) learn at lr times this", positive());
}
template <class V> void fields(V& v, AdamConfig& c) { adam_fields(v, c); }
template <class V> void fields(V& v, AdamWConfig& c) {
  adam_fields(v, c);
  v("weight_decay", c.weight_decay, "decoupled decay of matrices (not of biases, norms, cls_token, position_embedding, generators)", at_least(0));
}
using OptimizerConfig = std::variant<AdamConfig, AdamWConfig>;

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

/// True for the parameters that weight decay touches.
bool is_decayed(const std::string& name, const torch::Tensor& parameter);
/// True for the encoding's parameters that rotate, whose gradients come from Rotations (PositionEncoding::accumulate_gradients), not from autograd.
bool is_rotation(const std::string& name);
/// True for the encoding's own parameters: generators and position_embedding.
bool is_of_encoding(const std::string& name);

/// Euclidean norm over all gradients (parameters without one count as zero), in the parameters' precision; a scalar tensor, no host synchronisation.
torch::Tensor global_gradient_norm(const NamedTensors& parameters);
/// Scales all gradients by min(1, limit / (norm + 1e-6)).
void clip_gradients(const NamedTensors& parameters, const torch::Tensor& norm, double limit);

class Optimizer {
 public:
  Optimizer(const OptimizerConfig& config, NamedTensors parameters);
  /// One update with the gradients in .grad; every parameter must have one.
  void step(double lr);
  /// The same unless `skip` (a float32 scalar on the parameters' device) is 1, decided on the device: then nothing changes, the number of updates of Adam's
  /// bias correction included. updates() does not know of it before count_update() or set_updates(). `lr` is a scalar beside the parameters, made by lr_tensor().
  void step_unless(const torch::Tensor& skip, const torch::Tensor& lr);
  /// A learning rate for step_unless, to be filled: float64 on the CPU, float32 on a GPU, whose kernel takes no other.
  torch::Tensor lr_tensor() const;
  void zero_grad();
  double peak_lr() const { return base_.lr; }
  /// Updates made, as the host knows it.
  int64_t updates() const { return updates_; }
  /// An update of step_unless is known to have been made.
  void count_update() { ++updates_; }
  /// Updates made, as the device knows it: a float32 scalar, no host synchronisation.
  const torch::Tensor& updates_on_device() const;

  /// exp_avg.NAME and exp_avg_sq.NAME, shared storage: what a checkpoint holds.
  NamedTensors state() const;
  /// After the tensors of state() were filled from a checkpoint.
  void set_updates(int64_t updates);

 private:
  struct Group {
    double weight_decay, lr_factor;
    std::vector<torch::Tensor> parameters, exp_avgs, exp_avg_sqs, steps;
  };
  /// `Lr`: double or torch::Tensor.
  template <class Lr>
  void update(const Lr& lr, const std::optional<torch::Tensor>& skip);

  AdamBase base_;
  bool decoupled_;
  NamedTensors parameters_, state_;
  std::vector<Group> groups_;
  int64_t updates_ = 0;
};

}  // namespace liere
