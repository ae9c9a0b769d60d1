// The learning rate as a pure function of the optimiser step.
//
//   cosine:  lr(x) = final + (peak - final) (1 + cos(pi x)) / 2,  x = progress through the horizon after the warm-up
//   constant: lr = peak
//
// unit: epoch holds the rate for a whole epoch (the paper: stepped per epoch), unit: step changes it at every optimiser step.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "core/fields.h"

namespace liere {

enum class ScheduleUnit { kEpoch, kStep };
template <> struct EnumNames<ScheduleUnit> {
  static constexpr std::pair<ScheduleUnit, std::string_view> values[] = {{ScheduleUnit::kEpoch, "epoch"}, {ScheduleUnit::kStep, "step"}};
};

struct CosineConfig {
  static constexpr auto kind = "cosine";
  ScheduleUnit unit = ScheduleUnit::kEpoch;
  std::optional<int64_t> epochs;
  double warmup_epochs = 0;
  double final_lr = 0;
};
struct ConstantConfig {
  static constexpr auto kind = "constant";
  double warmup_epochs = 0;
};
template <class V> void fields(V& v, CosineConfig& c) {
  v("unit", c.unit, "the rate changes per epoch or per step");
  v("epochs", c.epochs, "epochs until the final rate is reached (default: train.epochs)", at_least(1));
  v("warmup_epochs", c.warmup_epochs, "epochs (fractions allowed) of linear rise at the start, per step", at_least(0));
  v("final_lr", c.final_lr, "rate at the end", at_least(0));
}
template <class V> void fields(V& v, ConstantConfig& c) {
  v("warmup_epochs", c.warmup_epochs, "epochs (fractions allowed) of linear rise at the start, per step", at_least(0));
}
using ScheduleConfig = std::variant<CosineConfig, ConstantConfig>;

class Schedule {
 public:
  Schedule(const ScheduleConfig& config, double peak_lr, int64_t steps_per_epoch, int64_t train_epochs);
  /// Rate of optimiser step `step` (0 is the first).
  double lr(int64_t step) const;

 private:
  ScheduleConfig config_;
  double peak_;
  int64_t steps_per_epoch_, epochs_;
};

}  // namespace liere
