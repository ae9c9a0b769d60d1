#include "train/observers/console.h"

#include <cmath>
#include <cstdio>

namespace liere {
namespace {

std::string text(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

}  // namespace

std::string progress_details(const StepReport& r, const std::string& unit) {
  std::string details = format_count(std::llround(r.samples_per_second)) + " " + unit + "/s  loss " + text("%.3f", r.loss) + "  data " + text("%.0f", 100 * r.data_wait) + " %";
  if (r.skipped_steps > 0) details += "  skipped " + format_count(r.skipped_steps);
  return details;
}

std::string evaluation_line(const EvaluationReport& r, int64_t steps_per_epoch, int64_t epochs, const std::string& unit) {
  // An evaluation within an epoch shows the part of it that is done.
  const double epoch = static_cast<double>(r.step) / static_cast<double>(steps_per_epoch);
  return "epoch " + text(r.step % steps_per_epoch == 0 ? "%.0f" : "%.2f", epoch) + "/" + std::to_string(epochs) + "  step " + format_count(r.step) + "  train loss " +
         text("%.4f", r.train_loss) + "  " + r.split + " loss " + text("%.4f", r.result.loss()) + "  top-1 " + text("%.2f", r.result.top1()) + " %" +
         (r.videos ? " of views, " + text("%.2f", r.videos->top1()) + " % of " + unit : "") + "  top-5 " + text("%.2f", r.result.top5()) + " %  (" + format_count(r.result.count) +
         (r.videos ? " views of " + format_count(r.videos->count) : "") + " " + unit + ")" + (r.best ? "  best so far" : "");
}

Console::Console(int64_t total_steps, int64_t steps_per_epoch, int64_t first_step, std::string unit)
    : unit_(std::move(unit)), line_("train", total_steps, first_step), total_steps_(total_steps), steps_per_epoch_(steps_per_epoch) {}

void Console::on_step(const StepReport& r) {
  const int64_t epochs = (total_steps_ + steps_per_epoch_ - 1) / steps_per_epoch_;
  line_.set_title("epoch " + std::to_string(r.epoch + 1) + "/" + std::to_string(epochs));
  line_.update(r.step, progress_details(r, unit_));
}

void Console::on_evaluation(const EvaluationReport& r, int64_t epochs) {
  line_.finish();
  log_info(evaluation_line(r, steps_per_epoch_, epochs, unit_));
}

}  // namespace liere
