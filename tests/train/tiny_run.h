// A training run small enough to be repeated: the arrow task in seconds, all on one thread of work.
#pragma once

#include <torch/torch.h>

#include <map>
#include <string>
#include <vector>

#include "support/catch.h"
#include "support/fixtures.h"
#include "train/trainer.h"

namespace liere::test {

/// 72 training pictures in batches of 16 (five steps an epoch, the last of 8), two epochs, two blocks of width 32, dropout 0.1.
inline Experiment tiny_run(const std::filesystem::path& output, const std::vector<std::string>& overrides = {}) {
  std::vector<std::string> all = {"model.width=32", "model.heads=1", "model.depth=2", "model.mlp=32", "data.train_size=72", "data.test_size=40", "train.batch_size=16", "train.epochs=2",
                                  "model.dropout=0.1", "device=cpu", "log.every_steps=1", "output=" + output.string()};
  all.insert(all.end(), overrides.begin(), overrides.end());
  return load_experiment((std::filesystem::path(LIERE_SOURCE_DIR) / "configs/arrows_tiny_liere.yaml").string(), all);
}

/// Everything that training regularises and averages with, switched on.
inline std::vector<std::string> everything_on() {
  return {"clip.norm=0.5", "mixup.alpha=0.8", "mixup.cutmix_alpha=1.0", "loss.label_smoothing=0.1", "ema.decay=0.9", "model.layer_scale=0.1", "model.drop_path=0.2", "optimizer.encoding_lr_factor=2"};
}

inline std::vector<std::string> operator+(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// Weights and, where there is one, their average.
inline std::map<std::string, torch::Tensor> weights_of(Trainer& trainer) {
  std::map<std::string, torch::Tensor> weights;
  for (const auto& [name, tensor] : trainer.parts().model->named_weights()) weights[name] = tensor.detach().clone();
  if (trainer.ema())
    for (const auto& [name, tensor] : trainer.ema()->state()) weights[name] = tensor.clone();
  return weights;
}

inline bool equal_bits(const std::map<std::string, torch::Tensor>& a, const std::map<std::string, torch::Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, tensor] : a)
    if (!b.contains(name) || !torch::equal(tensor, b.at(name))) return false;
  return true;
}

}  // namespace liere::test
