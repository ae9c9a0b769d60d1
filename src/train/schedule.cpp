#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace liere {

Schedule::Schedule(const ScheduleConfig& config, double peak_lr, int64_t steps_per_epoch, int64_t train_epochs)
    : config_(config), peak_(peak_lr), steps_per_epoch_(std::max<int64_t>(steps_per_epoch, 1)), epochs_(train_epochs) {
  if (const auto* cosine = std::get_if<CosineConfig>(&config_); cosine && cosine->epochs) epochs_ = *cosine->epochs;
}

double Schedule::lr(int64_t step) const {
  const double warmup_steps = std::visit([&](const auto& c) { return c.warmup_epochs * static_cast<double>(steps_per_epoch_); }, config_);
  // The first warm-up step already moves: (step + 1) / warm-up.
  if (static_cast<double>(step) < warmup_steps) return peak_ * std::min(1.0, static_cast<double>(step + 1) / warmup_steps);
  const auto* cosine = std::get_if<CosineConfig>(&config_);
  if (!cosine) return peak_;
  const double position = cosine->unit == ScheduleUnit::kEpoch ? static_cast<double>(step / steps_per_epoch_)
                                                               : static_cast<double>(step) / static_cast<double>(steps_per_epoch_);
  const double horizon = std::max(static_cast<double>(epochs_) - cosine->warmup_epochs, 1e-12);
  const double progress = std::clamp((position - cosine->warmup_epochs) / horizon, 0.0, 1.0);
  return cosine->final_lr + (peak_ - cosine->final_lr) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace liere
