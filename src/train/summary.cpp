// summary.json: a run in one object, for reports and scripts.
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "train/device.h"
#include "train/trainer.h"

namespace liere {

void Trainer::write_summary(const std::string& state) {
  using nlohmann::json;
  auto lines = identity_lines(config_);
  const auto identity = identity_hash(lines);
  std::erase_if(lines, [](const std::string& line) { return line.starts_with("seed="); });
  const auto grid = training_grid();
  json summary = {{"name", experiment_.name},
                  {"encoding", encoding_kind(config_.model.position)},
                  {"label", encoding_label(config_.model.position)},
                  {"identity", identity},
                  {"identity_without_seed", identity_hash(lines)},
                  {"seed", config_.seed},
                  {"dataset", std::visit([](const auto& c) { return std::string(c.kind); }, config_.data.dataset)},
                  {"classes", parts_.train_set->class_names().size()},
                  {"epochs", state_.epoch},
                  {"steps", state_.step},
                  {"steps_planned", total_steps()},
                  {"samples_seen", state_.samples},
                  {"skipped_steps", state_.skipped},
                  {"parameters", parts_.model->parameter_count()},
                  {"rotation_parameters", parts_.model->position().rotation_parameters()},
                  {"flops_per_sample", parts_.model->flops_per_sample(grid)},
                  {"seconds", state_.seconds},
                  {"samples_per_second", state_.seconds > 0 ? static_cast<double>(state_.samples) / state_.seconds : 0.0},
                  {"precision", std::string(name_of(config_.train.precision))},
                  {"device", device_.str() + (device_.is_cpu() ? ", " + std::to_string(torch::get_num_threads()) + " threads" : "")},
                  {"ranks", ranks_.size()},
                  {"state", state}};
  if (peak_) {
    summary["fma_peak"] = {{"flop_per_second", peak_->flop_per_second}, {"threads", peak_->threads}, {"instruction", peak_->instruction}};
    if (state_.seconds > 0) summary["mfu"] = model_flop_share(parts_.model->flops_per_sample(grid), static_cast<double>(state_.samples) / state_.seconds / static_cast<double>(ranks_.size()), *peak_);
  }
  if (const auto memory = peak_memory_of(device_)) summary["memory"] = *memory;
  if (const auto rule = position_rule(config_.model.position)) summary["positions"] = std::string(name_of(*rule));
  if (state_.best.top1 >= 0)
    summary["best"] = {{"top1", state_.best.top1}, {"epoch", state_.best.epoch}, {"step", state_.best.step}, {"selected_on", parts_.validation_name()}, {"count", state_.evaluated.views.count}};
  const auto scores = [](const EvaluationSums& sums) {
    json object = {{"top1", sums.views.top1()}, {"top5", sums.views.top5()}, {"loss", sums.views.loss()}, {"count", sums.views.count}};
    if (sums.several_views())
      object.update({{"views_per_sample", sums.views_per_sample}, {"video_top1", sums.samples.top1()}, {"video_top5", sums.samples.top5()}, {"video_loss", sums.samples.loss()}});
    return object;
  };
  if (parts_.holdout_set) {
    if (state_.evaluated_step == state_.step) summary[parts_.validation_name()] = scores(state_.evaluated);
    if (final_test_) summary["final"] = scores(*final_test_);
  } else if (state_.evaluated_step == state_.step) {
    summary["final"] = scores(state_.evaluated);
  }
  write_file_atomically(std::filesystem::path(config_.output) / "summary.json", summary.dump(2) + "\n");
}

}  // namespace liere
