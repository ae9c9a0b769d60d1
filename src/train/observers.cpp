#include "train/observers.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/check.h"

namespace liere {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr auto kCsvHeader = "epoch,step,samples,train_loss,eval_loss,eval_top1,eval_top5,lr\n";

std::ofstream open_cut(const fs::path& path, int64_t offset) {
  std::error_code error;
  if (fs::exists(path)) fs::resize_file(path, static_cast<uintmax_t>(std::min<int64_t>(offset, static_cast<int64_t>(fs::file_size(path)))), error);
  std::ofstream stream(path, std::ios::app | std::ios::binary);
  if (error || !stream) throw CheckpointError("cannot write " + path.string() + ". Choose another output=FOLDER, or make room on the disk.");
  return stream;
}

/// JSON has no infinities: a non-finite number becomes null.
json finite(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

std::string text(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

}  // namespace

MetricFiles::MetricFiles(const fs::path& run, const std::map<std::string, int64_t>& offsets) : run_(run) {
  const auto offset = [&](const char* name) { return offsets.count(name) ? offsets.at(name) : int64_t(0); };
  jsonl_ = open_cut(run / "metrics.jsonl", offset("metrics.jsonl"));
  csv_ = open_cut(run / "metrics.csv", offset("metrics.csv"));
  if (fs::file_size(run / "metrics.csv") == 0) csv_ << kCsvHeader << std::flush;
}

void MetricFiles::on_step(const StepReport& r) {
  json line = {{"event", "train"}, {"epoch", r.epoch}, {"step", r.step}, {"samples", r.samples}, {"loss", finite(r.loss)}, {"lr", r.lr},
               {"samples_per_second", finite(r.samples_per_second)}, {"data_wait", finite(r.data_wait)}, {"grad_norm", finite(r.gradient_norm)}};
  if (r.skipped) line["skipped"] = true;
  jsonl_ << line.dump() << '\n' << std::flush;
}

void MetricFiles::on_evaluation(const EvaluationReport& r) {
  jsonl_ << json({{"event", "eval"}, {"epoch", r.epoch}, {"step", r.step}, {"samples", r.samples}, {"top1", r.result.top1()}, {"top5", r.result.top5()},
                  {"loss", finite(r.result.loss())}, {"count", r.result.count}, {"train_loss", finite(r.train_loss)}})
                .dump()
         << '\n'
         << std::flush;
  csv_ << r.epoch << ',' << r.step << ',' << r.samples << ',' << text("%.6g", r.train_loss) << ',' << text("%.6g", r.result.loss()) << ','
       << text("%.4f", r.result.top1()) << ',' << text("%.4f", r.result.top5()) << ',' << text("%.6g", r.lr) << '\n'
       << std::flush;
}

std::map<std::string, int64_t> MetricFiles::offsets() {
  if (!jsonl_ || !csv_) throw CheckpointError("cannot write the metrics in " + run_.string() + ": is the disk full?");
  return {{"metrics.jsonl", static_cast<int64_t>(fs::file_size(run_ / "metrics.jsonl"))}, {"metrics.csv", static_cast<int64_t>(fs::file_size(run_ / "metrics.csv"))}};
}

Console::Console(int64_t total_steps, int64_t steps_per_epoch, int64_t first_step)
    : line_("train", total_steps, first_step), total_steps_(total_steps), steps_per_epoch_(steps_per_epoch) {}

void Console::on_step(const StepReport& r) {
  const int64_t epochs = (total_steps_ + steps_per_epoch_ - 1) / steps_per_epoch_;
  line_.set_title("epoch " + std::to_string(r.epoch + 1) + "/" + std::to_string(epochs));
  line_.update(r.step, format_count(std::llround(r.samples_per_second)) + " images/s  loss " + text("%.3f", r.loss) + "  data " + text("%.0f", 100 * r.data_wait) + " %");
}

void Console::on_evaluation(const EvaluationReport& r, int64_t epochs) {
  line_.finish();
  // An evaluation within an epoch shows the part of it that is done.
  log_info("epoch " + text(r.step % steps_per_epoch_ == 0 ? "%.0f" : "%.2f", static_cast<double>(r.step) / static_cast<double>(steps_per_epoch_)) + "/" + std::to_string(epochs) + "  step " + format_count(r.step) + "  train loss " + text("%.4f", r.train_loss) +
           "  test loss " + text("%.4f", r.result.loss()) + "  top-1 " + text("%.2f", r.result.top1()) + " %  top-5 " + text("%.2f", r.result.top5()) + " %  (" +
           format_count(r.result.count) + " images)" + (r.best ? "  best so far" : ""));
}

}  // namespace liere
