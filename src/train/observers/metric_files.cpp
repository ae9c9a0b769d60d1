#include "train/observers/metric_files.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/check.h"
#include "core/files.h"
#include "core/log.h"

namespace liere {
namespace {

namespace fs = std::filesystem;

// timm's columns in timm's order, then ours.
constexpr auto kCsvHeader = "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr,step,samples,count,split";

std::string text(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

std::map<std::string, std::string> csv_row(const EvaluationReport& r) {
  return {{"epoch", std::to_string(r.epoch)},
          {"train_loss", text("%.6g", r.train_loss)},
          {"eval_loss", text("%.6g", r.result.loss())},
          {"eval_top1", text("%.4f", r.result.top1())},
          {"eval_top5", text("%.4f", r.result.top5())},
          {"lr", text("%.6g", r.lr)},
          {"step", std::to_string(r.step)},
          {"samples", std::to_string(r.samples)},
          {"count", std::to_string(r.result.count)},
          {"split", r.split}};
}

/// Bytes to keep of a file of lines. One that is shorter than expected has lost its end, perhaps within a line: that line goes too.
int64_t whole_lines(const fs::path& path, int64_t keep) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error || static_cast<int64_t>(size) >= keep) return keep;
  const std::string content = read_file(path);
  return static_cast<int64_t>(content.rfind('\n') + 1);
}

int64_t kept_bytes(const fs::path& run, const std::map<std::string, int64_t>& offsets, const std::string& name) {
  const auto found = offsets.find(name);
  return found == offsets.end() ? 0 : whole_lines(run / name, found->second);
}

std::vector<std::string> split_at_commas(const std::string& line) {
  std::vector<std::string> parts;
  std::istringstream stream(line);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

}  // namespace

MetricFiles::MetricFiles(const fs::path& run, const std::map<std::string, int64_t>& offsets, const MetricOptions& options)
    : jsonl_(run / "metrics.jsonl", kept_bytes(run, offsets, "metrics.jsonl")),
      csv_(run / "metrics.csv", kept_bytes(run, offsets, "metrics.csv")),
      flush_interval_(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.flush_seconds))) {
  const std::string csv = csv_.size() > 0 ? read_file(csv_.path()) : "";
  const std::string header = csv.substr(0, csv.find('\n'));
  if (header.empty()) csv_.append(std::string(kCsvHeader) + "\n");
  columns_ = split_at_commas(header.empty() ? kCsvHeader : header);
  if (options.tensorboard) tensorboard_.emplace(run, offsets, options.step, options.config);
  flush();
}

void MetricFiles::on_step(const StepReport& report) {
  const auto object = to_json(report);
  jsonl_.append(object.dump() + "\n");
  if (tensorboard_) tensorboard_->add(object);
  if (!waiting_since_) waiting_since_ = Clock::now();
  // The first line shows that the run has begun: it does not wait.
  if (!std::exchange(started_, true)) return flush();
  tick();
}

void MetricFiles::on_evaluation(const EvaluationReport& report) {
  const auto object = to_json(report);
  jsonl_.append(object.dump() + "\n");
  if (tensorboard_) tensorboard_->add(object);
  const auto row = csv_row(report);
  std::string line;
  for (const auto& column : columns_) {
    const auto found = row.find(column);
    line.append(&column == &columns_.front() ? "" : ",").append(found == row.end() ? "" : found->second);
  }
  csv_.append(line + "\n");
  flush();
}

void MetricFiles::tick() {
  if (waiting_since_ && Clock::now() - *waiting_since_ >= flush_interval_) flush();
}

std::vector<AppendFile*> MetricFiles::files() {
  std::vector<AppendFile*> all = {&jsonl_, &csv_};
  if (tensorboard_) all.push_back(&tensorboard_->file());
  return all;
}

void MetricFiles::flush() {
  waiting_since_.reset();
  for (AppendFile* file : files()) {
    const std::string problem = file->flush();
    if (problem.empty()) continue;
    waiting_since_ = Clock::now();
    if (!std::exchange(warned_, true))
      log_warning("cannot write " + file->path().string() + ": " + problem + ". Training goes on and the lines are tried again; make room on the disk.");
  }
}

std::map<std::string, int64_t> MetricFiles::offsets() {
  waiting_since_.reset();
  for (AppendFile* file : files()) file->sync();
  std::map<std::string, int64_t> sizes = {{"metrics.jsonl", jsonl_.size()}, {"metrics.csv", csv_.size()}};
  if (tensorboard_) sizes.merge(tensorboard_->offsets());
  return sizes;
}

}  // namespace liere
